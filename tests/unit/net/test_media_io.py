"""The engine with its thread, over real loopback sockets."""

from __future__ import annotations

import asyncio
import itertools
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from voipgw.call.model import PCMA, PCMU
from voipgw.media.engine import MediaEngine, MediaSettings
from voipgw.media.plane import DigitHeard, MediaEvent, MediaStarted, PlaybackEnded
from voipgw.net.media_io import MediaReader, start_engine
from voipgw.net.media_ports import UdpMediaPorts


class Peer:
    """A socket at the far end; RTCP goes nowhere."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.sequence = 0

    @property
    def address(self) -> tuple[str, int]:
        return self.socket.getsockname()

    def send(self, to: tuple[str, int], payload: bytes, pt: int = 0) -> None:
        header = struct.pack("!BBHII", 0x80, pt, self.sequence & 0xFFFF, 160 * self.sequence, 0x55)
        self.sequence += 1
        self.socket.sendto(header + payload, to)

    def receive(self) -> bytes:
        return self.socket.recv(2048)


class LinePort:
    """A card's end of a socket pair."""

    def __init__(self) -> None:
        self.card, self.engine = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.engine.setblocking(False)
        self.card.settimeout(5)

    def fileno(self) -> int:
        return self.engine.fileno()

    def frame(self, octets: bytes) -> bytes:
        self.card.send(octets)
        return self.card.recv(2048)

    def close(self) -> None:
        self.card.close()
        self.engine.close()


@pytest.fixture
def ports() -> UdpMediaPorts:
    return UdpMediaPorts(30000, 31998)


@pytest.fixture
def engine(ports: UdpMediaPorts) -> Iterator[MediaEngine]:
    plane = start_engine(ports, MediaSettings(max_packets_s=0))
    yield plane
    plane.close()
    assert ports.in_use == 0


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    made = [Peer() for _ in range(2)]
    yield made
    for peer in made:
        peer.socket.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline


def wait_for(engine: MediaEngine, kind: type[MediaEvent]) -> list[MediaEvent]:
    events: list[MediaEvent] = []
    while not any(isinstance(event, kind) for event in events):
        assert select.select([engine.wake_fd], [], [], 5)[0], f"no {kind.__name__} in {events}"
        events += engine.take_events()
    return events


def test_packets_are_relayed_both_ways(engine: MediaEngine, peers: list[Peer]) -> None:
    streams = [engine.open_rtp("127.0.0.1") for _ in peers]
    for stream, peer, codec in zip(streams, peers, (PCMU, PCMU), strict=True):
        stream.start(peer.address, codec)
    engine.bridge(*streams)
    for i in range(20):
        peers[0].send(streams[0].local, bytes([i]) * 160)
        assert peers[1].receive()[12:] == bytes([i]) * 160
        peers[1].send(streams[1].local, bytes([100 + i]) * 160)
        assert peers[0].receive()[12:] == bytes([100 + i]) * 160
    wait_for(engine, MediaStarted)
    assert streams[0].statistics().packets_received == 20
    assert streams[0].statistics().packets_sent == 20


def test_a_line_and_a_trunk_hear_each_other(engine: MediaEngine, peers: list[Peer]) -> None:
    port = LinePort()
    line, stream = engine.open_line(port, law="PCMA"), engine.open_rtp("127.0.0.1")
    stream.start(peers[0].address, PCMA)
    engine.bridge(line, stream)
    for i in range(10):
        peers[0].send(stream.local, bytes([i]) * 160, 8)
    until(lambda: stream.statistics().packets_received == 10)
    back = [port.frame(bytes([0x30 + i]) * 160) for i in range(10)]
    assert [peers[0].receive()[12:] for _ in range(10)] == [bytes([0x30 + i]) * 160 for i in range(10)]
    assert b"".join(back).lstrip(b"\xd5") == b"".join(bytes([i]) * 160 for i in range(7))
    engine.close()
    port.close()


def test_relaying_goes_on_while_python_holds_the_interpreter(engine: MediaEngine, peers: list[Peer]) -> None:
    streams = [engine.open_rtp("127.0.0.1") for _ in peers]
    for stream, peer in zip(streams, peers, strict=True):
        stream.start(peer.address, PCMU)
    engine.bridge(*streams)
    peers[0].send(streams[0].local, b"a" * 160)
    peers[1].receive()
    before = streams[0].statistics().packets_received
    for _ in range(50):
        peers[0].send(streams[0].local, b"b" * 160)
    end = time.monotonic() + 0.2
    while time.monotonic() < end:  # no call that lets go of the interpreter's lock
        pass
    assert streams[0].statistics().packets_received == before + 50
    peers[1].socket.setblocking(False)
    for _ in range(50):
        peers[1].receive()


