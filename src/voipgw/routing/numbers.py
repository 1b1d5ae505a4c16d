"""What somebody dialled, turned into a typed number: E.164, an emergency number, an extension, a short code or a name.

Everything behind this module works on ``Number`` values. A dialled string gets no further than ``Numbering.normalise``.
"""

from __future__ import annotations

import copy
import difflib
import enum
import functools
import re
from collections.abc import Iterable

import attrs

from voipgw.errors import ConfigurationError
from voipgw.routing import pattern as patterns
from voipgw.routing.numbering_tables import COUNTRIES, Country
from voipgw.routing.pattern import Pattern

_SHORT = re.compile(r"[0-9*#]{1,32}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_E164 = re.compile(r"\+[1-9][0-9]{2,14}")
_SEPARATED = re.compile(r"[+*#]?[0-9*#.()\- ]+")  # visual separators of RFC 3966 section 3, and the blank people type
_SEPARATORS = str.maketrans("", "", ".()- ")
_CODES = {country.code for country in COUNTRIES.values()}


class NumberKind(enum.Enum):
    """What a dialled string turned out to be."""

    E164 = "E.164"
    EMERGENCY = "emergency"  #: of the country of the source
    EXTENSION = "extension"  #: of a line of this plan
    SHORT = "short"  #: taken as it was dialled, by a source without a country
    NAME = "name"  #: a SIP user such as ``alice``
    UNKNOWN = "unknown"  #: no number of the country, or a code: only a rule that names it can match
    INVALID = "invalid"  #: empty, too long, or with something in it that belongs in no number


@attrs.frozen
class Number:
    """A number that rules may look at and attempts may send: nothing but digits, ``*``, ``#``, a leading ``+``, or a name."""

    kind: NumberKind
    text: str  #: ``+`` and digits for E.164, else as dialled without separators; "" when invalid
    how: str = ""  #: how it was understood, in words

    def __str__(self) -> str:
        return self.text


INVALID = Number(NumberKind.INVALID, "", "it is no number and no name")
EMPTY = Number(NumberKind.INVALID, "", "it is empty")


def country_named(iso: str) -> Country:
    """The numbering plan of a country by its two-letter name (ISO 3166-1).

    Raises:
        ConfigurationError: the country has no table; the message lists those that have one.
    """
    found = COUNTRIES.get(iso) if isinstance(iso, str) else None
    if found is None:
        known = " ".join(COUNTRIES)
        near = difflib.get_close_matches(str(iso).lower(), COUNTRIES, 1)
        hint = f" (nearest: {near[0]!r})" if near else ""
        raise ConfigurationError(f"found the country {iso!r}; right would be one of: {known}{hint}")
    return found


@attrs.frozen
class DialForm:
    """One way to dial: ``dialled`` goes in front, and ``text`` is put in its place to get the number."""

    dialled: Pattern  #: of fixed length
    text: str
    rest: tuple[Pattern, ...]  #: what follows the dialled prefix
    how: str

    @property
    def regex(self) -> re.Pattern[str]:
        """Matches a whole dialled string; group 1 is what is kept."""
        return re.compile(f"{self.dialled.regex}({'|'.join(found.regex for found in self.rest)})")


def _foreign(country: Country, literal: str) -> tuple[Pattern, ...]:
    """Patterns of E.164 digits beginning with ``literal`` that belong to no country of the tables."""
    if literal in _CODES:
        return ()
    if not any(code.startswith(literal) for code in _CODES):
        least, most = 7 - len(literal), 15 - len(literal)
        return (Pattern((), least, most).following(literal),)
    found: list[Pattern] = []
    for digit in "0123456789":
        found += _foreign(country, literal + digit)
    return tuple(found)


def international_patterns(country: Country) -> tuple[Pattern, ...]:
    """E.164 digits (without ``+``) that can be dialled abroad from ``country``: known plans by their lengths, others 7 to 15."""
    known = {other.code: other for other in COUNTRIES.values()}
    found = [
        each.following(code)
        for code, other in sorted(known.items())
        for each in map(patterns.parse, (*other.national, *other.direct))
    ]
    for digit in "123456789":
        found += _foreign(country, digit)
    return tuple(found)


@functools.cache
def _read_forms(iso: str, area: str) -> tuple[tuple[DialForm, ...], tuple[tuple[re.Pattern[str], str, str], ...]]:
    forms = tuple(_forms(COUNTRIES[iso], area))
    return forms, tuple((form.regex, form.text, form.how) for form in forms)


def _forms(country: Country, area: str) -> Iterable[DialForm]:
    code = "+" + country.code
    direct = tuple(map(patterns.parse, country.direct))
    national = tuple(map(patterns.parse, country.national))
    carriers = [patterns.parse(carrier).following(country.trunk) for carrier in country.carriers]
    abroad = international_patterns(country)
    if country.carriers:
        for carrier in map(patterns.parse, country.carriers):
            front = carrier.following(country.international)
            yield DialForm(
                front, "+", abroad, f"international prefix {country.international} and a carrier code became +"
            )
    else:
        front = Pattern().following(country.international)
        yield DialForm(front, "+", abroad, f"international prefix {country.international} became +")
    if national and country.trunk:
        yield DialForm(
            Pattern().following(country.trunk), code, national, f"national prefix {country.trunk} became {code}"
        )
        for front in carriers:
            yield DialForm(front, code, national, f"national prefix {country.trunk} and a carrier code became {code}")
    if direct:
        yield DialForm(Pattern(), code, direct, f"a national number, with {code} in front")
    if area:
        local = [found for found in (each.after(area) for each in (*national, *direct)) if found is not None]
        first = patterns.DIGITS & ~(patterns.class_of(country.trunk) if country.trunk else 0) & ~1
        begins = Pattern((first,), 0, patterns.LONGEST - 1)
        rest = tuple(found for found in (each.intersect(begins) for each in local) if found is not None)
        yield DialForm(Pattern(), code + area, rest, f"a local number, with {code} {area} in front")


class Numbering:
    """How one kind of source dials. Immutable; plans share one between sources that dial alike.

    Args:
        iso: country, two letters; "" takes plain digits as they are.
        area: area code without national prefix, for local numbers; "" has none.
        e164: plain digits are E.164 without its ``+``, as many carriers send them.
        emergency: emergency numbers; None takes those of the country.

    Raises:
        ConfigurationError: the country is unknown, or the area code does not belong to it.
    """

    def __init__(
        self,
        iso: str = "",
        area: str = "",
        *,
        e164: bool = False,
        emergency: Iterable[str] | None = None,
    ) -> None:
        self.iso, self.area, self.e164 = iso, area, e164
        self.country = country_named(iso) if iso else None
        self.extensions: frozenset[str] = frozenset()
        listed = emergency if emergency is not None else (self.country.emergency if self.country else ())
        self.emergency = frozenset(listed)
        self.forms, self._regexes = self._checked_forms()
        self._fixed = self._known()

    def _known(self) -> dict[str, Number]:
        known = {text: Number(NumberKind.EXTENSION, text, "an extension of this plan") for text in self.extensions}
        return known | {text: Number(NumberKind.EMERGENCY, text, "an emergency number") for text in self.emergency}

    def __repr__(self) -> str:
        return f"Numbering({self.iso!r}, {self.area!r}, e164={self.e164}, emergency={sorted(self.emergency)})"

    def extended(self, extensions: Iterable[str]) -> Numbering:
        """The same way to dial, with the extensions of a plan."""
        other = copy.copy(self)
        other.extensions = frozenset(extensions)
        other._fixed = other._known()
        return other

    def _checked_forms(self) -> tuple[tuple[DialForm, ...], tuple[tuple[re.Pattern[str], str, str], ...]]:
        if self.country is None:
            if self.area:
                raise ConfigurationError(f"found the area {self.area!r} without a country; right would be both")
            return (), ()
        if self.area and not (self.area.isascii() and self.area.isdigit()):
            raise ConfigurationError(f"found the area {self.area!r}; right would be digits without the national prefix")
        forms, regexes = _read_forms(self.iso, self.area)
        if self.area and not forms[-1].rest:
            raise ConfigurationError(
                f"found the area {self.area!r}, with which no number of {self.country.name} begins; "
                f"right would be an area code without the national prefix {self.country.trunk!r}"
            )
        return forms, regexes

    def normalise(self, dialled: str) -> Number:
        """The number that ``dialled`` means to this kind of source; never raises, whatever it is given."""
        known = self._fixed.get(dialled)
        if known is not None:
            return known
        if _E164.fullmatch(dialled):
            return Number(NumberKind.E164, dialled, "already E.164")
        if _SHORT.fullmatch(dialled):
            return self._digits(dialled)
        if _NAME.fullmatch(dialled):
            return Number(NumberKind.NAME, dialled, "a name")
        return self._written(dialled)

    def _digits(self, dialled: str) -> Number:
        if not dialled.isdigit():
            if self.country is None and "#" not in dialled:
                return Number(NumberKind.SHORT, dialled, "a code, as dialled")
            return Number(NumberKind.UNKNOWN, dialled, "a code: only a rule that names it can match")
        if self.e164:
            if dialled[0] != "0" and 7 <= len(dialled) <= 15:
                return Number(NumberKind.E164, "+" + dialled, "E.164 digits, with + in front")
        elif self.country is None:
            return Number(NumberKind.SHORT, dialled, "as dialled: this source has no country")
        for regex, text, how in self._regexes:
            found = regex.fullmatch(dialled)
            if found is not None:
                return Number(NumberKind.E164, text + found[1], how)
        where = self.country.name if self.country else "E.164"
        return Number(NumberKind.UNKNOWN, dialled, f"no number of {where}: only a rule that names it can match")

    def _written(self, dialled: str) -> Number:
        if not dialled:
            return EMPTY
        if not dialled.isprintable():
            return INVALID
        number, semicolon, _ = dialled.partition(";")  # telephone-subscriber parameters, RFC 3966 section 3
        separated = len(number) <= patterns.LONGEST and _SEPARATED.fullmatch(number)
        plain = number.translate(_SEPARATORS) if separated else number
        if not plain or plain == dialled or not (semicolon or plain != number):
            return INVALID
        found = self.normalise(plain)
        return attrs.evolve(found, how=f"{found.how}; separators and parameters were left out") if found.text else found


def class_patterns(name: str, home: str) -> tuple[Pattern, ...]:
    """The E.164 numbers of a class, as patterns: ``toll_free premium mobile`` of every country known, ``national international``.

    ``home`` is the ISO name of the plan's country, which the last two need.
    """
    if name in {"national", "international"}:
        code = "+" + country_named(home).code
        return (patterns.prefix(code),) if name == "national" else patterns.outside(code)
    found: dict[Pattern, None] = {}
    for country in COUNTRIES.values():
        for text in getattr(country, name):
            start = patterns.parse(text).following("+" + country.code)
            whole = start if start.more_max else Pattern(start.head, 0, patterns.LONGEST - len(start.head))
            found[whole] = None
    return tuple(found)
