"""The SIP leg: sessions and descriptions on one side, call events on the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

from voipgw import sdp
from voipgw.b2bua.call import Call, LegEffects, Step
from voipgw.b2bua.leg import Leg
from voipgw.b2bua.sip_identity import AssertedIdentity
from voipgw.b2bua.sip_leg import SipLeg
from voipgw.b2bua.sip_media import SipMediaSettings
from voipgw.b2bua.sip_settings import DtmfOut, SipLegSettings
from voipgw.call.events import Answered, CallEvent, Digit, HookFlash, Offered, Progress, Released, Updated
from voipgw.call.model import (
    PCMA,
    PCMU,
    CallRequest,
    Codec,
    Direction,
    Media,
    Party,
    Refusal,
    Route,
    Source,
    SourceKind,
    Target,
    TargetKind,
)
from voipgw.causes import Cause
from voipgw.entropy import SeededEntropy
from voipgw.errors import LocalProtocolError, NegotiationError
from voipgw.media.plane import (
    AudioPort,
    DigitHeard,
    LineStream,
    MediaEvent,
    MediaStopped,
    Pcm,
    RtpStream,
    Stream,
    StreamStatistics,
    ToneSegment,
)
from voipgw.sip import Request, Response, Uri
from voipgw.sip.auth import Credentials
from voipgw.sip.digest import Challenge
from voipgw.sip.effects import Arrival, Effect, Respond, SendAck, SendRequest, TransactionUser
from voipgw.sip.reliable import Reliability
from voipgw.sip.session_client import ClientSession
from voipgw.sip.session_events import Established, OfferAnswered, OfferReceived, SessionEnded, SessionSettings, State
from voipgw.sip.session_server import ServerSession
from voipgw.sip.session_timer import TimerSettings
from voipgw.testing.sip_wire import Node, Wire

G722 = Codec("G722", payload_type=9)


def plain(contact: str) -> SessionSettings:
    """Without extensions: neither reliable provisionals nor session timers."""
    return SessionSettings(contact, timer=TimerSettings(interval_s=0), reliable=Reliability.NEVER)


class FakeStream:
    """An RTP stream that notes what it is told."""

    def __init__(self, local: tuple[str, int]) -> None:
        self.local = local
        self.started: list[dict[str, object]] = []
        self.digits: list[str] = []
        self.detecting = self.closed = False

    def start(self, remote: tuple[str, int], codec: Codec, **more: object) -> None:
        self.started.append({"remote": remote, "codec": codec.name, **more})

    def send_digit(self, symbol: str, duration_ms: int = 100) -> None:
        self.digits.append(symbol)

    def detect_digits(self, on: bool) -> None:
        self.detecting = on

    def play_tones(self, cadence: Sequence[ToneSegment], *, repeat: bool = True) -> None: ...

    def play(self, pcm: Pcm, *, repeat: bool = False) -> None: ...

    def stop_playing(self) -> None: ...

    def statistics(self) -> StreamStatistics:
        return StreamStatistics(packets_sent=len(self.started))

    def close(self) -> None:
        self.closed = True


class FakePlane:
    """A media plane that only counts."""

    wake_fd = -1

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.bridged: list[tuple[Stream, Stream]] = []

    def open_rtp(self, host: str) -> RtpStream:
        self.streams.append(FakeStream((host, 20000 + 2 * len(self.streams))))
        return self.streams[-1]

    def open_line(self, port: AudioPort, *, law: str = "PCMU", frame_samples: int = 160) -> LineStream:
        raise NotImplementedError

    def bridge(self, one: Stream, other: Stream) -> None:
        self.bridged.append((one, other))

    def unbridge(self, stream: Stream) -> None: ...

    def record(self, one: Stream, other: Stream, path: Path) -> None: ...

    def take_events(self) -> list[MediaEvent]:
        return []

    def close(self) -> None: ...


def describe(*codecs: str, port: int = 4000, direction: str = "sendrecv", events: bool = True) -> bytes:
    """A session description of a peer, in the numbers of RFC 3551."""
    numbers = {"PCMU": 0, "PCMA": 8, "G722": 9, "GSM": 3, "opus": 111}
    formats = [str(numbers[name]) for name in codecs] + (["101"] if events else [])
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0"]
    lines += [f"m=audio {port} RTP/AVP {' '.join(formats)}"]
    lines += [f"a=rtpmap:{numbers[name]} {name}/{'48000/2' if name == 'opus' else '8000'}" for name in codecs]
    lines += ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15"] if events else []
    return "\r\n".join([*lines, f"a={direction}", ""]).encode()


def codecs_in(body: bytes) -> list[str]:
    return [format_.name for format_ in sdp.parse(body).media[0].audio_formats]


class Peer:
    """A telephone or carrier: a bare session whose events a test looks at."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.session: ClientSession | ServerSession | None = None
        self.requests: list[Request] = []
        self.responses: list[Response] = []

    @property
    def the(self) -> ClientSession | ServerSession:
        assert self.session is not None
        return self.session

    @property
    def server(self) -> ServerSession:
        assert isinstance(self.session, ServerSession)
        return self.session

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        self.requests.append(request)
        if isinstance(self.session, ServerSession) and self.session.state is State.IDLE:
            return self.session.start(request, now)
        return self.the.receive_request(request, now)

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        self.responses.append(response)
        return self.the.receive_response(response, now)

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        return self.the.request_failed(request, error, now)

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        return self.the.cancelled(request, now, cancel)

    def next_deadline(self) -> float:
        return self.the.next_deadline()

    def handle_deadline(self, now: float) -> list[Effect]:
        return self.the.handle_deadline(now)

    def do(self, effects: list[Effect]) -> None:
        self.node.perform(self, effects)


