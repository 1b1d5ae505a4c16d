from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from voipgw.drivers import unix_span
from voipgw.drivers.span_runner import SpanRunner
from voipgw.drivers.unix_span import UnixSpan
from voipgw.errors import DriverError
from voipgw.pstn.isdn.link import LinkState, Side
from voipgw.pstn.isdn.q921 import DataLink
from voipgw.pstn.isdn.span import LinkChanged, Span, SpanEffect
from voipgw.pstn.isdn.switch_tables import SWITCHES

WITHIN_S = 5.0


def listen(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(str(path))
    server.listen(1)
    server.settimeout(WITHIN_S)
    return server


def accept(server: socket.socket) -> socket.socket:
    end, _ = server.accept()
    end.settimeout(WITHIN_S)
    return end


async def until(condition) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0)


def test_nobody_at_the_path_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="nobody"):
        asyncio.run(UnixSpan(str(tmp_path / "nobody")).start(lambda frame: None))


def test_frames_go_both_ways_one_a_packet(tmp_path: Path) -> None:
    async def run() -> None:
        with listen(tmp_path / "span") as server:
            span, got = UnixSpan(str(tmp_path / "span")), []
            await span.start(got.append)
            with accept(server) as far:
                far.send(b"\x00\x01\x7f")
                far.send(b"\x00\x01\x73")
                await until(lambda: len(got) == 2)
                assert got == [b"\x00\x01\x7f", b"\x00\x01\x73"]
                span.send(b"abc")
                assert far.recv(100) == b"abc"
            await span.close()

    asyncio.run(run())


def test_audio_of_a_channel_goes_to_its_port_and_the_answer_back_with_its_number(tmp_path: Path) -> None:
    async def run() -> None:
        with listen(tmp_path / "span") as server, listen(tmp_path / "span.b") as audio:
            span = UnixSpan(str(tmp_path / "span"))
            await span.start(lambda frame: None)
            with accept(server), accept(audio) as far:
                port = span.open_channel(7)
                assert (port.number, port.law, port.frame_samples) == (7, "PCMA", 160)
                os.write(port.fileno(), b"\x11" * 160)
                far.send(bytes((9,)) + b"\x55" * 160)  # nobody has 9 open
                far.send(bytes((7,)) + b"\x66" * 160)
                await until(lambda: _readable(port.fileno()))
                assert os.read(port.fileno(), 400) == b"\x66" * 160
                assert far.recv(400) == bytes((7,)) + b"\x11" * 160
                span.close_channel(7)
                assert port.fileno() == -1
            await span.close()

    asyncio.run(run())


def _readable(descriptor: int) -> bool:
    import select

    return bool(select.select([descriptor], [], [], 0)[0])


def test_without_a_socket_for_audio_a_channel_hears_idle_octets(tmp_path: Path) -> None:
    async def run() -> None:
        with listen(tmp_path / "span") as server:
            span = UnixSpan(str(tmp_path / "span"), law="PCMU")
            await span.start(lambda frame: None)
            with accept(server):
                port = span.open_channel(1)
                await until(lambda: _readable(port.fileno()))
                assert os.read(port.fileno(), 400) == b"\xff" * 160
            await span.close()

    asyncio.run(run())


def test_a_far_end_that_went_away_is_called_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix_span, "_AGAIN_S", 0.01)

    async def run() -> None:
        with listen(tmp_path / "span") as server:
            span, got = UnixSpan(str(tmp_path / "span")), []
            await span.start(got.append)
            accept(server).close()
            server.setblocking(False)
            far = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(server), WITHIN_S)
            far[0].send(b"back")
            await until(lambda: got == [b"back"])
            far[0].close()
            await span.close()
            span.send(b"lost")
            assert span.frames_lost == 1

    asyncio.run(run())


def test_a_runner_brings_a_span_up_and_takes_it_down(tmp_path: Path) -> None:
    async def run() -> None:
        with listen(tmp_path / "span") as server:
            effects: list[SpanEffect] = []
            runner = SpanRunner(Span(Side.USER, SWITCHES["ni2"]), UnixSpan(str(tmp_path / "span")), effects.append)
            await runner.start()
            with accept(server) as far:
                network = DataLink(Side.NETWORK)
                for effect in network.receive(far.recv(300), 0.0)[:1]:
                    far.send(effect.octets)  # type: ignore[union-attr]
                await until(lambda: runner.span.up)
                assert effects == [LinkChanged(True)]
                await runner.close()
                network.receive(far.recv(300), 0.1)
                assert network.state is LinkState.TEI_ASSIGNED

    asyncio.run(run())
