"""The RTP packet as a value (RFC 3550 section 5.1). The engine moves packets in C; this is for tools, tests and rare paths."""

from __future__ import annotations

import struct

import attrs

from voipgw.errors import LocalProtocolError, ParseError

_FIXED = struct.Struct("!BBHII")
MAX_OCTETS = 65507  #: what fits into one UDP datagram over IPv4


@attrs.frozen
class Extension:
    """A header extension (section 5.3.1); RFC 8285 elements stay inside ``data``."""

    profile: int  #: the 16 bits that the profile defines, e.g. 0xBEDE
    data: bytes = b""  #: a multiple of four octets


@attrs.frozen
class Packet:
    """One RTP packet. ``bytes`` gives the wire form."""

    payload_type: int  #: 0 to 127
    sequence: int  #: 16 bits
    timestamp: int  #: 32 bits, in ticks of the payload's clock
    ssrc: int  #: 32 bits
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()  #: contributing sources, 15 at most
    extension: Extension | None = None
    padding_octets: int = 0  #: padding with its count octet, 0 to 255; written as zeros

    @classmethod
    def parse(cls, data: bytes) -> Packet:
        """The packet in one datagram.

        Raises:
            ParseError: too short or long, another version, or lengths that do not fit.
        """
        if not 12 <= len(data) <= MAX_OCTETS:
            raise ParseError(f"an RTP packet has 12 to {MAX_OCTETS} octets, not {len(data)}")
        first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
        if first >> 6 != 2:
            raise ParseError(f"RTP version {first >> 6}, not 2", at=0)
        count = first & 0x0F
        at = 12 + 4 * count
        if at > len(data):
            raise ParseError(f"{count} contributing sources do not fit", at=12)
        csrcs = struct.unpack_from(f"!{count}I", data, 12)
        extension = None
        if first & 0x10:
            extension, at = _extension(data, at)
        padding = data[-1] if first & 0x20 else 0
        if first & 0x20 and (padding == 0 or padding > len(data) - at):
            raise ParseError(f"padding of {padding} octets in {len(data) - at}", at=len(data) - 1)
        payload = bytes(data[at : len(data) - padding])
        return cls(second & 0x7F, sequence, timestamp, ssrc, payload, bool(second & 0x80), csrcs, extension, padding)

    def __bytes__(self) -> bytes:
        if not 0 <= self.payload_type < 128 or len(self.csrcs) > 15 or not 0 <= self.padding_octets < 256:
            raise LocalProtocolError("payload type, contributing sources or padding out of range")
        first = 0x80 | len(self.csrcs) | (0x10 if self.extension else 0) | (0x20 if self.padding_octets else 0)
        second = self.payload_type | (0x80 if self.marker else 0)
        try:
            parts = [_FIXED.pack(first, second, self.sequence, self.timestamp, self.ssrc)]
            parts.append(struct.pack(f"!{len(self.csrcs)}I", *self.csrcs))
            if self.extension is not None:
                words, rest = divmod(len(self.extension.data), 4)
                if rest:
                    raise LocalProtocolError("a header extension is a multiple of four octets")
                parts += [struct.pack("!HH", self.extension.profile, words), self.extension.data]
        except struct.error as error:
            raise LocalProtocolError(f"a field of an RTP packet is out of range: {error}") from None
        parts.append(self.payload)
        if self.padding_octets:
            parts.append(bytes(self.padding_octets - 1) + bytes([self.padding_octets]))
        return b"".join(parts)


def _extension(data: bytes, at: int) -> tuple[Extension, int]:
    if at + 4 > len(data):
        raise ParseError("the header extension is cut off", at=at)
    profile, words = struct.unpack_from("!HH", data, at)
    end = at + 4 + 4 * words
    if end > len(data):
        raise ParseError(f"a header extension of {words} words does not fit", at=at)
    return Extension(profile, bytes(data[at + 4 : end])), end
