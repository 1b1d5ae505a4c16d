"""CPU and memory of a back-to-back call in its two SIP legs, without transactions and sockets.

Workload: INVITE (SDP), 180, 200 (SDP), ACK, BYE, 200 through two legs that hand descriptions through; the seven messages that
come in are parsed from octets, the seven that go out are made into octets with a Via. What the peers do is not counted.
Unit: microseconds of process CPU for one call; octets of one open call (tracemalloc, both legs, dialogs and sessions).

    python benchmarks/bench_sip_leg.py [CALLS]
"""

from __future__ import annotations

import gc
import math
import statistics
import sys
import time
import tracemalloc

from voipgw.b2bua.sip_leg import SipLeg
from voipgw.b2bua.sip_settings import SipLegSettings
from voipgw.call.events import Answered, Offered, Progress, Released
from voipgw.call.model import Media, Party, Route, Target, TargetKind
from voipgw.entropy import SystemEntropy
from voipgw.sip import Request, Response, Uri, parse
from voipgw.sip.effects import Arrival, Effect, Respond, SendAck, SendRequest
from voipgw.sip.session_events import SessionSettings

SETTINGS = SipLegSettings(
    SessionSettings("<sip:g@192.0.2.1:5060>"), "g.example", None, target=Uri.parse("sip:192.0.2.2:5060")
)
ROUTE = Route(Target(TargetKind.TRUNK, "b"), "+4930123", Party("+15551234", "Alice"))
ARRIVAL = Arrival(("192.0.2.9", 5060), ("192.0.2.1", 5060), "udp")
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n"
    b"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)
CALLER = '"Alice" <sip:+15551234@192.0.2.9>;tag=abc'


def of_caller(method: str, number: int, to: str, body: bytes = b"") -> bytes:
    """What the calling telephone sends."""
    fields = [
        ("Via", f"SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{method};rport"), ("Max-Forwards", "70"), ("From", CALLER),
        ("To", to), ("Call-ID", "c1@192.0.2.9"), ("CSeq", f"{number} {method}"), ("Contact", "<sip:a@192.0.2.9:5060>"),
        ("Allow", "INVITE, ACK, CANCEL, BYE"), ("User-Agent", "bench"),
    ]  # fmt: skip
    uri = "sip:+4930123@192.0.2.1"
    return bytes(Request.create(method, uri, fields, body, "application/sdp" if body else None))


def sent(effects: list[Effect]) -> bytes:
    """The one message among ``effects``, as it goes out."""
    for effect in effects:
        if isinstance(effect, Respond):
            return bytes(effect.response)
        if isinstance(effect, SendRequest | SendAck):
            via = ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef0123;rport")
            return bytes(effect.request.with_fields(prepend=(via,)))
    raise AssertionError("nothing is sent")


def event(effects: list[Effect], kind: type) -> Effect:
    """The one call event of its class."""
    return next(effect for effect in effects if isinstance(effect, kind))


class Bench:
    """Runs calls and keeps the peers' time apart."""

    def __init__(self) -> None:
        self.entropy = SystemEntropy()
        self.peers_s = 0.0
        self.invite = of_caller("INVITE", 1, "<sip:+4930123@192.0.2.1>", SDP)

    def open(self) -> tuple[SipLeg, SipLeg, str]:
        """A call up to the ACK: both legs, and To with our tag."""
        caller, called = SipLeg("in", SETTINGS, self.entropy), SipLeg("out", SETTINGS, self.entropy)
        offered = event(caller.receive_request(parse_request(self.invite), ARRIVAL, 0.0), Offered)
        assert isinstance(offered, Offered)
        out = sent(called.originate(offered.request, ROUTE, offered.request.media or Media(), 0.0))
        began = time.process_time()
        contact = [("Contact", "<sip:b@192.0.2.2:5060>")]
        ringing = bytes(Response.answer(parse_request(out), 180, to_tag="zz", fields=contact))
        kind = "application/sdp"
        answer = bytes(
            Response.answer(parse_request(out), 200, to_tag="zz", fields=contact, body=SDP, content_type=kind)
        )
        self.peers_s += time.process_time() - began
        progress = event(called.receive_response(parse_response(ringing), 0.1), Progress)
        assert isinstance(progress, Progress)
        sent(caller.progress(progress, 0.1))
        effects = called.receive_response(parse_response(answer), 0.2)
        sent(effects)
        answered = event(effects, Answered)
        assert isinstance(answered, Answered)
        ok = sent(caller.answer(answered, 0.2))
        began = time.process_time()
        to = parse_response(ok).header("To") or ""
        ack = of_caller("ACK", 1, to)
        self.peers_s += time.process_time() - began
        caller.receive_request(parse_request(ack), ARRIVAL, 0.3)
        return caller, called, to

    def call(self) -> None:
        """A whole call."""
        caller, called, to = self.open()
        began = time.process_time()
        bye = of_caller("BYE", 2, to)
        self.peers_s += time.process_time() - began
        effects = caller.receive_request(parse_request(bye), ARRIVAL, 1.0)
        sent(effects)
        released = event(effects, Released)
        assert isinstance(released, Released)
        out = sent(called.release(released, 1.0))
        began = time.process_time()
        ok = bytes(Response.answer(parse_request(out), 200))
        self.peers_s += time.process_time() - began
        called.receive_response(parse_response(ok), 1.1)
        assert caller.next_deadline() == called.next_deadline() == math.inf


def parse_request(octets: bytes) -> Request:
    """A request from the wire."""
    message = parse(octets)
    assert isinstance(message, Request)
    return message


def parse_response(octets: bytes) -> Response:
    """A response from the wire."""
    message = parse(octets)
    assert isinstance(message, Response)
    return message


def main() -> None:
    """Print both figures."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    bench = Bench()
    for _ in range(200):
        bench.call()
    runs = []
    for _ in range(5):
        bench.peers_s, began = 0.0, time.process_time()
        for _ in range(calls):
            bench.call()
        runs.append((time.process_time() - began - bench.peers_s) / calls * 1e6)
    print(f"CPU per back-to-back call in the legs: {statistics.median(runs):.0f} us (median of 5, {calls} calls each)")
    gc.collect()
    tracemalloc.start()
    kept = [bench.open() for _ in range(1000)]
    gc.collect()
    print(f"memory per open back-to-back call in the legs: {tracemalloc.get_traced_memory()[0] / len(kept):.0f} octets")


if __name__ == "__main__":
    main()
