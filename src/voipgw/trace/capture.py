"""Captures read: pcap and pcapng, Ethernet, cooked, loopback and raw links, IPv4 and IPv6 with fragments, UDP and TCP.

What is broken, cut short or of another kind is skipped, since a capture is evidence and not a message to us; only a file that
is no capture at all raises.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path

import attrs

from voipgw.errors import ParseError

Address = tuple[str, int]

_ETHERNET, _NULL, _RAW, _SLL, _IPV4, _IPV6, _SLL2 = 1, 0, 101, 113, 228, 229, 276
_UDP, _TCP, _FRAGMENT = 17, 6, 44
_EXTENSIONS = frozenset({0, 43, 60})  #: IPv6 headers to step over: hop-by-hop, routing, destination options
_MAX_FRAGMENTED = 1000  #: datagrams that wait for their fragments
_MAX_AHEAD = 1 << 20  #: octets of a stream kept while an earlier segment is missing


@attrs.frozen
class Packet:
    """The payload of a UDP datagram, or the next octets of a TCP stream, in order."""

    time: float  #: seconds since 1970
    protocol: str  #: "udp" or "tcp"
    source: Address
    destination: Address
    payload: bytes


def read_packets(path: Path) -> Iterator[Packet]:
    """The UDP and TCP payloads of a capture, in the order of the file.

    Raises:
        ParseError: the file is no pcap or pcapng.
        OSError: it cannot be read.
    """
    network = _Network()
    for time, link, data in _frames(path.read_bytes()):
        packet = _ip_of(link, data)
        if packet:
            try:
                yield from network.receive(time, packet)
            except (struct.error, IndexError, ValueError):
                continue  # cut short by the capture


def _frames(data: bytes) -> Iterator[tuple[float, int, bytes]]:
    magic = data[:4]
    for order in ("<", ">"):
        if magic == struct.pack(order + "I", 0xA1B2C3D4):
            return _classic(data, order, 1e-6)
        if magic == struct.pack(order + "I", 0xA1B23C4D):
            return _classic(data, order, 1e-9)
    if magic == b"\x0a\x0d\x0d\x0a":
        return _next_generation(data)
    raise ParseError("neither a pcap nor a pcapng file")


def _classic(data: bytes, order: str, unit_s: float) -> Iterator[tuple[float, int, bytes]]:
    if len(data) < 24:
        raise ParseError("the pcap header is cut short")
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, kept, _ = struct.unpack_from(order + "IIII", data, at)
        at += 16
        yield seconds + fraction * unit_s, link, data[at : at + kept]
        at += kept


def _next_generation(data: bytes) -> Iterator[tuple[float, int, bytes]]:
    order, at = "<", 0
    links: list[tuple[int, float]] = []
    while at + 12 <= len(data):
        kind = data[at : at + 4]
        if kind == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        number, length = struct.unpack_from(order + "II", data, at)
        if length < 12 or at + length > len(data):
            return
        body = data[at + 8 : at + length - 4]
        if number == 1 and len(body) >= 8:
            links.append((struct.unpack_from(order + "H", body)[0], _resolution(body[8:], order)))
        elif number == 6 and len(body) >= 20:
            interface, high, low, kept, _ = struct.unpack_from(order + "IIIII", body)
            if interface < len(links):
                link, unit_s = links[interface]
                yield ((high << 32) | low) * unit_s, link, body[20 : 20 + kept]
        elif number == 3 and links:
            yield 0.0, links[0][0], body[4:]
        at += length


def _resolution(options: bytes, order: str) -> float:
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, at)
        if code == 0:
            break
        if code == 9 and length >= 1 and at + 5 <= len(options):
            value = options[at + 4]
            return float(2.0 ** -(value & 0x7F)) if value & 0x80 else float(10.0**-value)
        at += 4 + (length + 3) // 4 * 4
    return 1e-6


def _ip_of(link: int, data: bytes) -> bytes:
    """The IP packet of a frame; b"" where there is none."""
    if link in (_RAW, _IPV4, _IPV6):
        return data
    if link == _NULL:
        return data[4:]
    if link == _SLL:
        return data[16:] if data[14:16] in (b"\x08\x00", b"\x86\xdd") else b""
    if link == _SLL2:
        return data[20:] if data[:2] in (b"\x08\x00", b"\x86\xdd") else b""
    if link == _ETHERNET:
        at = 12
        while data[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
            at += 4
        return data[at + 2 :] if data[at : at + 2] in (b"\x08\x00", b"\x86\xdd") else b""
    return b""


class _Network:
    """Puts fragments and streams together."""

    def __init__(self) -> None:
        self._fragments: dict[tuple[object, ...], dict[int, bytes]] = {}
        self._ends: dict[tuple[object, ...], int] = {}
        self._streams: dict[tuple[Address, Address], _Stream] = {}

    def receive(self, time: float, packet: bytes) -> Iterator[Packet]:
        version = packet[0] >> 4
        if version == 4:
            found = self._ipv4(packet)
        elif version == 6:
            found = self._ipv6(packet)
        else:
            return
        if found is None:
            return
        protocol, source, destination, data = found
        if protocol == _UDP:
            from_port, to_port, length = struct.unpack_from("!HHH", data)
            yield Packet(time, "udp", (source, from_port), (destination, to_port), data[8 : max(length, 8)])
        elif protocol == _TCP:
            yield from self._tcp(time, source, destination, data)

    def _ipv4(self, packet: bytes) -> tuple[int, str, str, bytes] | None:
        total, identification, fragment = struct.unpack_from("!HHH", packet, 2)
        header = (packet[0] & 0x0F) * 4
        source, destination = str(ipaddress.ip_address(packet[12:16])), str(ipaddress.ip_address(packet[16:20]))
        protocol = packet[9]
        data: bytes | None = packet[header : total or len(packet)]
        if fragment & 0x3FFF:
            key = (source, destination, identification, protocol)
            data = self._joined(key, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000), data or b"")
        return None if data is None else (protocol, source, destination, data)

    def _ipv6(self, packet: bytes) -> tuple[int, str, str, bytes] | None:
        length, protocol = struct.unpack_from("!HB", packet, 4)
        source, destination = str(ipaddress.ip_address(packet[8:24])), str(ipaddress.ip_address(packet[24:40]))
        data: bytes | None = packet[40 : 40 + length if length else len(packet)]
        while data and protocol in _EXTENSIONS:
            protocol, data = data[0], data[8 + data[1] * 8 :]
        if data and protocol == _FRAGMENT:
            protocol, _, offset, identification = struct.unpack_from("!BBHI", data)
            key = (source, destination, identification, protocol)
            data = self._joined(key, offset & 0xFFF8, bool(offset & 1), data[8:])
        return None if data is None else (protocol, source, destination, data)

    def _joined(self, key: tuple[object, ...], offset: int, more: bool, data: bytes) -> bytes | None:
        if len(self._fragments) > _MAX_FRAGMENTED:
            self._fragments.clear()
            self._ends.clear()
        parts = self._fragments.setdefault(key, {})
        parts[offset] = data
        if not more:
            self._ends[key] = offset + len(data)
        end, at, whole = self._ends.get(key), 0, b""
        while end is not None and at in parts and at < end:
            whole += parts[at]
            at = len(whole)
        if end is None or at != end:
            return None
        del self._fragments[key], self._ends[key]
        return whole

    def _tcp(self, time: float, source: str, destination: str, data: bytes) -> Iterator[Packet]:
        from_port, to_port, sequence = struct.unpack_from("!HHI", data)
        flags = data[13]
        ends = ((source, from_port), (destination, to_port))
        payload = data[(data[12] >> 4) * 4 :]
        if flags & 0x02:
            self._streams[ends] = _Stream((sequence + 1) & 0xFFFFFFFF)
            return
        if not payload:
            return
        stream = self._streams.get(ends)
        if stream is None:
            stream = self._streams[ends] = _Stream(sequence)
        octets = stream.take(sequence, payload)
        if octets:
            yield Packet(time, "tcp", *ends, octets)


class _Stream:
    """One direction of a TCP connection, put in order."""

    def __init__(self, sequence: int) -> None:
        self._next = sequence
        self._ahead: dict[int, bytes] = {}

    def take(self, sequence: int, payload: bytes) -> bytes:
        """A segment; returns the octets that are in order now."""
        self._ahead[sequence] = max(payload, self._ahead.get(sequence, b""), key=len)
        found = b""
        for start in sorted(self._ahead, key=self._distance):
            behind = -self._distance(start)
            if behind < 0:
                break
            data = self._ahead.pop(start)[behind:]
            found += data
            self._next = (self._next + len(data)) & 0xFFFFFFFF
        if sum(map(len, self._ahead.values())) > _MAX_AHEAD:  # the capture missed a segment: go on behind the hole
            start = min(self._ahead, key=self._distance)
            data = self._ahead.pop(start)
            found += data
            self._next = (start + len(data)) & 0xFFFFFFFF
        return found

    def _distance(self, sequence: int) -> int:
        """How far ``sequence`` lies ahead of what is expected; negative behind."""
        return (sequence - self._next + 0x80000000) % 0x100000000 - 0x80000000
