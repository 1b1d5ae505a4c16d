"""INVITE sessions, client and server back to back over a wire in virtual time, with every race."""

from __future__ import annotations

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.sip import Request, Response
from voipgw.sip.auth import Challenged, Credentials, DigestClient, DigestServer
from voipgw.sip.effects import Arrival, Effect, Respond
from voipgw.sip.reason import Reason
from voipgw.sip.reliable import Reliability
from voipgw.sip.session_client import ClientSession
from voipgw.sip.session_events import (
    End,
    Established,
    InfoReceived,
    OfferAnswered,
    OfferReceived,
    OfferRefused,
    Provisional,
    SessionEnded,
    SessionSettings,
    State,
)
from voipgw.sip.session_server import ServerSession
from voipgw.sip.session_timer import TimerSettings
from voipgw.testing.sip_wire import Message, Node, Wire

OFFER, ANSWER = b"v=0\r\ns=offer\r\n", b"v=0\r\ns=answer\r\n"
HOLD, HELD = b"v=0\r\ns=hold\r\n", b"v=0\r\ns=held\r\n"


def plain(contact: str) -> SessionSettings:
    """Without extensions: neither reliable provisionals nor session timers."""
    return SessionSettings(contact, timer=TimerSettings(interval_s=0), reliable=Reliability.NEVER)


class Ua:
    """A transaction user that is nothing but its session; what it is told goes to its node."""

    def __init__(self, node: Node, session: ClientSession | ServerSession | None = None) -> None:
        self.node = node
        self.session: ClientSession | ServerSession | None = session

    @property
    def the(self) -> ClientSession | ServerSession:
        assert self.session is not None
        return self.session

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        if isinstance(self.session, ServerSession) and self.session.state is State.IDLE:
            return self.session.start(request, now)
        return self.the.receive_request(request, now)

    def receive_response(self, response: Response, now: float) -> list[Effect]:
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


class Pair:
    """A caller ``a`` and a called party ``b``."""

    def __init__(self, wire: Wire | None = None, *, seed: int = 7, credentials: tuple[Credentials, ...] = ()) -> None:
        self.wire = wire or Wire()
        self.a_node = self.wire.node("a")
        self.b_node = self.wire.node("b", lambda request: self.b)
        entropy = SeededEntropy(seed)
        auth = DigestClient(credentials, entropy) if credentials else None
        self.a = Ua(self.a_node)
        self.client = ClientSession(self.a, plain("<sip:a@a.example>"), entropy, auth=auth)
        self.a.session = self.client
        self.b = Ua(self.b_node)
        self.server = ServerSession(self.b, plain("<sip:b@b.example>"), entropy)
        self.b.session = self.server

    @property
    def now(self) -> float:
        return self.wire.now

    def run(self, seconds: float) -> None:
        self.wire.run(self.wire.now + seconds)

    def invite(self, sdp: bytes = OFFER, **more: object) -> None:
        self.a.do(
            self.client.start(
                "sip:b@b.example",
                self.now,
                from_="<sip:a@a.example>",
                to="<sip:b@b.example>",
                sdp=sdp,
                **more,  # type: ignore[arg-type]
            )
        )

    def answered(self) -> None:
        """Set a call up."""
        self.invite()
        self.run(0.1)
        self.b.do(self.server.accept(ANSWER, self.now))
        self.run(0.1)
        assert self.client.state is self.server.state is State.CONFIRMED
        self.a_node.events.clear()
        self.b_node.events.clear()
        self.wire.trace.clear()

    def over(self) -> None:
        """Both sides are done and forgotten."""
        assert self.client.state is State.ENDED and self.server.state is State.ENDED
        assert self.a_node.dialogs == {} and self.b_node.dialogs == {}
        assert self.client.next_deadline() == self.server.next_deadline() == float("inf")


