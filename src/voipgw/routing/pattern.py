"""Sets of numbers as values: prefixes, exact numbers, ranges and dial patterns are all the same thing here.

A pattern has one class of symbols for each of its leading positions, then a run of further symbols of one class. Such sets
can be intersected, compared and asked what may still follow a prefix, which is what the checks and the digit map need.
"""

from __future__ import annotations

import functools
import re

import attrs

from voipgw.errors import ConfigurationError

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SYMBOLS = "0123456789*#+" + _LETTERS + "._-"  #: everything that a normalised number or name may contain
_BIT = {symbol: 1 << index for index, symbol in enumerate(SYMBOLS)}
DIGITS = 0x3FF  #: the class of 0-9
DIALLED = 0xFFF  #: the class of what a telephone can send: 0-9 * #
ALL = (1 << len(SYMBOLS)) - 1
LONGEST = 64  #: no number or name is longer

_CLASSES = {"X": DIGITS, "Z": DIGITS & ~1, "N": DIGITS & ~3}
_REPEAT = re.compile(r"\{(\d{1,2})(?:,(\d{1,2}))?\}")


def class_of(symbols: str) -> int:
    """The class that holds exactly ``symbols``."""
    value = 0
    for symbol in symbols:
        value |= _BIT[symbol]
    return value


def class_text(value: int) -> str:
    """A class as a pattern writes it: a symbol, ``X``, or ``[2-5]``."""
    for letter, known in _CLASSES.items():
        if value == known:
            return letter
    symbols = [symbol for symbol in SYMBOLS if _BIT[symbol] & value]
    if len(symbols) == 1:
        return symbols[0]
    if value & ~DIGITS:
        return "?" if value in (ALL, DIALLED) else "[" + "".join(symbols) + "]"
    runs: list[list[int]] = []
    for digit in (int(symbol) for symbol in symbols):
        if runs and runs[-1][-1] == digit - 1:
            runs[-1].append(digit)
        else:
            runs.append([digit])
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else "".join(map(str, run)) for run in runs]
    return "[" + "".join(parts) + "]"


@attrs.frozen
class Pattern:
    """A set of numbers: ``head`` has one class for each leading position, then come ``more_min`` to ``more_max`` of ``more``."""

    head: tuple[int, ...] = ()
    more_min: int = 0
    more_max: int = 0
    more: int = DIGITS

    @property
    def shortest(self) -> int:
        """Symbols in the shortest number of the set."""
        return len(self.head) + self.more_min

    @property
    def longest(self) -> int:
        """Symbols in the longest number of the set."""
        return len(self.head) + self.more_max

    @property
    def literal(self) -> str:
        """The symbols that every number of the set begins with, as far as they are fixed."""
        symbols = []
        for value in self.head:
            if value & (value - 1):
                break
            symbols.append(SYMBOLS[value.bit_length() - 1])
        return "".join(symbols)

    @property
    def is_prefix(self) -> bool:
        """Whether the literal beginning alone decides."""
        return len(self.literal) == len(self.head) and self.more_min == 0 and self.more_max >= LONGEST - len(self.head)

    def at(self, position: int) -> int:
        """The class at ``position``."""
        return self.head[position] if position < len(self.head) else self.more

    def matches(self, text: str) -> bool:
        """Whether ``text`` is in the set."""
        if not self.shortest <= len(text) <= self.longest:
            return False
        return all(_BIT.get(symbol, 0) & self.at(index) for index, symbol in enumerate(text))

    def intersect(self, other: Pattern) -> Pattern | None:
        """The numbers in both sets, None where there are none."""
        shortest, longest = max(self.shortest, other.shortest), min(self.longest, other.longest)
        if shortest > longest:
            return None
        size = max(len(self.head), len(other.head))
        head = tuple(self.at(index) & other.at(index) for index in range(size))
        if 0 in head:
            return None
        more = self.more & other.more
        if not more or longest == size:
            return Pattern(head) if shortest <= size else None
        return Pattern(head, shortest - size, longest - size, more)

    def contains(self, other: Pattern) -> bool:
        """Whether every number of ``other`` is in this set too."""
        if other.shortest < self.shortest or other.longest > self.longest:
            return False
        size = max(len(self.head), len(other.head))
        if any(other.at(index) & ~self.at(index) for index in range(min(size, other.longest))):
            return False
        return other.longest <= size or not other.more & ~self.more

    def starting(self, text: str) -> Pattern | None:
        """The numbers of the set that begin with ``text``, None where there are none."""
        if any(symbol not in _BIT for symbol in text):
            return None
        return self.intersect(Pattern(tuple(_BIT[symbol] for symbol in text), 0, LONGEST, ALL))

    def after(self, text: str) -> Pattern | None:
        """What may follow ``text`` in numbers of the set that begin with it, None where there are none."""
        whole = self.starting(text)
        if whole is None:
            return None
        head = whole.head[len(text) :]
        return Pattern(head, whole.more_min, whole.more_max, whole.more)

    def following(self, text: str) -> Pattern:
        """The same set with ``text`` put before each number."""
        return Pattern(tuple(_BIT[symbol] for symbol in text) + self.head, self.more_min, self.more_max, self.more)

    @property
    def regex(self) -> str:
        """The set as the text of a regular expression, for a full match."""
        parts = [_regex_class(value) for value in self.head]
        if self.more_max:
            parts.append(f"{_regex_class(self.more)}{{{self.more_min},{self.more_max}}}")
        return "".join(parts)

    def __str__(self) -> str:
        text = "".join(class_text(value) for value in self.head)
        if not self.more_max:
            return text
        if self.more_min == 0 and self.longest >= LONGEST:
            return text + "..."
        return f"{text}{class_text(self.more)}{{{self.more_min},{self.more_max}}}"


