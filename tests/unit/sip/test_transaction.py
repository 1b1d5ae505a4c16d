"""Every state of the four machines meets every event (RFC 3261 figures 5 to 8, RFC 6026 figures 3 and 4, RFC 4320)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from voipgw.sip import Request, Response, parse
from voipgw.sip.transaction import (
    Cancel,
    Deliver,
    Effect,
    Ended,
    InviteClient,
    InviteServer,
    NonInviteClient,
    NonInviteServer,
    Send,
    State,
    TimedOut,
    Timers,
    TransportFailed,
    client_key,
    make_ack,
    make_cancel,
    server_key,
)

TIMERS = Timers()
CALLING, TRYING, PROCEEDING = State.CALLING, State.TRYING, State.PROCEEDING
COMPLETED, CONFIRMED, ACCEPTED, TERMINATED = State.COMPLETED, State.CONFIRMED, State.ACCEPTED, State.TERMINATED
Machine = InviteClient | NonInviteClient | InviteServer | NonInviteServer


def request(method: str = "INVITE", branch: str = "z9hG4bKone", via: str = "") -> Request:
    fields = [
        ("Via", via or f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch}"),
        ("Max-Forwards", "70"),
        ("From", '"A" <sip:a@example.com>;tag=1'),
        ("To", "<sip:b@example.com>"),
        ("Call-ID", "c@192.0.2.1"),
        ("CSeq", f"7 {method}"),
        ("Contact", "<sip:a@192.0.2.1>"),
        ("Route", "<sip:p1.example.com;lr>"),
        ("Route", "<sip:p2.example.com;lr>"),
    ]
    return Request.create(method, "sip:b@192.0.2.9", fields)


INVITE, OPTIONS = request(), request("OPTIONS")
ACK = request("ACK")


def response(status: int, method: str = "INVITE") -> Response:
    return Response.answer(request(method), status, to_tag="9" if status > 100 else None)


def said(effects: list[Effect]) -> list[str]:
    """Effects in words."""
    words = []
    for effect in effects:
        if isinstance(effect, Send):
            message = parse(effect.message) if isinstance(effect.message, bytes) else effect.message
            what = message.method if isinstance(message, Request) else str(message.status)
            words.append(f"send {what}" + (" again" if effect.again else ""))
        elif isinstance(effect, Deliver):
            message = effect.message
            words.append(f"deliver {message.method if isinstance(message, Request) else message.status}")
        elif isinstance(effect, Cancel):
            words.append("cancel")
        else:
            words.append({TimedOut: "timed out", TransportFailed: "failed", Ended: "ended"}[type(effect)])
    return words


def in_state(state: State, kind: str, reliable: bool) -> tuple[Machine, float]:
    """A machine brought into a state, and the time at which it is there."""
    machine: Machine
    if kind == "invite client":
        machine = InviteClient(INVITE, TIMERS, reliable=reliable)
        steps: dict[State, list[int]] = {CALLING: [], PROCEEDING: [180], COMPLETED: [180, 486], ACCEPTED: [180, 200]}
        machine.start(100.0)
        for status in steps[state]:
            machine.receive(response(status), 100.0)
    elif kind == "client":
        machine = NonInviteClient(OPTIONS, TIMERS, reliable=reliable)
        machine.start(100.0)
        for status in {TRYING: [], PROCEEDING: [100], COMPLETED: [200]}[state]:
            machine.receive(response(status, "OPTIONS"), 100.0)
    elif kind == "invite server":
        machine = InviteServer(INVITE, TIMERS, reliable=reliable)
        machine.start(100.0)
        steps = {PROCEEDING: [180], COMPLETED: [180, 486], ACCEPTED: [200], CONFIRMED: [486]}
        for status in steps[state]:
            machine.respond(response(status), 100.0)
        if state is CONFIRMED:
            machine.receive(ACK, 100.0)
    else:
        machine = NonInviteServer(OPTIONS, TIMERS, reliable=reliable)
        machine.start(100.0)
        if state is PROCEEDING:
            machine.handle_deadline(103.5)
            assert machine.state is state
            return machine, 103.5
        for status in {TRYING: [], COMPLETED: [200]}[state]:
            machine.respond(response(status, "OPTIONS"), 100.0)
    assert machine.state is state
    return machine, 100.0


Row = tuple[State, str, State, list[str]]
NOTHING: list[str] = []

INVITE_CLIENT: list[Row] = [
    (CALLING, "100", PROCEEDING, ["deliver 100"]),
    (CALLING, "180", PROCEEDING, ["deliver 180"]),
    (CALLING, "200", ACCEPTED, ["deliver 200"]),
    (CALLING, "302", COMPLETED, ["send ACK", "deliver 302"]),
    (CALLING, "603", COMPLETED, ["send ACK", "deliver 603"]),
    (CALLING, "timer", CALLING, ["send INVITE again"]),
    (CALLING, "limit", TERMINATED, ["timed out", "ended"]),
    (CALLING, "cancel", CALLING, NOTHING),
    (CALLING, "transport", TERMINATED, ["failed", "ended"]),
    (PROCEEDING, "100", PROCEEDING, ["deliver 100"]),
    (PROCEEDING, "183", PROCEEDING, ["deliver 183"]),
    (PROCEEDING, "200", ACCEPTED, ["deliver 200"]),
    (PROCEEDING, "404", COMPLETED, ["send ACK", "deliver 404"]),
    (PROCEEDING, "cancel", PROCEEDING, ["cancel"]),
    (PROCEEDING, "transport", TERMINATED, ["failed", "ended"]),
    (COMPLETED, "180", COMPLETED, NOTHING),
    (COMPLETED, "200", COMPLETED, NOTHING),
    (COMPLETED, "486", COMPLETED, ["send ACK again"]),
    (COMPLETED, "limit", TERMINATED, ["ended"]),
    (COMPLETED, "cancel", COMPLETED, NOTHING),
    (COMPLETED, "transport", TERMINATED, ["ended"]),
    (ACCEPTED, "180", ACCEPTED, NOTHING),
    (ACCEPTED, "200", ACCEPTED, ["deliver 200"]),
    (ACCEPTED, "486", ACCEPTED, NOTHING),
    (ACCEPTED, "limit", TERMINATED, ["ended"]),
    (ACCEPTED, "cancel", ACCEPTED, NOTHING),
    (ACCEPTED, "transport", TERMINATED, ["ended"]),
]
CLIENT: list[Row] = [
    (TRYING, "100", PROCEEDING, ["deliver 100"]),
    (TRYING, "200", COMPLETED, ["deliver 200"]),
    (TRYING, "503", COMPLETED, ["deliver 503"]),
    (TRYING, "timer", TRYING, ["send OPTIONS again"]),
    (TRYING, "limit", TERMINATED, ["timed out", "ended"]),
    (TRYING, "transport", TERMINATED, ["failed", "ended"]),
    (PROCEEDING, "100", PROCEEDING, ["deliver 100"]),
    (PROCEEDING, "200", COMPLETED, ["deliver 200"]),
    (PROCEEDING, "404", COMPLETED, ["deliver 404"]),
    (PROCEEDING, "timer", PROCEEDING, ["send OPTIONS again"]),
    (PROCEEDING, "limit", TERMINATED, ["timed out", "ended"]),
    (PROCEEDING, "transport", TERMINATED, ["failed", "ended"]),
    (COMPLETED, "100", COMPLETED, NOTHING),
    (COMPLETED, "200", COMPLETED, NOTHING),
    (COMPLETED, "404", COMPLETED, NOTHING),
    (COMPLETED, "limit", TERMINATED, ["ended"]),
    (COMPLETED, "transport", TERMINATED, ["ended"]),
]
INVITE_SERVER: list[Row] = [
    (PROCEEDING, "INVITE", PROCEEDING, ["send 180 again"]),
    (PROCEEDING, "ACK", PROCEEDING, NOTHING),
    (PROCEEDING, "183", PROCEEDING, ["send 183"]),
    (PROCEEDING, "200", ACCEPTED, ["send 200"]),
    (PROCEEDING, "486", COMPLETED, ["send 486"]),
    (PROCEEDING, "transport", TERMINATED, ["failed", "ended"]),
    (COMPLETED, "INVITE", COMPLETED, ["send 486 again"]),
    (COMPLETED, "ACK", CONFIRMED, NOTHING),
    (COMPLETED, "180", COMPLETED, NOTHING),
    (COMPLETED, "200", COMPLETED, NOTHING),
    (COMPLETED, "500", COMPLETED, NOTHING),
    (COMPLETED, "timer", COMPLETED, ["send 486 again"]),
    (COMPLETED, "limit", TERMINATED, ["timed out", "ended"]),
    (COMPLETED, "transport", TERMINATED, ["failed", "ended"]),
    (CONFIRMED, "INVITE", CONFIRMED, NOTHING),
    (CONFIRMED, "ACK", CONFIRMED, NOTHING),
    (CONFIRMED, "200", CONFIRMED, NOTHING),
    (CONFIRMED, "limit", TERMINATED, ["ended"]),
    (CONFIRMED, "transport", TERMINATED, ["failed", "ended"]),
    (ACCEPTED, "INVITE", ACCEPTED, NOTHING),
    (ACCEPTED, "ACK", ACCEPTED, ["deliver ACK"]),
    (ACCEPTED, "180", ACCEPTED, NOTHING),
    (ACCEPTED, "200", ACCEPTED, ["send 200 again"]),
    (ACCEPTED, "486", ACCEPTED, NOTHING),
    (ACCEPTED, "limit", TERMINATED, ["ended"]),
    (ACCEPTED, "transport", TERMINATED, ["failed", "ended"]),
]
SERVER: list[Row] = [
    (TRYING, "OPTIONS", TRYING, NOTHING),
    (TRYING, "100", TRYING, NOTHING),  # RFC 4320 section 4.1: too early
    (TRYING, "180", TRYING, NOTHING),  # and never another provisional
    (TRYING, "200", COMPLETED, ["send 200"]),
    (TRYING, "404", COMPLETED, ["send 404"]),
    (TRYING, "408", COMPLETED, NOTHING),  # section 4.2
    (TRYING, "timer", PROCEEDING, ["send 100"]),
    (TRYING, "limit", TERMINATED, ["timed out", "ended"]),
    (TRYING, "transport", TERMINATED, ["failed", "ended"]),
    (PROCEEDING, "OPTIONS", PROCEEDING, ["send 100 again"]),
    (PROCEEDING, "100", PROCEEDING, ["send 100"]),
    (PROCEEDING, "180", PROCEEDING, NOTHING),
    (PROCEEDING, "200", COMPLETED, ["send 200"]),
    (PROCEEDING, "408", COMPLETED, NOTHING),
    (PROCEEDING, "limit", TERMINATED, ["timed out", "ended"]),
    (PROCEEDING, "transport", TERMINATED, ["failed", "ended"]),
    (COMPLETED, "OPTIONS", COMPLETED, ["send 200 again"]),
    (COMPLETED, "100", COMPLETED, NOTHING),
    (COMPLETED, "404", COMPLETED, NOTHING),
    (COMPLETED, "limit", TERMINATED, ["ended"]),
    (COMPLETED, "transport", TERMINATED, ["failed", "ended"]),
]
TABLES = {"invite client": INVITE_CLIENT, "client": CLIENT, "invite server": INVITE_SERVER, "server": SERVER}
ROWS = [(kind, *row) for kind, rows in TABLES.items() for row in rows]


def meet(machine: Machine, event: str, now: float) -> list[Effect]:
    if event == "transport":
        return machine.transport_failed(now)
    if event == "cancel":
        assert isinstance(machine, InviteClient)
        return machine.cancel(now)
    if event == "timer":
        return machine.handle_deadline(machine.next_deadline())
    if event == "limit":
        limit = 132.0 if machine.state is not CONFIRMED else 105.0
        if isinstance(machine, NonInviteClient) and machine.state is COMPLETED:
            limit = 105.0
        if isinstance(machine, NonInviteClient | NonInviteServer) or machine.state is not CALLING:
            assert machine.handle_deadline(machine.next_deadline() - 0.001) == []
        return machine.handle_deadline(limit)
    if event.isdigit():
        method = "INVITE" if isinstance(machine, InviteClient | InviteServer) else "OPTIONS"
        answer = response(int(event), method)
        return (
            machine.receive(answer, now)
            if isinstance(machine, InviteClient | NonInviteClient)
            else machine.respond(answer, now)
        )
    assert isinstance(machine, InviteServer | NonInviteServer)
    return machine.receive({"INVITE": INVITE, "ACK": ACK, "OPTIONS": OPTIONS}[event], now)


@pytest.mark.parametrize(("kind", "state", "event", "after", "effects"), ROWS)
def test_transition_over_an_unreliable_transport(
    kind: str, state: State, event: str, after: State, effects: list[str]
) -> None:
    machine, now = in_state(state, kind, reliable=False)
    assert said(meet(machine, event, now)) == effects
    assert machine.state is after
    assert (machine.next_deadline() == math.inf) == (
        after is TERMINATED or (after is PROCEEDING and kind.startswith("invite") and event != "cancel")
    )


def test_the_tables_hold_every_state_and_event() -> None:
    for kind, events in (
        ("invite client", {"transport", "cancel"}),
        ("client", {"transport", "200"}),
        ("invite server", {"INVITE", "ACK", "200", "transport"}),
        ("server", {"OPTIONS", "100", "transport"}),
    ):
        states = {row[0] for row in TABLES[kind]}
        for state in states:
            met = {row[1] for row in TABLES[kind] if row[0] is state}
            assert events <= met, (kind, state, events - met)


@pytest.mark.parametrize(
    ("kind", "state", "event", "effects"),
    [
        ("invite client", CALLING, "486", ["send ACK", "deliver 486", "ended"]),  # timer D is 0
        ("client", TRYING, "200", ["deliver 200", "ended"]),  # timer K is 0
        ("server", TRYING, "200", ["send 200", "ended"]),  # timer J is 0
        ("invite server", COMPLETED, "ACK", ["ended"]),  # timer I is 0
    ],
)
def test_over_a_reliable_transport_there_is_nothing_to_wait_for(
    kind: str, state: State, event: str, effects: list[str]
) -> None:
    machine, now = in_state(state, kind, reliable=True)
    assert said(meet(machine, event, now)) == effects
    assert machine.state is TERMINATED


def sends(machine: Machine, until: float = 1000.0) -> list[float]:
    """The times at which a machine sends by itself, up to its end."""
    found = []
    while (when := machine.next_deadline()) <= until:
        found += [when - 100.0 for effect in machine.handle_deadline(when) if isinstance(effect, Send)]
    return found


def test_timer_a_doubles_until_timer_b() -> None:
    machine, _ = in_state(CALLING, "invite client", reliable=False)
    assert sends(machine) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert machine.state is TERMINATED


def test_timer_e_doubles_up_to_t2() -> None:
    machine, _ = in_state(TRYING, "client", reliable=False)
    assert sends(machine) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_timer_e_is_t2_once_a_provisional_came() -> None:
    machine, _ = in_state(PROCEEDING, "client", reliable=False)
    assert sends(machine) == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]


def test_timer_g_doubles_up_to_t2_until_timer_h() -> None:
    machine, _ = in_state(COMPLETED, "invite server", reliable=False)
    assert sends(machine) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


@pytest.mark.parametrize("kind", ["invite client", "client", "server"])
def test_a_reliable_transport_is_never_sent_anything_twice(kind: str) -> None:
    machine, _ = in_state(CALLING if kind == "invite client" else TRYING, kind, reliable=True)
    assert sends(machine) == ([3.5] if kind == "server" else [])  # RFC 4320: the 100 of a slow server


def test_an_invite_server_says_trying_after_200_ms_only_when_its_user_said_nothing() -> None:
    silent = InviteServer(INVITE, TIMERS, reliable=False)
    assert said(silent.start(0.0)) == ["deliver INVITE"]
    assert said(silent.receive(INVITE, 0.1)) == []
    assert silent.next_deadline() == 0.2
    assert said(silent.handle_deadline(0.2)) == ["send 100"]
    assert said(silent.receive(INVITE, 0.5)) == ["send 100 again"]
    assert silent.next_deadline() == math.inf
    quick = InviteServer(INVITE, TIMERS, reliable=False)
    quick.start(0.0)
    quick.respond(response(180), 0.1)
    assert quick.next_deadline() == math.inf


def test_a_retransmission_is_answered_from_the_stored_octets() -> None:
    for kind, state, again in (("invite server", COMPLETED, INVITE), ("server", COMPLETED, OPTIONS)):
        machine, now = in_state(state, kind, reliable=False)
        assert isinstance(machine, InviteServer | NonInviteServer)
        (effect,) = machine.receive(again, now)
        assert isinstance(effect, Send) and isinstance(effect.message, bytes)


def test_cancel_is_held_back_until_a_provisional() -> None:
    machine, _ = in_state(CALLING, "invite client", reliable=False)
    assert isinstance(machine, InviteClient)
    assert machine.cancel(101.0) == []
    assert said(machine.receive(response(100), 102.0)) == ["cancel", "deliver 100"]
    assert machine.cancel(102.5) == []  # once is enough
    assert said(machine.handle_deadline(134.0)) == ["timed out", "ended"]  # section 9.1: 64*T1 after the CANCEL


def test_a_cancelled_invite_still_gets_its_final_response() -> None:
    machine, _ = in_state(PROCEEDING, "invite client", reliable=False)
    assert isinstance(machine, InviteClient)
    machine.cancel(101.0)
    assert said(machine.receive(response(487), 101.1)) == ["send ACK", "deliver 487"]


def test_a_cancel_held_back_comes_to_nothing_with_a_final_response() -> None:
    machine, _ = in_state(CALLING, "invite client", reliable=False)
    assert isinstance(machine, InviteClient)
    machine.cancel(101.0)
    assert said(machine.receive(response(200), 101.1)) == ["deliver 200"]


@pytest.mark.parametrize(("make", "method"), [(lambda r: make_ack(r, response(486)), "ACK"), (make_cancel, "CANCEL")])
def test_ack_and_cancel_repeat_the_identity_of_the_invite(make: Callable[[Request], Request], method: str) -> None:
    derived = parse(bytes(make(INVITE)))
    assert isinstance(derived, Request)
    assert derived.method == method and derived.uri_text == INVITE.uri_text
    assert [str(v) for v in derived.vias] == [str(INVITE.via)]
    assert derived.header("From") == INVITE.header("From") and derived.call_id == INVITE.call_id
    assert derived.headers("Route") == INVITE.headers("Route")
    assert (derived.cseq_number, derived.cseq_method) == (7, method)
    assert derived.to_tag == ("9" if method == "ACK" else None)
    assert derived.body == b"" and derived.header("Contact") is None


def test_a_response_belongs_to_a_request_by_branch_and_method() -> None:
    assert client_key(response(200)) == client_key(INVITE)
    assert client_key(response(200, "OPTIONS")) != client_key(INVITE)


def test_a_request_is_known_by_branch_sent_by_and_method() -> None:
    assert server_key(ACK) == server_key(INVITE) == server_key(request("CANCEL"), "INVITE")
    assert server_key(request("CANCEL")) != server_key(INVITE)
    assert server_key(request(branch="z9hG4bKtwo")) != server_key(INVITE)
    assert server_key(request(via="SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKone")) != server_key(INVITE)


@pytest.mark.parametrize("branch", ["", ";branch=1"])
def test_a_branch_without_the_cookie_is_matched_as_rfc_2543_did(branch: str) -> None:
    via = f"SIP/2.0/UDP 192.0.2.1:5060{branch}"
    assert server_key(request(via=via)) == server_key(request("ACK", via=via))
    assert server_key(request(via=via)) != server_key(request(via=via.replace("5060", "5061")))


def test_timers_are_derived_from_t1() -> None:
    timers = Timers(t1_s=0.1, t2_s=0.8)
    assert timers.limit_s == pytest.approx(6.4)
    assert timers.late_s == pytest.approx(0.7)
    assert Timers().late_s == 3.5