def test_a_call_from_invite_to_bye() -> None:
    pair = Pair()
    pair.invite()
    pair.run(0.1)
    assert pair.client.state is State.CALLING and pair.server.state is State.INVITED
    pair.b.do(pair.server.progress(180, pair.now))
    pair.run(0.1)
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.run(0.1)
    rung, established = pair.a_node.events
    assert isinstance(rung, Provisional) and rung.response.status == 180 and rung.sdp == b""
    assert isinstance(established, Established) and established.sdp == ANSWER and not established.offered
    (confirmed,) = pair.b_node.events
    assert isinstance(confirmed, Established) and confirmed.sdp == b""
    pair.a.do(pair.client.hang_up(pair.now, [("Reason", str(Reason.q850(16)))]))
    pair.run(0.1)
    ended = pair.b_node.events[-1]
    assert isinstance(ended, SessionEnded) and ended.how is End.BYE and ended.reasons == (Reason("Q.850", 16),)
    assert pair.a_node.told(SessionEnded) == []
    pair.over()
    assert pair.wire.trace == [
        "a>b INVITE 1", "b>a 180 INVITE 1", "b>a 200 INVITE 1", "a>b ACK 1", "a>b BYE 2", "b>a 200 BYE 2",
    ]  # fmt: skip


def test_the_called_party_hangs_up() -> None:
    pair = Pair()
    pair.answered()
    pair.b.do(pair.server.hang_up(pair.now))
    pair.run(0.1)
    (ended,) = pair.a_node.events
    assert isinstance(ended, SessionEnded) and ended.how is End.BYE
    pair.over()


def test_byes_that_cross_end_the_call_once_on_each_side() -> None:
    pair = Pair()
    pair.answered()
    pair.a.do(pair.client.hang_up(pair.now))
    pair.b.do(pair.server.hang_up(pair.now))
    pair.run(0.1)
    assert pair.a_node.events == [] and pair.b_node.events == []
    assert pair.wire.sent("200 BYE") == 2
    pair.over()


def test_a_bye_that_nobody_answers_ends_the_session_by_itself() -> None:
    pair = Pair()
    pair.answered()
    pair.wire.drop = lambda sender, message: sender == "a"
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(40)
    assert pair.client.state is State.ENDED and pair.a_node.dialogs == {}


def test_a_refusal_is_told_with_its_reasons() -> None:
    pair = Pair()
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.reject(486, pair.now, [("Reason", "Q.850;cause=17"), ("Retry-After", "5")]))
    pair.run(0.1)
    (ended,) = pair.a_node.events
    assert isinstance(ended, SessionEnded) and (ended.how, ended.status) == (End.REFUSED, 486)
    assert ended.reasons == (Reason("Q.850", 17),)
    pair.over()


def test_a_redirection_is_handed_up_with_its_contacts() -> None:
    pair = Pair()
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.reject(302, pair.now, [("Contact", "<sip:c@c.example>")]))
    pair.run(0.1)
    (ended,) = pair.a_node.events
    assert isinstance(ended, SessionEnded) and isinstance(ended.message, Response)
    assert [str(contact.uri) for contact in ended.message.contacts] == ["sip:c@c.example"]


def test_nobody_there_is_a_timeout() -> None:
    pair = Pair()
    pair.wire.drop = lambda sender, message: sender == "a"
    pair.invite()
    pair.run(33)
    (ended,) = pair.a_node.events
    assert isinstance(ended, SessionEnded) and ended.how is End.TIMEOUT and not pair.client.responded
    assert pair.a_node.dialogs == {}


# CANCEL and its races.


def test_cancel_ends_the_call_with_487_and_is_told_to_the_called_side_only() -> None:
    pair = Pair()
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.progress(180, pair.now))
    pair.run(0.1)
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(0.2)
    assert pair.wire.sent("487 INVITE") == 1 and pair.wire.sent("a>b ACK") == 1
    assert [type(event) for event in pair.a_node.events] == [Provisional]
    (ended,) = pair.b_node.events
    assert isinstance(ended, SessionEnded) and ended.how is End.CANCELLED
    pair.over()


def test_a_200_that_crosses_cancel_is_acknowledged_and_ended() -> None:
    pair = Pair()
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.progress(180, pair.now))
    pair.run(0.1)
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.a.do(pair.client.hang_up(pair.now, [("Reason", "Q.850;cause=16")]))
    pair.run(0.2)
    assert pair.wire.sent("200 INVITE") == 1 and pair.wire.sent("a>b ACK 1") == 1
    assert pair.wire.sent("487") == 0 and pair.wire.sent("a>b BYE 2") == 1
    assert pair.a_node.told(Established) == []
    last = pair.b_node.events[-1]
    assert isinstance(last, SessionEnded) and last.how is End.BYE and last.reasons == (Reason("Q.850", 16),)
    pair.over()


