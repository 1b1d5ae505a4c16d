"""Information elements of ITU-T Q.931 section 4.5 that call control acts on: bearer, channel, cause, state, progress."""

from __future__ import annotations

from typing import ClassVar, Self

import attrs

from voipgw.errors import ParseError
from voipgw.pstn.isdn.info import Info, extended, octet
from voipgw.pstn.isdn.q931_tables import ElementId


@attrs.frozen
class BearerCapability(Info):
    """Bearer capability (section 4.5.5)."""

    IDENTIFIER = ElementId.BEARER_CAPABILITY
    SPEECH: ClassVar[int] = 0x00
    UNRESTRICTED_DIGITAL: ClassVar[int] = 0x08
    AUDIO_3K1: ClassVar[int] = 0x10
    MU_LAW: ClassVar[int] = 2
    A_LAW: ClassVar[int] = 3

    capability: int = 0  #: information transfer capability, 0 to 31
    layer1: int | None = A_LAW  #: user information layer 1 protocol; 2 G.711 mu-law, 3 G.711 A-law
    mode: int = 0  #: 0 circuit, 2 packet
    rate: int = 0x10  #: 0x10: 64 kbit/s
    multiplier: int | None = None  #: of 64 kbit/s where ``rate`` is 0x18
    coding: int = 0  #: 0 ITU-T
    rest: bytes = b""  #: octets 5a on as they came

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        first, second = octet(contents, 0, "bearer capability"), octet(contents, 1, "bearer capability")
        if not first & 0x80:
            raise ParseError("bearer capability with octet 3a", at=0)
        at, multiplier = 2, None
        if second & 0x1F == 0x18 and not second & 0x80:
            raise ParseError("bearer capability with octet 4 extended", at=1)
        if second & 0x1F == 0x18:
            multiplier = octet(contents, at, "bearer capability") & 0x7F
            at += 1
        layer1, rest = None, b""
        if at < len(contents):
            group = contents[at]
            if group >> 5 & 3 == 1:
                extended(contents, at, "bearer capability")
                layer1, rest = group & 0x1F, bytes(contents[at + 1 :])
                if not group & 0x80:
                    rest = bytes(contents[at:])
            else:
                rest = bytes(contents[at:])
        return cls(first & 0x1F, layer1, second >> 5 & 3, second & 0x1F, multiplier, first >> 5 & 3, rest)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        out = bytearray((0x80 | self.coding << 5 | self.capability, 0x80 | self.mode << 5 | self.rate))
        if self.multiplier is not None:
            out.append(0x80 | self.multiplier)
        extended_group = bool(self.rest) and self.rest[0] >> 5 & 3 == 1 and not self.rest[0] & 0x80
        if self.layer1 is not None and not extended_group:
            out.append(0xA0 | self.layer1)
        return bytes(out) + self.rest


@attrs.frozen
class CauseInfo(Info):
    """Cause (Q.850 section 2.1)."""

    IDENTIFIER = ElementId.CAUSE
    USER: ClassVar[int] = 0
    PRIVATE_LOCAL: ClassVar[int] = 1
    PUBLIC_LOCAL: ClassVar[int] = 2

    value: int  #: 0 to 127; an int, for there are causes that no table of ours names
    location: int = (
        0  #: 0 user, 1 private network of the local user, 2 public network of the local user, 10 beyond interworking
    )
    diagnostics: bytes = b""
    coding: int = 0
    recommendation: int | None = None  #: octet 3a

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        first = octet(contents, 0, "cause")
        at = extended(contents, 0, "cause")
        if at > 2:
            raise ParseError("cause with octet 3b", at=2)
        value = octet(contents, at, "cause")
        recommendation = contents[1] & 0x7F if at == 2 else None
        return cls(value & 0x7F, first & 0x0F, bytes(contents[at + 1 :]), first >> 5 & 3, recommendation)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        first = self.coding << 5 | self.location
        head = (first | 0x80,) if self.recommendation is None else (first, self.recommendation | 0x80)
        return bytes((*head, 0x80 | self.value)) + self.diagnostics


@attrs.frozen
class CallStateInfo(Info):
    """Call state (section 4.5.7); for a global call reference the state of the restart procedure."""

    IDENTIFIER = ElementId.CALL_STATE

    state: int  #: 0 to 63
    coding: int = 0

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        value = octet(contents, 0, "call state")
        return cls(value & 0x3F, value >> 6)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return bytes((self.coding << 6 | self.state,))


