"""How a number is written for whoever it is sent to. Transforms are frozen values, chained with ``>>``.

They work on ``Number`` values and always give a ``Number``, so that what a caller dialled cannot turn into anything else.
Emergency numbers and names pass unchanged through all of them but ``replace``, and emergency numbers through that one too.
"""

from __future__ import annotations

import re

import attrs

from voipgw.errors import ConfigurationError
from voipgw.routing.numbers import Number, NumberKind, country_named
from voipgw.routing.place import wrong

_PLAIN = re.compile(r"\+?[0-9]{1,32}|[0-9*#]{1,32}")


@attrs.frozen
class Transform:
    """Root of all transforms."""

    def apply(self, number: Number) -> Number:
        """The number as it is to be sent."""
        return number

    def __rshift__(self, other: Transform) -> Transform:
        if not isinstance(other, Transform):
            raise wrong(f"{other!r} after >>", "a transform such as prepend('9')")
        return Chain((self, other))


@attrs.frozen
class Chain(Transform):
    """One transform after the other."""

    parts: tuple[Transform, ...]

    def apply(self, number: Number) -> Number:
        """Each part in turn."""
        for part in self.parts:
            number = part.apply(number)
        return number

    def __str__(self) -> str:
        return " >> ".join(map(str, self.parts))


@attrs.frozen
class AsE164(Transform):
    """``+`` and digits, as numbers stand in the plan."""

    def __str__(self) -> str:
        return "e164"


@attrs.frozen
class WithoutPlus(Transform):
    """E.164 digits without the ``+``."""

    def apply(self, number: Number) -> Number:
        """Without the ``+``."""
        if number.kind is not NumberKind.E164:
            return number
        return Number(NumberKind.SHORT, number.text[1:])

    def __str__(self) -> str:
        return "e164_digits"


@attrs.frozen
class AsNational(Transform):
    """As it is dialled inside a country: the national prefix at home, the international prefix for abroad."""

    country: str  #: ISO name
    code: str
    trunk: str
    international: str

    def apply(self, number: Number) -> Number:
        """With the dial prefix of the country."""
        if number.kind is not NumberKind.E164:
            return number
        if number.text.startswith(self.code, 1):
            return Number(NumberKind.SHORT, self.trunk + number.text[1 + len(self.code) :])
        return Number(NumberKind.SHORT, self.international + number.text[1:])

    def __str__(self) -> str:
        return f"national({self.country!r})"


@attrs.frozen
class Strip(Transform):
    """Without its first ``count`` symbols (a ``+`` counts); a number that is not longer stays whole."""

    count: int

    def apply(self, number: Number) -> Number:
        """Without the first symbols."""
        if number.kind in _UNTOUCHED or len(number.text) <= self.count:
            return number
        return Number(NumberKind.SHORT, number.text[self.count :])

    def __str__(self) -> str:
        return f"strip({self.count})"


@attrs.frozen
class Prepend(Transform):
    """With ``digits`` in front; a ``+`` of the number goes first."""

    digits: str

    def apply(self, number: Number) -> Number:
        """With the digits in front."""
        if number.kind in _UNTOUCHED:
            return number
        return _written(self.digits + number.text.removeprefix("+"))

    def __str__(self) -> str:
        return f"prepend({self.digits!r})"


@attrs.frozen
class Replace(Transform):
    """Always the same number."""

    number: str

    def apply(self, number: Number) -> Number:
        """The fixed number."""
        return number if number.kind is NumberKind.EMERGENCY else _written(self.number)

    def __str__(self) -> str:
        return f"replace({self.number!r})"


_UNTOUCHED = {NumberKind.EMERGENCY, NumberKind.NAME, NumberKind.INVALID}


def _written(text: str) -> Number:
    return Number(NumberKind.E164 if text.startswith("+") else NumberKind.SHORT, text)


e164 = AsE164()
e164_digits = WithoutPlus()


def national(country: str) -> Transform:
    """Written as dialled in ``country`` (ISO name): ``020 7946 0000`` at home, ``00 1 ...`` for abroad, without blanks."""
    try:
        found = country_named(country)
    except ConfigurationError as error:
        raise wrong(f"national({country!r})", str(error).partition("right would be ")[2]) from None
    return AsNational(country, found.code, found.trunk, found.international)


def strip(count: int) -> Transform:
    """Without the first ``count`` symbols."""
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 32:
        raise wrong(f"strip({count!r})", "how many symbols to drop, 1 to 32")
    return Strip(count)


def prepend(digits: str) -> Transform:
    """With ``digits`` (perhaps ``+`` first) in front."""
    _require_plain(digits, "prepend")
    return Prepend(digits)


def replace(number: str) -> Transform:
    """Always ``number``."""
    _require_plain(number, "replace")
    return Replace(number)


def _require_plain(text: object, word: str) -> None:
    if not isinstance(text, str) or not _PLAIN.fullmatch(text):
        raise wrong(f"{word}({text!r})", "digits, with + only in front")
