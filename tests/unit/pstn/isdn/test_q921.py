from __future__ import annotations

import math
import random

import pytest

from voipgw.errors import LocalProtocolError
from voipgw.pstn.isdn.frames import Address, Frame, FrameKind, parse
from voipgw.pstn.isdn.link import (
    DataReceived,
    LinkDown,
    LinkEffect,
    LinkFault,
    LinkReset,
    LinkState,
    LinkTiming,
    LinkUp,
    SendFrame,
    Side,
)
from voipgw.pstn.isdn.q921 import DataLink

FROM_USER_COMMAND = Address(0, 0, False)
FROM_USER_RESPONSE = Address(0, 0, True)


def frames(effects: list[LinkEffect]) -> list[Frame]:
    return [parse(e.octets) for e in effects if isinstance(e, SendFrame)]


def kinds(effects: list[LinkEffect]) -> list[FrameKind]:
    return [frame.kind for frame in frames(effects)]


def command(kind: FrameKind, pf: bool = False, ns: int = 0, nr: int = 0, information: bytes = b"") -> bytes:
    return bytes(Frame(kind, FROM_USER_COMMAND, pf, ns, nr, information))


def response(kind: FrameKind, pf: bool = False, nr: int = 0) -> bytes:
    return bytes(Frame(kind, FROM_USER_RESPONSE, pf, 0, nr))


def network(state: LinkState = LinkState.ESTABLISHED, timing: LinkTiming | None = None) -> DataLink:
    """The network's end of a link, brought into ``state`` by what a user would do."""
    link = DataLink(Side.NETWORK, timing)
    if state is LinkState.AWAITING_ESTABLISHMENT:
        link.establish(0.0)
    elif state is not LinkState.TEI_ASSIGNED:
        link.receive(command(FrameKind.SABME, True), 0.0)
        if state is LinkState.AWAITING_RELEASE:
            link.release(0.0)
        elif state is LinkState.TIMER_RECOVERY:
            link.send(b"one", 0.0)
            link.handle_deadline(1.0)
    assert link.state is state
    return link


def test_a_user_establishes_with_sabme_and_poll() -> None:
    link = DataLink(Side.USER)
    (sabme,) = link.establish(0.0)
    assert sabme == SendFrame(bytes.fromhex("00017f"))
    assert link.state is LinkState.AWAITING_ESTABLISHMENT
    assert link.receive(bytes.fromhex("000173"), 0.1) == [LinkUp(True)]
    assert link.state is LinkState.ESTABLISHED


def test_the_network_answers_sabme_with_ua_whose_final_is_the_poll() -> None:
    link = DataLink(Side.NETWORK)
    effects = link.receive(bytes.fromhex("00017f"), 0.0)
    assert effects == [SendFrame(bytes.fromhex("000173")), LinkUp(False)]


def test_sabme_is_repeated_n200_times_and_then_the_link_is_down() -> None:
    link = DataLink(Side.USER)
    link.establish(0.0)
    for second in (1.0, 2.0, 3.0):
        assert link.next_deadline() == second
        assert kinds(link.handle_deadline(second)) == [FrameKind.SABME]
    assert link.handle_deadline(4.0) == [LinkFault("G"), LinkDown(False)]
    assert link.next_deadline() == math.inf


def test_data_in_order_is_delivered_and_acknowledged() -> None:
    link = network()
    effects = link.receive(command(FrameKind.I, ns=0, information=b"a"), 1.0)
    assert effects[0] == DataReceived(b"a")
    (answer,) = frames(effects)
    assert (answer.kind, answer.nr, answer.address.cr) == (FrameKind.RR, 1, False)


def test_an_i_frame_of_ours_acknowledges_what_it_can() -> None:
    link = network()
    link.set_busy(False, 0.0)
    link.receive(command(FrameKind.RNR), 0.0)
    assert kinds(link.send(b"x", 0.1)) == []
    link.receive(command(FrameKind.RR), 0.2)
    effects = link.receive(command(FrameKind.I, ns=0, nr=1, information=b"a"), 0.3)
    assert kinds(effects) == [FrameKind.RR]