def settings(*, media: bool = True, codecs: tuple[Codec, ...] = (PCMU, PCMA), **more: object) -> SipLegSettings:
    return SipLegSettings(
        plain("<sip:g@g.example>"),
        "g.example",
        SipMediaSettings("192.0.2.1", codecs=codecs) if media else None,
        target=Uri.parse("sip:b.example"),
        **more,  # type: ignore[arg-type]
    )


ROUTE = Route(
    Target(TargetKind.TRUNK, "b"), "+4930123", Party("+15551234", "Alice"), response_timeout_s=4, ring_timeout_s=20
)
REQUEST = CallRequest("call-1", Source(SourceKind.LINE, "1"), "030123", hops=70)
OFFER = Media((PCMU, PCMA), True)


class Outward:
    """A leg that calls a carrier ``b``."""

    def __init__(self, config: SipLegSettings | None = None, *, seed: int = 5) -> None:
        self.wire = Wire()
        self.node = self.wire.node("g")
        self.carrier = Peer(self.wire.node("b", lambda request: self.carrier))
        self.carrier.session = ServerSession(self.carrier, plain("<sip:b@b.example>"), SeededEntropy(seed))
        self.plane = FakePlane()
        self.leg = SipLeg("trunk:b", config or settings(), SeededEntropy(seed), self.plane)

    def run(self, seconds: float = 0.1) -> None:
        self.wire.run(self.wire.now + seconds)

    def do(self, effects: list[Effect]) -> None:
        self.node.perform(self.leg, effects)

    def originate(self, *, route: Route = ROUTE, request: CallRequest = REQUEST, offer: Media = OFFER) -> None:
        self.do(self.leg.originate(request, route, offer, self.wire.now))
        self.run()

    def answer(self, body: bytes = b"") -> None:
        self.carrier.do(self.carrier.server.accept(body or describe("PCMU"), self.wire.now))
        self.run()

    @property
    def events(self) -> list[object]:
        return self.node.events

    @property
    def stream(self) -> FakeStream:
        return self.plane.streams[0]

    @property
    def invite(self) -> Request:
        return self.carrier.requests[0]


class Inward:
    """A telephone ``a`` that calls a leg."""

    def __init__(self, config: SipLegSettings | None = None, *, source: Source | None = None) -> None:
        self.wire = Wire()
        self.caller = Peer(self.wire.node("a"))
        client = ClientSession(self.caller, plain("<sip:a@a.example>"), SeededEntropy(8))
        self.client = self.caller.session = client
        self.plane = FakePlane()
        self.leg = SipLeg("in", config or settings(), SeededEntropy(9), self.plane, source=source, call_id="call-1")
        self.node = self.wire.node("g", lambda request: self.leg)

    def run(self, seconds: float = 0.1) -> None:
        self.wire.run(self.wire.now + seconds)

    def do(self, effects: list[Effect]) -> None:
        self.node.perform(self.leg, effects)

    def call(self, body: bytes = describe("PCMU", "PCMA"), **more: object) -> None:
        kinds: dict[str, object] = {
            "uri": "sip:030%20123@g.example",
            "from_": '"Alice" <sip:+15551234@a.example>',
        } | more
        uri = kinds.pop("uri")
        self.caller.do(
            self.client.start(uri, self.wire.now, to="<sip:x@g.example>", sdp=body, **kinds)  # type: ignore[arg-type]
        )
        self.run()

    def answered(self, body: bytes = describe("PCMU", "PCMA")) -> None:
        self.call(body)
        self.do(self.leg.answer(Answered(Media((PCMU,))), self.wire.now))
        self.run()
        self.node.events.clear()
        self.caller.node.events.clear()
        self.wire.trace.clear()

    @property
    def offered(self) -> CallRequest:
        (event,) = self.node.events
        assert isinstance(event, Offered)
        return event.request

    @property
    def stream(self) -> FakeStream:
        return self.plane.streams[0]


# A call placed outwards.


def test_the_invite_says_who_calls_whom_with_what() -> None:
    out = Outward()
    out.originate()
    invite = out.invite
    assert invite.uri_text == "sip:+4930123@b.example"
    assert invite.header("From") == f'"Alice" <sip:+15551234@g.example>;tag={invite.from_tag}'
    assert invite.header("To") == "<sip:+4930123@b.example>"
    assert invite.max_forwards == 69
    assert codecs_in(invite.body) == ["PCMU", "PCMA", "telephone-event"]
    assert sdp.parse(invite.body).media[0].port == 20000 and not out.stream.started


def test_the_to_of_an_invite_has_neither_port_nor_parameters() -> None:
    out = Outward(attrs.evolve(settings(), target=Uri.parse("sip:b.example:5099;transport=tcp;user=phone")))
    out.originate()
    assert out.invite.uri_text == "sip:+4930123@b.example:5099;transport=tcp;user=phone"
    assert out.invite.header("To") == "<sip:+4930123@b.example>"


