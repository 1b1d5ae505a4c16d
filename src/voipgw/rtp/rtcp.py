"""RTCP packets as values (RFC 3550 section 6): compound packets parsed and built.

Reports, SDES, BYE and APP are understood; every other type (feedback of RFC 4585, XR of RFC 3611) is carried as ``Other``.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable

import attrs

from voipgw.errors import LocalProtocolError, ParseError


class PacketType(enum.IntEnum):
    """Packet types of section 12.1."""

    SR = 200
    RR = 201
    SDES = 202
    BYE = 203
    APP = 204


class Sdes(enum.IntEnum):
    """Item types of section 12.2."""

    CNAME = 1
    NAME = 2
    EMAIL = 3
    PHONE = 4
    LOC = 5
    TOOL = 6
    NOTE = 7
    PRIV = 8


@attrs.frozen
class ReportBlock:
    """What a receiver says of one source (section 6.4.1)."""

    ssrc: int
    fraction_lost: int  #: of the packets since the last report, in 1/256
    packets_lost: int  #: since the beginning; signed 24 bits, negative with duplicates
    highest_sequence: int  #: extended by the number of cycles
    jitter_ticks: int
    last_sr: int = 0  #: the middle 32 bits of the NTP time of the last SR; 0 for none
    delay_since_last_sr: int = 0  #: in 1/65536 s

    def _pack(self) -> bytes:
        lost = max(-(1 << 23), min((1 << 23) - 1, self.packets_lost)) & 0xFFFFFF
        return struct.pack(
            "!IIIIII",
            self.ssrc,
            self.fraction_lost << 24 | lost,
            self.highest_sequence,
            self.jitter_ticks,
            self.last_sr,
            self.delay_since_last_sr,
        )


@attrs.frozen
class SenderReport:
    """SR: a sender's clock, its counters, and what it receives."""

    ssrc: int
    ntp: int  #: 64-bit NTP time
    timestamp: int  #: the same moment in RTP ticks
    packets: int
    octets: int  #: of payload
    reports: tuple[ReportBlock, ...] = ()
    extension: bytes = b""


@attrs.frozen
class ReceiverReport:
    """RR: what one who does not send receives."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()
    extension: bytes = b""


@attrs.frozen
class Chunk:
    """The SDES items of one source: pairs of item type and octets (UTF-8 for text)."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...] = ()


@attrs.frozen
class SourceDescription:
    """SDES (section 6.5)."""

    chunks: tuple[Chunk, ...] = ()

    @property
    def cname(self) -> str | None:
        """The first CNAME in it."""
        for chunk in self.chunks:
            for kind, text in chunk.items:
                if kind == Sdes.CNAME:
                    return text.decode("utf-8", "replace")
        return None


@attrs.frozen
class Bye:
    """BYE (section 6.6)."""

    ssrcs: tuple[int, ...] = ()
    reason: bytes | None = None


@attrs.frozen
class App:
    """APP (section 6.7)."""

    ssrc: int
    name: bytes  #: four octets
    subtype: int = 0
    data: bytes = b""  #: a multiple of four octets


@attrs.frozen
class Other:
    """Any other packet type, carried as it came."""

    packet_type: int
    count: int  #: the five bits after version and padding
    body: bytes  #: everything after the first four octets


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Bye | App | Other


