"""What a rule may ask of a call. Predicates are frozen values, combined with ``&``, ``|`` and ``~``."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import zoneinfo
from collections.abc import Callable

import attrs

from voipgw.call.model import Source, SourceKind
from voipgw.errors import ConfigurationError
from voipgw.routing import pattern as patterns
from voipgw.routing.numbers import Number, NumberKind
from voipgw.routing.pattern import Pattern
from voipgw.routing.place import wrong

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CLASSES = ("emergency", "toll_free", "premium", "mobile", "national", "international", "extension")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class CallView:
    """A call as predicates see it: its numbers understood, the moment fixed."""

    __slots__ = ("at", "called", "calling", "classes", "headers", "source")

    def __init__(
        self,
        source: Source,
        called: Number,
        calling: Number,
        headers: tuple[tuple[str, str], ...],
        at: dt.datetime,
        classes: dict[str, tuple[Pattern, ...]],
    ) -> None:
        self.source, self.called, self.calling = source, called, calling
        self.headers, self.at, self.classes = headers, at, classes


@attrs.frozen
class Predicate:
    """Root of all predicates."""

    def test(self, call: CallView) -> bool:
        """Whether the call is so."""
        raise NotImplementedError

    def found(self, call: CallView) -> str:
        """What the call has where this predicate looks."""
        return ""

    def __and__(self, other: Predicate) -> Predicate:
        return And((*_parts(self, And), *_parts(_checked(other, "&"), And)))

    def __or__(self, other: Predicate) -> Predicate:
        return Or((*_parts(self, Or), *_parts(_checked(other, "|"), Or)))

    def __invert__(self) -> Predicate:
        return self.part if isinstance(self, Not) else Not(self)

    def __bool__(self) -> bool:
        raise wrong("a predicate used as true or false", "& instead of 'and', | instead of 'or', ~ instead of 'not'")


def _checked(other: object, operator: str) -> Predicate:
    if not isinstance(other, Predicate):
        raise wrong(f"{other!r} beside {operator}", "a predicate such as called.prefix('+1')")
    return other


def _parts(predicate: Predicate, kind: type[And] | type[Or]) -> tuple[Predicate, ...]:
    return predicate.parts if isinstance(predicate, (And, Or)) and isinstance(predicate, kind) else (predicate,)


@attrs.frozen
class And(Predicate):
    """All of its parts."""

    parts: tuple[Predicate, ...]

    def test(self, call: CallView) -> bool:
        """Whether every part holds."""
        return all(part.test(call) for part in self.parts)

    def __str__(self) -> str:
        return " & ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@attrs.frozen
class Or(Predicate):
    """Any of its parts."""

    parts: tuple[Predicate, ...]

    def test(self, call: CallView) -> bool:
        """Whether one part holds."""
        return any(part.test(call) for part in self.parts)

    def __str__(self) -> str:
        return " | ".join(map(str, self.parts))


@attrs.frozen
class Not(Predicate):
    """The opposite of its part."""

    part: Predicate

    def test(self, call: CallView) -> bool:
        """Whether the part does not hold."""
        return not self.part.test(call)

    def __str__(self) -> str:
        return f"~({self.part})" if isinstance(self.part, (And, Or)) else f"~{self.part}"


@attrs.frozen
class Anything(Predicate):
    """Every call."""

    def test(self, call: CallView) -> bool:
        """True."""
        return True

    def __str__(self) -> str:
        return "anything"


@attrs.frozen
class NumberIs(Predicate):
    """The called or calling number, as normalised, is in one of the sets."""

    party: str  #: "called" or "calling"
    patterns: tuple[Pattern, ...]
    text: str

    def number(self, call: CallView) -> Number:
        """The number that is looked at."""
        return call.called if self.party == "called" else call.calling

    def test(self, call: CallView) -> bool:
        """Whether the number is in a set."""
        text = self.number(call).text
        return any(pattern.matches(text) for pattern in self.patterns)

    def found(self, call: CallView) -> str:
        """The number."""
        return f"{self.party} is {self.number(call).text or 'no number'}"

    def __str__(self) -> str:
        return f"{self.party}.{self.text}"


@attrs.frozen
class ClassIs(Predicate):
    """The called number is of a class, e.g. ``premium``; emergency and extension depend on the source and on the plan."""

    name: str

    def test(self, call: CallView) -> bool:
        """Whether it is."""
        if self.name == "emergency":
            return call.called.kind is NumberKind.EMERGENCY
        if self.name == "extension":
            return call.called.kind is NumberKind.EXTENSION
        return any(pattern.matches(call.called.text) for pattern in call.classes[self.name])

    def found(self, call: CallView) -> str:
        """The number and its kind."""
        return f"called is {call.called.text or 'no number'} ({call.called.kind.value})"

    def __str__(self) -> str:
        return f"number_class.{self.name}"


@attrs.frozen
class SourceIs(Predicate):
    """The call came in by a kind of source, or by the one that is named, or from an address of a network."""

    kind: SourceKind
    name: str | None = None
    network: Network | None = None

    def test(self, call: CallView) -> bool:
        """Whether it did."""
        source = call.source
        if self.network is not None:
            return within(source.address or source.name, self.network)
        return source.kind is self.kind and (self.name is None or source.name == self.name)

    def found(self, call: CallView) -> str:
        """The source."""
        return f"source is {call.source}"

    def __str__(self) -> str:
        what = str(self.network) if self.network is not None else self.name
        return f"source.{self.kind.value}({'' if what is None else repr(what)})"


def within(address: str, network: Network) -> bool:
    """Whether the text ``address`` is an IP address of ``network``; False for anything that is no address."""
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


@attrs.frozen
class HeaderIs(Predicate):
    """A signalling header has, begins with, or merely has some value."""

    name: str
    how: str  #: "==", "startswith" or "present"
    value: str = ""

    def test(self, call: CallView) -> bool:
        """Whether any field of that name does; names compare without case."""
        values = self._values(call)
        if self.how == "==":
            return self.value in values
        if self.how == "startswith":
            return any(value.startswith(self.value) for value in values)
        return bool(values)

    def _values(self, call: CallView) -> list[str]:
        wanted = self.name.lower()
        return [value for name, value in call.headers if name.lower() == wanted]

    def found(self, call: CallView) -> str:
        """The values of the header."""
        values = self._values(call)
        return f"{self.name} is {', '.join(map(repr, values))}" if values else f"there is no {self.name}"

    def __str__(self) -> str:
        if self.how == "==":
            return f"(header({self.name!r}) == {self.value!r})"
        return f"header({self.name!r}).{self.how}" + (f"({self.value!r})" if self.how == "startswith" else "")


@attrs.frozen
class At(Predicate):
    """A weekly window on the wall clock of a time zone; one that ends at or before its start runs past midnight."""

    days: tuple[int, ...]  #: 0 is Monday; the day on which the window opens
    start_min: int  #: minutes after midnight
    end_min: int  #: not included; up to 1440
    zone: zoneinfo.ZoneInfo

    def test(self, call: CallView) -> bool:
        """Whether the moment is in the window."""
        local = call.at.astimezone(self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start_min < self.end_min:
            return day in self.days and self.start_min <= minute < self.end_min
        if minute >= self.start_min:
            return day in self.days
        return minute < self.end_min and (day - 1) % 7 in self.days

    def minutes(self) -> set[int]:
        """The minutes of the week that are in the window, counted from Monday 00:00 on the wall clock."""
        length = (self.end_min - self.start_min) % 1440 or 1440
        return {(day * 1440 + self.start_min + step) % 10080 for day in self.days for step in range(length)}

    def found(self, call: CallView) -> str:
        """The moment on that wall clock."""
        return f"it is {call.at.astimezone(self.zone).strftime('%a %H:%M')} in {self.zone.key}"

    def __str__(self) -> str:
        days = " ".join(DAYS[day] for day in self.days)
        return f"at({days!r}, '{_clock(self.start_min)}', '{_clock(self.end_min)}', tz={self.zone.key!r})"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


class NumberWords:
    """``called`` and ``calling``: what rules ask of a number. Numbers are compared as normalised: ``+442079460000``, ``101``."""

    def __init__(self, party: str) -> None:
        self._party = party

    def _made(self, make: Callable[[str], Pattern], word: str, texts: tuple[str, ...]) -> Predicate:
        if not texts:
            raise wrong(f"{self._party}.{word}() with nothing in it", f"{self._party}.{word}('+44')")
        try:
            found = tuple(map(make, texts))
        except ConfigurationError as error:
            raise ConfigurationError(f"{_here()}: in {self._party}.{word}: {error}") from None
        return NumberIs(self._party, found, f"{word}({', '.join(map(repr, texts))})")

    def prefix(self, *texts: str) -> Predicate:
        """The number begins with one of ``texts``."""
        return self._made(patterns.prefix, "prefix", texts)

    def exact(self, *texts: str) -> Predicate:
        """The number is one of ``texts``."""
        return self._made(patterns.exact, "exact", texts)

    def pattern(self, *texts: str) -> Predicate:
        """The whole number fits one of the dial patterns, e.g. ``+1NXXNXXXXXX`` or ``1[0-4]X`` (see ``pattern.parse``)."""
        return self._made(_parsed, "pattern", texts)

    def range(self, low: str, high: str) -> Predicate:
        """The number is one of those from ``low`` to ``high``, of the same length: a DID block."""
        try:
            found = patterns.span(low, high)
        except ConfigurationError as error:
            raise ConfigurationError(f"{_here()}: in {self._party}.range: {error}") from None
        return NumberIs(self._party, found, f"range({low!r}, {high!r})")


def _parsed(text: str) -> Pattern:
    if not isinstance(text, str):
        raise ConfigurationError(f"found {text!r}; right would be a pattern such as '+1NXXNXXXXXX'")
    return patterns.parse(text)


def _here() -> str:
    from voipgw.routing.place import here

    return str(here())


class SourceWords:
    """``source``: where a call came from. Without a name, any source of that kind."""

    def trunk(self, name: str | None = None) -> Predicate:
        """A trunk of the plan."""
        return SourceIs(SourceKind.TRUNK, self._name(name, "trunk"))

    def line(self, number: int | str | None = None) -> Predicate:
        """An analog line of the plan."""
        if isinstance(number, int) and not isinstance(number, bool):
            number = str(number)
        return SourceIs(SourceKind.LINE, self._name(number, "line"))

    def span(self, name: str | None = None) -> Predicate:
        """A channel of an E1 or T1."""
        return SourceIs(SourceKind.SPAN, self._name(name, "span"))

    def user(self, name: str | None = None) -> Predicate:
        """An authenticated or registered user."""
        return SourceIs(SourceKind.USER, self._name(name, "user"))

    def app(self, name: str | None = None) -> Predicate:
        """User code of this gateway that places calls, by the name that it gives itself."""
        return SourceIs(SourceKind.APP, self._name(name, "app"))

    def address(self, network: str) -> Predicate:
        """An IP address of ``network`` (``203.0.113.0/24``), whatever else is known of the source."""
        try:
            return SourceIs(SourceKind.ADDRESS, None, ipaddress.ip_network(network))
        except (ValueError, TypeError) as error:
            raise wrong(f"the network {network!r} ({error})", "an address or network such as 203.0.113.0/24") from None

    @staticmethod
    def _name(name: object, kind: str) -> str | None:
        if name is not None and (not isinstance(name, str) or not name):
            raise wrong(f"source.{kind}({name!r})", f"the name of a {kind}, or nothing for any {kind}")
        return name


class ClassWords:
    """``number_class``: what kind of number is called."""

    emergency = ClassIs("emergency")  #: an emergency number where the source is
    toll_free = ClassIs("toll_free")
    premium = ClassIs("premium")
    mobile = ClassIs("mobile")  #: where a country's mobile numbers can be told apart
    national = ClassIs("national")  #: E.164 of the plan's country
    international = ClassIs("international")  #: E.164 of any other country
    extension = ClassIs("extension")  #: of a line of this plan


class HeaderWords:
    """What ``header(name)`` returns: compare it to get a predicate."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self._name = name

    def __eq__(self, value: object) -> Predicate:  # type: ignore[override]
        if not isinstance(value, str):
            raise wrong(f"header({self._name!r}) == {value!r}", "text to compare with")
        return HeaderIs(self._name, "==", value)

    def __ne__(self, value: object) -> Predicate:  # type: ignore[override]
        return ~(self == value)

    def startswith(self, text: str) -> Predicate:
        """A value of the header begins with ``text``."""
        return HeaderIs(self._name, "startswith", text)

    @property
    def present(self) -> Predicate:
        """The header is there."""
        return HeaderIs(self._name, "present")