def test_what_the_caller_can_do_is_offered_first_and_a_route_may_choose() -> None:
    config = settings(codecs=(G722, PCMU, PCMA))
    out = Outward(config)
    out.originate(offer=Media((PCMA,), True))
    assert codecs_in(out.invite.body)[:3] == ["PCMA", "G722", "PCMU"]
    out = Outward(config)
    out.originate(route=attrs.evolve(ROUTE, codecs=("PCMU", "g722", "nothing")))
    assert codecs_in(out.invite.body)[:2] == ["PCMU", "G722"]
    with pytest.raises(NegotiationError, match="nothing"):
        Outward(config).originate(route=attrs.evolve(ROUTE, codecs=("nothing",)))


@pytest.mark.parametrize(
    ("identity", "restricted", "from_", "fields"),
    [
        (AssertedIdentity.NONE, False, '"Alice" <sip:+15551234@g.example>', {}),
        (
            AssertedIdentity.ASSERTED, False, '"Alice" <sip:+15551234@g.example>',
            {"P-Asserted-Identity": '"Alice" <sip:+15551234@g.example>'},
        ),
        (AssertedIdentity.NONE, True, '"Anonymous" <sip:anonymous@anonymous.invalid>', {"Privacy": "id"}),
        (
            AssertedIdentity.ASSERTED, True, '"Anonymous" <sip:anonymous@anonymous.invalid>',
            {"Privacy": "id", "P-Asserted-Identity": '"Alice" <sip:+15551234@g.example>'},
        ),
        (AssertedIdentity.PREFERRED, True, '"Anonymous" <sip:anonymous@anonymous.invalid>', {"Privacy": "id"}),
    ],
)  # fmt: skip
def test_presentation(identity: AssertedIdentity, restricted: bool, from_: str, fields: dict[str, str]) -> None:
    out = Outward(settings(identity=identity))
    out.originate(route=attrs.evolve(ROUTE, calling=Party("+15551234", "Alice", restricted)))
    assert (out.invite.header("From") or "").startswith(from_ + ";tag=")
    for name in ("Privacy", "P-Asserted-Identity", "P-Preferred-Identity"):
        assert out.invite.header(name) == fields.get(name)


def test_ringing_and_answer() -> None:
    out = Outward()
    out.originate()
    out.carrier.do(out.carrier.server.progress(180, out.wire.now))
    out.run()
    assert out.events == [Progress(180)] and not out.stream.started
    out.answer(describe("PCMA", port=5000))
    answered = out.events[1]
    assert isinstance(answered, Answered) and answered.media is not None
    assert [codec.name for codec in answered.media.codecs] == ["PCMA"]
    (started,) = out.stream.started
    assert started["remote"] == ("192.0.2.9", 5000) and started["codec"] == "PCMA"
    assert started["telephone_event"] == 101 and out.stream.detecting
    assert out.wire.sent("g>b ACK") == 1


def test_early_media_starts_the_stream_before_the_answer_and_the_answer_again_changes_nothing() -> None:
    out = Outward()
    out.originate()
    out.carrier.do(out.carrier.server.progress(183, out.wire.now, describe("PCMU")))
    out.run()
    (progress,) = out.events
    assert isinstance(progress, Progress) and progress.media is not None and len(out.stream.started) == 1
    out.answer(describe("PCMU"))
    assert isinstance(out.events[-1], Answered) and len(out.stream.started) == 1


def test_an_answer_without_a_common_codec_ends_the_call() -> None:
    out = Outward()
    out.originate()
    out.answer(describe("GSM"))
    (released,) = out.events
    assert isinstance(released, Released) and released.status == 488
    assert out.wire.sent("g>b BYE") == 1 and out.stream.closed


def test_a_refusal_keeps_its_status_and_a_reason_gives_the_cause() -> None:
    out = Outward()
    out.originate()
    fields = [("Reason", 'Q.850;cause=1;text="unallocated"'), ("Retry-After", "7")]
    out.carrier.do(out.carrier.server.reject(503, out.wire.now, fields))
    out.run()
    (released,) = out.events
    assert isinstance(released, Released)
    assert (released.cause, released.status, released.retry_after_s) == (Cause.UNALLOCATED_NUMBER, 503, 7.0)
    assert released.responded and out.stream.closed and out.leg.next_deadline() == float("inf")


def test_silence_is_given_up_after_the_response_timeout() -> None:
    out = Outward()
    out.wire.drop = lambda sender, message: sender == "g"
    out.originate()
    out.run(3.8)
    assert out.events == []
    out.run(0.3)
    (released,) = out.events
    assert isinstance(released, Released) and not released.responded and released.status == 408
    out.run(120)
    assert out.leg.next_deadline() == float("inf") and out.node.dialogs == {} and len(out.events) == 1


def test_a_100_is_a_response_and_ringing_is_given_up_after_the_ring_timeout() -> None:
    out = Outward()
    out.originate()
    out.run(4.5)
    assert out.events == []
    out.carrier.do(out.carrier.server.progress(180, out.wire.now))
    out.run(10.0)
    out.carrier.do(out.carrier.server.progress(180, out.wire.now))  # counts from the first one
    out.run(9.8)
    assert out.events == [Progress(180)] * 2
    out.run(0.5)
    released = out.events[-1]
    assert isinstance(released, Released) and released.cause is Cause.NO_ANSWER and released.responded
    assert out.wire.sent("g>b CANCEL") == 1 and out.wire.sent("487") == 1 and out.stream.closed
    assert out.carrier.the.state is State.ENDED and out.node.dialogs == {}


