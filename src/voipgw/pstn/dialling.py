"""When a dialled number is complete: what a digit map answers, in words that any numbering plan can be put into."""

from __future__ import annotations

import enum
from typing import Protocol


class DigitMatch(enum.Enum):
    """What a numbering plan says of the digits so far."""

    COMPLETE = "complete"  #: a number, and no further digit can make another one of it
    COMPLETE_MAY_GROW = "complete-may-grow"  #: a number, and also the beginning of a longer one
    INCOMPLETE = "incomplete"  #: the beginning of a number
    IMPOSSIBLE = "impossible"  #: no number begins like this


class DigitMap(Protocol):
    """A numbering plan, asked after each digit."""

    def match(self, digits: str) -> DigitMatch:
        """What ``digits`` (of ``0-9*#A-D``, at least one) are so far."""
        ...


class OpenNumbering:
    """The digit map of a line without a plan: anything may be a number, so timers and ``#`` alone end dialling."""

    def match(self, digits: str) -> DigitMatch:
        """Always ``COMPLETE_MAY_GROW``, except after ``#``, which is then left to end dialling."""
        return DigitMatch.IMPOSSIBLE if digits.endswith("#") else DigitMatch.COMPLETE_MAY_GROW


class DiallingFault(enum.Enum):
    """Why digits led to no number."""

    NO_DIGITS = "no digit came"  #: permanent signal
    INCOMPLETE = "the number is not complete"
    IMPOSSIBLE = "no number begins like this"
