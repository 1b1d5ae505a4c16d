from __future__ import annotations

import math

import pytest

from voipgw.causes import Cause
from voipgw.errors import DriverError, ResourceError
from voipgw.pstn.isdn.call import IsdnCall
from voipgw.pstn.isdn.call_effects import CallEnded, CallTimers, Clearing, Received
from voipgw.pstn.isdn.elements import (
    BearerCapability,
    CallStateInfo,
    CauseInfo,
    ChangeStatus,
    ChannelIdentification,
    RestartIndicator,
)
from voipgw.pstn.isdn.frames import FrameKind
from voipgw.pstn.isdn.frames import parse as parse_frame
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.link import LinkTiming, Side
from voipgw.pstn.isdn.numbers import CalledNumber
from voipgw.pstn.isdn.q931 import CallReference, Message, parse
from voipgw.pstn.isdn.q931_tables import CallState as S
from voipgw.pstn.isdn.q931_tables import MessageType as M
from voipgw.pstn.isdn.span import CallArrived, ChannelService, ChannelsRestarted, Span
from voipgw.pstn.isdn.switch_tables import SWITCHES
from voipgw.testing.isdn_wire import SpanWire

SETUP: list[Info] = [BearerCapability(), CalledNumber("100")]


def up(**options: object) -> SpanWire:
    wire = SpanWire(**options)  # type: ignore[arg-type]
    wire.start()
    assert wire.network.up
    assert wire.user.up
    wire.seen.clear()
    wire.frames.clear()
    return wire


def place(wire: SpanWire, span: Span, channel: int | None = None) -> tuple[IsdnCall, IsdnCall | None]:
    call, effects = span.place(SETUP, wire.now, channel=channel)
    wire.take(span, effects)
    wire.run(0.1)
    arrived = wire.arrivals()
    return call, arrived[0].call if arrived else None


def do(wire: SpanWire, span: Span, call: IsdnCall, command: str, *arguments: object) -> None:
    method = getattr(call, command)
    wire.take(span, span.perform(call, method(*arguments, wire.now) if arguments else method(wire.now), wire.now))
    wire.run(0.1)


def answered(wire: SpanWire, caller: Span, channel: int | None = None) -> tuple[IsdnCall, IsdnCall]:
    mine, theirs = place(wire, caller, channel)
    assert theirs is not None
    for command in ("proceeding", "alerting", "connect"):
        do(wire, wire.other(caller), theirs, command)
    assert (mine.state, theirs.state) == (S.ACTIVE, S.ACTIVE)
    wire.seen.clear()
    return mine, theirs


def messages(wire: SpanWire, side: Side) -> list[Message]:
    frames = [parse_frame(octets) for _, who, octets in wire.frames if who is side]
    return [parse(frame.information) for frame in frames if frame.kind is FrameKind.I]


def raw(wire: SpanWire, to: Span, kind: int, reference: CallReference, *infos: Info) -> list[Message]:
    """Hand ``to`` a message out of nowhere; what it says in answer."""
    other = wire.other(to)
    wire.frames.clear()
    for effect in other.link.send(bytes(Message.create(kind, reference, infos)), wire.now):
        wire.take(other, [effect])  # type: ignore[list-item]
    wire.run(0.1)
    return messages(wire, to.side)


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("side", ["user", "network"])
def test_a_call_goes_through_and_leaves_nothing_behind(switch: str, side: str) -> None:
    wire = up(profile=SWITCHES[switch])
    caller: Span = getattr(wire, side)
    mine, theirs = answered(wire, caller)
    assert mine.channel == theirs.channel
    assert mine.channel not in caller.pool.idle
    do(wire, caller, mine, "disconnect", 16)
    do(wire, wire.other(caller), theirs, "disconnect", 16)
    assert mine.over
    assert theirs.over
    for span in wire.spans:
        assert span.calls == ()
        assert span.pool.idle == set(SWITCHES[switch].channels)


def test_the_sides_begin_at_different_ends() -> None:
    wire = up()
    assert place(wire, wire.user)[0].channel == 1
    assert place(wire, wire.network)[0].channel == 31


def test_without_a_link_or_a_channel_no_call_is_placed() -> None:
    with pytest.raises(DriverError):
        Span(Side.USER, SWITCHES["ni2"]).place(SETUP, 0.0)
    wire = up(profile=SWITCHES["ni2"])
    for _ in range(23):
        place(wire, wire.user)
    with pytest.raises(ResourceError):
        wire.user.place(SETUP, wire.now)
    with pytest.raises(ResourceError):
        wire.user.place(SETUP, wire.now, channel=3)