def parse_compound(data: bytes, *, reduced_size: bool = False) -> tuple[RtcpPacket, ...]:
    """The packets of one RTCP datagram.

    Args:
        data: the datagram.
        reduced_size: accept one that does not begin with a report (RFC 5506).

    Raises:
        ParseError: the checks of appendix A.2 fail, or a packet contradicts its length.
    """
    found: list[RtcpPacket] = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise ParseError("RTCP header is cut off", at=at)
        first, packet_type, words = struct.unpack_from("!BBH", data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2:
            raise ParseError(f"RTCP version {first >> 6}, not 2", at=at)
        if end > len(data):
            raise ParseError("an RTCP packet is longer than its datagram", at=at)
        if not found and not reduced_size and packet_type not in {PacketType.SR, PacketType.RR}:
            raise ParseError("a compound RTCP packet begins with a report", at=at)
        body = bytes(data[at + 4 : end])
        if first & 0x20:
            if end != len(data):
                raise ParseError("only the last RTCP packet may be padded", at=at)
            padding = body[-1] if body else 0
            if padding == 0 or padding % 4 or padding > len(body):
                raise ParseError(f"RTCP padding of {padding} octets", at=end - 1)
            body = body[:-padding]
        found.append(_parse_one(packet_type, first & 0x1F, body, at))
        at = end
    if not found:
        raise ParseError("an empty RTCP datagram")
    return tuple(found)


def build_compound(packets: Iterable[RtcpPacket]) -> bytes:
    """The octets of ``packets``, one after the other.

    Raises:
        LocalProtocolError: a field is out of its range.
    """
    try:
        return b"".join([_build_one(packet) for packet in packets])
    except struct.error as error:
        raise LocalProtocolError(f"a field of an RTCP packet is out of range: {error}") from None


def _parse_one(packet_type: int, count: int, body: bytes, at: int) -> RtcpPacket:
    try:
        match packet_type:
            case PacketType.SR:
                ssrc, ntp, timestamp, packets, octets = struct.unpack_from("!IQIII", body)
                reports = _reports(body, 24, count)
                return SenderReport(ssrc, ntp, timestamp, packets, octets, reports, body[24 + 24 * count :])
            case PacketType.RR:
                (ssrc,) = struct.unpack_from("!I", body)
                return ReceiverReport(ssrc, _reports(body, 4, count), body[4 + 24 * count :])
            case PacketType.SDES:
                return SourceDescription(_chunks(body, count))
            case PacketType.BYE:
                return _bye(body, count)
            case PacketType.APP:
                ssrc, name = struct.unpack_from("!I4s", body)
                return App(ssrc, name, count, body[8:])
    except (struct.error, IndexError):
        raise ParseError(f"RTCP packet of type {packet_type} is cut off", at=at) from None
    return Other(packet_type, count, body)


def _reports(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    found = []
    for index in range(count):
        ssrc, loss, highest, jitter, last, delay = struct.unpack_from("!IIIIII", body, at + 24 * index)
        lost = loss & 0xFFFFFF
        found.append(ReportBlock(ssrc, loss >> 24, lost - ((lost & 0x800000) << 1), highest, jitter, last, delay))
    return tuple(found)


def _chunks(body: bytes, count: int) -> tuple[Chunk, ...]:
    found = []
    at = 0
    for _ in range(count):
        (ssrc,) = struct.unpack_from("!I", body, at)
        at += 4
        items = []
        while body[at] != 0:
            length = body[at + 1]
            text = body[at + 2 : at + 2 + length]
            if len(text) != length:
                raise IndexError
            items.append((body[at], text))
            at += 2 + length
        at = (at + 4) & ~3  # at least one null octet, then up to the next word
        found.append(Chunk(ssrc, tuple(items)))
    return tuple(found)


def _bye(body: bytes, count: int) -> Bye:
    ssrcs = struct.unpack_from(f"!{count}I", body)
    rest = body[4 * count :]
    if not rest:
        return Bye(ssrcs)
    reason = rest[1 : 1 + rest[0]]
    if len(reason) != rest[0]:
        raise IndexError
    return Bye(ssrcs, reason)


def _build_one(packet: RtcpPacket) -> bytes:
    if isinstance(packet, SenderReport):
        body = struct.pack("!IQIII", packet.ssrc, packet.ntp, packet.timestamp, packet.packets, packet.octets)
        body += _pack_reports(packet.reports) + packet.extension
        return _framed(PacketType.SR, len(packet.reports), body)
    if isinstance(packet, ReceiverReport):
        body = struct.pack("!I", packet.ssrc) + _pack_reports(packet.reports) + packet.extension
        return _framed(PacketType.RR, len(packet.reports), body)
    if isinstance(packet, SourceDescription):
        return _framed(PacketType.SDES, len(packet.chunks), b"".join([_pack_chunk(chunk) for chunk in packet.chunks]))
    if isinstance(packet, Bye):
        body = struct.pack(f"!{len(packet.ssrcs)}I", *packet.ssrcs)
        if packet.reason is not None:
            reason = struct.pack("!B", len(packet.reason)) + packet.reason
            body += reason + bytes(-len(reason) % 4)
        return _framed(PacketType.BYE, len(packet.ssrcs), body)
    if isinstance(packet, App):
        if len(packet.name) != 4:
            raise LocalProtocolError("the name of an APP packet has four octets")
        return _framed(PacketType.APP, packet.subtype, struct.pack("!I4s", packet.ssrc, packet.name) + packet.data)
    return _framed(packet.packet_type, packet.count, packet.body)


def _pack_reports(reports: tuple[ReportBlock, ...]) -> bytes:
    return b"".join([report._pack() for report in reports])


def _pack_chunk(chunk: Chunk) -> bytes:
    parts = [struct.pack("!I", chunk.ssrc)]
    for kind, text in chunk.items:
        if not 0 < kind < 256:
            raise LocalProtocolError(f"SDES item type {kind}")
        parts.append(struct.pack("!BB", kind, len(text)) + text)
    octets = b"".join(parts)
    return octets + bytes(4 - len(octets) % 4)


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    if count > 31:
        raise LocalProtocolError(f"{count} blocks in one RTCP packet; 31 fit")
    if len(body) % 4:
        raise LocalProtocolError("an RTCP packet is a multiple of four octets")
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body
