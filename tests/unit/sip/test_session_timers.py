"""Session timers (RFC 4028) between two sessions in virtual time, and over a gateway of which only one side knows them."""

from __future__ import annotations

import attrs
import pytest

from voipgw.entropy import SeededEntropy
from voipgw.errors import ConfigurationError
from voipgw.sip import Request, Response
from voipgw.sip.effects import Arrival, Effect
from voipgw.sip.reliable import Reliability
from voipgw.sip.session_client import ClientSession
from voipgw.sip.session_events import (
    End,
    OfferAnswered,
    OfferReceived,
    SessionEnded,
    SessionSettings,
    State,
)
from voipgw.sip.session_server import ServerSession
from voipgw.sip.session_timer import SessionTimer, TimerSettings
from voipgw.testing.sip_wire import Message, Node, Wire

OFFER, ANSWER = b"v=0\r\ns=offer\r\n", b"v=0\r\ns=answer\r\n"
OFF = TimerSettings(interval_s=0)


class Ua:
    """A transaction user that is nothing but its session; it answers each offer with ``ANSWER``."""

    def __init__(
        self, node: Node, session: type[ClientSession] | type[ServerSession], settings: SessionSettings
    ) -> None:
        self.node = node
        self.session = session(self, settings, SeededEntropy(node.name))
        self.requests: list[Request] = []
        self.responses: list[Response] = []

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        self.requests.append(request)
        if isinstance(self.session, ServerSession) and self.session.state is State.IDLE:
            return self.session.start(request, now)
        effects = self.session.receive_request(request, now)
        if any(isinstance(effect, OfferReceived) for effect in effects):
            effects = [*effects, *self.session.answer_offer(ANSWER, now)]
        return effects

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        self.responses.append(response)
        return self.session.receive_response(response, now)

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        return self.session.request_failed(request, error, now)

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        return self.session.cancelled(request, now, cancel)

    def next_deadline(self) -> float:
        return self.session.next_deadline()

    def handle_deadline(self, now: float) -> list[Effect]:
        return self.session.handle_deadline(now)

    def do(self, effects: list[Effect]) -> None:
        self.node.perform(self, effects)

    @property
    def ends(self) -> list[End]:
        return [event.how for event in self.node.events if isinstance(event, SessionEnded)]


