"""Captures written from what was sent and received: classic pcap files of raw IP packets with right checksums.

Nothing is sniffed: whoever has a message hands it over with its addresses and its time, and the packets that would have
carried it are written. TCP gets sequence and acknowledgement numbers as a connection would have had them. Readers are
Wireshark, tshark and ``voipgw.trace.capture``.
"""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import BinaryIO, Protocol

Address = tuple[str, int]

LINK_RAW = 101  #: packets begin with the IP header
_MAGIC_US = 0xA1B2C3D4
_SNAP = 262144
_UDP, _TCP = 17, 6
_FIRST_SEQUENCE = 1000
_SEGMENT = 65000  #: octets of TCP payload in one packet, as a capture with segmentation offload shows it
_SYN, _PSH_ACK, _SYN_ACK, _ACK = 0x02, 0x18, 0x12, 0x10


class SeenMessage(Protocol):
    """A message as an endpoint shows it (``voipgw.net.counters.SipTrace``)."""

    @property
    def time(self) -> float:
        """Monotonic seconds."""
        ...

    @property
    def direction(self) -> str:
        """ "in" or "out"."""
        ...

    @property
    def transport(self) -> str:
        """ "udp", "tcp" ..."""
        ...

    @property
    def local(self) -> Address:
        """Our end."""
        ...

    @property
    def remote(self) -> Address:
        """The peer's."""
        ...

    @property
    def data(self) -> bytes:
        """The message."""
        ...


class PcapWriter:
    """Writes one capture. Times are seconds since 1970 (UTC); give ``epoch`` where yours count from another moment."""

    def __init__(self, file: Path | BinaryIO, *, epoch: float = 0.0) -> None:
        """Open (or take) the file and write its header. ``epoch`` is added to every time.

        Raises:
            OSError: the file cannot be written.
        """
        self._file: BinaryIO = file.open("wb") if isinstance(file, Path) else file
        self._epoch = epoch
        self._streams: dict[tuple[Address, Address], int] = {}
        self._identification = 0
        self._file.write(struct.pack("<IHHiIII", _MAGIC_US, 2, 4, 0, 0, _SNAP, LINK_RAW))

    def udp(self, time: float, source: Address, destination: Address, payload: bytes) -> None:
        """One datagram: SIP, RTP, RTCP or anything else."""
        length = 8 + len(payload)
        header = struct.pack("!HHHH", source[1], destination[1], length, 0)
        self._transport(time, source[0], destination[0], _UDP, header + payload, 6)

    def tcp(self, time: float, source: Address, destination: Address, payload: bytes) -> None:
        """Octets of a stream; a connection that was not seen before is opened by its three packets first."""
        if (source, destination) not in self._streams:
            self._open(time, source, destination)
        for at in range(0, len(payload), _SEGMENT):
            self._segment(time, source, destination, _PSH_ACK, payload[at : at + _SEGMENT])

    def records(self, octets: bytes) -> None:
        """Whole records that were made elsewhere, of raw IP packets with times since 1970."""
        self._file.write(octets)

    def observe(self, message: SeenMessage) -> None:
        """A message of a live endpoint; so a writer can stand among an endpoint's observers."""
        ends = (message.local, message.remote) if message.direction == "out" else (message.remote, message.local)
        write = self.udp if message.transport == "udp" else self.tcp
        write(message.time, *ends, message.data)

    def flush(self) -> None:
        """Hand everything written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> PcapWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, time: float, source: Address, destination: Address) -> None:
        self._streams[source, destination] = self._streams[destination, source] = _FIRST_SEQUENCE
        self._segment(time, source, destination, _SYN, b"")
        self._segment(time, destination, source, _SYN_ACK, b"")
        self._segment(time, source, destination, _ACK, b"")

    def _segment(self, time: float, source: Address, destination: Address, flags: int, payload: bytes) -> None:
        sequence = self._streams[source, destination]
        acknowledged = self._streams[destination, source] if flags & _ACK else 0
        header = struct.pack(
            "!HHIIBBHHH", source[1], destination[1], sequence, acknowledged, 5 << 4, flags, 65535, 0, 0
        )
        advance = len(payload) + (1 if flags & _SYN else 0)
        self._streams[source, destination] = (sequence + advance) & 0xFFFFFFFF
        self._transport(time, source[0], destination[0], _TCP, header + payload, 16)

    def _transport(self, time: float, source: str, destination: str, protocol: int, data: bytes, sum_at: int) -> None:
        src, dst = ipaddress.ip_address(source), ipaddress.ip_address(destination)
        pseudo = src.packed + dst.packed + struct.pack("!IHH", len(data), 0, protocol)
        checksum = internet_checksum(pseudo + data)
        if protocol == _UDP and checksum == 0:
            checksum = 0xFFFF  # RFC 768: 0 means that there is none
        data = data[:sum_at] + struct.pack("!H", checksum) + data[sum_at + 2 :]
        if src.version == 6:
            header = struct.pack("!IHBB", 6 << 28, len(data), protocol, 64) + src.packed + dst.packed
        else:
            self._identification = (self._identification + 1) & 0xFFFF
            head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(data), self._identification, 0x4000, 64, protocol)
            total = internet_checksum(head + b"\0\0" + src.packed + dst.packed)
            header = head + struct.pack("!H", total) + src.packed + dst.packed
        self._record(time, header + data)

    def _record(self, time: float, packet: bytes) -> None:
        microseconds = round((time + self._epoch) * 1e6)
        seconds, rest = divmod(microseconds, 1_000_000)
        self._file.write(struct.pack("<IIII", seconds, rest, len(packet), len(packet)) + packet)


def internet_checksum(data: bytes) -> int:
    """The checksum of RFC 1071 over ``data``, padded with a zero octet where its length is odd."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