def test_cancel_waits_for_a_provisional_and_a_200_instead_is_ended() -> None:
    pair = Pair()
    pair.invite()
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(0.1)
    assert pair.wire.sent("CANCEL") == 0
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.run(0.1)
    assert pair.wire.sent("CANCEL") == 0 and pair.wire.sent("BYE") > 0
    pair.over()


def test_a_call_given_up_before_any_answer_ends_without_a_word() -> None:
    pair = Pair()
    pair.wire.drop = lambda sender, message: sender == "a"
    pair.invite()
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(70)
    assert pair.client.state is State.ENDED and pair.a_node.events == [] and pair.a_node.dialogs == {}


def test_accepting_a_cancelled_call_does_nothing() -> None:
    pair = Pair()
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.progress(180, pair.now))
    pair.run(0.1)
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(0.1)
    assert pair.server.accept(ANSWER, pair.now) == [] == pair.server.progress(183, pair.now)
    assert pair.server.reject(486, pair.now) == []


# ACK.


def test_a_2xx_is_sent_again_until_its_ack_and_the_ack_is_repeated() -> None:
    pair = Pair()
    lost: list[Message] = []

    def drop(sender: str, message: Message) -> bool:
        if isinstance(message, Request) and message.method == "ACK" and len(lost) < 2:
            lost.append(message)
            return True
        return False

    pair.wire.drop = drop
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.run(5)
    assert len(lost) == 2 and pair.wire.sent("200 INVITE") == 3 and pair.wire.sent("ACK 1") == 3
    assert len(pair.a_node.told(Established)) == len(pair.b_node.told(Established)) == 1
    assert pair.server.next_deadline() == float("inf")


def test_a_2xx_that_is_never_acknowledged_is_followed_by_bye_after_32_seconds() -> None:
    pair = Pair()
    pair.wire.drop = lambda sender, message: isinstance(message, Request) and message.method == "ACK"
    pair.invite()
    pair.run(0.1)
    start = pair.now
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.run(31.9)
    assert pair.wire.sent("200 INVITE") == 11 and pair.wire.sent("BYE") == 0  # 0, .5, 1.5, 3.5, 7.5, then every 4 s
    pair.run(0.5)
    assert pair.wire.sent("b>a BYE") == 1 and pair.now - start > 32
    (ended,) = pair.b_node.events
    assert isinstance(ended, SessionEnded) and ended.how is End.TIMEOUT
    pair.over()


def test_a_bye_before_the_ack_is_held_back_until_the_ack() -> None:
    pair = Pair()
    pair.wire.drop = lambda sender, message: isinstance(message, Request) and message.method == "ACK" and pair.now < 1
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.b.do(pair.server.hang_up(pair.now, [("Reason", "Q.850;cause=16")]))
    pair.run(0.9)
    assert pair.wire.sent("BYE") == 0
    pair.run(3)
    assert pair.wire.sent("b>a BYE") == 1
    assert pair.b_node.events == []
    pair.over()


def test_a_bye_that_overtakes_the_200_ends_the_call() -> None:
    pair = Pair()
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.progress(180, pair.now))
    pair.run(0.1)
    held = pair.wire.drop = lambda sender, message: (
        isinstance(message, Response) and message.status == 200 and pair.now < 1.0
    )
    assert held is not None
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    assert pair.server.dialog is not None
    bye = pair.server.dialog.create("BYE")
    pair.b_node.perform(pair.b, [_send(bye, pair.b)])
    pair.run(5)
    (_, ended) = pair.a_node.events
    assert isinstance(ended, SessionEnded) and ended.how is End.BYE
    assert pair.client.state is State.ENDED


def _send(request: Request, user: Ua) -> Effect:
    from voipgw.sip.effects import SendRequest

    return SendRequest(request, user)


# Forks.


def forked(pair: Pair, status: int, tag: str, body: bytes = b"") -> Response:
    """A response of another branch to the first INVITE."""
    assert pair.server.dialog is None or pair.server.local_tag != tag
    invite = pair.invites[0] if hasattr(pair, "invites") else None
    assert invite is not None
    return Response.answer(
        invite, status, to_tag=tag, fields=[("Contact", f"<sip:{tag}@b.example>")], body=body,
        content_type="application/sdp" if body else None,
    )  # fmt: skip


