"""Whatever comes by the wire, an endpoint answers it or drops it, and goes on."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.lab.clock import run_virtual
from voipgw.lab.host import Host
from voipgw.lab.network import Network
from voipgw.net.endpoint import Endpoint
from voipgw.net.settings import EndpointSettings
from voipgw.sip import Request, Response
from voipgw.sip.effects import Arrival, CloseDialog, Effect, OpenDialog, Respond, SendRequest

US, THEM = ("192.0.2.1", 5060), ("192.0.2.9", 5060)
BODY = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class User:
    """Answers everything, and lets its own requests run."""

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        key = (request.call_id, "to", request.from_tag or "")
        if request.method == "ACK":
            return []
        answer = Respond(request, Response.answer(request, 200, to_tag="to"))
        return [answer, CloseDialog(key)] if request.method == "BYE" else [OpenDialog(key, self), answer]

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        return []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        return []

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        return [Respond(request, Response.answer(request, 487, to_tag="to"))]

    def next_deadline(self) -> float:
        return math.inf

    def handle_deadline(self, now: float) -> list[Effect]:
        return []


def request(method: str, number: int, to_tag: str = "") -> Request:
    fields = [
        ("Via", f"SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{method}{number};rport"),
        ("Via", "SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bKx;received=2001:db8::2"),
        ("From", '"A, \\"B\\"" <sip:a@192.0.2.9;user=phone>;tag=1'),
        ("To", "<sip:b@192.0.2.1>" + (f";tag={to_tag}" if to_tag else "")),
        ("Call-ID", f"{number}@192.0.2.9"),
        ("CSeq", f"{number} {method}"),
        ("Contact", "<sip:a@192.0.2.9:5060;transport=udp>"),
        ("Route", "<sip:192.0.2.1;lr>"),
        ("Max-Forwards", "70"),
    ]
    return Request.create(method, "sip:+4930@192.0.2.1", fields, BODY, "application/sdp")


def seeds(sent: list[bytes]) -> list[bytes]:
    found = [bytes(request(m, n)) for n, m in enumerate(("INVITE", "OPTIONS", "CANCEL", "REGISTER", "ACK", "BYE"), 1)]
    found += [bytes(request(m, 1, "to")) for m in ("ACK", "BYE", "INVITE", "INFO")]
    for data in sent:  # answers to what we sent ourselves
        head = data.split(b"\r\n", 1)[1]
        found += [b"SIP/2.0 %d X\r\n" % status + head for status in (100, 180, 200, 302, 487)]
    return found


def mutated(data: bytes, draw: random.Random) -> bytes:
    octets = bytearray(data)
    for _ in range(draw.choice([0, 1, 1, 2, 8])):
        at = draw.randrange(len(octets) or 1)
        kind = draw.randrange(5)
        if kind == 0:
            octets[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 1:
            del octets[at : at + draw.randrange(1, 40)]
        elif kind == 2:
            octets[at:at] = draw.choice([b"\r\n", b"\r\n\r\n", b";", b",", b"<", b'"', b"\0", b":", b"@", b"9" * 20])
        elif kind == 3:
            end = at + draw.randrange(1, 60)
            octets[at:at] = octets[at:end]
        else:
            lines = bytes(octets).split(b"\r\n")
            draw.shuffle(lines)
            octets[:] = b"\r\n".join(lines)
    return bytes(octets)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_never_upset_an_endpoint(seed: int, transport: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        network = Network(loop, SeededEntropy(seed))
        draw = random.Random(seed)
        settings = EndpointSettings(max_transactions=200)
        endpoint = Endpoint(
            accept=lambda request, arrival, now: User(),
            network=Host(network, US[0]),
            entropy=SeededEntropy(seed),
            settings=settings,
        )
        await endpoint.listen("udp", *US)
        await endpoint.listen("tcp", *US)
        sent: list[bytes] = []
        raw = network.bind(THEM, lambda data, source: sent.append(data))
        user = User()
        for number in range(3):
            method = ("INVITE", "OPTIONS", "BYE")[number]
            own = request(method, number).with_fields(remove=("Via", "Route")).with_uri("sip:x@192.0.2.9")
            endpoint.perform(user, [SendRequest(own, user)])
        await asyncio.sleep(0.1)
        assert len(sent) == 3
        choices = seeds(sent)
        for turn in range(800):
            data = mutated(draw.choice(choices), draw)
            if transport == "udp":
                raw.send(data, US)
            else:
                stream, _ = await network.connect(US, asyncio.Protocol, THEM[0])
                for at in range(0, len(data), 300):
                    stream.write(data[at : at + 300])
                await asyncio.sleep(0.01)
                stream.close()
            if turn % 50 == 0:
                await asyncio.sleep(1.0)
        await asyncio.sleep(100.0)
        assert endpoint.counters.dropped["internal error"] == 0
        assert endpoint.counters.requests_received > 50 and endpoint.counters.malformed > 50
        assert endpoint.connections == 0
        assert endpoint.transactions <= 1  # an INVITE of ours that was said to be proceeding, and that nobody cancels
        await endpoint.close()

    run_virtual(main)
    assert caplog.records == []
