"""Information elements of ITU-T Q.931 section 4.5 that are carried: text, keys, time, user data, facilities, compatibility."""

from __future__ import annotations

from typing import ClassVar, Self

import attrs

from voipgw.errors import ParseError
from voipgw.pstn.isdn.info import Info, octet
from voipgw.pstn.isdn.q931_tables import ElementId


@attrs.frozen
class Signal(Info):
    """Signal (section 4.5.28): tones and alerting for a telephone, e.g. 0 dial tone, 0x3F tones off."""

    IDENTIFIER = ElementId.SIGNAL

    value: int  #: 0 to 255

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        return cls(octet(contents, 0, "signal"))

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return bytes((self.value,))


@attrs.frozen
class Display(Info):
    """Display (section 4.5.16): text for people, ISO 8859-1; North American switches put an octet of their own before it."""

    IDENTIFIER = ElementId.DISPLAY

    text: str
    prefix: int | None = None  #: display type of those switches, e.g. 0xB1

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        prefix = contents[0] if contents and contents[0] & 0x80 else None
        return cls(contents[prefix is not None :].decode("latin-1"), prefix)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        text = self.text.encode("latin-1", "replace")
        return text if self.prefix is None else bytes((self.prefix,)) + text


@attrs.frozen
class KeypadFacility(Info):
    """Keypad facility (section 4.5.18): keys as pressed."""

    IDENTIFIER = ElementId.KEYPAD_FACILITY

    keys: str

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        if any(value & 0x80 for value in contents):
            raise ParseError("keypad facility is not IA5")
        return cls(contents.decode("ascii"))

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return self.keys.encode("ascii")


@attrs.frozen
class UserUser(Info):
    """User-user (section 4.5.30)."""

    IDENTIFIER = ElementId.USER_USER
    IA5: ClassVar[int] = 4

    data: bytes
    discriminator: int = IA5  #: protocol discriminator: 0 user-specific, 4 IA5 characters

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        return cls(bytes(contents[1:]), octet(contents, 0, "user-user"))

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return bytes((self.discriminator,)) + self.data


@attrs.frozen
class Facility(Info):
    """Facility (section 4.6.2): components of Q.932 or of QSIG, not looked into."""

    IDENTIFIER = ElementId.FACILITY

    components: bytes
    profile: int = 0x11  #: 0x11 supplementary services, 0x1F networking extensions

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        first = octet(contents, 0, "facility")
        if not first & 0x80:
            raise ParseError("facility with octet 3 extended", at=0)
        return cls(bytes(contents[1:]), first & 0x1F)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return bytes((0x80 | self.profile,)) + self.components


@attrs.frozen
class DateTime(Info):
    """Date/time (section 4.5.15), local time of the network."""

    IDENTIFIER = ElementId.DATE_TIME

    year: int  #: two digits
    month: int
    day: int
    hour: int | None = None
    minute: int | None = None
    second: int | None = None

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        if not 3 <= len(contents) <= 6:
            raise ParseError(f"date/time of {len(contents)} octets")
        return cls(*contents)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        values = (self.year, self.month, self.day, self.hour, self.minute, self.second)
        known = values[: values.index(None)] if None in values else values
        return bytes(value for value in known if value is not None)


@attrs.frozen
class _Octets(Info):
    contents: bytes

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        octet(contents, 0, cls.__name__)
        return cls(bytes(contents))

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return self.contents


@attrs.frozen
class CallIdentity(_Octets):
    """Call identity (section 4.5.6): chosen by who suspends a call, to resume it by."""

    IDENTIFIER = ElementId.CALL_IDENTITY


@attrs.frozen
class LowLayerCompatibility(_Octets):
    """Low layer compatibility (section 4.5.19), passed from end to end."""

    IDENTIFIER = ElementId.LOW_LAYER_COMPATIBILITY


@attrs.frozen
class HighLayerCompatibility(_Octets):
    """High layer compatibility (section 4.5.17), passed from end to end; ``91 81`` is telephony."""

    IDENTIFIER = ElementId.HIGH_LAYER_COMPATIBILITY


@attrs.frozen
class NetworkSpecificFacilities(_Octets):
    """Network-specific facilities (section 4.5.21)."""

    IDENTIFIER = ElementId.NETWORK_SPECIFIC_FACILITIES


@attrs.frozen
class TransitNetworkSelection(_Octets):
    """Transit network selection (section 4.5.29)."""

    IDENTIFIER = ElementId.TRANSIT_NETWORK_SELECTION


@attrs.frozen
class SendingComplete(Info):
    """Sending complete (section 4.5.27): the called number is whole."""

    IDENTIFIER = ElementId.SENDING_COMPLETE

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        return cls()

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return b""


@attrs.frozen
class RepeatIndicator(Info):
    """Repeat indicator (section 4.5.24): 2 the elements after it are alternatives, the first is preferred."""

    IDENTIFIER = ElementId.REPEAT_INDICATOR

    value: int

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        return cls(octet(contents, 0, "repeat indicator") & 0x0F)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return bytes((self.value,))


@attrs.frozen
class CongestionLevel(RepeatIndicator):
    """Congestion level (section 4.5.14): 0 receiver ready, 15 not ready."""

    IDENTIFIER = ElementId.CONGESTION_LEVEL