class ForkedPair(Pair):
    """A pair that keeps the INVITE that ``b`` got, so that a test can answer it from other branches too."""

    def __init__(self) -> None:
        super().__init__()
        self.invites: list[Request] = []
        accept = self.b.receive_request

        def keep(request: Request, arrival: Arrival, now: float) -> list[Effect]:
            if request.method == "INVITE":
                self.invites.append(request)
            return accept(request, arrival, now)

        self.b.receive_request = keep  # type: ignore[method-assign]

    def branch(self, status: int, tag: str, body: bytes = b"") -> None:
        """Another branch of a fork answers."""
        self.wire.carry(self.b_node, forked(self, status, tag, body))


def test_a_second_2xx_of_a_fork_is_acknowledged_and_ended_and_the_call_goes_on() -> None:
    pair = ForkedPair()
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.run(0.1)
    pair.branch(200, "other", ANSWER)
    pair.run(0.1)
    assert pair.wire.sent("a>b ACK 1") == 2 and pair.wire.sent("a>b BYE 2") == 1
    assert pair.client.state is State.CONFIRMED and len(pair.a_node.told(Established)) == 1
    assert pair.a_node.told(SessionEnded) == []
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(0.1)
    pair.over()


def test_an_answer_in_a_provisional_counts_for_its_own_branch_only() -> None:
    for tag_matches in (True, False):
        pair = ForkedPair()
        pair.invite()
        pair.run(0.1)
        if tag_matches:
            pair.b.do(pair.server.progress(183, pair.now, ANSWER))
        else:
            pair.branch(183, "other", ANSWER)
        pair.run(0.1)
        early = pair.a_node.events[-1]
        assert isinstance(early, Provisional) and early.sdp == ANSWER
        pair.b.do(pair.server.accept(b"", pair.now))
        pair.run(0.1)
        established = pair.a_node.events[-1]
        assert isinstance(established, Established) and established.sdp == (ANSWER if tag_matches else b"")


# Offers inside the dialog.


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_re_invite_from_either_side(who: str) -> None:
    pair = Pair()
    pair.answered()
    ours, theirs = (pair.a, pair.b) if who == "a" else (pair.b, pair.a)
    ours.do(ours.the.offer(HOLD, pair.now))
    pair.run(0.1)
    (received,) = theirs.node.events
    assert isinstance(received, OfferReceived) and received.sdp == HOLD
    theirs.do(theirs.the.answer_offer(HELD, pair.now))
    pair.run(0.1)
    assert ours.node.events == [OfferAnswered(HELD)]
    assert pair.wire.sent("ACK") == 1 and theirs.the.next_deadline() == float("inf")


def test_a_refused_re_invite_leaves_the_call_as_it_was() -> None:
    pair = Pair()
    pair.answered()
    pair.a.do(pair.client.offer(HOLD, pair.now))
    pair.run(0.1)
    pair.b.do(pair.server.refuse_offer(488, pair.now))
    pair.run(0.1)
    assert pair.a_node.events == [OfferRefused(488)]
    assert pair.client.state is pair.server.state is State.CONFIRMED


def test_a_re_invite_without_an_offer_gets_ours_and_the_answer_comes_in_the_ack() -> None:
    pair = Pair()
    pair.answered()
    assert pair.client.dialog is not None
    pair.a_node.perform(
        pair.a, [_send(pair.client.dialog.create("INVITE", [("Contact", "<sip:a@a.example>")]), pair.a)]
    )
    pair.run(0.1)
    (received,) = pair.b_node.events
    assert isinstance(received, OfferReceived) and received.sdp == b""
    pair.b.do(pair.server.answer_offer(HOLD, pair.now))
    pair.run(0.01)
    ack = pair.client.dialog.create("ACK", (), HELD, "application/sdp", seq=2)
    pair.wire.carry(pair.a_node, ack.with_fields(prepend=[("Via", "SIP/2.0/UDP a.example;branch=z9hG4bKack")]))
    pair.run(0.1)
    assert pair.b_node.events[1:] == [OfferAnswered(HELD, asked=True)]