ANY = Pattern((), 0, LONGEST, ALL)  #: every number and name


def _regex_class(value: int) -> str:
    if value == DIGITS:
        return "[0-9]"
    symbols = "".join(symbol for symbol in SYMBOLS if _BIT[symbol] & value)
    return re.escape(symbols) if len(symbols) == 1 else "[" + re.escape(symbols) + "]"


def exact(text: str) -> Pattern:
    """The set of one number or name.

    Raises:
        ConfigurationError: ``text`` is empty, too long, or holds something that no number or name may contain.
    """
    _require_symbols(text, "a number such as +442079460000 or 101, or a name")
    return Pattern(tuple(_BIT[symbol] for symbol in text))


def prefix(text: str) -> Pattern:
    """Every number that begins with ``text``.

    Raises:
        ConfigurationError: ``text`` holds something other than digits, ``*``, ``#`` and a leading ``+``.
    """
    _require_digits(text, "the beginning of a number, such as +44 or 9")
    more = DIALLED if "*" in text or "#" in text else DIGITS
    return Pattern(tuple(_BIT[symbol] for symbol in text), 0, LONGEST - len(text), more)


@functools.cache
def parse(text: str) -> Pattern:
    """A dial pattern: digits stand for themselves, ``X`` is 0-9, ``Z`` 1-9, ``N`` 2-9, ``[2-57]`` one of those digits.

    A last ``{3}`` or ``{3,8}`` says how often the class before it comes; a last ``.`` means one or more digits.

    Raises:
        ConfigurationError: the text is no pattern; the message says where.
    """
    head: list[int] = []
    at = 0
    while at < len(text):
        symbol = text[at]
        if symbol == "." and head and at == len(text) - 1:
            return Pattern(tuple(head), 1, LONGEST - len(head))
        if symbol == "{" and head:
            return _repeated(text, at, head)
        if symbol == "[":
            end = text.find("]", at)
            head.append(_bracket(text, at, end))
            at = end + 1
            continue
        value = _CLASSES.get(symbol) or (_BIT[symbol] if symbol in "0123456789*#" else 0)
        if symbol == "+" and at == 0:
            value = _BIT["+"]
        if not value:
            raise _bad_pattern(text, f"{symbol!r} at position {at + 1}")
        head.append(value)
        at += 1
    if not head:
        raise _bad_pattern(text, "nothing")
    return Pattern(tuple(head))