def test_a_gap_is_answered_with_one_rej_until_it_is_filled() -> None:
    link = network()
    (rej,) = frames(link.receive(command(FrameKind.I, ns=1, information=b"b"), 1.0))
    assert (rej.kind, rej.nr) == (FrameKind.REJ, 0)
    assert link.receive(command(FrameKind.I, ns=2, information=b"c"), 1.1) == []
    assert DataReceived(b"a") in link.receive(command(FrameKind.I, ns=0, information=b"a"), 1.2)
    assert kinds(link.receive(command(FrameKind.I, ns=3, information=b"d"), 1.3)) == [FrameKind.REJ]


def test_rej_makes_every_frame_from_its_nr_go_again() -> None:
    link = network()
    for data in (b"a", b"b", b"c"):
        link.send(data, 1.0)
    again = frames(link.receive(response(FrameKind.REJ, nr=1), 1.1))
    assert [(f.ns, f.information) for f in again] == [(1, b"b"), (2, b"c")]


def test_the_window_is_k_frames() -> None:
    link = network()
    sent = [f for n in range(10) for f in frames(link.send(bytes([n]), 1.0))]
    assert len(sent) == 7
    assert link.outstanding == 10
    more = frames(link.receive(response(FrameKind.RR, nr=2), 1.1))
    assert [f.ns for f in more] == [7, 8]


def test_a_silent_peer_is_asked_and_the_missing_frame_goes_again() -> None:
    link = network()
    link.send(b"a", 1.0)
    (enquiry,) = frames(link.handle_deadline(2.0))
    assert (enquiry.kind, enquiry.poll_final, enquiry.address.cr) == (FrameKind.RR, True, True)
    assert link.state is LinkState.TIMER_RECOVERY
    assert kinds(link.send(b"b", 2.1)) == [], "nothing new is sent in timer recovery"
    again = frames(link.receive(response(FrameKind.RR, True, nr=0), 2.2))
    assert [f.information for f in again] == [b"a", b"b"]
    assert link.state is LinkState.ESTABLISHED


def test_a_peer_that_never_answers_is_asked_n200_times_and_then_the_link_is_reset() -> None:
    link = network()
    link.send(b"a", 0.0)
    polls = [kinds(link.handle_deadline(t)) for t in (1.0, 2.0, 3.0)]
    assert polls == [[FrameKind.RR]] * 3
    effects = link.handle_deadline(4.0)
    assert effects[0] == LinkFault("I")
    assert kinds(effects) == [FrameKind.SABME]
    assert link.receive(response(FrameKind.UA, True), 4.1) == [LinkReset()]
    assert link.outstanding == 0


def test_data_that_came_while_a_reset_ran_goes_out_after_it_where_nothing_was_outstanding() -> None:
    link = network()
    link.receive(response(FrameKind.DM, False), 1.0)
    assert link.state is LinkState.AWAITING_ESTABLISHMENT
    assert kinds(link.send(b"later", 1.1)) == []
    effects = link.receive(response(FrameKind.UA, True), 1.2)
    assert LinkReset() not in effects
    assert [f.information for f in frames(effects)] == [b"later"]


def test_an_idle_link_is_asked_after_t203() -> None:
    link = network()
    assert link.next_deadline() == 10.0
    assert kinds(link.handle_deadline(10.0)) == [FrameKind.RR]
    link.receive(response(FrameKind.RR, True), 10.1)
    assert link.state is LinkState.ESTABLISHED
    assert link.next_deadline() == pytest.approx(20.1)


def test_a_busy_peer_is_polled_and_gets_its_data_when_it_can_take_it() -> None:
    link = network()
    link.receive(response(FrameKind.RNR), 1.0)
    assert kinds(link.send(b"a", 1.1)) == []
    assert kinds(link.handle_deadline(2.0)) == [FrameKind.RR]
    link.receive(response(FrameKind.RNR, True), 2.1)
    assert link.state is LinkState.ESTABLISHED
    assert kinds(link.receive(response(FrameKind.RR), 2.5)) == [FrameKind.I]


