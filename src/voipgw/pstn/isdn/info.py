"""What every information element of ITU-T Q.931 section 4.5 has in common.

Each class decodes the contents of one element, after its length octet, and encodes them again. ``decode`` raises
``ParseError`` for contents that the element cannot have; octets that it may have and that mean nothing here are kept.
"""

from __future__ import annotations

from typing import ClassVar, Self

from voipgw.errors import ParseError


def extended(contents: bytes, at: int, what: str) -> int:
    """The index after the octet group that begins at ``at``: its last octet has bit 8 set (section 4.5.1)."""
    while True:
        if at >= len(contents):
            raise ParseError(f"{what} ends within an octet group", at=at)
        if contents[at] & 0x80:
            return at + 1
        at += 1


def octet(contents: bytes, at: int, what: str) -> int:
    """The octet at ``at``."""
    if at >= len(contents):
        raise ParseError(f"{what} is too short", at=at)
    return contents[at]


class Info:
    """Root of the typed information elements."""

    IDENTIFIER: ClassVar[int]
    CODESET: ClassVar[int] = 0

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """The value of ``contents``.

        Raises:
            ParseError: this element cannot have these contents.
        """
        raise NotImplementedError

    def encode(self) -> bytes:
        """The contents, without identifier and length; of a single-octet element its value or nothing."""
        raise NotImplementedError
