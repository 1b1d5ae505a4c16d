from __future__ import annotations

import asyncio
import math

import pytest

from voipgw.errors import TransportError
from voipgw.net.endpoint import Endpoint
from voipgw.sip import Request, Response
from voipgw.sip.effects import (
    Arrival,
    CloseDialog,
    Effect,
    OpenDialog,
    Respond,
    SendAck,
    SendRequest,
)


class Party:
    """A minimal transaction user, caller or callee, that writes down what it sees."""

    def __init__(self, target: str = "") -> None:
        self.target = target
        self.seen: list[str] = []
        self.arrivals: list[Arrival] = []
        self.errors: list[Exception] = []
        self.done = asyncio.Event()

    def invite(self) -> SendRequest:
        fields = [
            ("From", "<sip:a@127.0.0.1>;tag=from"),
            ("To", f"<{self.target}>"),
            ("Call-ID", "call@127.0.0.1"),
            ("CSeq", "1 INVITE"),
            ("Contact", "<sip:a@127.0.0.1>"),
            ("Max-Forwards", "70"),
        ]
        return SendRequest(Request.create("INVITE", self.target, fields), self)

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        self.seen.append(request.method)
        self.arrivals.append(arrival)
        key = (request.call_id, "to", request.from_tag or "")
        if request.method == "INVITE":
            ringing = Response.answer(request, 180, to_tag="to")
            return [
                OpenDialog(key, self),
                Respond(request, ringing),
                Respond(request, Response.answer(request, 200, to_tag="to")),
            ]
        if request.method == "BYE":
            self.done.set()
            return [Respond(request, Response.answer(request, 200)), CloseDialog(key)]
        return []

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        self.seen.append(f"{response.status} {response.cseq_method}")
        fields = [(name, response.header(name) or "") for name in ("From", "To", "Call-ID")]
        if response.cseq_method == "INVITE" and response.status == 200:
            ack = Request.create("ACK", self.target, [*fields, ("CSeq", "1 ACK")])
            bye = Request.create("BYE", self.target, [*fields, ("CSeq", "2 BYE"), ("Max-Forwards", "70")])
            return [SendAck(ack), SendRequest(bye, self)]
        if response.cseq_method == "BYE":
            self.done.set()
        return []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        self.errors.append(error)
        self.done.set()
        return []

    def cancelled(self, request: Request, now: float) -> list[Effect]:
        self.seen.append("cancelled")
        return [Respond(request, Response.answer(request, 487, to_tag="to"))]

    def next_deadline(self) -> float:
        return math.inf

    def handle_deadline(self, now: float) -> list[Effect]:
        return []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_call_goes_through(transport: str, host: str) -> None:
    async def main() -> None:
        callee = Party()
        server = Endpoint(accept=lambda request, arrival, now: callee)
        client = Endpoint(accept=lambda request, arrival, now: None)
        listener = await server.listen(transport, host, 0)
        await client.listen(transport, host, 0)
        named = f"[{host}]" if ":" in host else host
        caller = Party(f"sip:b@{named}:{listener.port};transport={transport}")
        client.perform(caller, [caller.invite()])
        await caller.done.wait()
        assert caller.seen == ["180 INVITE", "200 INVITE", "200 BYE"]
        assert callee.seen == ["INVITE", "ACK", "BYE"]
        assert callee.arrivals[0].transport == transport
        assert server.dialogs == 0
        assert client.counters.requests_sent == 3 and client.counters.responses_received == 3
        await client.close()
        await server.close()

    asyncio.run(main())


def test_a_port_in_use_is_named_in_one_line() -> None:
    async def main() -> None:
        endpoint = Endpoint(accept=lambda request, arrival, now: None)
        for transport in ("udp", "tcp"):
            first = await endpoint.listen(transport, "127.0.0.1", 0)
            with pytest.raises(TransportError, match=rf"^{transport}:127\.0\.0\.1:{first.port}: .*in use$"):
                await endpoint.listen(transport, "127.0.0.1", first.port)
        await endpoint.close()

    asyncio.run(main())