def without_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says that UPDATE is allowed."""
    monkeypatch.setattr("voipgw.sip.session_events.ALLOW", "INVITE, ACK, CANCEL, BYE")


class Pair:
    """A caller and a called party with timers of their own."""

    def __init__(
        self, theirs: TimerSettings, ours: TimerSettings, *, wire: Wire | None = None, update: bool = True
    ) -> None:
        self.wire = wire or Wire()
        plain = SessionSettings("<sip:a@a.example>", reliable=Reliability.NEVER)
        a, b = self.wire.node("a"), self.wire.node("b", lambda request: self.b)
        self.a = Ua(a, ClientSession, attrs.evolve(plain, timer=theirs))
        self.b = Ua(b, ServerSession, attrs.evolve(plain, contact="<sip:b@b.example>", timer=ours))

    @property
    def client(self) -> ClientSession:
        assert isinstance(self.a.session, ClientSession)
        return self.a.session

    @property
    def server(self) -> ServerSession:
        assert isinstance(self.b.session, ServerSession)
        return self.b.session

    def run(self, seconds: float) -> None:
        self.wire.run(self.wire.now + seconds)

    def talk(self, *fields: tuple[str, str]) -> Response:
        start = self.client.start(
            "sip:b@b.example",
            self.wire.now,
            from_="<sip:a@a.example>",
            to="<sip:b@b.example>",
            sdp=OFFER,
            fields=fields,
        )
        self.a.do(start)
        self.run(0.1)
        self.b.do(self.server.accept(ANSWER, self.wire.now))
        self.run(0.1)
        assert self.client.state is self.server.state is State.CONFIRMED, self.wire.trace
        return self.a.responses[-1]


def test_the_caller_refreshes_by_update_at_half_of_the_interval() -> None:
    pair = Pair(TimerSettings(), TimerSettings())
    accepted = pair.talk()
    invite = pair.b.requests[0]
    assert invite.header("Session-Expires") == "1800" and "timer" in invite.headers("Supported")
    assert accepted.header("Session-Expires") == "1800;refresher=uac" and accepted.header("Require") == "timer"
    pair.wire.run(899)
    assert pair.wire.sent("UPDATE") == 0
    pair.wire.run(901)
    assert pair.wire.sent("a>b UPDATE") == 1 and pair.wire.sent("200 UPDATE") == 1
    update = pair.b.requests[-1]
    assert update.header("Session-Expires") == "1800;refresher=uac" and update.body == b""


@pytest.mark.parametrize("update", [True, False])
@pytest.mark.parametrize(("theirs", "ours"), [(1800, 1800), (1800, 0), (0, 1800), (600, 1800), (1800, 300)])
def test_a_call_of_three_hours_lives_on_refreshes_whoever_wants_them(
    theirs: int, ours: int, update: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not update:
        without_update(monkeypatch)
    pair = Pair(TimerSettings(theirs), TimerSettings(ours))
    pair.talk()
    pair.wire.run(3 * 3600)
    assert pair.client.state is pair.server.state is State.CONFIRMED
    refreshes = pair.wire.sent("b UPDATE") + pair.wire.sent("a UPDATE") if update else pair.wire.sent("200 INVITE") - 1
    assert refreshes >= 11
    assert pair.a.node.told(OfferAnswered) == pair.b.node.told(OfferAnswered) == []
    assert pair.wire.sent("BYE") == 0
    pair.a.do(pair.client.hang_up(pair.wire.now))
    pair.run(1)
    assert pair.client.next_deadline() == pair.server.next_deadline() == float("inf")
    assert pair.a.node.dialogs == pair.b.node.dialogs == {}


def test_without_any_wish_no_timer_runs() -> None:
    pair = Pair(OFF, OFF)
    accepted = pair.talk()
    assert accepted.header("Session-Expires") is None
    assert pair.client.next_deadline() == pair.server.next_deadline() == float("inf")


def test_the_called_side_refreshes_for_a_caller_that_knows_no_timers() -> None:
    pair = Pair(OFF, TimerSettings(600))
    start = pair.client.start("sip:b@b.example", 0.0, from_="<sip:a@a>", to="<sip:b@b>", sdp=OFFER)
    send = start[-1]
    invite = send.request.with_fields(remove=("Supported",))  # type: ignore[attr-defined]
    pair.client._invite_out = invite
    pair.a.do([start[0], attrs.evolve(send, request=invite)])  # type: ignore[type-var]
    pair.run(0.1)
    pair.b.do(pair.server.accept(ANSWER, pair.wire.now))
    pair.run(0.1)
    accepted = pair.a.responses[-1]
    assert accepted.header("Session-Expires") == "600;refresher=uas" and accepted.header("Require") is None
    pair.wire.run(301)
    assert pair.wire.sent("b>a UPDATE") == 1


def test_an_interval_that_is_too_short_is_refused_422_and_asked_for_again() -> None:
    pair = Pair(TimerSettings(120), TimerSettings(1800, 300))
    pair.a.do(pair.client.start("sip:b@b.example", 0.0, from_="<sip:a@a>", to="<sip:b@b>", sdp=OFFER))
    pair.wire.nodes[1]._accept = lambda request: fresh(pair)  # type: ignore[assignment]
    pair.run(0.3)
    assert pair.wire.sent("422 INVITE 1") == 1 and pair.wire.sent("a>b INVITE 2") == 1
    again = pair.b.requests[-1]
    assert again.header("Session-Expires") == "300" and again.header("Min-SE") == "300"
    pair.b.do(pair.server.accept(ANSWER, pair.wire.now))
    pair.run(0.1)
    assert pair.client.state is pair.server.state is State.CONFIRMED
    assert pair.a.responses[-1].header("Session-Expires") == "300;refresher=uac"


def fresh(pair: Pair) -> Ua:
    """The called party, with a new session where the old one refused."""
    if pair.b.session.state is State.ENDED:
        pair.b = Ua(pair.b.node, ServerSession, pair.b.session.settings)
    return pair.b


def test_a_422_that_asks_for_no_more_than_was_offered_is_a_refusal() -> None:
    timer = SessionTimer(TimerSettings(1800, 300))
    answer = Response.create(422, None, [("Min-SE", "300")])
    assert not timer.raise_to(answer)
    assert timer.raise_to(Response.create(422, None, [("Min-SE", "2400")]))
    assert timer.request_fields() == (("Session-Expires", "2400"), ("Min-SE", "2400"))


@pytest.mark.parametrize("dead", ["a", "b"])
def test_a_peer_that_is_gone_ends_the_call_on_the_side_that_is_left(dead: str) -> None:
    pair = Pair(TimerSettings(), TimerSettings())
    pair.talk()

    def lost(sender: str, message: Message) -> bool:
        return pair.wire.now > 1000

    pair.wire.drop = lost
    pair.wire.run(900 + 1800 - 32 + 2)
    if dead == "a":  # the refresher is gone: the other waits for the interval less 32 s
        assert pair.b.ends == [End.LOST] and pair.wire.sent("b>a BYE") > 0
    pair.wire.run(4000)
    assert pair.a.ends in ([End.LOST], [End.TIMEOUT]) and pair.client.state is State.ENDED
    assert pair.a.node.dialogs == pair.b.node.dialogs == {}


def test_a_refresh_that_is_refused_is_tried_again_and_an_update_not_allowed_becomes_a_re_invite() -> None:
    pair = Pair(TimerSettings(), TimerSettings())
    pair.talk()
    refused: list[int] = [405]

    def receive(request: Request, now: float) -> list[Effect]:
        if request.method == "UPDATE" and refused:
            return [pair.server._respond(request, refused.pop())]
        return ServerSession.receive_request(pair.server, request, now)

    real = pair.b.receive_request
    pair.b.receive_request = lambda request, arrival, now: (  # type: ignore[method-assign]
        receive(request, now) if request.method == "UPDATE" else real(request, arrival, now)
    )
    pair.wire.run(901)
    assert pair.wire.sent("405 UPDATE") == 1 and pair.wire.sent("a>b INVITE") == 2
    assert pair.client.timer.refresh_at > 1700
    pair.client._peer_updates = True
    refused.append(503)
    pair.wire.run(1802)
    assert pair.wire.sent("503 UPDATE") == 1 and pair.client.state is State.CONFIRMED
    pair.wire.run(3500)
    assert pair.client.state is State.CONFIRMED and pair.wire.sent("200 UPDATE") >= 1


def test_hold_refreshes_as_well() -> None:
    pair = Pair(TimerSettings(), TimerSettings())
    pair.talk()
    pair.wire.run(800)
    pair.a.do(pair.client.offer(b"v=0\r\ns=hold\r\n", pair.wire.now))
    pair.run(1)
    assert pair.b.requests[-2].header("Session-Expires") == "1800;refresher=uac"
    pair.wire.run(1690)
    assert pair.wire.sent("b UPDATE") == 0
    pair.wire.run(1710)
    assert pair.wire.sent("b UPDATE") == 1


@pytest.mark.parametrize("seed", range(12))
def test_under_loss_a_long_call_goes_on_and_both_sides_agree_who_refreshes(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 3 == 0:
        without_update(monkeypatch)
    pair = Pair(TimerSettings(1800 if seed % 2 else 0), TimerSettings(900), wire=Wire(seed=seed, loss=0.1))
    pair.a.do(pair.client.start("sip:b@b.example", 0.0, from_="<sip:a@a>", to="<sip:b@b>", sdp=OFFER))
    pair.run(10)
    pair.b.do(pair.server.accept(ANSWER, pair.wire.now))
    pair.run(20)
    pair.wire.run(3 * 3600)
    assert pair.client.state is pair.server.state is State.CONFIRMED, pair.wire.trace[-20:]
    assert pair.client.timer.refreshing is not pair.server.timer.refreshing


@pytest.mark.parametrize("value", ["90", "90;refresher=uas", "90 ; REFRESHER = uas", "90;refresher=nobody"])
def test_session_expires_is_read_with_what_follows(value: str) -> None:
    timer = SessionTimer(TimerSettings())
    fields = [("Session-Expires", value), ("Supported", "timer")]
    role = dict(timer.answer_fields(Request.create("INVITE", "sip:a@b", fields), 0.0))["Session-Expires"]
    assert role == ("90;refresher=uas" if "uas" in value else "90;refresher=uac")
    assert timer.expire_at == 60 and timer.refreshing is ("uas" in value)


@pytest.mark.parametrize("value", ["", "abc", "-5", "9" * 12, "1800x", ";refresher=uac"])
def test_a_session_expires_that_cannot_be_read_is_none(value: str) -> None:
    timer = SessionTimer(OFF)
    assert timer.answer_fields(Request.create("INVITE", "sip:a@b", [("Session-Expires", value)]), 0.0) == ()


@pytest.mark.parametrize(("interval", "least"), [(30, 90), (1800, 30), (100, 200), (-1, 90)])
def test_settings_that_cannot_be_are_refused(interval: int, least: int) -> None:
    with pytest.raises(ConfigurationError):
        TimerSettings(interval, least)
