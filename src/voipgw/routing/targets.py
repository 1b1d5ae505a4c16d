"""Where a rule sends a call, as the plan's author writes it."""

from __future__ import annotations

import attrs

from voipgw.causes import Cause
from voipgw.routing.place import wrong
from voipgw.routing.transforms import Transform


@attrs.frozen
class ToTrunk:
    """One attempt by a trunk, perhaps with numbers written another way than the trunk's own."""

    name: str
    called: Transform | None = None
    calling: Transform | None = None

    def __str__(self) -> str:
        return f"trunk({self.name!r})"


@attrs.frozen
class ToLine:
    """One attempt at an analog line."""

    name: str

    def __str__(self) -> str:
        return f"line({self.name})"


@attrs.frozen
class ToApp:
    """The call is taken by an application of this gateway."""

    name: str

    def __str__(self) -> str:
        return f"app({self.name!r})"


@attrs.frozen
class ToSpan:
    """One attempt at a free channel of a span of this gateway."""

    name: str

    def __str__(self) -> str:
        return f"span({self.name!r})"


@attrs.frozen
class First:
    """One attempt after the other, until one is answered or fails with a cause that is final."""

    attempts: tuple[ToTrunk | ToLine | ToApp | ToSpan, ...]

    def __str__(self) -> str:
        return f"first({', '.join(map(str, self.attempts))})"


@attrs.frozen
class Reject:
    """No attempt: the call is refused with this cause."""

    cause: Cause
    status: int | None = None

    def __str__(self) -> str:
        return f"reject({self.cause.name})"


@attrs.frozen
class Dial:
    """The plan is asked again, for another number."""

    number: str

    def __str__(self) -> str:
        return f"dial({self.number!r})"


Targets = First | Reject | Dial


def trunk(name: str, *, called: Transform | None = None, calling: Transform | None = None) -> ToTrunk:
    """An attempt by the trunk of that name; ``called`` and ``calling`` replace the trunk's own way of writing numbers."""
    if not isinstance(name, str) or not name:
        raise wrong(f"trunk({name!r})", "the name of a trunk")
    for transform in (called, calling):
        if transform is not None and not isinstance(transform, Transform):
            raise wrong(
                f"{transform!r} as a way to write a number", "a transform such as e164_digits or national('gb')"
            )
    return ToTrunk(name, called, calling)


def line(number: int | str) -> ToLine:
    """An attempt at the line of that number."""
    if isinstance(number, bool) or not isinstance(number, (int, str)) or number in {"", 0}:
        raise wrong(f"line({number!r})", "the number of a line, such as line(1)")
    return ToLine(str(number))


def app(name: str) -> ToApp:
    """The application that the gateway was given under this name, e.g. an echo test."""
    if not isinstance(name, str) or not name:
        raise wrong(f"app({name!r})", "the name of an application")
    return ToApp(name)


def span(name: str) -> ToSpan:
    """A free channel of the span that the gateway was given under this name."""
    if not isinstance(name, str) or not name:
        raise wrong(f"span({name!r})", "the name of a span")
    return ToSpan(name)


def first(*targets: str | ToTrunk | ToLine | ToApp | ToSpan) -> First:
    """Try ``targets`` in this order; text is the name of a trunk. What follows a failure is decided by its cause's class."""
    if not targets:
        raise wrong("first() with nothing in it", "the names of trunks: first('carrier-a', 'carrier-b')")
    found: list[ToTrunk | ToLine | ToApp | ToSpan] = []
    for target in targets:
        if isinstance(target, (ToTrunk, ToLine, ToApp, ToSpan)):
            found.append(target)
        elif isinstance(target, str) and target:
            found.append(ToTrunk(target))
        else:
            raise wrong(f"{target!r} in first()", "the name of a trunk, trunk(...) or line(...)")
    return First(tuple(found))


def reject(cause: Cause | int = Cause.CALL_REJECTED, *, status: int | None = None) -> Reject:
    """Refuse the call with a Q.850 cause, and with a SIP ``status`` other than the one it maps to when that is given."""
    try:
        known = Cause(cause)
    except ValueError:
        raise wrong(f"reject({cause!r})", "a cause of voipgw.causes.Cause, such as Cause.CALL_REJECTED") from None
    if status is not None and not (isinstance(status, int) and 400 <= status <= 699):
        raise wrong(f"reject(status={status!r})", "a SIP status from 400 to 699")
    return Reject(known, status)


def dial(number: str) -> Dial:
    """Ask the plan again as if the same source had called ``number``: for short codes, aliases and forwarding."""
    if not isinstance(number, str) or not number:
        raise wrong(f"dial({number!r})", "a number such as '+442079460000' or '101'")
    return Dial(number)


def as_target(value: object) -> Targets:
    """What ``plan.route(to=...)`` was given, as a target."""
    if isinstance(value, (First, Reject, Dial)):
        return value
    if isinstance(value, (ToTrunk, ToLine, ToApp, ToSpan)):
        return First((value,))
    if isinstance(value, str) and value:
        return First((ToTrunk(value),))
    raise wrong(f"to={value!r}", "first('carrier-a', ...), trunk(...), line(...), app(...), dial(...) or reject(...)")
