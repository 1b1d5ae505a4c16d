"""Numbers and subaddresses of ITU-T Q.931 (sections 4.5.8 to 4.5.12) and Q.951, Q.952: who calls, who is called, who redirected."""

from __future__ import annotations

from typing import ClassVar, Self

import attrs

from voipgw.errors import ParseError
from voipgw.pstn.isdn.info import Info, extended, octet
from voipgw.pstn.isdn.q931_tables import ElementId


@attrs.frozen
class Number(Info):
    """A number with its type, plan and, where the element has them, presentation and screening."""

    UNKNOWN: ClassVar[int] = 0
    INTERNATIONAL: ClassVar[int] = 1
    NATIONAL: ClassVar[int] = 2
    SUBSCRIBER: ClassVar[int] = 4
    ALLOWED: ClassVar[int] = 0
    RESTRICTED: ClassVar[int] = 1
    NOT_AVAILABLE: ClassVar[int] = 2

    digits: str
    type_of_number: int = 0  #: 0 unknown, 1 international, 2 national, 3 network specific, 4 subscriber
    plan: int = 1  #: 0 unknown, 1 E.164, 9 private
    presentation: int | None = None  #: 0 allowed, 1 restricted, 2 not available; None without octet 3a
    screening: int = 0  #: 0 user provided, 1 verified and passed, 2 verified and failed, 3 network provided
    reason: int | None = None  #: of a redirecting number: 1 busy, 2 no reply, 15 unconditional; None without octet 3b

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        what = cls.__name__
        first = octet(contents, 0, what)
        end = extended(contents, 0, what)
        if end > 3:
            raise ParseError(f"{what} with {end} octets before its digits", at=0)
        if any(value & 0x80 for value in contents[end:]):
            raise ParseError(f"{what} has digits that are not IA5", at=end)
        presentation = contents[1] >> 5 & 3 if end > 1 else None
        screening = contents[1] & 3 if end > 1 else 0
        reason = contents[2] & 0x0F if end > 2 else None
        digits = contents[end:].decode("ascii")
        return cls(digits, first >> 4 & 7, first & 0x0F, presentation, screening, reason)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        head = [self.type_of_number << 4 | self.plan]
        if self.presentation is not None or self.reason is not None:
            head.append((self.presentation or 0) << 5 | self.screening)
        if self.reason is not None:
            head.append(self.reason)
        head[-1] |= 0x80
        return bytes(head) + self.digits.encode("ascii")

    @property
    def restricted(self) -> bool:
        """Whether it must not be shown."""
        return self.presentation == self.RESTRICTED


@attrs.frozen
class CalledNumber(Number):
    """Called party number (section 4.5.8)."""

    IDENTIFIER = ElementId.CALLED_NUMBER


@attrs.frozen
class CallingNumber(Number):
    """Calling party number (section 4.5.10)."""

    IDENTIFIER = ElementId.CALLING_NUMBER


@attrs.frozen
class ConnectedNumber(Number):
    """Connected number (Q.951 section 5)."""

    IDENTIFIER = ElementId.CONNECTED_NUMBER


@attrs.frozen
class RedirectingNumber(Number):
    """Redirecting number (section 4.6.7): who sent the call on, and why."""

    IDENTIFIER = ElementId.REDIRECTING_NUMBER


@attrs.frozen
class OriginalCalledNumber(Number):
    """Original called number: the first who sent the call on."""

    IDENTIFIER = ElementId.ORIGINAL_CALLED_NUMBER


@attrs.frozen
class RedirectionNumber(Number):
    """Redirection number (Q.952): where a call is sent on to."""

    IDENTIFIER = ElementId.REDIRECTION_NUMBER


@attrs.frozen
class Subaddress(Info):
    """A subaddress."""

    octets: bytes
    kind: int = 0  #: 0 NSAP (X.213), 2 user specified
    odd: bool = False  #: the last octet holds one BCD digit

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        first = octet(contents, 0, cls.__name__)
        return cls(bytes(contents[1:]), first >> 4 & 7, bool(first & 8))

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return bytes((0x80 | self.kind << 4 | (8 if self.odd else 0),)) + self.octets


@attrs.frozen
class CalledSubaddress(Subaddress):
    """Called party subaddress (section 4.5.9)."""

    IDENTIFIER = ElementId.CALLED_SUBADDRESS


@attrs.frozen
class CallingSubaddress(Subaddress):
    """Calling party subaddress (section 4.5.11)."""

    IDENTIFIER = ElementId.CALLING_SUBADDRESS


@attrs.frozen
class ConnectedSubaddress(Subaddress):
    """Connected subaddress (Q.951)."""

    IDENTIFIER = ElementId.CONNECTED_SUBADDRESS