def _repeated(text: str, at: int, head: list[int]) -> Pattern:
    found = _REPEAT.fullmatch(text, at)
    if found is None:
        raise _bad_pattern(text, f"{text[at:]!r}, which is no {{3}} or {{3,8}} at the end")
    least = int(found[1])
    most = int(found[2]) if found[2] else least
    if not least <= most <= LONGEST - len(head):
        raise _bad_pattern(text, f"{found[0]!r}, which counts down or too far")
    return Pattern(tuple(head[:-1]), least, most, head[-1])


def _bracket(text: str, at: int, end: int) -> int:
    inside = text[at + 1 : end] if end > 0 else ""
    if not re.fullmatch(r"(?:[0-9](?:-[0-9])?|[*#])+", inside):
        raise _bad_pattern(text, f"{text[at:]!r}, which is no [2-57]")
    value = 0
    for low, high in re.findall(r"([0-9*#])(?:-([0-9]))?", inside):
        if high and high < low:
            raise _bad_pattern(text, f"{low}-{high}, which counts down")
        value |= class_of("".join(map(str, range(int(low), int(high) + 1)))) if high else _BIT[low]
    return value


def span(low: str, high: str) -> tuple[Pattern, ...]:
    """The numbers from ``low`` to ``high``, both included and of one length, as patterns without overlap.

    Raises:
        ConfigurationError: the two differ in length or in a leading ``+``, or are the wrong way round.
    """
    _require_digits(low, "the first number of a range")
    _require_digits(high, "the last number of a range")
    body = (low.removeprefix("+"), high.removeprefix("+"))
    if len(low) != len(high) or len(body[0]) != len(body[1]) or not all(part.isdigit() for part in body):
        raise ConfigurationError(
            f"found a range from {low!r} to {high!r}; right would be two numbers of one length, such as 100 and 149"
        )
    if low > high:
        raise ConfigurationError(f"found a range from {low!r} down to {high!r}; right would be the lower number first")
    sign = low[: len(low) - len(body[0])]
    return tuple(found.following(sign) for found in _span(*body))


def _span(low: str, high: str) -> list[Pattern]:
    if not low:
        return [Pattern()]
    rest = len(low) - 1
    if low[0] == high[0]:
        return [found.following(low[0]) for found in _span(low[1:], high[1:])]
    if set(low[1:]) <= {"0"} and set(high[1:]) <= {"9"}:
        between = "".join(map(str, range(int(low[0]), int(high[0]) + 1)))
        return [Pattern((class_of(between), *[DIGITS] * rest))]
    first, last = int(low[0]), int(high[0])
    found = [part.following(low[0]) for part in _span(low[1:], "9" * rest)]
    if last - first > 1:
        found.append(Pattern((class_of("".join(map(str, range(first + 1, last)))), *[DIGITS] * rest)))
    return found + [part.following(high[0]) for part in _span("0" * rest, high[1:])]


def outside(text: str) -> tuple[Pattern, ...]:
    """Every E.164 number that does not begin with ``text`` (a ``+`` and a country code), as patterns."""
    found = []
    for index in range(1, len(text)):
        other = DIGITS & ~_BIT[text[index]]
        head = (*(_BIT[symbol] for symbol in text[:index]), other)
        found.append(Pattern(head, 0, LONGEST - len(head)))
    return tuple(found)


def _require_symbols(text: str, wanted: str) -> None:
    if not isinstance(text, str) or not text or len(text) > LONGEST or any(symbol not in _BIT for symbol in text):
        raise ConfigurationError(f"found {text!r}; right would be {wanted}")


def _require_digits(text: str, wanted: str) -> None:
    _require_symbols(text, wanted)
    if any(_BIT[symbol] & ~DIALLED for symbol in text.removeprefix("+")):
        raise ConfigurationError(f"found {text!r}; right would be {wanted}: digits, * and #, with + only in front")


def _bad_pattern(text: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"found {found} in the pattern {text!r}; right would be digits, X (0-9), Z (1-9), N (2-9), [2-57], "
        "a + in front, and {3}, {3,8} or . at the end"
    )
