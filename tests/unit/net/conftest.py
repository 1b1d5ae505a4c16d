from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any

import pytest

from voipgw.net.endpoint import Endpoint
from voipgw.sip import Request, Response, parse
from voipgw.sip.effects import Arrival, CloseDialog, Effect, OpenDialog, Respond, SendAck, SendRequest

WAIT_S = 10.0


class Party:
    """A minimal transaction user, caller or callee, that writes down what it sees."""

    def __init__(self, target: str = "", answers: tuple[int, ...] = (180, 200)) -> None:
        self.target = target
        self.answers = answers
        self.seen: list[str] = []
        self.requests: list[Request] = []
        self.arrivals: list[Arrival] = []
        self.responses: list[Response] = []
        self.errors: list[Exception] = []
        self.done = asyncio.Event()
        self.deadline = math.inf
        self.fired: list[float] = []

    def request(self, method: str, number: int = 1, *, body: bytes = b"", call_id: str = "call@127.0.0.1") -> Request:
        fields = [
            ("From", "<sip:a@127.0.0.1>;tag=from"),
            ("To", f"<{self.target}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{number} {method}"),
            ("Contact", "<sip:a@127.0.0.1>"),
            ("Max-Forwards", "70"),
        ]
        return Request.create(method, self.target, fields, body, "text/plain" if body else None)

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        self.seen.append(request.method)
        self.requests.append(request)
        self.arrivals.append(arrival)
        key = (request.call_id, "to", request.from_tag or "")
        if request.method == "INVITE":
            answers = [Respond(request, Response.answer(request, status, to_tag="to")) for status in self.answers]
            return [OpenDialog(key, self), *answers]
        if request.method == "BYE":
            self.done.set()
            return [Respond(request, Response.answer(request, 200)), CloseDialog(key)]
        return [] if request.method == "ACK" else [Respond(request, Response.answer(request, 200, to_tag="to"))]

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        self.seen.append(f"{response.status} {response.cseq_method}")
        self.responses.append(response)
        fields = [(name, response.header(name) or "") for name in ("From", "To", "Call-ID")]
        if response.cseq_method == "INVITE" and response.status == 200:
            ack = Request.create("ACK", self.target, [*fields, ("CSeq", "1 ACK")])
            bye = Request.create("BYE", self.target, [*fields, ("CSeq", "2 BYE"), ("Max-Forwards", "70")])
            return [SendAck(ack), SendRequest(bye, self)]
        if response.status >= 200:
            self.done.set()
        return []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        self.errors.append(error)
        self.done.set()
        return []

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        self.seen.append("cancelled")
        return [Respond(request, Response.answer(request, 487, to_tag="to"))]

    def next_deadline(self) -> float:
        return self.deadline

    def handle_deadline(self, now: float) -> list[Effect]:
        self.fired.append(now)
        self.deadline = math.inf
        self.done.set()
        return []

    async def wait(self) -> None:
        async with asyncio.timeout(WAIT_S):
            await self.done.wait()


class RawPeer:
    """A UDP socket in the hands of the test."""

    def __init__(self, target: tuple[str, int], host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.address: tuple[str, int] = self.socket.getsockname()
        self.target = target

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.target)

    async def octets(self) -> bytes:
        """The next datagram."""
        async with asyncio.timeout(WAIT_S):
            return await asyncio.get_running_loop().sock_recv(self.socket, 65535)

    async def receive(self) -> Any:
        """The next message."""
        return parse(await self.octets())

    def request(self, method: str = "INVITE", **changes: str) -> bytes:
        """A plain request as octets; ``changes`` replace a field, "" takes it out."""
        host, port = self.address
        fields = {
            "Via": f"SIP/2.0/UDP {host}:{port};branch=z9hG4bK{changes.pop('branch', 'one')};rport",
            "From": "<sip:a@127.0.0.1>;tag=1",
            "To": "<sip:b@127.0.0.1>",
            "Call-ID": "raw@127.0.0.1",
            "CSeq": f"1 {method}",
            "Contact": f"<sip:a@{host}:{port}>",
            "Max-Forwards": "70",
        }
        uri = changes.pop("uri", "sip:b@127.0.0.1")
        fields |= {name.replace("_", "-"): value for name, value in changes.items()}
        lines = [f"{name}: {value}" for name, value in fields.items() if value]
        return "\r\n".join([f"{method} {uri} SIP/2.0", *lines, "Content-Length: 0", "", ""]).encode()

    def close(self) -> None:
        self.socket.close()


class Stage:
    """Makes endpoints and peers, and takes them down at the end."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self.peers: list[RawPeer] = []

    async def endpoint(self, *transports: str, host: str = "127.0.0.1", **options: Any) -> Endpoint:
        options.setdefault("accept", lambda request, arrival, now: None)
        endpoint = Endpoint(**options)
        self.endpoints.append(endpoint)
        for transport in transports or ("udp",):
            await endpoint.listen(transport, host, 0)
        return endpoint

    def peer(self, endpoint: Endpoint, host: str = "127.0.0.1") -> RawPeer:
        peer = RawPeer(("127.0.0.1", endpoint.listeners[0].port), host)
        self.peers.append(peer)
        return peer

    async def close(self) -> None:
        for peer in self.peers:
            peer.close()
        for endpoint in self.endpoints:
            await endpoint.close()


@pytest.fixture
def party() -> type[Party]:
    return Party


@pytest.fixture
def play() -> Callable[[Callable[[Stage], Any]], None]:
    """Run a coroutine function with a ``Stage`` on a loop of its own."""

    def run(main: Callable[[Stage], Any]) -> None:
        async def whole() -> None:
            stage = Stage()
            try:
                await main(stage)
            finally:
                await stage.close()

        asyncio.run(whole())

    return run