def test_no_hops_left_places_no_call() -> None:
    out = Outward()
    out.originate(request=attrs.evolve(REQUEST, hops=0))
    (released,) = out.events
    assert isinstance(released, Released) and released.status == 483 and out.wire.trace == []


def test_the_carrier_hangs_up_with_a_cause() -> None:
    out = Outward()
    out.originate()
    out.answer()
    out.carrier.do(out.carrier.the.hang_up(out.wire.now, [("Reason", "Q.850;cause=31")]))
    out.run()
    released = out.events[-1]
    assert isinstance(released, Released) and released.cause is Cause.NORMAL_UNSPECIFIED and out.stream.closed
    assert out.leg.stream is not None and out.leg.stream.statistics().packets_sent == 1


def test_release_says_why() -> None:
    out = Outward()
    out.originate()
    out.answer()
    out.do(out.leg.release(Released(Cause.NORMAL_CALL_CLEARING), out.wire.now))
    out.run()
    assert out.carrier.requests[-1].method == "BYE"
    assert out.carrier.requests[-1].header("Reason") == "Q.850;cause=16"
    assert out.events[-1] != Released and out.node.dialogs == {} and out.leg.next_deadline() == float("inf")
    assert out.leg.release(Released(Cause.NORMAL_CALL_CLEARING), out.wire.now) == []


def test_a_challenge_of_the_trunk_is_answered() -> None:
    out = Outward(settings(credentials=(Credentials("g", "b.example", "x"),)))
    taken = out.carrier.receive_request

    def challenge(request: Request, arrival: Arrival, now: float) -> list[Effect]:
        if request.header("Proxy-Authorization") is None and request.method == "INVITE":
            fields = [("Proxy-Authenticate", str(Challenge("b.example", "n", "SHA-256", ("auth",))))]
            return [Respond(request, Response.answer(request, 407, to_tag="p", fields=fields))]
        return taken(request, arrival, now)

    out.carrier.receive_request = challenge  # type: ignore[method-assign]
    out.originate()
    out.answer()
    assert isinstance(out.events[-1], Answered) and out.wire.sent("INVITE 2") >= 2


# A call that comes in.


def test_a_call_is_offered_with_all_that_is_known_of_it() -> None:
    inward = Inward()
    inward.call(fields=[("X-Tenant", "7")], max_forwards=12)
    request = inward.offered
    assert (request.call_id, request.called, request.domain, request.hops) == ("call-1", "030 123", "g.example", 12)
    assert request.calling == Party("+15551234", "Alice")
    assert request.source == Source(SourceKind.ADDRESS, "192.0.2.1", "192.0.2.1")
    assert request.media is not None and [codec.name for codec in request.media.codecs] == ["PCMU", "PCMA"]
    assert request.media.telephone_event and ("X-Tenant", "7") in request.headers
    assert inward.plane.streams == []  # no port is taken before it is needed


@pytest.mark.parametrize(
    ("trusted", "fields", "calling"),
    [
        (False, [("P-Asserted-Identity", "<sip:+49301@x>")], Party("+15551234", "Alice")),
        (True, [("P-Asserted-Identity", '"Firm" <sip:+49301@x>')], Party("+49301", "Firm")),
        (True, [("P-Asserted-Identity", "<tel:+49-30-1>"), ("Privacy", "id")], Party("+49301", "", True)),
        (False, [("Privacy", "id")], Party("+15551234", "Alice", True)),
        (True, [("P-Asserted-Identity", "nonsense <")], Party("+15551234", "Alice")),
    ],
)
def test_the_calling_party(trusted: bool, fields: list[tuple[str, str]], calling: Party) -> None:
    inward = Inward(source=Source(SourceKind.TRUNK, "t", "192.0.2.1", trusted))
    inward.call(fields=fields)
    assert inward.offered.calling == calling


def test_an_anonymous_caller_is_nobody() -> None:
    inward = Inward()
    inward.call(from_='"Anonymous" <sip:anonymous@anonymous.invalid>')
    assert inward.offered.calling == Party("", "", True)


def test_ringing_and_answer_in_the_codec_of_the_other_leg() -> None:
    inward = Inward()
    inward.call()
    inward.do(inward.leg.progress(Progress(180), inward.wire.now))
    inward.run()
    assert inward.caller.responses[-1].status == 180 and inward.caller.responses[-1].body == b""
    inward.do(inward.leg.answer(Answered(Media((PCMA,))), inward.wire.now))
    inward.run()
    answer = inward.caller.responses[-1]
    assert answer.status == 200 and codecs_in(answer.body) == ["PCMA", "telephone-event"]
    (started,) = inward.stream.started
    assert started["codec"] == "PCMA" and started["remote"] == ("192.0.2.9", 4000)
    assert inward.leg.session is not None and inward.leg.session.state is State.CONFIRMED


def test_early_media_and_answer_say_the_same() -> None:
    inward = Inward()
    inward.call()
    inward.do(inward.leg.progress(Progress(183, Media((PCMU,))), inward.wire.now))
    inward.run()
    early = inward.caller.responses[-1]
    assert early.status == 183 and codecs_in(early.body) == ["PCMU", "telephone-event"] and inward.stream.started
    inward.do(inward.leg.answer(Answered(Media((PCMA,))), inward.wire.now))
    inward.run()
    assert inward.caller.responses[-1].body == early.body and len(inward.stream.started) == 1