def test_a_call_to_a_channel_in_use_is_refused_with_44() -> None:
    wire = up()
    answered(wire, wire.user, 5)
    (answer,) = raw(wire, wire.network, M.SETUP, CallReference(900), *SETUP, ChannelIdentification((5,)))
    cause = answer.find(CauseInfo)
    assert (answer.name, cause.value if cause else None) == ("RELEASE COMPLETE", 44)


@pytest.mark.parametrize(("channel", "cause"), [(16, 82), (40, 82)])
def test_a_channel_that_does_not_exist_is_refused_with_82(channel: int, cause: int) -> None:
    wire = up()
    (answer,) = raw(wire, wire.network, M.SETUP, CallReference(900), *SETUP, ChannelIdentification((channel,)))
    info = answer.find(CauseInfo)
    assert info is not None
    assert info.value == cause


def test_a_preferred_channel_in_use_is_exchanged_for_a_free_one() -> None:
    wire = up()
    answered(wire, wire.user, 5)
    raw(wire, wire.network, M.SETUP, CallReference(900), *SETUP, ChannelIdentification((5,), exclusive=False))
    (arrival,) = wire.arrivals()
    assert arrival.call.channel == 31
    (sent,) = arrival.call.proceeding(wire.now)
    assert sent.message.find(ChannelIdentification) == ChannelIdentification((31,))  # type: ignore[union-attr]


def test_in_glare_the_networks_call_keeps_the_channel() -> None:
    wire = up()
    mine, first = wire.user.place(SETUP, wire.now, channel=7)
    theirs, second = wire.network.place(SETUP, wire.now, channel=7)
    wire.take(wire.user, first)
    wire.take(wire.network, second)
    wire.run(0.2)
    (arrival,) = wire.arrivals()
    assert arrival.call.channel == 7
    assert arrival.call.reference.value == theirs.reference.value
    assert mine.over, "the network refused the user's call: its channel is taken"
    assert [e for e in wire.reports(wire.user) if isinstance(e, CallEnded)] == [CallEnded(44)]
    do(wire, wire.user, arrival.call, "connect")
    assert theirs.state is S.ACTIVE
    assert len(wire.user.pool.idle) == 29


def test_a_call_reference_that_is_not_in_use_is_answered_as_section_5_8_3_2_says() -> None:
    wire = up()
    reference = CallReference(77, True)
    for kind in (M.ALERTING, M.CONNECT, M.RELEASE, M.DISCONNECT, M.INFORMATION, 0x6F):
        (answer,) = raw(wire, wire.user, kind, reference, CauseInfo(16))
        cause = answer.find(CauseInfo)
        assert (answer.name, cause.value if cause else 0) == ("RELEASE COMPLETE", 81)
        assert answer.reference == CallReference(77, False)
    assert raw(wire, wire.user, M.RELEASE_COMPLETE, reference) == []
    assert raw(wire, wire.user, M.SETUP, reference, *SETUP) == []
    (answer,) = raw(wire, wire.user, M.STATUS_ENQUIRY, reference)
    assert (answer.name, answer.find(CallStateInfo)) == ("STATUS", CallStateInfo(0))
    assert raw(wire, wire.user, M.STATUS, reference, CauseInfo(30), CallStateInfo(0)) == []
    (answer,) = raw(wire, wire.user, M.STATUS, reference, CauseInfo(30), CallStateInfo(10))
    cause = answer.find(CauseInfo)
    assert (answer.name, cause.value if cause else 0) == ("RELEASE COMPLETE", 101)
    assert wire.user.calls == ()


def test_a_restart_clears_its_channels_and_is_acknowledged() -> None:
    wire = up()
    one, _ = answered(wire, wire.user, 5)
    two, theirs = answered(wire, wire.user, 6)
    wire.take(wire.network, wire.network.restart((5,), wire.now))
    assert 5 not in wire.network.pool.idle
    wire.run(0.2)
    assert one.over
    assert two.state is S.ACTIVE
    assert theirs.state is S.ACTIVE
    assert (wire.network, ChannelsRestarted((5,), True)) in wire.seen
    assert (wire.user, ChannelsRestarted((5,), False)) in wire.seen
    assert 5 in wire.network.pool.idle
    assert Clearing(Cause.TEMPORARY_FAILURE) in wire.reports(wire.user)


def test_a_restart_of_everything_clears_everything() -> None:
    wire = up()
    answered(wire, wire.user)
    answered(wire, wire.network)
    wire.take(wire.user, wire.user.restart((), wire.now))
    wire.run(0.2)
    assert wire.user.calls == wire.network.calls == ()
    assert len(wire.user.pool.idle) == 30