def test_our_own_busy_says_rnr_and_takes_nothing() -> None:
    link = network()
    assert kinds(link.set_busy(True, 1.0)) == [FrameKind.RNR]
    assert link.receive(command(FrameKind.I, information=b"a"), 1.1) == []
    assert kinds(link.receive(command(FrameKind.I, True, information=b"a"), 1.2)) == [FrameKind.RNR]
    assert kinds(link.set_busy(False, 1.3)) == [FrameKind.RR]


def test_an_nr_outside_the_window_resets_the_link() -> None:
    link = network()
    effects = link.receive(response(FrameKind.RR, nr=5), 1.0)
    assert effects[0] == LinkFault("J")
    assert kinds(effects) == [FrameKind.SABME]


def test_sabme_on_a_link_that_is_up_resets_it_and_says_so_only_when_something_was_lost() -> None:
    link = network()
    assert LinkReset() not in link.receive(command(FrameKind.SABME, True), 1.0)
    link.send(b"a", 1.1)
    assert LinkReset() in link.receive(command(FrameKind.SABME, True), 1.2)
    assert link.outstanding == 0


def test_release_sends_disc_until_ua() -> None:
    link = network()
    assert kinds(link.release(1.0)) == [FrameKind.DISC]
    assert kinds(link.handle_deadline(2.0)) == [FrameKind.DISC]
    assert link.receive(response(FrameKind.UA, True), 2.1) == [LinkDown(True)]
    with pytest.raises(LocalProtocolError):
        network(LinkState.AWAITING_RELEASE).send(b"x", 2.0)


def test_release_while_sabme_is_out_waits_for_its_answer() -> None:
    link = network(LinkState.AWAITING_ESTABLISHMENT)
    assert link.release(0.5) == []
    assert kinds(link.receive(response(FrameKind.UA, True), 0.6)) == [FrameKind.DISC]
    assert link.receive(response(FrameKind.UA, True), 0.7) == [LinkDown(True)]


def test_disc_takes_the_link_down() -> None:
    link = network()
    effects = link.receive(command(FrameKind.DISC, True), 1.0)
    assert kinds(effects) == [FrameKind.UA]
    assert effects[-1] == LinkDown(False)


@pytest.mark.parametrize("octets", ["0001", "0101 7f", "0000 7f", "0001 01", ""])
def test_an_invalid_frame_is_ignored(octets: str) -> None:
    link = network()
    assert link.receive(bytes.fromhex(octets), 1.0) == []
    assert link.state is LinkState.ESTABLISHED


@pytest.mark.parametrize(
    ("octets", "code"),
    [("0001 ff", "L"), ("0001 0d01", "L"), ("0001 7f00", "M"), ("0001 010100", "N"), ("0001 0000" + "00" * 261, "O")],
)
def test_the_frame_reject_condition_resets_the_link(octets: str, code: str) -> None:
    link = network()
    effects = link.receive(bytes.fromhex(octets), 1.0)
    assert effects[0] == LinkFault(code)
    assert kinds(effects) == [FrameKind.SABME]


def test_a_frame_for_another_terminal_is_not_ours() -> None:
    link = network()
    assert link.receive(bytes(Frame(FrameKind.SABME, Address(0, 64, False), True)), 1.0) == []


