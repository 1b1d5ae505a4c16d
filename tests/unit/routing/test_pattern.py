"""Patterns as sets: what is in them, what they share, what one holds of another."""

from __future__ import annotations

import itertools
import random

import pytest

from voipgw.routing import pattern as patterns
from voipgw.routing.pattern import Pattern

SMALL = ["".join(each) for size in range(5) for each in itertools.product("01259", repeat=size)]


def random_pattern(source: random.Random) -> Pattern:
    size = source.randrange(4)
    head = tuple(
        patterns.class_of("".join(source.sample("0123456789", source.choice([1, 1, 2, 5, 10])))) for _ in range(size)
    )
    least = source.randrange(3)
    return Pattern(head, least, least + source.randrange(3))


def test_intersection_and_containment_agree_with_the_sets() -> None:
    source = random.Random(7)
    for _ in range(300):
        one, other = random_pattern(source), random_pattern(source)
        mine, theirs = {text for text in SMALL if one.matches(text)}, {text for text in SMALL if other.matches(text)}
        both = one.intersect(other)
        shared = set() if both is None else {text for text in SMALL if both.matches(text)}
        assert shared == mine & theirs, (one, other)
        if one.contains(other):
            assert theirs <= mine, (one, other)


def test_what_follows_a_beginning() -> None:
    source = random.Random(8)
    for _ in range(300):
        one = random_pattern(source)
        begin = source.choice(SMALL)
        rest = one.after(begin)
        for text in SMALL:
            assert (rest is not None and rest.matches(text)) == one.matches(begin + text), (one, begin, text)


def test_the_regular_expression_is_the_same_set() -> None:
    import re

    source = random.Random(9)
    for _ in range(100):
        one = random_pattern(source)
        compiled = re.compile(one.regex)
        for text in SMALL:
            assert (compiled.fullmatch(text) is not None) == one.matches(text)


@pytest.mark.parametrize(
    ("text", "inside", "out"),
    [
        ("+1NXXNXXXXXX", ["+12125551234"], ["+11125551234", "+1212555123", "12125551234"]),
        ("1[0-4]X", ["100", "149"], ["150", "10", "1000"]),
        ("9.", ["91", "9123456"], ["9", "8"]),
        ("0Z{2,3}", ["012", "0123"], ["01", "002", "01234"]),
        ("X{3}", ["123"], ["12", "1234"]),
        ("[12*]", ["1", "*"], ["3", "#"]),
    ],
)
def test_dial_patterns(text: str, inside: list[str], out: list[str]) -> None:
    found = patterns.parse(text)
    assert all(found.matches(each) for each in inside)
    assert not any(found.matches(each) for each in out)


def test_a_range_holds_exactly_its_numbers() -> None:
    source = random.Random(10)
    for _ in range(200):
        low, high = sorted((source.randrange(10000), source.randrange(10000)))
        parts = patterns.span(f"+{low:04d}", f"+{high:04d}")
        for value in (low - 1, low, (low + high) // 2, high, high + 1, source.randrange(10000)):
            if 0 <= value < 10000:
                held = sum(part.matches(f"+{value:04d}") for part in parts)
                assert held == (1 if low <= value <= high else 0), (low, high, value)


def test_outside_is_every_other_country() -> None:
    parts = patterns.outside("+44")
    for number, held in (("+442079460000", 0), ("+4930123456", 1), ("+12125551234", 1), ("+431234567", 1)):
        assert sum(part.matches(number) for part in parts) == held


def test_patterns_read_back_as_written() -> None:
    for text in ("+1NXXNXXXXXX", "1[0-4]X", "Z", "[12]"):
        assert str(patterns.parse(text)) == text
    assert str(patterns.prefix("+44")) == "+44..."