def test_t316_asks_for_the_restart_once_more_and_then_leaves_the_channel_out_of_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = up()
    with monkeypatch.context() as patch:
        patch.setattr(wire.network, "_global", lambda message, now: None)  # a far end that knows no RESTART
        wire.take(wire.user, wire.user.restart((5,), wire.now))
        wire.run(CallTimers().t316_s * 2 + 1)
    assert [m.name for m in messages(wire, Side.USER)] == ["RESTART", "RESTART"]
    assert (wire.user, ChannelsRestarted((5,), True, False)) in wire.seen
    assert 5 not in wire.user.pool.idle
    wire.take(wire.user, wire.user.restart((5,), wire.now))
    wire.run(1.0)
    assert 5 in wire.user.pool.idle


def test_a_restart_waits_for_the_link() -> None:
    wire = up()
    wire.cut = True
    wire.take(wire.user, wire.user.restart((5,), wire.now))
    wire.run(1000.0)
    wire.cut = False
    wire.run(30.0)
    assert (wire.user, ChannelsRestarted((5,), True)) in wire.seen
    assert 5 in wire.user.pool.idle


@pytest.mark.parametrize(
    ("infos", "cause"),
    [((), 96), ((RestartIndicator(0),), 96), ((RestartIndicator(0), ChannelIdentification((16,))), 82)],
)
def test_a_restart_that_cannot_be_done_is_answered_with_status(infos: tuple[Info, ...], cause: int) -> None:
    wire = up()
    (answer,) = raw(wire, wire.user, M.RESTART, CallReference(0), *infos)
    info = answer.find(CauseInfo)
    assert (answer.name, info.value if info else 0) == ("STATUS", cause)


def test_another_message_on_the_global_reference_is_answered_with_81() -> None:
    wire = up()
    (answer,) = raw(wire, wire.user, M.ALERTING, CallReference(0))
    info = answer.find(CauseInfo)
    assert (answer.name, info.value if info else 0) == ("STATUS", 81)


def test_a_channel_whose_release_nobody_confirmed_is_restarted() -> None:
    wire = up()
    mine, theirs = answered(wire, wire.user, 5)
    wire.network._calls.clear()  # the far end has forgotten the call
    wire.network.pool.give_up(5, theirs)
    wire.cut = True
    do(wire, wire.user, mine, "disconnect", 16)
    wire.run(50.0)
    assert mine.over
    assert 5 not in wire.user.pool.idle
    wire.cut = False
    wire.run(200.0)
    assert 5 in wire.user.pool.idle


@pytest.mark.parametrize(("switch", "discriminator", "kind"), [("ni2", 0x43, 0x07), ("4ess", 0x03, 0x0F)])
def test_a_service_message_takes_a_channel_out_and_puts_it_back(switch: str, discriminator: int, kind: int) -> None:
    wire = up(profile=SWITCHES[switch])
    for status, in_service in ((2, False), (0, True)):
        service = Message(
            kind,
            CallReference(0),
            Message.create(0, CallReference(0), [ChangeStatus(0x40 | status), ChannelIdentification((7,))]).elements,
            discriminator,
        )
        for effect in wire.network.link.send(bytes(service), wire.now):
            wire.take(wire.network, [effect])  # type: ignore[list-item]
        wire.run(0.1)
        assert (wire.user, ChannelService(7, in_service)) in wire.seen
        assert (7 in wire.user.pool.idle) is in_service


REACHABLE = ["setup", "setup_acknowledge", "proceeding", "alerting", "connect", "disconnect", "disconnect far"]


@pytest.mark.parametrize("side", ["user", "network"])
@pytest.mark.parametrize("reached", REACHABLE)
@pytest.mark.parametrize("seconds", [6.0, 300.0])
def test_a_link_that_drops_in_any_state_leaves_no_channel_behind(side: str, reached: str, seconds: float) -> None:
    wire = up()
    caller: Span = getattr(wire, side)
    mine, theirs = place(wire, caller)
    assert theirs is not None
    for command in REACHABLE[1 : REACHABLE.index(reached) + 1]:
        if command == "disconnect far":
            break
        if command == "disconnect":
            do(wire, *((caller, mine) if reached == command else (wire.other(caller), theirs)), "disconnect", 16)
        else:
            do(wire, wire.other(caller), theirs, command)
    wire.cut = True
    wire.run(seconds)
    wire.cut = False
    wire.run(30.0)
    assert all(span.up for span in wire.spans)
    for span in wire.spans:
        for call in span.calls:
            wire.take(span, span.perform(call, call.disconnect(16, wire.now), wire.now))
    wire.run(1.0)
    for span in wire.spans:
        for call in span.calls:
            wire.take(span, span.perform(call, call.disconnect(16, wire.now), wire.now))
    wire.run(400.0)
    for span in wire.spans:
        assert span.calls == ()
        assert len(span.pool.idle) == 30


