"""Where a rule sends a call, as the plan's author writes it."""

from __future__ import annotations

import re

import attrs

from voipgw.causes import Cause
from voipgw.routing.place import wrong
from voipgw.routing.transforms import Transform

_URI = re.compile(r"(?:sips?|tel):[!-;=?-~]+")  # visible, no angle brackets: what can stand in <...> of a Contact


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
class ToUser:
    """Attempts at every place where a user has registered, the preferred one first."""

    name: str  #: "": whoever is called

    def __str__(self) -> str:
        return f"user({self.name!r})" if self.name else "user()"


@attrs.frozen
class First:
    """One attempt after the other, until one is answered or fails with a cause that is final."""

    attempts: tuple[ToTrunk | ToLine | ToApp | ToSpan | ToUser, ...]

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
class Redirect:
    """No attempt: the caller is told to call elsewhere."""

    contacts: tuple[str, ...]
    permanent: bool = False

    def __str__(self) -> str:
        return f"redirect({', '.join(map(repr, self.contacts))})"


@attrs.frozen
class Dial:
    """The plan is asked again, for another number."""

    number: str

    def __str__(self) -> str:
        return f"dial({self.number!r})"


Targets = First | Reject | Redirect | Dial


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


def user(name: str = "") -> ToUser:
    """Wherever the user of that name has registered, one place after the other; without a name, the user who is called."""
    if not isinstance(name, str):
        raise wrong(f"user({name!r})", "the name of a user, or nothing for whoever is called")
    return ToUser(name)


def first(*targets: str | ToTrunk | ToLine | ToApp | ToSpan | ToUser) -> First:
    """Try ``targets`` in this order; text is the name of a trunk. What follows a failure is decided by its cause's class."""
    if not targets:
        raise wrong("first() with nothing in it", "the names of trunks: first('carrier-a', 'carrier-b')")
    found: list[ToTrunk | ToLine | ToApp | ToSpan | ToUser] = []
    for target in targets:
        if isinstance(target, (ToTrunk, ToLine, ToApp, ToSpan, ToUser)):
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


def redirect(*contacts: str, permanent: bool = False) -> Redirect:
    """Answer 302 (301 when it is ``permanent``) with these URIs in Contact, the preferred one first."""
    if not contacts or not all(isinstance(one, str) and _URI.fullmatch(one) for one in contacts):
        raise wrong(f"redirect({', '.join(map(repr, contacts))})", "URIs such as redirect('sip:bob@192.0.2.7:5060')")
    return Redirect(contacts, permanent)


def dial(number: str) -> Dial:
    """Ask the plan again as if the same source had called ``number``: for short codes, aliases and forwarding."""
    if not isinstance(number, str) or not number:
        raise wrong(f"dial({number!r})", "a number such as '+442079460000' or '101'")
    return Dial(number)


def as_target(value: object) -> Targets:
    """What ``plan.route(to=...)`` was given, as a target."""
    if isinstance(value, (First, Reject, Redirect, Dial)):
        return value
    if isinstance(value, (ToTrunk, ToLine, ToApp, ToSpan, ToUser)):
        return First((value,))
    if isinstance(value, str) and value:
        return First((ToTrunk(value),))
    raise wrong(
        f"to={value!r}",
        "first('carrier-a', ...), trunk(...), line(...), user(...), app(...), dial(...), redirect(...) or reject(...)",
    )