#: (state, frame) -> (faults, frames sent, state after), from the SDL of annex B; commands and responses as a user sends them.
A, E, R, M, T = LinkState
S_AFTER = {
    (A, "SABME"): ([], ["UA"], M), (A, "DISC"): ([], ["DM"], A), (A, "UA"): (["C"], [], A), (A, "DM1"): ([], [], A),
    (A, "DM0"): ([], ["SABME"], E), (A, "I"): ([], [], A), (A, "RRc"): ([], [], A), (A, "RRr"): ([], [], A), (A, "REJ"): ([], [], A),
    (A, "RNR"): ([], [], A), (A, "FRMR"): ([], [], A), (A, "UI"): ([], [], A), (A, "XID"): ([], ["XID"], A),
    (E, "SABME"): ([], ["UA"], E), (E, "DISC"): ([], ["DM"], E), (E, "UA"): ([], [], M), (E, "DM1"): ([], [], A),
    (E, "DM0"): ([], [], E), (E, "I"): ([], [], E), (E, "RRc"): ([], [], E), (E, "RRr"): ([], [], E), (E, "REJ"): ([], [], E),
    (E, "RNR"): ([], [], E), (E, "FRMR"): ([], [], E), (E, "UI"): ([], [], E), (E, "XID"): ([], ["XID"], E),
    (R, "SABME"): ([], ["DM"], R), (R, "DISC"): ([], ["UA"], R), (R, "UA"): ([], [], A), (R, "DM1"): ([], [], A),
    (R, "DM0"): ([], [], R), (R, "I"): ([], [], R), (R, "RRc"): ([], [], R), (R, "RRr"): ([], [], R), (R, "REJ"): ([], [], R),
    (R, "RNR"): ([], [], R), (R, "FRMR"): ([], [], R), (R, "UI"): ([], [], R), (R, "XID"): ([], ["XID"], R),
    (M, "SABME"): (["F"], ["UA"], M), (M, "DISC"): ([], ["UA"], A), (M, "UA"): (["C"], [], M), (M, "DM1"): (["B"], [], M),
    (M, "DM0"): (["E"], ["SABME"], E), (M, "I"): ([], ["RR"], M), (M, "RRc"): ([], ["RR"], M), (M, "RRr"): (["A"], [], M),
    (M, "REJ"): ([], [], M), (M, "RNR"): ([], [], M), (M, "FRMR"): (["K"], ["SABME"], E), (M, "UI"): ([], [], M), (M, "XID"): ([], ["XID"], M),
    (T, "SABME"): (["F"], ["UA"], M), (T, "DISC"): ([], ["UA"], A), (T, "UA"): (["C"], [], T), (T, "DM1"): (["B"], ["SABME"], E),
    (T, "DM0"): (["E"], ["SABME"], E), (T, "I"): ([], ["RR"], T), (T, "RRc"): ([], ["RR"], T), (T, "RRr"): ([], ["I"], M),
    (T, "REJ"): ([], [], T), (T, "RNR"): ([], [], T), (T, "FRMR"): (["K"], ["SABME"], E), (T, "UI"): ([], [], T), (T, "XID"): ([], ["XID"], T),
}  # fmt: skip
INPUTS = {
    "SABME": command(FrameKind.SABME, True), "DISC": command(FrameKind.DISC, True), "UA": response(FrameKind.UA, True),
    "DM1": response(FrameKind.DM, True), "DM0": response(FrameKind.DM), "I": command(FrameKind.I, information=b"i"),
    "RRc": command(FrameKind.RR, True), "RRr": response(FrameKind.RR, True), "REJ": response(FrameKind.REJ),
    "RNR": response(FrameKind.RNR), "FRMR": bytes(Frame(FrameKind.FRMR, FROM_USER_RESPONSE, information=bytes(5))),
    "UI": command(FrameKind.UI, information=b"u"), "XID": command(FrameKind.XID, True),
}  # fmt: skip


@pytest.mark.parametrize("state", list(LinkState), ids=lambda s: s.name)
@pytest.mark.parametrize("name", INPUTS)
def test_every_frame_in_every_state_does_what_annex_b_says(state: LinkState, name: str) -> None:
    link = network(state)
    effects = link.receive(INPUTS[name], 1.5)
    faults = [e.code for e in effects if isinstance(e, LinkFault)]
    assert (faults, [k.name for k in kinds(effects)], link.state) == S_AFTER[state, name]