@pytest.mark.parametrize(
    ("body", "status", "warning"),
    [
        (describe("GSM"), 488, "305 g.example "),
        (describe("PCMU").replace(b"m=audio", b"m=video"), 488, "304 g.example "),
        (describe("PCMU").replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 media.example"), 488, "305 g.example "),
        (b"this is no description", 400, ""),
    ],
)
def test_a_description_that_cannot_be_answered(body: bytes, status: int, warning: str) -> None:
    inward = Inward()
    inward.call(body)
    assert inward.node.events == [] and inward.caller.responses[-1].status == status
    assert (inward.caller.responses[-1].header("Warning") or "").startswith(warning)
    assert inward.leg.next_deadline() == float("inf")


def test_a_call_without_an_offer_gets_ours_in_the_200() -> None:
    inward = Inward()
    inward.call(b"")
    assert inward.offered.media is None
    inward.do(inward.leg.answer(Answered(Media((PCMA,))), inward.wire.now))
    inward.run()
    established = inward.caller.node.events[-1]
    assert isinstance(established, Established) and established.offered
    assert codecs_in(established.sdp) == ["PCMA", "PCMU", "telephone-event"] and not inward.stream.started
    inward.caller.do(inward.client.acknowledge(describe("PCMU"), inward.wire.now))
    inward.run()
    assert inward.stream.started[0]["codec"] == "PCMU"


def test_an_ack_without_the_answer_that_is_due_ends_the_call() -> None:
    inward = Inward()
    inward.call(b"")
    inward.do(inward.leg.answer(Answered(Media((PCMA,))), inward.wire.now))
    inward.run()
    inward.caller.do(inward.client.acknowledge(b"", inward.wire.now))
    inward.run()
    released = inward.node.events[-1]
    assert isinstance(released, Released) and inward.wire.sent("g>a BYE") == 1 and inward.stream.closed


@pytest.mark.parametrize(
    ("released", "status", "fields"),
    [
        (Released(Cause.USER_BUSY), 486, {"Reason": "Q.850;cause=17"}),
        (Released(Cause.TEMPORARY_FAILURE, 503, "try later", retry_after_s=2.5), 503, {"Retry-After": "3"}),
        (Released(Cause.CALL_REJECTED, 407), 403, {}),
        (Released(Cause.NUMBER_CHANGED, 302), 480, {}),
        (Released(Cause.NORMAL_CALL_CLEARING, 200), 480, {}),
    ],
)
def test_a_refusal_outwards(released: Released, status: int, fields: dict[str, str]) -> None:
    inward = Inward()
    inward.call()
    inward.do(inward.leg.release(released, inward.wire.now))
    inward.run()
    answer = inward.caller.responses[-1]
    assert answer.status == status
    for name, value in fields.items():
        assert answer.header(name) == value


def test_a_caller_who_gives_up_is_told_once() -> None:
    inward = Inward()
    inward.call()
    inward.do(inward.leg.progress(Progress(180), inward.wire.now))
    inward.run()
    inward.caller.do(inward.client.hang_up(inward.wire.now, [("Reason", "Q.850;cause=31")]))
    inward.run(0.3)
    released = inward.node.events[-1]
    assert isinstance(released, Released) and (released.cause, released.status) == (Cause.NORMAL_UNSPECIFIED, 487)
    assert inward.leg.release(released, inward.wire.now) == [] and inward.leg.answer(Answered(), inward.wire.now) == []


# During the call.


def test_hold_and_resume_from_outside() -> None:
    inward = Inward()
    inward.answered()
    for direction, ours in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
        inward.caller.do(inward.client.offer(describe("PCMU", direction=direction), inward.wire.now))
        inward.run()
        (updated,) = inward.node.events
        assert isinstance(updated, Updated) and updated.media.direction is Direction(direction)
        inward.node.events.clear()
        (answered,) = inward.caller.node.told(OfferAnswered)
        assert isinstance(answered, OfferAnswered) and f"a={ours}\r\n".encode() in answered.sdp
        inward.caller.node.events.clear()
        assert inward.stream.started[-1]["direction"] is Direction(ours)


@pytest.mark.parametrize(
    ("ours", "theirs", "wish"),
    [("sendrecv", "sendonly", "sendonly"), ("sendrecv", "sendrecv", "sendrecv"), ("sendonly", "recvonly", "sendrecv")],
)
def test_a_hold_that_answers_an_offer_asked_for_is_told(ours: str, theirs: str, wish: str) -> None:
    inward = Inward()
    inward.answered()
    if ours != "sendrecv":
        inward.do(inward.leg.update(Updated(Media((PCMU,), direction=Direction(ours))), inward.wire.now))
        inward.run()
        inward.caller.do(inward.client.answer_offer(describe("PCMU", direction="recvonly"), inward.wire.now))
        inward.run()
    dialog = inward.client.dialog
    assert dialog is not None
    asking = dialog.create("INVITE", [("Contact", "<sip:a@a.example>")])
    inward.caller.do([SendRequest(asking, inward.caller)])
    inward.run(0.05)
    assert inward.caller.responses[-1].status == 200 and f"a={ours}\r\n".encode() in inward.caller.responses[-1].body
    ack = dialog.create("ACK", (), describe("PCMU", direction=theirs), "application/sdp", seq=asking.cseq_number)
    inward.caller.do([SendAck(ack)])
    inward.run()
    (updated,) = inward.node.events
    assert isinstance(updated, Updated) and updated.media.direction is Direction(wish)


def test_a_re_invite_without_a_common_codec_is_refused_and_the_call_goes_on() -> None:
    inward = Inward()
    inward.answered()
    inward.caller.do(inward.client.offer(describe("GSM"), inward.wire.now))
    inward.run()
    assert inward.wire.sent("488 INVITE") == 1 and inward.node.events == [] and len(inward.stream.started) == 1


def test_an_offer_of_fax_in_mid_call_is_refused_488_and_one_that_takes_all_away_is_answered() -> None:
    inward = Inward()
    inward.answered()
    fax = describe("PCMU", port=0) + b"m=image 5000 udptl t38\r\n"
    inward.caller.do(inward.client.offer(fax, inward.wire.now))
    inward.run()
    assert inward.wire.sent("488 INVITE") == 1 and len(inward.stream.started) == 1
    inward.caller.do(inward.client.offer(describe("PCMU", port=0), inward.wire.now))
    inward.run()
    (updated,) = inward.node.events
    assert isinstance(updated, Updated) and updated.media.direction is Direction.INACTIVE
    assert inward.stream.started[-1]["direction"] is Direction.INACTIVE


def test_hold_is_passed_outwards_once() -> None:
    out = Outward()
    out.originate()
    out.answer()
    held = Updated(Media((PCMU,), direction=Direction.SENDONLY))
    out.do(out.leg.update(held, out.wire.now))
    out.run()
    (received,) = out.carrier.node.told(OfferReceived)
    assert isinstance(received, OfferReceived) and b"a=sendonly\r\n" in received.sdp
    assert sdp.parse(received.sdp).origin.session_version == "2"
    out.carrier.do(out.carrier.the.answer_offer(describe("PCMU", direction="recvonly"), out.wire.now))
    out.run()
    assert out.stream.started[-1]["direction"] is Direction.SENDONLY
    assert out.leg.update(held, out.wire.now) == []


def test_media_that_stops_ends_the_call_unless_it_is_on_hold() -> None:
    inward = Inward()
    inward.answered()
    inward.caller.do(inward.client.offer(describe("PCMU", direction="inactive"), inward.wire.now))
    inward.run()
    stopped = MediaStopped(inward.stream, 30.0)
    assert inward.leg.receive_media(stopped, inward.wire.now) == []
    inward.caller.do(inward.client.offer(describe("PCMU"), inward.wire.now))
    inward.run()
    inward.node.events.clear()
    inward.do(inward.leg.receive_media(stopped, inward.wire.now))
    inward.run()
    (released,) = inward.node.events
    assert isinstance(released, Released) and released.cause is Cause.RECOVERY_ON_TIMER_EXPIRY
    assert inward.wire.sent("g>a BYE") == 1 and inward.stream.closed


def test_digits_both_ways() -> None:
    inward = Inward()
    inward.answered()
    heard = DigitHeard(inward.stream, "5", 80, False)
    assert inward.leg.receive_media(heard, inward.wire.now) == [Digit("5", 80)]
    relayed = DigitHeard(inward.stream, "5", 80, False, passed_on=True)
    assert inward.leg.receive_media(relayed, inward.wire.now) == [Digit("5", 80, carried=True)]
    assert inward.leg.digit(Digit("7"), inward.wire.now) == [] and inward.stream.digits == ["7"]
    assert inward.leg.digit(Digit("8", carried=True), inward.wire.now) == [] and inward.stream.digits == ["7"]
    for body, event in ((b"Signal=#\r\nDuration=250\r\n", Digit("#", 250)), (b"Signal=16\r\n", HookFlash())):
        inward.caller.do(inward.client.info("application/dtmf-relay", body, inward.wire.now))
        inward.run()
        assert inward.node.events[-1] == event


def test_digits_go_out_as_info_where_that_is_set() -> None:
    out = Outward(settings(dtmf_out=DtmfOut.INFO))
    out.originate()
    out.answer()
    out.do(out.leg.digit(Digit("9", 120), out.wire.now))
    out.run()
    assert out.carrier.requests[-1].body == b"Signal=9\r\nDuration=120\r\n" and out.stream.digits == []


# Media past us.


def test_descriptions_pass_through_where_media_is_not_ours() -> None:
    inward = Inward(settings(media=False))
    inward.call(describe("opus"))
    assert inward.offered.media == Media(sdp=describe("opus"))
    inward.do(inward.leg.answer(Answered(Media(sdp=describe("opus", port=6))), inward.wire.now))
    inward.run()
    assert inward.caller.responses[-1].body == describe("opus", port=6) and inward.leg.stream is None


# The whole way: telephone, two legs and a call between them, carrier.


class Routes:
    """A decision with one route."""

    refusal: Refusal | None = None

    def __init__(self, route: Route) -> None:
        self.routes = [route]

    def next_after(self, route: Route, released: Released, *, rang: bool = False) -> Route | None:
        return None


class BackToBack:
    """Telephone ``a``, gateway ``g``, carrier ``b``."""

    def __init__(self, *, media: bool, wire: Wire | None = None, seed: int = 1) -> None:
        self.wire = wire or Wire()
        entropy = SeededEntropy(seed)
        self.plane = FakePlane()
        self.settings = settings(media=media)
        self.phone = Peer(self.wire.node("a"))
        self.client = ClientSession(self.phone, plain("<sip:a@a.example>"), entropy)
        self.phone.session = self.client
        self.carrier = Peer(self.wire.node("b", lambda request: self.carrier))
        self.carrier.session = ServerSession(self.carrier, plain("<sip:b@b.example>"), entropy)
        self.caller = SipLeg("in", self.settings, entropy, self.plane)
        self.node = self.wire.node("g", lambda request: self.caller)
        self.node.on_event = self.happened
        self.entropy = entropy
        self.call: Call | None = None
        self.steps: list[Step] = []

    def open(self, route: Route, request: CallRequest) -> Leg:
        return SipLeg("out", self.settings, self.entropy, self.plane)

    def happened(self, user: TransactionUser, event: object) -> None:
        assert isinstance(user, SipLeg) and isinstance(event, CallEvent)
        if isinstance(event, Offered):
            plane = self.plane if self.settings.media is not None else None
            self.call = Call(event.request, user, Routes(ROUTE), self, plane)
            self.walk(self.call.start(self.wire.now))
        elif self.call is not None:
            self.walk(self.call.receive(user, event, self.wire.now))

    def walk(self, steps: list[Step]) -> None:
        for step in steps:
            self.steps.append(step)
            if isinstance(step, LegEffects):
                assert isinstance(step.leg, SipLeg)
                self.node.perform(step.leg, step.effects)

    def run(self, seconds: float = 0.1) -> None:
        self.wire.run(self.wire.now + seconds)

    def dial(self, body: bytes) -> None:
        start = self.client.start("sip:030@g.example", self.wire.now, from_="<sip:a@a>", to="<sip:030@g>", sdp=body)
        self.phone.do(start)
        self.run()


@pytest.mark.parametrize("media", [True, False])
def test_a_back_to_back_call(media: bool) -> None:
    way = BackToBack(media=media)
    way.dial(describe("PCMU", "PCMA"))
    way.carrier.do(way.carrier.server.progress(180, way.wire.now))
    way.run()
    way.carrier.do(way.carrier.server.accept(describe("PCMA", port=7000), way.wire.now))
    way.run()
    established = way.phone.node.events[-1]
    assert isinstance(established, Established) and codecs_in(established.sdp) == ["PCMA", "telephone-event"]
    assert len(way.plane.bridged) == (1 if media else 0)
    assert way.carrier.requests[0].header("Call-ID") != way.phone.responses[0].header("Call-ID")
    way.phone.do(way.client.hang_up(way.wire.now))
    way.run()
    ended = way.carrier.node.events[-1]
    assert isinstance(ended, SessionEnded)
    assert way.node.dialogs == {} and all(stream.closed for stream in way.plane.streams)
    assert [line for line in way.wire.trace if " ACK" not in line] == [
        "a>g INVITE 1", "g>b INVITE 1", "b>g 180 INVITE 1", "g>a 180 INVITE 1", "b>g 200 INVITE 1", "g>a 200 INVITE 1",
        "a>g BYE 2", "g>a 200 BYE 2", "g>b BYE 2", "b>g 200 BYE 2",
    ]  # fmt: skip


def test_a_call_without_an_offer_passes_through_from_end_to_end() -> None:
    way = BackToBack(media=False)
    way.dial(b"")
    assert way.carrier.requests[0].body == b""
    way.carrier.do(way.carrier.server.accept(describe("opus", port=1000), way.wire.now))
    way.run()
    established = way.phone.node.events[-1]
    assert (
        isinstance(established, Established) and established.offered and established.sdp == describe("opus", port=1000)
    )
    way.phone.do(way.client.acknowledge(describe("opus", port=2000), way.wire.now))
    way.run()
    confirmed = way.carrier.node.events[-1]
    assert isinstance(confirmed, Established) and confirmed.sdp == describe("opus", port=2000)


@pytest.mark.parametrize("accepted", [True, False])
def test_a_re_invite_passes_through_from_end_to_end(accepted: bool) -> None:
    way = BackToBack(media=False)
    way.dial(describe("opus", port=2000))
    way.carrier.do(way.carrier.server.accept(describe("opus", port=1000), way.wire.now))
    way.run()
    way.carrier.do(way.carrier.the.offer(describe("opus", port=1002), way.wire.now))
    way.run()
    received = way.phone.node.events[-1]
    assert isinstance(received, OfferReceived) and received.sdp == describe("opus", port=1002)
    if accepted:
        way.phone.do(way.client.answer_offer(describe("opus", port=2002), way.wire.now))
        way.run()
        assert way.carrier.node.events[-1] == OfferAnswered(describe("opus", port=2002))
    else:
        way.phone.do(way.client.refuse_offer(606, way.wire.now))
        way.run()
        assert way.wire.sent("g>b 488 INVITE") == 1
    assert way.client.state is way.carrier.the.state is State.CONFIRMED


@pytest.mark.parametrize("media", [True, False])
def test_early_media_that_comes_several_times_and_another_answer(media: bool) -> None:
    way = BackToBack(media=media)
    way.dial(describe("PCMU", "PCMA"))
    for status in (183, 180, 183):
        way.carrier.do(way.carrier.server.progress(status, way.wire.now, describe("PCMU", port=7000)))
        way.run()
    early = [response.body for response in way.phone.responses if response.status > 100]
    assert len(early) == 3 and len(set(early)) == 1
    way.carrier.do(way.carrier.server.accept(describe("PCMU", port=7002), way.wire.now))
    way.run()
    established = way.phone.node.events[-1]
    assert isinstance(established, Established)
    if media:
        assert established.sdp == early[0]
        assert [one["remote"] for one in way.plane.streams[0].started] == [("192.0.2.9", 7000), ("192.0.2.9", 7002)]
    else:
        assert established.sdp == describe("PCMU", port=7002)


@pytest.mark.parametrize("seed", range(60))
def test_no_schedule_leaves_a_back_to_back_call_stuck(seed: int) -> None:
    entropy = SeededEntropy(f"back to back {seed}")
    way = BackToBack(media=seed % 2 == 0, wire=Wire(seed=seed, jitter_s=0.3, loss=0.2), seed=seed)
    way.dial(describe("PCMU", "PCMA"))
    moves = {
        4 * entropy.uniform(): lambda: way.carrier.do(way.carrier.server.progress(183, way.wire.now, describe("PCMU"))),
        4 + 4 * entropy.uniform(): lambda: way.carrier.do(way.carrier.server.accept(describe("PCMU"), way.wire.now)),
        12 * entropy.uniform(): lambda: way.phone.do(way.client.hang_up(way.wire.now)) if seed % 3 == 0 else None,
        12.1 * entropy.uniform(): lambda: (
            way.carrier.do(way.carrier.the.hang_up(way.wire.now)) if seed % 3 == 1 else None
        ),
        12.0: lambda: way.phone.do(way.client.offer(describe("PCMU", direction="sendonly"), way.wire.now)),
        30.0: lambda: way.carrier.do(way.carrier.the.hang_up(way.wire.now)),
        40.0: lambda: way.phone.do(way.client.hang_up(way.wire.now)),
    }
    for moment, move in sorted(moves.items()):
        way.wire.run(max(moment, way.wire.now))
        move()
    way.run(300)
    assert way.client.state is State.ENDED, way.wire.trace
    assert way.node.dialogs == {} and way.node.next_deadline() == float("inf")
    assert all(stream.closed for stream in way.plane.streams)


def test_a_leg_that_anchors_media_needs_a_plane() -> None:
    with pytest.raises(LocalProtocolError, match="plane"):
        SipLeg("x", settings(), SeededEntropy(1))


# Peers behind NAT.


@pytest.mark.parametrize(
    ("media_at", "signalled_from", "passed_on"),
    [
        ("192.168.1.5", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.5", "127.0.0.1", "127.0.0.1"),
        ("100.64.1.1", "192.168.0.1", "192.168.0.1"),
        ("192.168.1.5", "192.168.1.10", None),
        ("172.20.1.5", "172.31.0.1", None),
        ("198.51.100.1", "203.0.113.7", None),
        ("fd00::5", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_media_of_a_peer_behind_nat_is_taken_from_where_its_signalling_comes_from(
    media_at: str, signalled_from: str, passed_on: str | None
) -> None:
    address = f"IP{6 if ':' in media_at else 4} {media_at}".encode()
    plane = FakePlane()
    leg = SipLeg("in", settings(), SeededEntropy(9), plane, call_id="call-1")
    arrival = Arrival((signalled_from, 5060), ("192.0.2.2", 5060), "udp")
    leg.receive_request(
        inward_invite(describe("PCMU").replace(b"c=IN IP4 192.0.2.9", b"c=IN " + address)), arrival, 0.0
    )
    leg.answer(Answered(Media((PCMU,))), 0.0)
    assert plane.streams[0].started[0]["signalling"] == passed_on


def inward_invite(body: bytes) -> Request:
    fields = [("Via", "SIP/2.0/UDP a.example;branch=z9hG4bK1"), ("From", "<sip:a@a.example>;tag=1"), ("To", "<sip:g@g.example>"),
              ("Call-ID", "c1"), ("CSeq", "1 INVITE"), ("Contact", "<sip:a@a.example>")]  # fmt: skip
    return Request.create("INVITE", "sip:1@g.example", fields, body, "application/sdp")


def test_a_trunk_by_address_is_heard_from_there_when_its_description_is_private() -> None:
    out = Outward(attrs.evolve(settings(), target=Uri.parse("sip:203.0.113.9")))
    sent = out.leg.originate(REQUEST, ROUTE, OFFER, 0.0)
    invite = next(effect.request for effect in sent if isinstance(effect, SendRequest))
    body = describe("PCMU").replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 10.1.2.3")
    invite = invite.with_fields(prepend=(("Via", "SIP/2.0/UDP g.example;branch=z9hG4bK1"),))
    answer = Response.answer(invite, 200, to_tag="b", body=body, content_type="application/sdp")
    out.leg.receive_response(answer, 0.1)
    assert out.stream.started[0]["signalling"] == "203.0.113.9"


def test_a_host_name_for_media_in_an_answer_ends_the_call_in_plain_words() -> None:
    out = Outward()
    out.originate()
    out.answer(describe("PCMU").replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 media.example"))
    released = out.events[-1]
    assert isinstance(released, Released) and released.status == 488
    assert "host name 'media.example'" in released.text