@pytest.mark.parametrize("seed", range(5))
def test_offers_that_cross_are_refused_491_and_both_come_through_after_different_waits(seed: int) -> None:
    pair = Pair(seed=seed)
    pair.answered()
    start = pair.now
    pair.a.do(pair.client.offer(HOLD, pair.now))
    pair.b.do(pair.server.offer(HOLD, pair.now))
    pair.run(0.05)
    assert pair.wire.sent("491") == 2
    wait_a, wait_b = pair.client.next_deadline() - start, pair.server.next_deadline() - start
    assert 2.1 <= wait_a <= 4.05 and 0.0 <= wait_b <= 2.05
    for _ in range(600):
        pair.run(0.01)
        for ua in (pair.a, pair.b):
            if ua.node.told(OfferReceived):
                ua.node.events.clear()
                ua.do(ua.the.answer_offer(HELD, pair.now))
    assert pair.wire.sent("200 INVITE") == 2 and pair.wire.sent("491") == 2
    assert pair.client.state is pair.server.state is State.CONFIRMED


def test_a_second_offer_waits_for_the_first_and_only_the_newest_is_sent() -> None:
    pair = Pair()
    pair.answered()
    pair.a.do(pair.client.offer(HOLD, pair.now))
    pair.a.do(pair.client.offer(b"v=0\r\ns=2\r\n", pair.now))
    pair.a.do(pair.client.offer(b"v=0\r\ns=3\r\n", pair.now))
    pair.run(0.1)
    pair.b.do(pair.server.answer_offer(HELD, pair.now))
    pair.run(0.1)
    received = [event.sdp for event in pair.b_node.events if isinstance(event, OfferReceived)]
    assert received == [HOLD, b"v=0\r\ns=3\r\n"]


def test_a_re_invite_while_the_last_one_is_unanswered_is_refused_500_with_retry_after() -> None:
    pair = Pair()
    pair.answered()
    pair.a.do(pair.client.offer(HOLD, pair.now))
    pair.run(0.1)
    assert pair.client.dialog is not None
    pair.a_node.perform(pair.a, [_send(pair.client.dialog.create("INVITE", [], HOLD, "application/sdp"), pair.a)])
    seen: list[Message] = []
    pair.wire.drop = lambda sender, message: seen.append(message) is not None
    pair.run(0.1)
    (refused, _) = seen
    assert isinstance(refused, Response) and refused.status == 500
    assert 0 <= int(refused.header("Retry-After") or "-1") <= 10


def test_a_re_invite_that_finds_no_dialog_ends_the_call() -> None:
    pair = Pair()
    pair.answered()
    pair.b_node.dialogs.clear()
    pair.a.do(pair.client.offer(HOLD, pair.now))
    pair.run(0.2)
    (ended,) = pair.a_node.events
    assert isinstance(ended, SessionEnded) and ended.how is End.GONE
    assert pair.wire.sent("a>b BYE") == 1 and pair.client.state is State.ENDED


def test_a_bye_while_a_re_invite_waits_refuses_it_487() -> None:
    pair = Pair()
    pair.answered()
    pair.a.do(pair.client.offer(HOLD, pair.now))
    pair.run(0.1)
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(0.2)
    assert pair.wire.sent("487 INVITE") == 1
    assert pair.b.the.answer_offer(HELD, pair.now) == []
    pair.over()


def test_a_late_offer_comes_in_the_2xx_and_is_answered_in_the_ack() -> None:
    pair = Pair()
    pair.invite(sdp=b"")
    pair.run(0.1)
    assert not pair.server.offered
    pair.b.do(pair.server.progress(183, pair.now, ANSWER))
    pair.b.do(pair.server.accept(OFFER, pair.now))
    pair.run(0.1)
    rung, established = pair.a_node.events
    assert isinstance(rung, Provisional) and rung.sdp == b""  # no offer may travel in an unreliable provisional
    assert isinstance(established, Established) and established.offered and established.sdp == OFFER
    assert pair.client.unanswered_offer and pair.wire.sent("ACK") == 0
    pair.run(1.0)  # the 2xx comes again meanwhile
    pair.a.do(pair.client.acknowledge(ANSWER, pair.now))
    pair.run(0.1)
    (confirmed,) = pair.b_node.events
    assert isinstance(confirmed, Established) and confirmed.sdp == ANSWER
    assert len(pair.a_node.told(Established)) == 1