@attrs.frozen
class ChannelIdentification(Info):
    """Channel identification (section 4.5.13) of a primary rate or basic access.

    On a primary rate access ``channels`` are slot numbers; on a basic access 1 and 2. Empty ``channels`` means no channel,
    or any channel with ``any_channel``.
    """

    IDENTIFIER = ElementId.CHANNEL_IDENTIFICATION

    channels: tuple[int, ...] = ()
    exclusive: bool = True
    any_channel: bool = False
    basic: bool = False  #: interface type of a basic access
    interface: int | None = None  #: interface identifier, where it is explicit (several spans on one D-channel)
    d_channel: bool = False  #: the D-channel is what is identified
    slot_map: bool = False  #: written as a map of bits instead of a list of numbers
    map_slots: int = 24  #: bits of that map, 24 or 32
    coding: int = 0  #: coding standard of octet 3.2
    channel_type: int = 3  #: B-channel units

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        what = "channel identification"
        first = octet(contents, 0, what)
        if not first & 0x80:
            raise ParseError(f"{what} with octet 3 extended", at=0)
        self = cls((), bool(first & 8), first & 3 == 3, not first & 0x20, d_channel=bool(first & 4))
        at = 1
        if first & 0x40:
            end = extended(contents, at, what)
            interface = 0
            for value in contents[at:end]:
                interface = interface << 7 | (value & 0x7F)
            if end - at > 4:
                raise ParseError(f"{what} with an interface identifier of {end - at} octets", at=at)
            self, at = attrs.evolve(self, interface=interface), end
        if self.basic:
            return attrs.evolve(self, channels=(first & 3,) if first & 3 in (1, 2) else (), interface=None)
        if first & 3 != 1:
            return self
        return self._slots(contents, at)

    def _slots(self, contents: bytes, at: int) -> Self:
        what = "channel identification"
        kind = octet(contents, at, what)
        if not kind & 0x80:
            raise ParseError(f"{what} with octet 3.2 extended", at=at)
        slots = contents[at + 1 :]
        if not slots:
            raise ParseError(f"{what} names no channel", at=at + 1)
        new = attrs.evolve(self, coding=kind >> 5 & 3, channel_type=kind & 0x0F)
        if kind & 0x10:
            if len(slots) not in (3, 4):
                raise ParseError(f"{what} with a map of {len(slots)} octets", at=at + 1)
            bits = int.from_bytes(slots, "big")
            # bit 1 of the last octet is slot 1 of T1 and slot 0 of E1 (figure 4-19)
            first = 1 if len(slots) == 3 else 0
            channels = tuple(n + first for n in range(8 * len(slots)) if bits >> n & 1)
            if not channels:
                raise ParseError(f"{what} with an empty map", at=at + 1)
            return attrs.evolve(new, channels=channels, slot_map=True, map_slots=8 * len(slots))
        if any(value & 0x80 for value in slots[:-1]) and not all(value & 0x80 for value in slots):
            raise ParseError(f"{what} with a list that goes on after its end", at=at + 1)
        return attrs.evolve(new, channels=tuple(value & 0x7F for value in slots))

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        chosen = bool(self.channels)
        first = 0x80 | (8 if self.exclusive else 0) | (4 if self.d_channel else 0)
        if self.basic:
            selection = self.channels[0] if chosen else 3 if self.any_channel else 0
            return bytes((first | selection,))
        selection = 1 if chosen else 3 if self.any_channel else 0
        out = bytearray((first | 0x20 | selection,))
        if self.interface is not None:
            out[0] |= 0x40
            groups = [self.interface & 0x7F | 0x80]
            rest = self.interface >> 7
            while rest:
                groups.insert(0, rest & 0x7F)
                rest >>= 7
            out += bytes(groups)
        if chosen:
            out.append(0x80 | self.coding << 5 | (0x10 if self.slot_map else 0) | self.channel_type)
            if self.slot_map:
                first_slot = 1 if self.map_slots == 24 else 0
                bits = sum(1 << (n - first_slot) for n in self.channels)
                out += bits.to_bytes(self.map_slots // 8, "big")
            else:
                out += bytes(self.channels[:-1]) + bytes((self.channels[-1] | 0x80,))
        return bytes(out)


@attrs.frozen
class ProgressIndicator(Info):
    """Progress indicator (section 4.5.23)."""

    IDENTIFIER = ElementId.PROGRESS_INDICATOR
    NOT_END_TO_END_ISDN: ClassVar[int] = 1
    DESTINATION_NOT_ISDN: ClassVar[int] = 2
    ORIGIN_NOT_ISDN: ClassVar[int] = 3
    INBAND: ClassVar[int] = 8

    description: int
    location: int = 0
    coding: int = 0

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        first, second = octet(contents, 0, "progress indicator"), octet(contents, 1, "progress indicator")
        return cls(second & 0x7F, first & 0x0F, first >> 5 & 3)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return bytes((0x80 | self.coding << 5 | self.location, 0x80 | self.description))


@attrs.frozen
class _Value(Info):
    value: int  #: 0 to 127

    @classmethod
    def decode(cls, contents: bytes) -> Self:
        """See ``Info.decode``."""
        return cls(octet(contents, 0, cls.__name__) & 0x7F)

    def encode(self) -> bytes:
        """See ``Info.encode``."""
        return bytes((0x80 | self.value,))


@attrs.frozen
class NotificationIndicator(_Value):
    """Notification indicator (section 4.5.22): 0 user suspended, 1 user resumed, 121 remote hold, 122 remote retrieval."""

    IDENTIFIER = ElementId.NOTIFICATION_INDICATOR


@attrs.frozen
class RestartIndicator(_Value):
    """Restart indicator (section 4.5.25): 0 the indicated channels, 6 one interface, 7 all interfaces."""

    IDENTIFIER = ElementId.RESTART_INDICATOR


@attrs.frozen
class ChangeStatus(_Value):
    """Change status of a maintenance message: 0 in service, 1 maintenance, 2 out of service, with bit 7 as the switch has it."""

    IDENTIFIER = ElementId.CHANGE_STATUS
