"""Reliable provisionals (RFC 3262) and UPDATE before the answer (RFC 3311), both roles, over a wire that loses."""

from __future__ import annotations

import attrs
import pytest

from voipgw.entropy import SeededEntropy
from voipgw.sip import Request, Response
from voipgw.sip.effects import Arrival, Effect
from voipgw.sip.reliable import Reliability
from voipgw.sip.session_client import ClientSession
from voipgw.sip.session_events import (
    End,
    Established,
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

OFFER, ANSWER, SECOND, THIRD = b"v=0\r\ns=offer\r\n", b"v=0\r\ns=answer\r\n", b"v=0\r\ns=2\r\n", b"v=0\r\ns=3\r\n"
SETTINGS = SessionSettings("<sip:a@a.example>", timer=TimerSettings(0))


class Ua:
    """A transaction user that is nothing but its session."""

    def __init__(self, node: Node, session: ClientSession | ServerSession | None = None) -> None:
        self.node = node
        self.session = session
        self.requests: list[Request] = []
        self.responses: list[Response] = []

    @property
    def the(self) -> ClientSession | ServerSession:
        assert self.session is not None
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


class Pair:
    """A caller ``a`` and a called party ``b``, each with a will of its own about 100rel."""

    def __init__(
        self,
        wire: Wire | None = None,
        *,
        a: Reliability = Reliability.SUPPORTED,
        b: Reliability = Reliability.SUPPORTED,
        seed: int = 3,
    ) -> None:
        self.wire = wire or Wire()
        self.a = Ua(self.wire.node("a"))
        self.b = Ua(self.wire.node("b", lambda request: self.b))
        entropy = SeededEntropy(seed)
        self.client = ClientSession(self.a, attrs.evolve(SETTINGS, reliable=a), entropy)
        self.server = ServerSession(self.b, attrs.evolve(SETTINGS, contact="<sip:b@b.example>", reliable=b), entropy)
        self.a.session, self.b.session = self.client, self.server

    @property
    def now(self) -> float:
        return self.wire.now

    def run(self, seconds: float = 0.1) -> None:
        self.wire.run(self.wire.now + seconds)

    def invite(self, sdp: bytes = OFFER) -> None:
        start = self.client.start(
            "sip:b@b.example", self.now, from_="<sip:a@a.example>", to="<sip:b@b.example>", sdp=sdp
        )
        self.a.do(start)
        self.run()

    def progress(self, status: int, sdp: bytes = b"") -> None:
        self.b.do(self.server.progress(status, self.now, sdp))

    def accept(self, sdp: bytes = ANSWER) -> None:
        self.b.do(self.server.accept(sdp, self.now))

    def settled(self) -> None:
        """The first offer and answer are done in a 183, and its PRACK."""
        self.invite()
        self.progress(183, ANSWER)
        self.run()
        assert self.server.settled
        self.forget()

    def forget(self) -> None:
        self.a.node.events.clear()
        self.b.node.events.clear()
        self.wire.trace.clear()

    def over(self) -> None:
        assert self.client.state is self.server.state is State.ENDED
        assert self.a.node.dialogs == {} and self.b.node.dialogs == {}
        assert self.client.next_deadline() == self.server.next_deadline() == float("inf")


def bodies(pair: Pair) -> dict[int, bytes]:
    return {response.status: response.body for response in pair.a.responses if response.cseq_method == "INVITE"}


def test_a_description_in_a_provisional_is_acknowledged_and_the_200_has_none() -> None:
    pair = Pair()
    pair.invite()
    assert "100rel" in pair.b.requests[0].headers("Supported")
    pair.progress(180)
    pair.progress(183, ANSWER)
    pair.run()
    ringing, early = [one for one in pair.a.responses if one.status > 100 and one.cseq_method == "INVITE"]
    assert ringing.header("RSeq") is None
    assert early.header("Require") == "100rel" and int(early.header("RSeq") or 0) >= 1
    prack = pair.b.requests[-1]
    assert prack.method == "PRACK" and prack.header("RAck") == f"{early.header('RSeq')} 1 INVITE"
    assert pair.wire.sent("200 PRACK") == 1
    pair.accept()
    pair.run()
    assert bodies(pair)[200] == b""
    (established,) = pair.a.node.told(Established)
    assert isinstance(established, Established) and established.settled and established.sdp == ANSWER
    assert pair.client.state is pair.server.state is State.CONFIRMED


@pytest.mark.parametrize(("a", "b"), [("never", "supported"), ("supported", "never"), ("never", "never")])
def test_where_one_side_does_not_know_it_provisionals_are_as_ever(a: str, b: str) -> None:
    pair = Pair(a=Reliability(a), b=Reliability(b))
    pair.invite()
    pair.progress(183, ANSWER)
    pair.run()
    pair.accept()
    pair.run()
    assert pair.wire.sent("PRACK") == 0 and bodies(pair) == {183: ANSWER, 200: ANSWER}
    assert pair.client.state is pair.server.state is State.CONFIRMED


def test_where_it_is_required_every_provisional_is_reliable_and_in_turn() -> None:
    pair = Pair(a=Reliability.REQUIRED)
    pair.invite()
    assert pair.b.requests[0].header("Require") == "100rel"
    for status in (180, 181, 183):
        pair.progress(status)
    assert pair.wire.sent("b>a 18") == 1  # one at a time
    pair.run(0.2)
    told = [event.response.status for event in pair.a.node.events if isinstance(event, Provisional)]
    numbers = [
        int(event.response.header("RSeq") or 0) for event in pair.a.node.events if isinstance(event, Provisional)
    ]
    assert told == [180, 181, 183] and numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    assert pair.wire.sent("200 PRACK") == 3
    pair.accept()
    pair.run()
    assert bodies(pair)[200] == ANSWER  # none of them had it


@pytest.mark.parametrize(
    ("a", "b", "status", "field"),
    [
        (Reliability.REQUIRED, Reliability.NEVER, 420, ("Unsupported", "100rel")),
        (Reliability.NEVER, Reliability.REQUIRED, 421, ("Require", "100rel")),
    ],
)
def test_a_side_that_insists_and_one_that_cannot_do_not_talk(
    a: Reliability, b: Reliability, status: int, field: tuple[str, str]
) -> None:
    pair = Pair(a=a, b=b)
    pair.invite()
    (ended,) = pair.a.node.told(SessionEnded)
    assert isinstance(ended, SessionEnded) and ended.status == status
    assert ended.message is not None and ended.message.header(field[0]) == field[1]


def test_a_reliable_provisional_is_repeated_until_its_prack_and_told_once() -> None:
    pair = Pair()
    pair.invite()
    lost = iter((True, True, False))
    pair.wire.drop = lambda sender, message: sender == "b" and _status(message) == 183 and next(lost, False)
    pair.progress(183, ANSWER)
    pair.run(10)
    assert pair.wire.sent("183 INVITE 1") == 3 and pair.wire.sent("a>b PRACK") == 1
    assert len(pair.a.node.told(Provisional)) == 1


def test_a_lost_prack_is_repeated_by_its_transaction_and_not_for_each_copy_of_the_provisional() -> None:
    pair = Pair()
    pair.invite()
    lost = iter((True, True))
    pair.wire.drop = lambda sender, message: sender == "a" and _method(message) == "PRACK" and next(lost, False)
    pair.progress(183, ANSWER)
    pair.run(10)
    assert pair.wire.sent("PRACK 2 lost") == 2 and pair.wire.sent("PRACK 3") == 0
    assert pair.server.settled and len(pair.a.node.told(Provisional)) == 1


def test_a_provisional_that_nobody_acknowledges_ends_the_call_with_504() -> None:
    pair = Pair()
    pair.invite()
    pair.wire.drop = lambda sender, message: _method(message) == "PRACK"
    pair.progress(183, ANSWER)
    pair.accept()
    assert pair.wire.sent("200 INVITE") == 0  # held until the PRACK
    pair.run(40)
    assert pair.wire.sent("504 INVITE") >= 1 and pair.wire.sent("200 INVITE") == 0
    assert [event.how for event in pair.b.node.events if isinstance(event, SessionEnded)] == [End.TIMEOUT]
    pair.run(40)
    pair.over()


def test_the_200_waits_for_the_prack_of_a_description() -> None:
    pair = Pair()
    pair.invite()
    pair.progress(183, ANSWER)
    pair.accept()
    assert pair.wire.sent("200 INVITE") == 0
    pair.run()
    assert pair.wire.sent("200 INVITE") == 1 and bodies(pair)[200] == b""
    assert pair.client.state is pair.server.state is State.CONFIRMED


def test_a_cancel_overtakes_the_200_that_waits() -> None:
    pair = Pair()
    pair.invite()
    pair.wire.drop = lambda sender, message: _method(message) == "PRACK"
    pair.progress(183, ANSWER)
    pair.run(0.1)
    pair.accept()
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(40)
    assert pair.wire.sent("487 INVITE") >= 1 and pair.wire.sent("200 INVITE") == 0
    pair.over()


def test_a_prack_of_nothing_is_answered_481() -> None:
    pair = Pair()
    pair.settled()
    dialog = pair.client._early_of(pair.server.local_tag)
    assert dialog is not None
    for rack in ("1 1 INVITE", "x", "99999999999 1 INVITE", "1 1"):
        pair.a.do([pair.client._prack(dialog, rack)])
        pair.run()
    assert pair.wire.sent("481 PRACK") == 4 and pair.client.state is State.CALLING


def test_an_offer_comes_in_a_provisional_and_its_answer_in_the_prack() -> None:
    pair = Pair()
    pair.invite(b"")
    assert pair.server.may_offer_early
    pair.progress(183, OFFER)
    pair.run()
    (rung,) = pair.a.node.told(Provisional)
    assert isinstance(rung, Provisional) and rung.offered and rung.sdp == OFFER and pair.client.unanswered_offer
    assert pair.wire.sent("PRACK") == 0
    pair.run(1)  # repeated meanwhile, told once
    assert len(pair.a.node.told(Provisional)) == 1
    pair.a.do(pair.client.acknowledge(ANSWER, pair.now))
    pair.run()
    assert pair.b.node.told(OfferAnswered) == [OfferAnswered(ANSWER)]
    pair.accept(OFFER)
    pair.run()
    (established,) = pair.a.node.told(Established)
    assert isinstance(established, Established) and established.settled and not established.offered
    assert bodies(pair)[200] == b"" and pair.b.requests[-1].method == "ACK" and pair.b.requests[-1].body == b""


def test_an_offer_in_a_prack_is_answered_in_its_200() -> None:
    pair = Pair()
    pair.settled()
    pair.progress(180, b"")
    pair.server._must_reliable = True
    pair.progress(183)
    real = pair.client._prack
    pair.client._settled = pair.server.local_tag
    early = pair.client._early_of(pair.server.local_tag)
    assert early is not None
    outstanding = pair.server._reliable
    assert outstanding is not None and outstanding.outstanding is not None
    pair.a.do([real(early, f"{outstanding.outstanding.header('RSeq')} 1 INVITE", SECOND)])
    pair.run(0.05)
    (offered,) = pair.b.node.told(OfferReceived)
    assert isinstance(offered, OfferReceived) and offered.sdp == SECOND
    pair.b.do(pair.server.answer_offer(THIRD, pair.now))
    pair.run()
    assert pair.a.responses[-1].body == THIRD or any(one.body == THIRD for one in pair.a.responses)


@pytest.mark.parametrize("who", ["a", "b"])
def test_update_offers_before_the_answer_from_either_side(who: str) -> None:
    pair = Pair()
    pair.settled()
    ours, theirs = (pair.a, pair.b) if who == "a" else (pair.b, pair.a)
    assert pair.client.can_offer_early and pair.server.can_offer_early
    ours.do(ours.the.offer(SECOND, pair.now))
    pair.run(0.05)
    (offered,) = theirs.node.told(OfferReceived)
    assert isinstance(offered, OfferReceived) and offered.sdp == SECOND and offered.request.method == "UPDATE"
    theirs.do(theirs.the.answer_offer(THIRD, pair.now))
    pair.run()
    assert ours.node.told(OfferAnswered) == [OfferAnswered(THIRD)]
    pair.accept()
    pair.run()
    assert pair.client.state is pair.server.state is State.CONFIRMED and bodies(pair)[200] == b""
    assert ours.the.remote_sdp == THIRD and theirs.the.remote_sdp == SECOND
    pair.a.do(pair.client.offer(b"v=0\r\ns=hold\r\n", pair.now))
    pair.run()
    assert pair.wire.sent("a>b INVITE") == 1  # numbers go on where the early dialog was
    pair.b.do(pair.server.refuse_offer(488, pair.now))
    pair.run()
    assert pair.a.node.told(OfferRefused) == [OfferRefused(488)]


def test_updates_that_cross_are_refused_491_and_tried_again() -> None:
    pair = Pair()
    pair.settled()
    pair.a.do(pair.client.offer(SECOND, pair.now))
    pair.b.do(pair.server.offer(THIRD, pair.now))
    pair.run(0.1)
    assert pair.wire.sent("491 UPDATE") == 2
    for _ in range(100):
        pair.run(0.1)
        for ua in (pair.a, pair.b):
            if ua.the._update_in is not None:
                ua.do(ua.the.answer_offer(ANSWER, pair.now))
    assert pair.a.node.told(OfferAnswered) and pair.b.node.told(OfferAnswered)


def test_an_update_with_an_offer_before_anything_was_agreed_is_refused_491() -> None:
    pair = Pair(b=Reliability.NEVER)
    pair.invite()
    pair.progress(183, ANSWER)
    pair.run()
    assert not pair.client.can_offer_early and not pair.server.can_offer_early
    dialog = pair.server.dialog
    assert dialog is not None
    pair.b.do([pair.server._track(dialog.create("UPDATE", (), SECOND, "application/sdp"))])
    pair.run()
    assert pair.wire.sent("491 UPDATE") == 1 and pair.a.node.told(OfferReceived) == []


def test_an_update_without_an_offer_moves_the_target_before_the_answer() -> None:
    pair = Pair()
    pair.settled()
    dialog = pair.server.dialog
    assert dialog is not None
    pair.b.do([pair.server._track(dialog.create("UPDATE", (("Contact", "<sip:moved@b.example>"),)))])
    pair.run()
    early = pair.client._early_dialog()
    assert pair.wire.sent("200 UPDATE") == 1 and early is not None and early.remote_target == "sip:moved@b.example"


def test_an_early_offer_that_nobody_answered_is_answered_487_when_the_caller_gives_up() -> None:
    pair = Pair()
    pair.settled()
    pair.a.do(pair.client.offer(SECOND, pair.now))
    pair.run(0.1)
    pair.a.do(pair.client.hang_up(pair.now))
    pair.run(40)
    assert pair.wire.sent("487 UPDATE") == 1 and pair.wire.sent("487 INVITE") == 1
    pair.over()


@pytest.mark.parametrize("seed", range(80))
def test_no_schedule_of_loss_and_reordering_leaves_a_call_with_early_offers_stuck(seed: int) -> None:
    entropy = SeededEntropy(f"prack {seed}")
    will = (Reliability.SUPPORTED, Reliability.REQUIRED)[seed % 2]
    pair = Pair(Wire(seed=seed, jitter_s=0.4, loss=0.2), a=will, seed=seed)
    late = seed % 4 == 3

    def told(user: object, event: object) -> None:
        ua = pair.a if user is pair.a else pair.b
        if isinstance(event, OfferReceived):
            pair.wire.at(pair.now + entropy.uniform(), lambda: ua.do(ua.the.answer_offer(THIRD, pair.now)))
        elif (isinstance(event, Provisional) and event.offered) or (isinstance(event, Established) and event.offered):
            pair.wire.at(pair.now + 0.1, lambda: pair.a.do(pair.client.acknowledge(ANSWER, pair.now)))

    pair.a.node.on_event = pair.b.node.on_event = told
    pair.invite(b"" if late else OFFER)
    moves = [
        (4 * entropy.uniform(), lambda: pair.progress(180)),
        (6 * entropy.uniform(), lambda: pair.progress(183, ANSWER)),
        (4 + 6 * entropy.uniform(), lambda: pair.a.do(pair.client.offer(SECOND, pair.now))),
        (4 + 6 * entropy.uniform(), lambda: pair.b.do(pair.server.offer(SECOND, pair.now))),
        (12 * entropy.uniform(), lambda: pair.a.do(pair.client.hang_up(pair.now)) if seed % 5 == 0 else None),
        (12 * entropy.uniform(), lambda: pair.b.do(pair.server.hang_up(pair.now)) if seed % 5 == 1 else None),
        (8 + 10 * entropy.uniform(), pair.accept),
        (60.0, lambda: pair.b.do(pair.server.hang_up(pair.now))),
        (60.0, lambda: pair.a.do(pair.client.hang_up(pair.now))),
    ]
    for moment, move in sorted(moves, key=lambda one: one[0]):
        pair.wire.run(max(moment, pair.now))
        move()
    pair.run(200)
    pair.over()


def _status(message: Message) -> int:
    return message.status if isinstance(message, Response) else 0


def _method(message: Message) -> str:
    return message.method if isinstance(message, Request) else ""
