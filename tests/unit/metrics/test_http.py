"""GET /metrics and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from voipgw.errors import ConfigurationError
from voipgw.metrics import http
from voipgw.metrics.counters import Registry
from voipgw.metrics.http import MetricsServer, listen_address


async def ask(server: MetricsServer, request: bytes, *, pieces: int = 1) -> str:
    reader, writer = await asyncio.open_connection(*server.address)
    step = max(1, len(request) // pieces)
    with contextlib.suppress(ConnectionError):
        for at in range(0, len(request), step):
            writer.write(request[at : at + step])
            await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer.decode()


def run(test: Callable[[MetricsServer], Awaitable[None]], render: Callable[[], str] | None = None) -> None:
    registry = Registry()
    registry.counter("c_total", "").add(5)

    async def main() -> None:
        async with MetricsServer(render or registry.render) as server:
            assert server.address[1] != 0
            await test(server)

    asyncio.run(main())


def test_metrics_are_served_and_the_connection_is_closed() -> None:
    async def test(server: MetricsServer) -> None:
        answer = await ask(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = answer.partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n")
        assert f"Content-Length: {len(body)}" in head
        assert "Connection: close" in head
        assert body.endswith("c_total 5\n")
        assert await ask(server, b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", pieces=10) == answer
        without_body = await ask(server, b"HEAD /metrics HTTP/1.1\r\n\r\n")
        assert without_body == head + "\r\n\r\n"

    run(test)


@pytest.mark.parametrize(
    ("request_octets", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET /metrics/x HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed"),
        (b"garbage\r\n\r\n", "400 Bad Request"),
        (b"\xff\x00 \x01 HTTP/1.1\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics SIP/2.0\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\n" + b"x: y\r\n" * 3000, "431 Request Header Fields Too Large"),
    ],
)
def test_anything_else_is_refused(request_octets: bytes, status: str) -> None:
    async def test(server: MetricsServer) -> None:
        answer = await ask(server, request_octets)
        assert answer.startswith(f"HTTP/1.1 {status}\r\n")
        assert ("Allow: GET, HEAD" in answer) == status.startswith("405")

    run(test)


def test_a_client_that_says_nothing_is_dropped_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT_S", 0.05)

    async def test(server: MetricsServer) -> None:
        assert (await ask(server, b"GET /met")).startswith("HTTP/1.1 408")

    run(test)


def test_connections_beyond_the_bound_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECTIONS", 1)

    async def test(server: MetricsServer) -> None:
        _, first = await asyncio.open_connection(*server.address)
        assert (await ask(server, b"")).startswith("HTTP/1.1 503")
        first.close()
        await first.wait_closed()
        while not (answer := await ask(server, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 200"):
            assert answer.startswith("HTTP/1.1 503")

    run(test)


def test_closing_ends_open_connections() -> None:
    async def main() -> None:
        server = MetricsServer(lambda: "")
        await server.start()
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET")
        await writer.drain()
        await server.close()
        await server.close()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    asyncio.run(main())


def test_a_failing_renderer_is_a_503_and_reported() -> None:
    def broken() -> str:
        raise RuntimeError("no figures")

    async def test(server: MetricsServer) -> None:
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        assert (await ask(server, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 503")
        assert isinstance(reported[0]["exception"], RuntimeError)

    run(test, broken)


def test_a_port_in_use_is_named() -> None:
    async def test(server: MetricsServer) -> None:
        with pytest.raises(ConfigurationError, match=f"--metrics 127.0.0.1:{server.address[1]}"):
            await MetricsServer(lambda: "", *server.address).start()

    run(test)


def test_addresses_are_read_from_text() -> None:
    assert listen_address("127.0.0.1:9464") == ("127.0.0.1", 9464)
    assert listen_address("[::1]:0") == ("::1", 0)
    for wrong in ("", "9464", ":9464", "h:", "h:x", "h:70000", "::1:9464", "[a:zz]:1"):
        with pytest.raises(ConfigurationError, match="HOST:PORT"):
            listen_address(wrong)