def test_hanging_up_on_a_late_offer_acknowledges_it_first() -> None:
    pair = Pair()
    pair.invite(sdp=b"")
    pair.run(0.1)
    pair.b.do(pair.server.accept(OFFER, pair.now))
    pair.run(0.05)
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(0.1)
    assert pair.wire.trace[-3:-1] == ["a>b BYE 2", "b>a 200 BYE 2"] or pair.wire.sent("a>b ACK 1") == 1
    pair.over()


# Other requests inside the dialog.


def test_info_is_answered_and_told() -> None:
    pair = Pair()
    pair.answered()
    pair.a.do(pair.client.info("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", pair.now))
    pair.run(0.1)
    assert pair.b_node.events == [InfoReceived("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")]
    assert pair.wire.sent("200 INFO") == 1


@pytest.mark.parametrize(
    ("method", "fields", "body", "status", "shows"),
    [
        ("INFO", [], b"x", 415, "Accept"),
        ("INFO", [("Info-Package", "nothing")], b"", 469, "Recv-Info"),
        ("INFO", [], b"", 200, ""),
        ("OPTIONS", [], b"", 200, "Allow"),
        ("UPDATE", [("Contact", "<sip:moved@a.example>")], b"", 200, "Contact"),
        ("PRACK", [], b"", 481, ""),
        ("MESSAGE", [], b"", 405, "Allow"),
        ("REFER", [("Refer-To", "<sip:c@c.example>")], b"", 405, "Allow"),
        ("INVITE", [("Require", "precondition")], OFFER, 420, "Unsupported"),
        ("INVITE", [], b"x", 415, "Accept"),
    ],
)
def test_requests_inside_a_dialog(
    method: str, fields: list[tuple[str, str]], body: bytes, status: int, shows: str
) -> None:
    pair = Pair()
    pair.answered()
    assert pair.client.dialog is not None
    kind = "text/plain" if body == b"x" else "application/sdp"
    request = pair.client.dialog.create(method, fields, body, kind if body else None)
    seen: list[Response] = []
    pair.wire.drop = lambda sender, message: isinstance(message, Response) and seen.append(message) is not None
    pair.a_node.perform(pair.a, [_send(request, pair.a)])
    pair.run(0.2)
    assert seen[0].status == status
    assert not shows or seen[0].header(shows) is not None
    assert pair.server.state is State.CONFIRMED and pair.b_node.events == []
    if method == "UPDATE":
        assert pair.server.dialog is not None and pair.server.dialog.remote_target == "sip:moved@a.example"


def test_an_update_with_an_offer_is_answered_in_its_200() -> None:
    pair = Pair()
    pair.answered()
    assert pair.client.dialog is not None
    update = pair.client.dialog.create("UPDATE", [("Contact", "<sip:a2@a.example>")], HOLD, "application/sdp")
    pair.a_node.perform(pair.a, [_send(update, pair.a)])
    pair.run(0.1)
    (received,) = pair.b_node.events
    assert isinstance(received, OfferReceived) and received.sdp == HOLD
    pair.b.do(pair.server.answer_offer(HELD, pair.now))
    pair.run(0.1)
    assert pair.wire.sent("200 UPDATE") == 1 and pair.server.next_deadline() == float("inf")


def test_a_request_out_of_order_is_answered_500() -> None:
    pair = Pair()
    pair.answered()
    assert pair.client.dialog is not None
    for number, status in ((9, "200 INFO 9"), (5, "500 INFO 5")):
        request = pair.client.dialog.create("INFO", seq=number)
        pair.a_node.perform(pair.a, [_send(request, pair.a)])
        pair.run(0.1)
        assert pair.wire.sent(status) == 1


def test_a_stranger_with_our_tag_cannot_end_the_call() -> None:
    pair = Pair()
    pair.answered()
    dialog = pair.server.dialog
    assert dialog is not None
    dialog.local = dialog.local.replace(dialog.local_tag, "stranger")
    pair.b_node.perform(pair.b, [_send(dialog.create("BYE"), pair.b)])
    pair.run(0.1)
    assert pair.wire.sent("481 BYE") == 1 and pair.client.state is State.CONFIRMED


