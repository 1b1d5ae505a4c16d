from __future__ import annotations

import asyncio
import errno

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.lab.clock import run_virtual
from voipgw.lab.network import Frame, Link, Network

A = ("10.0.0.1", 5060)
B = ("10.0.0.2", 5060)


def network(link: Link | None = None, seed: int = 1) -> Network:
    return Network(asyncio.get_running_loop(), SeededEntropy(seed), link)


def test_a_datagram_arrives_after_the_links_delay() -> None:
    async def main() -> None:
        wires = network(Link(delay_s=0.25))
        got: list[tuple[float, bytes, tuple[str, int]]] = []
        loop = asyncio.get_running_loop()
        wires.bind(B, lambda data, source: got.append((loop.time(), data, source)))
        wires.bind(A, lambda data, source: None).send(b"hello", B)
        await asyncio.sleep(1)
        assert got == [(pytest.approx(0.25), b"hello", A)]

    run_virtual(main)


def test_loss_takes_its_share_and_the_same_seed_takes_the_same_packets() -> None:
    async def arrived(seed: int) -> list[bytes]:
        wires = network(Link(loss=0.3), seed)
        got: list[bytes] = []
        wires.bind(B, lambda data, source: got.append(data))
        port = wires.bind(A, lambda data, source: None)
        for number in range(1000):
            port.send(number.to_bytes(2, "big"), B)
        await asyncio.sleep(1)
        return got

    one, _, _ = run_virtual(lambda: arrived(1))
    again, _, _ = run_virtual(lambda: arrived(1))
    other, _, _ = run_virtual(lambda: arrived(2))
    assert 640 < len(one) < 760
    assert one == again != other


def test_a_port_in_use_is_refused_and_a_packet_to_nobody_is_reported() -> None:
    async def main() -> None:
        wires = network()
        refused: list[tuple[str, int]] = []
        port = wires.bind(A, lambda data, source: None, refused=refused.append)
        with pytest.raises(OSError, match="address in use") as caught:
            wires.bind(A, lambda data, source: None)
        assert caught.value.errno == errno.EADDRINUSE
        port.send(b"anyone?", B)
        await asyncio.sleep(1)
        assert refused == [B]

    run_virtual(main)


def test_port_zero_picks_a_fresh_one_each_time() -> None:
    async def main() -> None:
        wires = network()
        ports = {wires.bind(("10.0.0.1", 0), lambda data, source: None).address for _ in range(5)}
        assert len(ports) == 5

    run_virtual(main)


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(data)


class Collect(asyncio.Protocol):
    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def test_a_stream_keeps_order_and_tells_of_its_end() -> None:
    async def main() -> None:
        wires = network(Link(delay_s=0.01, jitter_s=0.05))
        frames: list[Frame] = []
        wires.watch(frames.append)
        server = wires.listen(B, Echo)
        transport, protocol = await wires.connect(B, Collect)
        assert isinstance(protocol, Collect)
        for number in range(20):
            transport.write(bytes([number]))
        await asyncio.sleep(1)
        assert protocol.data == bytes(range(20))
        assert len(frames) == 40
        transport.close()
        await asyncio.sleep(1)
        assert protocol.lost
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await wires.connect(B, Collect)

    run_virtual(main)


def test_an_outage_ends_when_the_longest_one_does_and_keeps_what_was_set_meanwhile() -> None:
    async def main() -> None:
        wires = network(Link(delay_s=0.01))
        got: list[float] = []
        loop = asyncio.get_running_loop()
        wires.bind(B, lambda data, source: got.append(loop.time()))
        port = wires.bind(A, lambda data, source: None)
        wires.outage(A[0], B[0], 3.0)
        await asyncio.sleep(1.5)
        wires.outage(A[0], B[0], 0.5)
        for _ in range(4):
            port.send(b"?", B)
            await asyncio.sleep(1)
        assert got == [pytest.approx(3.51), pytest.approx(4.51)]
        assert wires.link(B[0], A[0]) == wires.link(A[0], B[0]) == Link(delay_s=0.01)

    run_virtual(main)


def test_each_direction_draws_from_a_source_of_its_own() -> None:
    async def arrived(noise: bool) -> list[bytes]:
        wires = Network(
            asyncio.get_running_loop(), SeededEntropy(1), Link(loss=0.3), source=lambda name: SeededEntropy(f"1 {name}")
        )
        got: list[bytes] = []
        wires.bind(B, lambda data, source: got.append(data))
        port = wires.bind(A, lambda data, source: None)
        other = wires.bind(("10.0.0.3", 5060), lambda data, source: None)
        for number in range(200):
            port.send(number.to_bytes(2, "big"), B)
            if noise:
                other.send(b"x", A)
        await asyncio.sleep(1)
        return got

    quiet, _, _ = run_virtual(lambda: arrived(noise=False))
    noisy, _, _ = run_virtual(lambda: arrived(noise=True))
    assert quiet == noisy