def test_an_active_call_survives_a_link_that_comes_back_in_time() -> None:
    wire = up()
    mine, theirs = answered(wire, wire.user)
    wire.cut = True
    wire.run(40.0)
    assert not wire.user.up
    wire.cut = False
    wire.run(10.0)
    assert (mine.state, theirs.state) == (S.ACTIVE, S.ACTIVE)
    assert mine.running() == theirs.running() == frozenset()


class Afternoon:
    """Calls at random over a bad wire; every call must end where both ends agree that it ended."""

    def __init__(self, wire: SpanWire, calls: int, gap_s: float = 2.0) -> None:
        self.wire, self.left, self.gap_s = wire, calls, gap_s
        self.answered = self.refused = self.lost = 0
        wire.deliver = self.deliver
        wire.keep_frames = False

    def deliver(self, span: Span, effect: object) -> None:
        wire = self.wire
        if isinstance(effect, CallArrived):
            for command in ("proceeding", "alerting", "connect"):
                wire.take(span, span.perform(effect.call, getattr(effect.call, command)(wire.now), wire.now))
            return
        if isinstance(effect, ChannelsRestarted) and not effect.confirmed:
            wire.take(span, span.restart(effect.channels, wire.now))
        report = getattr(effect, "effect", None)
        call: IsdnCall = getattr(effect, "call", None)  # type: ignore[assignment]
        if isinstance(report, Received) and report.message.kind == M.CONNECT:
            self.answered += 1
            wire.take(span, span.perform(call, call.disconnect(16, wire.now), wire.now))
        elif isinstance(report, Received) and report.message.kind == M.DISCONNECT:
            wire.take(span, span.perform(call, call.disconnect(16, wire.now), wire.now))
        elif isinstance(report, Clearing):
            self.lost += call.outgoing

    def run(self) -> None:
        wire = self.wire
        while self.left:
            for span in wire.spans:
                if self.left and span.up and len(span.pool.idle) > 8:
                    self.left -= 1
                    _, effects = span.place(SETUP, wire.now)
                    wire.take(span, effects)
            wire.run(self.gap_s)
        wire.run(2000.0)


#: A D-channel over a network that loses frames is asked sooner and more often than a copper one.
BAD_WIRE = LinkTiming(t200_s=0.25, n200=10, overtaking=True)


@pytest.mark.parametrize(("seed", "repeat", "late"), [(0, 0.0, 0.0), (1, 0.1, 0.0), (2, 0.1, 0.1)])
def test_calls_are_all_answered_where_ten_percent_of_the_frames_are_lost_repeated_and_overtaken(
    seed: int, repeat: float, late: float
) -> None:
    wire = SpanWire(seed, loss=0.10, repeat=repeat, late=late, link_timing=BAD_WIRE)
    wire.start()
    wire.run(20.0)
    afternoon = Afternoon(wire, 500)
    afternoon.run()
    assert (afternoon.answered, afternoon.lost) == (500, 0)
    for span in wire.spans:
        assert span.calls == ()
        assert len(span.pool.idle) == 30
        assert span.next_deadline() < math.inf


@pytest.mark.nightly
def test_ten_thousand_calls_over_a_bad_wire_are_all_answered() -> None:
    wire = SpanWire(99, loss=0.10, repeat=0.10, late=0.10, link_timing=BAD_WIRE)
    wire.start()
    wire.run(20.0)
    afternoon = Afternoon(wire, 10_000)
    afternoon.run()
    assert (afternoon.answered, afternoon.lost) == (10_000, 0)
    for span in wire.spans:
        assert span.calls == ()
        assert len(span.pool.idle) == 30


@pytest.mark.parametrize("late", [0.0, 0.1])
def test_links_that_are_reset_again_and_again_leave_no_call_and_no_channel_behind(late: float) -> None:
    wire = SpanWire(7, loss=0.15, repeat=0.1, late=late)
    wire.start()
    afternoon = Afternoon(wire, 300)
    afternoon.run()
    wire.loss = wire.repeat = wire.late = 0.0
    wire.run(500.0)
    for span in wire.spans:
        assert span.calls == ()
        assert len(span.pool.idle) == 30