# The INVITE itself.


@pytest.mark.parametrize(
    ("fields", "body", "kind", "status", "shows"),
    [
        (
            [("Require", "100rel"), ("Require", "timer, precondition")],
            OFFER,
            "application/sdp",
            420,
            ("Unsupported", "100rel, precondition"),
        ),
        ([], b"hello", "text/plain", 415, ("Accept", "application/sdp")),
    ],
)
def test_an_invite_that_asks_for_too_much_is_refused(
    fields: list[tuple[str, str]], body: bytes, kind: str, status: int, shows: tuple[str, str]
) -> None:
    node = Wire().node("b")
    user = Ua(node)
    user.session = session = ServerSession(user, plain("<sip:b@b.example>"), SeededEntropy(1))
    effects = session.start(make_invite(fields, body, kind), 0.0)
    answer, ended = effects
    assert isinstance(answer, Respond) and answer.response.status == status
    assert answer.response.header(shows[0]) == shows[1]
    assert isinstance(ended, SessionEnded) and ended.status == status and session.state is State.ENDED


def make_invite(fields: list[tuple[str, str]], body: bytes = OFFER, kind: str = "application/sdp") -> Request:
    head = [
        ("Via", "SIP/2.0/UDP a.example;branch=z9hG4bK1"),
        ("Max-Forwards", "70"),
        ("From", "<sip:a@a.example>;tag=1"),
    ]
    head += [("To", "<sip:b@b.example>"), ("Call-ID", "c"), ("CSeq", "1 INVITE"), ("Contact", "<sip:a@a.example>")]
    return Request.create("INVITE", "sip:b@b.example", [*head, *fields], body, kind)


def test_an_invite_with_a_multipart_body_is_read() -> None:
    body = (
        b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--x--\r\n"
    )
    user = Ua(Wire().node("b"))
    session = ServerSession(user, plain("<sip:b@b.example>"), SeededEntropy(1))
    assert session.start(make_invite([], body, 'multipart/mixed;boundary="x"'), 0.0) == []
    assert session.offered


def test_an_optional_body_of_another_kind_is_ignored() -> None:
    user = Ua(Wire().node("b"))
    session = ServerSession(user, plain("<sip:b@b.example>"), SeededEntropy(1))
    fields = [("Content-Disposition", "render; handling=optional")]
    assert session.start(make_invite(fields, b"hi", "text/plain"), 0.0) == [] and not session.offered


def test_an_invite_expires_when_it_says_so() -> None:
    pair = Pair()
    pair.invite(fields=[("Expires", "30")])
    pair.run(29)
    assert pair.server.state is State.INVITED
    pair.run(2)
    (ended,) = pair.b_node.events
    assert isinstance(ended, SessionEnded) and ended.how is End.EXPIRED and pair.wire.sent("487") == 1


def test_a_provisional_is_repeated_every_minute_while_it_rings() -> None:
    pair = Pair()
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.progress(180, pair.now))
    pair.run(150)
    assert pair.wire.sent("180 INVITE") == 3


# Credentials.


class Users:
    def lookup(self, realm: str, username: str) -> Credentials | None:
        return Credentials("a", "b.example", "secret") if username == "a" else None


@pytest.mark.parametrize(("password", "works"), [("secret", True), ("wrong", False)])
def test_a_challenge_is_answered_once(password: str, works: bool) -> None:
    pair = Pair(credentials=(Credentials("a", "b.example", password),))
    guard = DigestServer(b"0123456789abcdef", Users(), SeededEntropy(3))
    taken = pair.b.receive_request

    def challenge(request: Request, arrival: Arrival, now: float) -> list[Effect]:
        if request.method == "ACK":
            assert request.header("Authorization") is not None
            return taken(request, arrival, now)
        verdict = guard.verify(request, "b.example", now)
        if isinstance(verdict, Challenged):
            return [Respond(request, Response.answer(request, 401, to_tag="guard", fields=verdict.fields))]
        return taken(request, arrival, now)

    pair.b.receive_request = challenge  # type: ignore[method-assign]
    pair.invite()
    pair.run(0.2)
    assert pair.wire.sent("401 INVITE 1") == 1
    if not works:
        (ended,) = pair.a_node.events
        assert isinstance(ended, SessionEnded) and ended.status == 401 and pair.wire.sent("INVITE 3") == 0
        return
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.run(0.1)
    assert pair.client.state is pair.server.state is State.CONFIRMED
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(0.3)
    assert pair.wire.sent("BYE 3") > 0 and pair.wire.sent("200 BYE 4") == 1
    pair.over()