class Wire:
    """Two links over a wire that loses, repeats and swaps frames, in virtual time."""

    def __init__(self, seed: int, *, loss: float, repeat: float, swap: float) -> None:
        self.random = random.Random(seed)
        self.loss, self.repeat, self.swap = loss, repeat, swap
        self.links = [DataLink(Side.NETWORK), DataLink(Side.USER)]
        self.now = 0.0
        self.flying: list[tuple[float, int, int, bytes]] = []
        self.count = 0
        self.received: list[list[bytes]] = [[], []]
        self.resets = 0

    def take(self, who: int, effects: list[LinkEffect]) -> None:
        for effect in effects:
            if isinstance(effect, SendFrame):
                for _ in range(2 if self.random.random() < self.repeat else 1):
                    if self.random.random() >= self.loss:
                        late = self.random.uniform(0.003, 0.020) if self.random.random() < self.swap else 0.0
                        self.count += 1
                        self.flying.append((self.now + 0.005 + late, self.count, 1 - who, effect.octets))
            elif isinstance(effect, DataReceived):
                self.received[who].append(effect.information)
            elif isinstance(effect, LinkReset | LinkDown):
                self.resets += 1
                if isinstance(effect, LinkDown):
                    self.take(who, self.links[who].establish(self.now))

    def run(self, until: float) -> None:
        while True:
            due = min([link.next_deadline() for link in self.links] + [t for t, *_ in self.flying])
            if due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            self.flying.sort()
            if self.flying and self.flying[0][0] <= self.now:
                _, _, who, octets = self.flying.pop(0)
                self.take(who, self.links[who].receive(octets, self.now))
                continue
            for who, link in enumerate(self.links):
                if link.next_deadline() <= self.now:
                    self.take(who, link.handle_deadline(self.now))


@pytest.mark.parametrize("seed", range(4))
def test_ten_percent_of_loss_lose_nothing_unless_the_reset_says_so(seed: int) -> None:
    wire = Wire(seed, loss=0.10, repeat=0.0, swap=0.0)
    wire.take(1, wire.links[1].establish(0.0))
    wire.run(30.0)
    assert all(link.up for link in wire.links)
    sent: list[list[bytes]] = [[], []]
    for n in range(1000):
        for who in (0, 1):
            data = n.to_bytes(2, "big")
            if wire.links[who].state is not LinkState.AWAITING_RELEASE:
                wire.take(who, wire.links[who].send(data, wire.now))
                sent[who].append(data)
        wire.run(wire.now + 0.2)
    wire.run(wire.now + 200.0)
    for who in (0, 1):
        got = wire.received[1 - who]
        assert got == sorted(set(got)), "in order and never twice"
        if wire.resets == 0:
            assert got == sent[who]
        numbers = [int.from_bytes(data, "big") for data in got]
        gaps = sum(b != a + 1 for a, b in zip([-1, *numbers], [*numbers, 1000], strict=True))
        assert gaps <= wire.resets, "every gap stands where a reset was reported"


@pytest.mark.parametrize("seed", range(2))
def test_after_loss_repetition_and_swapping_end_the_link_carries_everything_again(seed: int) -> None:
    wire = Wire(seed, loss=0.10, repeat=0.10, swap=0.10)
    wire.take(1, wire.links[1].establish(0.0))
    wire.run(30.0)
    for n in range(1000):
        wire.take(n % 2, wire.links[n % 2].send(n.to_bytes(2, "big"), wire.now))
        wire.run(wire.now + 0.1)
    wire.loss = wire.repeat = wire.swap = 0.0
    wire.run(wire.now + 60.0)
    assert all(link.up and link.outstanding == 0 for link in wire.links)
    before = [len(got) for got in wire.received]
    for n in range(50):
        for who in (0, 1):
            wire.take(who, wire.links[who].send(b"after" + bytes([n]), wire.now))
    wire.run(wire.now + 5.0)
    assert [len(got) - b for got, b in zip(wire.received, before, strict=True)] == [50, 50]
