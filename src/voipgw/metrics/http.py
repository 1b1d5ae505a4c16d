"""``GET /metrics`` over HTTP/1.1 and nothing else (RFC 9112), bounded in connections, octets and time.

One request a connection. No task per connection: a protocol object with one timer.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Self

from voipgw.errors import ConfigurationError
from voipgw.metrics.counters import CONTENT_TYPE

HEAD_OCTETS = 8192  #: longest request line with its fields
TIMEOUT_S = 5.0  #: for the request to come and for the answer to be taken
CONNECTIONS = 32

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+) HTTP/1\.[0-9]\Z")
_REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    431: "Request Header Fields Too Large", 503: "Service Unavailable",
}  # fmt: skip


class MetricsServer:
    """Serves what ``render`` gives.

    Args:
        render: makes the text, e.g. ``Registry.render``.
        host: address to listen on.
        port: 0 picks one.
    """

    def __init__(self, render: Callable[[], str], host: str = "127.0.0.1", port: int = 0) -> None:
        self._render = render
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the real port once started."""
        return self._host, self._port

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"--metrics {self._host}:{self._port}: {error}; a free port on an address of this machine is right"
            ) from None
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end every connection. A second call does nothing."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in list(self._connections):
            connection.abort()
        await server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _answer(self, head: bytes) -> tuple[int, str, str, bool]:
        """Status, more fields, body, and whether the body is to be sent."""
        match = _REQUEST_LINE.match(head.split(b"\r\n", 1)[0])
        if match is None:
            return 400, "", "not an HTTP/1.1 request\n", True
        method, target = match.groups()
        if target.split(b"?", 1)[0] != b"/metrics":
            return 404, "", "metrics are at /metrics\n", True
        if method not in {b"GET", b"HEAD"}:
            return 405, "Allow: GET, HEAD\r\n", "GET or HEAD\n", True
        return 200, "", self._render(), method == b"GET"


class _Connection(asyncio.Protocol):
    def __init__(self, server: MetricsServer) -> None:
        self._owner = server
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._head = b""
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connections = self._owner._connections
        if self._owner._server is None:
            transport.abort()
            return
        full = len(connections) >= CONNECTIONS
        connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(TIMEOUT_S, self._timed_out)
        if full:
            self._respond(503, "Retry-After: 5\r\n", "too many connections\n")
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._answered:
            return  # one request a connection; a body of it is not read
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) <= HEAD_OCTETS:
            return
        if end < 0 or end > HEAD_OCTETS:
            self._respond(431, "", "the request is too long\n")
            return
        try:
            status, fields, body, with_body = self._owner._answer(self._head[:end])
        except Exception:
            self._respond(503, "", "metrics are not available\n")
            raise  # to the loop's handler, which logs it
        self._respond(status, fields, body, with_body=with_body)

    def _respond(self, status: int, fields: str, text: str, *, with_body: bool = True) -> None:
        assert self._transport is not None
        self._answered, self._head = True, b""
        body = text.encode()
        kind = CONTENT_TYPE if status == 200 else "text/plain; charset=utf-8"
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            f"{fields}Connection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + (body if with_body else b""))
        if self._transport.can_write_eof():
            self._transport.write_eof()  # the client closes; until then what it still sends is dropped

    def eof_received(self) -> bool:
        return False

    def _timed_out(self) -> None:
        if not self._answered:
            self._respond(408, "", "no request came\n")
            self._timer = asyncio.get_running_loop().call_later(TIMEOUT_S, self.abort)
            return
        self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._owner._connections.discard(self)


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, IPv6 in brackets.

    Raises:
        ConfigurationError: ``text`` is not of that form.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    ok = colon and host and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535
    if not ok or (":" in host and not (bracketed and _is_ipv6(host))):
        raise ConfigurationError(f"--metrics {text!r}: HOST:PORT is right, e.g. 127.0.0.1:9464 or [::1]:9464")
    return host, int(port)


def _is_ipv6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return False
    return True