# Whatever the network does.


@pytest.mark.parametrize("seed", range(100))
def test_no_schedule_of_loss_and_reordering_leaves_a_call_stuck(seed: int) -> None:
    entropy = SeededEntropy(f"schedule {seed}")
    wire = Wire(seed=seed, jitter_s=0.4, loss=0.25)
    pair = Pair(wire, seed=seed)
    pair.invite()
    moves = [
        (0.5, lambda: pair.b.do(pair.server.progress(180, pair.now))),
        (0.5 + 3 * entropy.uniform(), lambda: pair.b.do(pair.server.accept(ANSWER, pair.now))),
        (4 * entropy.uniform(), lambda: pair.a.do(pair.client.hang_up(pair.now)) if seed % 3 == 0 else None),
        (4 * entropy.uniform(), lambda: pair.b.do(pair.server.hang_up(pair.now)) if seed % 3 == 1 else None),
        (4.0, lambda: pair.a.do(pair.client.offer(HOLD, pair.now))),
        (4.1, lambda: pair.b.do(pair.server.offer(HOLD, pair.now))),
        (30.0, lambda: pair.a.do(pair.client.hang_up(pair.now))),
        (90.0, lambda: pair.b.do(pair.server.hang_up(pair.now))),  # its user has a ring timeout of its own
    ]
    for moment, move in sorted(moves, key=lambda one: one[0]):
        while pair.now < moment:
            pair.run(min(0.1, moment - pair.now))
            for ua in (pair.a, pair.b):
                if ua.node.told(OfferReceived):
                    ua.node.events[:] = [e for e in ua.node.events if not isinstance(e, OfferReceived)]
                    ua.do(ua.the.answer_offer(HELD, pair.now))
        move()
    pair.run(200)
    assert pair.client.state is State.ENDED, pair.wire.trace
    assert pair.server.state in (State.ENDED, State.IDLE), pair.wire.trace
    assert pair.a_node.dialogs == {} and pair.b_node.dialogs == {}
    for node in (pair.a_node, pair.b_node):
        assert len(node.told(SessionEnded)) <= 1 and len(node.told(Established)) <= 1


def test_a_cancel_says_why() -> None:
    pair = Pair()
    seen: list[Message] = []
    pair.wire.drop = lambda sender, message: seen.append(message) is not None
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.progress(180, pair.now))
    pair.run(0.1)
    pair.a.do(pair.client.hang_up(pair.now, [("Reason", "Q.850;cause=19")]))
    pair.run(0.2)
    (cancel,) = (one for one in seen if isinstance(one, Request) and one.method == "CANCEL")
    assert cancel.header("Reason") == "Q.850;cause=19"


def test_a_re_invite_that_overtakes_the_ack_is_taken_and_both_are_acknowledged() -> None:
    pair = Pair()
    pair.wire.drop = lambda sender, message: (
        isinstance(message, Request)
        and (message.method, pair.now < 0.3)
        == (
            "ACK",
            True,
        )
    )
    pair.invite()
    pair.run(0.1)
    pair.b.do(pair.server.accept(ANSWER, pair.now))
    pair.run(0.1)
    assert pair.client.state is State.CONFIRMED and pair.server.state is State.ACCEPTED
    pair.a.do(pair.client.offer(HOLD, pair.now))
    pair.run(0.05)
    (received,) = pair.b_node.events
    assert isinstance(received, OfferReceived)
    pair.run(0.2)
    pair.b.do(pair.server.answer_offer(HELD, pair.now))
    pair.run(2)
    assert [type(event) for event in pair.b_node.events[1:]] == [Established]
    assert pair.a_node.events[-1] == OfferAnswered(HELD)
    assert pair.server.state is State.CONFIRMED and pair.server.next_deadline() == float("inf")
