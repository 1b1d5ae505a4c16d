"""A stepped engine on a virtual clock, with ports that do not exist and people who count what they hear."""

from __future__ import annotations

import datetime as dt
import struct

import numpy as np

from voipgw._native import g711
from voipgw.call.model import PCMA, PCMU, Codec, Direction
from voipgw.entropy import SeededEntropy
from voipgw.media.engine import MediaSettings, OutgoingPacket, SteppedEngine
from voipgw.media.stream import EngineLineStream, EngineRtpStream

__all__ = ["PCMA", "PCMU", "Bench", "Codec", "Direction", "Heard", "NoPort", "Peer", "parse", "rtp", "tone"]


class VirtualClock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> dt.datetime:
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=self.now)


class VirtualPair:
    rtp_fd = rtcp_fd = -1

    def __init__(self, ports: VirtualPorts, address: tuple[str, int]) -> None:
        self.ports, self.address = ports, address
        ports.open.add(address)

    def close(self) -> None:
        self.ports.open.discard(self.address)


class VirtualPorts:
    def __init__(self) -> None:
        self.open: set[tuple[str, int]] = set()
        self.next = 10000

    def open_pair(self, host: str) -> VirtualPair:
        self.next += 2
        return VirtualPair(self, (host, self.next))


class NoPort:
    def fileno(self) -> int:
        return -1


class Heard:
    """A parsed RTP packet."""

    def __init__(self, packet: OutgoingPacket) -> None:
        first, second, self.sequence, self.timestamp, self.ssrc = struct.unpack_from("!BBHII", packet.data)
        assert first == 0x80
        self.marker, self.payload_type = bool(second & 0x80), second & 0x7F
        self.payload = packet.data[12:]
        self.destination, self.source = packet.destination, packet.source


def rtp(
    payload: bytes, sequence: int, timestamp: int, *, ssrc: int = 0x1234, pt: int = 0, marker: bool = False
) -> bytes:
    second = pt | (0x80 if marker else 0)
    return struct.pack("!BBHII", 0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def parse(packets: list[OutgoingPacket]) -> list[Heard]:
    return [Heard(packet) for packet in packets if not packet.rtcp]


def tone(frequency_hz: float, n: int, amplitude: float = 8000.0) -> np.ndarray:
    return np.round(amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(n) / 8000)).astype(np.int16)


class Peer:
    """Somebody at the far end of an RTP stream."""

    def __init__(self, bench: Bench, stream: EngineRtpStream, address: tuple[str, int], codec: Codec) -> None:
        self.bench, self.stream, self.address, self.codec = bench, stream, address, codec
        self.sequence, self.timestamp, self.ssrc = 1000, 50000, 0xABCD0000 + address[1]

    def send(self, payload: bytes, *, pt: int | None = None, marker: bool = False, advance: int | None = None) -> None:
        type_ = self.codec.payload_type if pt is None else pt
        data = rtp(payload, self.sequence, self.timestamp, ssrc=self.ssrc, pt=type_ or 0, marker=marker)
        self.sequence += 1
        self.timestamp += len(payload) if advance is None else advance
        self.deliver(data)

    def deliver(self, data: bytes, source: tuple[str, int] | None = None, *, rtcp: bool = False) -> None:
        self.bench.engine.deliver_packet(self.stream, data, source or self.address, self.bench.clock.now, rtcp=rtcp)


class Bench:
    def __init__(self, seed: int = 1, **settings: object) -> None:
        self.clock = VirtualClock()
        self.ports = VirtualPorts()
        self.engine = SteppedEngine(
            self.ports,
            SeededEntropy(seed),
            self.clock,
            MediaSettings(**settings),
            open_file=lambda path: path.open("wb"),
        )
        self.next_host = 0

    def peer(self, codec: Codec = PCMU, **options: object) -> Peer:
        self.next_host += 1
        stream = self.engine.open_rtp("192.0.2.1")
        address = (f"198.51.100.{self.next_host}", 4000)
        stream.start(address, codec, **options)
        return Peer(self, stream, address, codec)

    def line(self, law: str = "PCMU", frame_samples: int = 160) -> EngineLineStream:
        return self.engine.open_line(NoPort(), law=law, frame_samples=frame_samples)

    def frame(self, line: EngineLineStream, octets: bytes) -> bytes:
        return self.engine.line_frame(line, octets, self.clock.now)

    def advance(self, seconds: float) -> list[Heard]:
        """Time goes on, each deadline is kept; the RTP packets that were sent."""
        end = self.clock.now + seconds
        while (due := self.engine.next_deadline()) <= end:
            self.clock.now = max(self.clock.now, due)
            self.engine.step(self.clock.now)
        self.clock.now = end
        return parse(self.engine.take_output())

    def heard(self) -> list[Heard]:
        return parse(self.engine.take_output())


def decoded(octets: bytes, law: str = "PCMU") -> np.ndarray:
    return g711.decode(g711.ULAW if law == "PCMU" else g711.ALAW, octets)