def test_a_player_keeps_its_pace_while_python_computes(engine: MediaEngine, peers: list[Peer]) -> None:
    stream = engine.open_rtp("127.0.0.1")
    stream.start(peers[0].address, PCMU)
    stream.play(np.full(1600, 500, np.int16))
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    peers[0].socket.setblocking(False)
    packets = [peers[0].receive() for _ in range(10)]
    stamps = [struct.unpack_from("!I", packet, 4)[0] for packet in packets]
    assert {b - a & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)} == {160}
    wait_for(engine, PlaybackEnded)


def test_events_reach_an_event_loop(engine: MediaEngine, peers: list[Peer]) -> None:
    async def main() -> list[MediaEvent]:
        heard: list[MediaEvent] = []
        done = asyncio.Event()

        def deliver(event: MediaEvent) -> None:
            heard.append(event)
            if isinstance(event, DigitHeard):
                done.set()

        reader = MediaReader(engine, deliver)
        stream = engine.open_rtp("127.0.0.1")
        stream.start(peers[0].address, PCMU, telephone_event=101)
        stream.detect_digits(True)
        peers[0].send(stream.local, bytes([3, 0x8A, 3, 32]), 101)
        async with asyncio.timeout(5):
            await done.wait()
        reader.close()
        return heard

    events = asyncio.run(main())
    assert [event.symbol for event in events if isinstance(event, DigitHeard)] == ["3"]


def test_a_stream_that_is_closed_says_goodbye_and_gives_its_ports_back(
    engine: MediaEngine, ports: UdpMediaPorts
) -> None:
    stream = engine.open_rtp("127.0.0.1")
    rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rtcp.bind(("127.0.0.1", 0))
    rtcp.settimeout(5)
    host, port = rtcp.getsockname()
    stream.start((host, port - 1), PCMU)
    stream.close()
    assert rtcp.recv(2048)[-8:-4] == b"\x81\xcb\x00\x01"
    rtcp.close()
    assert select.select([engine.wake_fd], [], [], 5)[0]
    engine.take_events()
    assert ports.in_use == 0


def test_a_peer_that_is_not_there_harms_nobody(engine: MediaEngine, peers: list[Peer]) -> None:
    gone = Peer()
    address = gone.address
    gone.socket.close()
    streams = [engine.open_rtp("127.0.0.1") for _ in peers]
    streams[0].start(peers[0].address, PCMU)
    streams[1].start(address, PCMU)
    engine.bridge(*streams)
    for _ in range(10):
        peers[0].send(streams[0].local, b"x" * 160)
    until(lambda: streams[0].statistics().packets_received == 10)
    streams[1].start(peers[1].address, PCMU)
    peers[0].send(streams[0].local, b"y" * 160)
    assert peers[1].receive()[12:] == b"y" * 160


def test_a_recording_has_each_party_on_its_side(engine: MediaEngine, peers: list[Peer], tmp_path: Path) -> None:
    streams = [engine.open_rtp("127.0.0.1") for _ in peers]
    for stream, peer in zip(streams, peers, strict=True):
        stream.start(peer.address, PCMU)
    engine.bridge(*streams)
    engine.record(*streams, tmp_path / "call.wav")
    for _ in range(5):
        peers[0].send(streams[0].local, b"\x80" * 160)
        peers[1].receive()
    engine.close()
    data = (tmp_path / "call.wav").read_bytes()
    frames = np.frombuffer(data[44:], "<i2").reshape(-1, 2)
    assert len(data) == 44 + struct.unpack_from("<I", data, 40)[0]
    assert np.count_nonzero(frames[:, 0]) == 800
    assert np.count_nonzero(frames[:, 1]) == 0


def test_a_flooded_socket_rests_and_its_neighbour_does_not_notice(engine: MediaEngine, peers: list[Peer]) -> None:
    victim = engine.open_rtp("127.0.0.1")
    victim.start(("127.0.0.1", 9), PCMU)
    streams = [engine.open_rtp("127.0.0.1") for _ in peers]
    for stream, peer in zip(streams, peers, strict=True):
        stream.start(peer.address, PCMU)
    engine.bridge(*streams)
    stranger = Peer()
    for i in range(50):
        for _ in range(200):
            stranger.send(victim.local, b"f" * 160)
        peers[0].send(streams[0].local, bytes([i]) * 160)
        assert peers[1].receive()[12:] == bytes([i]) * 160
    stranger.socket.close()
    assert engine.thread_counters()["rested"] > 0
    counted = victim.statistics().packets_rejected
    assert 0 < counted < 10000  # the rest was dropped by the kernel