def header(name: str) -> HeaderWords:
    """A signalling header by name: ``header("X-Account") == "gold"``."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9!%*_+`'~.-]+", name):
        raise wrong(f"header({name!r})", "the name of a header, such as 'X-Account'")
    return HeaderWords(name)


def at(days: str = "mon-sun", start: str = "00:00", end: str = "24:00", *, tz: str) -> Predicate:
    """A weekly window: ``at("mon-fri", "08:00", "18:00", tz="Europe/Berlin")``; one past midnight belongs to its first day."""
    try:
        zone = zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise wrong(f"the time zone {tz!r}", "a name of the IANA data base, such as 'America/New_York'") from None
    start_min, end_min = _minutes(start), _minutes(end)
    if start_min in {1440, end_min}:
        raise wrong(f"a window from {start!r} to {end!r}", "a start before 24:00 and another end")
    return At(_days(days), start_min, end_min, zone)


def _minutes(text: str) -> int:
    found = re.fullmatch(r"([01][0-9]|2[0-4]):([0-5][0-9])", text) if isinstance(text, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found else 1441
    if minutes > 1440:
        raise wrong(f"the time {text!r}", "hours and minutes, 00:00 to 24:00")
    return minutes


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip().lower()) if isinstance(text, str) else [""]:
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise wrong(f"the days {text!r}", "such as 'mon-fri' or 'sat sun'")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return tuple(sorted(found))


called = NumberWords("called")
calling = NumberWords("calling")
source = SourceWords()
number_class = ClassWords()
anything = Anything()
