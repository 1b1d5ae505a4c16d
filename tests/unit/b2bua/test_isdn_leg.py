"""An ISDN span of ours at one end of a wire, and at the other a span that does what the test says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from voipgw.b2bua.isdn_leg import IsdnLeg, IsdnSpan, SpanRaised, SpanSettings
from voipgw.b2bua.leg import Effect
from voipgw.call.events import Answered, CallEvent, Digit, Offered, Progress, Released
from voipgw.call.model import PCMA, CallRequest, Media, Party, Route, Source, SourceKind, Target, TargetKind
from voipgw.causes import Cause
from voipgw.drivers.audio import MemoryAudio
from voipgw.drivers.unix_span import UnixChannel
from voipgw.entropy import SeededEntropy
from voipgw.media.plane import DigitHeard, ToneSegment
from voipgw.pstn.dialling import DigitMatch
from voipgw.pstn.isdn.call import IsdnCall
from voipgw.pstn.isdn.call_effects import CallEnded, Received
from voipgw.pstn.isdn.elements import BearerCapability, CauseInfo, ProgressIndicator
from voipgw.pstn.isdn.link import SendFrame
from voipgw.pstn.isdn.numbers import CalledNumber, ConnectedNumber
from voipgw.pstn.isdn.parties import CallDetails, details_of, elements_of
from voipgw.pstn.isdn.q931_tables import CallState
from voipgw.pstn.isdn.q931_tables import MessageType as M
from voipgw.pstn.isdn.span import CallArrived, CallReport, Span, SpanEffect
from voipgw.testing.isdn_wire import SpanWire
from voipgw.testing.line_plane import LinePlane

SOURCE = Source(SourceKind.TRUNK, "carrier")
REQUEST = CallRequest("id", SOURCE, "100", Party("200", "ADA"))
ROUTE = Route(Target(TargetKind.SPAN, "e1"), "100", ring_timeout_s=20.0, response_timeout_s=5.0)
RINGBACK = (ToneSegment((425.0,), 1000), ToneSegment((), 4000))


class Three:
    """Only three-digit numbers."""

    def match(self, digits: str) -> DigitMatch:
        return DigitMatch.COMPLETE if len(digits) == 3 else DigitMatch.INCOMPLETE


class Rig:
    def __init__(self, *, side: str = "user", streams: int = 100, ringback: bool = False) -> None:
        self.wire = SpanWire()
        self.span: Span = getattr(self.wire, side)
        self.far: Span = self.wire.other(self.span)
        self.channels: dict[int, UnixChannel] = {}
        self.plane = LinePlane(lambda: None, most_streams=streams)
        settings = SpanSettings("e1", ringback=RINGBACK if ringback else ())
        self.ours = IsdnSpan(settings, self.span, self, self.plane, entropy=SeededEntropy(1), digit_map=Three())
        self.raised: list[tuple[IsdnLeg, CallEvent]] = []
        self.far_seen: list[SpanEffect] = []
        self.wire.deliver = self.deliver
        self.wire.start()

    # the driver's part
    def open_channel(self, number: int) -> UnixChannel:
        assert number not in self.channels
        self.channels[number] = UnixChannel(number, "PCMA", MemoryAudio())
        return self.channels[number]

    def close_channel(self, number: int) -> None:
        del self.channels[number]

    def deliver(self, span: Span, effect: SpanEffect) -> None:
        if span is self.far:
            self.far_seen.append(effect)
        else:
            self.take(None, self.ours.take([effect], self.wire.now))

    def take(self, leg: IsdnLeg | None, effects: list[Effect]) -> list[CallEvent]:
        """Carry out what a leg or the span returned; the leg's own events."""
        own: list[CallEvent] = []
        for effect in effects:
            if isinstance(effect, SendFrame):
                self.wire.take(self.span, [effect])
            elif isinstance(effect, SpanRaised):
                self.raised.append((effect.leg, effect.event))
            elif isinstance(effect, CallEvent):
                own.append(effect)
        return own

    def do(self, leg: IsdnLeg, effects: list[Effect]) -> list[CallEvent]:
        events = self.take(leg, effects)
        self.wire.run(0.1)
        return events

    def events(self, leg: IsdnLeg) -> list[CallEvent]:
        found = [event for owner, event in self.raised if owner is leg]
        self.raised = [item for item in self.raised if item[0] is not leg]
        return found

    def far_does(self, call: IsdnCall, command: str, *arguments: object) -> None:
        effects = getattr(call, command)(*arguments, self.wire.now)
        self.wire.take(self.far, self.far.perform(call, effects, self.wire.now))
        self.wire.run(0.1)

    def far_alerts(self, call: IsdnCall, *infos: object) -> None:
        self.wire.take(self.far, self.far.perform(call, call.alerting(self.wire.now, infos), self.wire.now))  # type: ignore[arg-type]
        self.wire.run(0.1)

    def far_got(self, kind: M) -> list[Received]:
        reports = [effect.effect for effect in self.far_seen if isinstance(effect, CallReport)]
        return [report for report in reports if isinstance(report, Received) and report.message.kind == kind]

    def out(self) -> tuple[IsdnLeg, IsdnCall]:
        """A call of ours that has arrived at the far end."""
        leg = self.ours.open_leg()
        assert self.do(leg, leg.originate(REQUEST, ROUTE, Media((PCMA,)), self.wire.now)) == []
        (arrival,) = [effect for effect in self.far_seen if isinstance(effect, CallArrived)]
        details = details_of(arrival.message, self.far.profile)
        assert (details.called, details.calling, details.name) == ("100", "200", "ADA")
        return leg, arrival.call

    def arrive(self, details: CallDetails) -> IsdnCall:
        call, effects = self.far.place(elements_of(details, self.far.profile), self.wire.now)
        self.wire.take(self.far, effects)
        self.wire.run(0.1)
        return call

    def into(self) -> tuple[IsdnLeg, IsdnCall]:
        """A call from the far end that was offered."""
        call = self.arrive(CallDetails("100", "+49301", "BOB"))
        ((leg, event),) = self.raised
        self.raised.clear()
        assert isinstance(event, Offered)
        assert event.request.called == "100"
        assert event.request.calling == Party("+49301", "BOB")
        assert event.request.source == Source(SourceKind.SPAN, "e1", trusted=True)
        return leg, call

    def nothing_left(self) -> None:
        self.wire.run(1.0)
        assert self.span.calls == self.far.calls == ()
        assert self.channels == {}
        assert all(stream.closed for stream in self.plane.streams)
        assert len(self.span.pool.idle) == 30


def test_a_call_to_the_span_rings_is_answered_and_is_released_by_us() -> None:
    rig = Rig()
    leg, call = rig.out()
    assert leg.name == "span:e1"
    rig.far_does(call, "proceeding")
    assert rig.events(leg) == []
    rig.far_does(call, "alerting")
    assert rig.events(leg) == [Progress(180)]
    assert leg.stream is None
    effects = call.connect(rig.wire.now, [ConnectedNumber("123", 2, 1, 0, 3)])
    rig.wire.take(rig.far, rig.far.perform(call, effects, rig.wire.now))
    rig.wire.run(0.1)
    assert rig.events(leg) == [Answered(Media((PCMA,)), Party("123"))]
    assert leg.stream is not None
    assert set(rig.channels) == {1}
    assert rig.do(leg, leg.release(Released(Cause.NORMAL_CALL_CLEARING), rig.wire.now)) == []
    rig.far_does(call, "disconnect", 16)
    assert rig.events(leg) == []
    rig.nothing_left()


def test_sound_on_the_way_is_early_media() -> None:
    rig = Rig()
    leg, call = rig.out()
    rig.far_does(call, "proceeding")
    rig.far_does(call, "progress", [ProgressIndicator(8, 1)])
    assert rig.events(leg) == [Progress(183, Media((PCMA,)))]
    assert leg.stream is not None
    rig.far_alerts(call)
    assert rig.events(leg) == [Progress(180)]
    rig.far_does(call, "disconnect", 17)
    assert rig.events(leg) == [Released(Cause.USER_BUSY)]
    rig.nothing_left()


@pytest.mark.parametrize(
    ("value", "cause"), [(17, Cause.USER_BUSY), (1, Cause.UNALLOCATED_NUMBER), (30 + 64, Cause.INVALID_MESSAGE)]
)
def test_a_refusal_gives_its_cause(value: int, cause: Cause) -> None:
    rig = Rig()
    leg, call = rig.out()
    rig.far_does(call, "disconnect", value)
    (released,) = rig.events(leg)
    assert isinstance(released, Released)
    assert released.cause is cause
    rig.nothing_left()


def test_a_span_that_is_down_or_full_says_so_without_a_response() -> None:
    rig = Rig()
    for channel in rig.span.pool.channels:
        rig.span.pool.block(channel)
    leg = rig.ours.open_leg()
    (released,) = leg.originate(REQUEST, ROUTE, Media((PCMA,)), rig.wire.now)
    assert isinstance(released, Released)
    assert (released.cause, released.responded) == (Cause.NO_CIRCUIT_AVAILABLE, False)
    rig.take(None, rig.ours.stop(rig.wire.now))
    (released,) = rig.ours.open_leg().originate(REQUEST, ROUTE, Media((PCMA,)), rig.wire.now)
    assert isinstance(released, Released)
    assert (released.cause, released.responded) == (Cause.NETWORK_OUT_OF_ORDER, False)


@pytest.mark.parametrize(
    ("rings", "after", "cause"), [(False, 5.0, Cause.NO_USER_RESPONDING), (True, 20.0, Cause.NO_ANSWER)]
)
def test_a_far_end_that_does_not_respond_or_answer_in_the_routes_time_is_given_up(
    rings: bool, after: float, cause: Cause
) -> None:
    rig = Rig()
    leg, call = rig.out()
    if rings:
        rig.far_does(call, "alerting")
        rig.events(leg)
    assert leg.next_deadline() == pytest.approx(rig.wire.now - 0.1 + after, abs=0.11)
    rig.wire.now = leg.next_deadline()
    rig.take(None, rig.ours.handle_deadline(rig.wire.now))
    rig.wire.run(0.1)
    (released,) = rig.events(leg)
    assert isinstance(released, Released)
    assert (released.cause, released.responded) == (cause, rings)
    rig.far_does(call, "disconnect", 16)
    rig.nothing_left()


@pytest.mark.parametrize("side", ["user", "network"])
def test_a_call_from_the_span_is_offered_rings_and_is_answered(side: str) -> None:
    rig = Rig(side=side)
    leg, call = rig.into()
    rig.do(leg, leg.progress(Progress(180), rig.wire.now))
    assert call.state in (CallState.CALL_DELIVERED, CallState.CALL_RECEIVED)
    rig.do(leg, leg.answer(Answered(Media((PCMA,)), Party("100")), rig.wire.now))
    assert call.state is CallState.ACTIVE
    (connect,) = rig.far_got(M.CONNECT)
    assert connect.message.find(ConnectedNumber) == ConnectedNumber("100", 0, 1, 0, 0)
    assert leg.stream is not None
    rig.far_does(call, "disconnect", 16)
    assert rig.events(leg) == [Released(Cause.NORMAL_CALL_CLEARING)]
    rig.nothing_left()


def test_early_media_and_our_own_ringback_are_announced_as_in_band() -> None:
    rig = Rig(side="network", ringback=True)
    leg, _ = rig.into()
    rig.do(leg, leg.progress(Progress(180), rig.wire.now))
    (alerting,) = rig.far_got(M.ALERTING)
    assert alerting.message.find(ProgressIndicator) == ProgressIndicator(8, 1)
    (audio,) = [channel.audio for channel in rig.channels.values()]
    audio.give(b"\xd5" * 160)
    assert len(np.unique(np.frombuffer(audio.take()[0], np.uint8))) > 8, "ringback sounds"
    rig.do(leg, leg.progress(Progress(183, Media((PCMA,))), rig.wire.now))
    assert len(rig.far_got(M.PROGRESS)) == 1
    rig.do(leg, leg.release(Released(Cause.USER_BUSY), rig.wire.now))
    (disconnect,) = rig.far_got(M.DISCONNECT)
    assert disconnect.message.find(CauseInfo) == CauseInfo(17, 1)


def test_digits_of_an_incomplete_number_are_collected_until_the_plan_is_content() -> None:
    rig = Rig()
    call = rig.arrive(CallDetails("1", complete=False))
    assert rig.raised == []
    assert call.state is CallState.OVERLAP_RECEIVING
    rig.far_does(call, "information", [CalledNumber("0")])
    assert rig.raised == []
    rig.far_does(call, "information", [CalledNumber("7")])
    ((_, event),) = rig.raised
    assert isinstance(event, Offered)
    assert event.request.called == "107"
    assert call.state is CallState.INCOMING_CALL_PROCEEDING


def test_a_number_that_stays_incomplete_is_never_offered() -> None:
    rig = Rig()
    call = rig.arrive(CallDetails("1", complete=False))
    rig.wire.run(16.0)
    assert rig.raised == []
    (disconnect,) = rig.far_got(M.DISCONNECT)
    info = disconnect.message.find(CauseInfo)
    assert info is not None
    assert info.value == 28
    rig.far_does(call, "disconnect", 28)
    rig.nothing_left()


def test_a_call_for_data_is_refused() -> None:
    rig = Rig()
    rig.arrive(CallDetails("100", bearer=BearerCapability.UNRESTRICTED_DIGITAL))
    assert rig.raised == []
    assert CallEnded(65) in [e.effect for e in rig.far_seen if isinstance(e, CallReport)]
    rig.nothing_left()


def test_digits_go_as_sound_and_come_from_the_channel() -> None:
    rig = Rig()
    leg, _ = rig.into()
    rig.do(leg, leg.answer(Answered(), rig.wire.now))
    stream = leg.stream
    assert stream is not None
    assert leg.receive_media(DigitHeard(stream, "5", 80, True, True), rig.wire.now) == [Digit("5", 80, True)]
    leg.digit(Digit("7"), rig.wire.now)
    audio = rig.channels[31 if rig.span is rig.wire.network else leg.call.channel].audio  # type: ignore[union-attr,index]
    audio.give(b"\xd5" * 160)
    assert len(set(audio.take()[0])) > 8
    assert leg.digit(Digit("7", carried=True), rig.wire.now) == []


def test_without_a_stream_an_answer_ends_the_call() -> None:
    rig = Rig(streams=0)
    leg, call = rig.out()
    rig.far_does(call, "connect")
    (released,) = rig.events(leg)
    assert isinstance(released, Released)
    assert released.cause is Cause.RESOURCE_UNAVAILABLE
    rig.far_does(call, "disconnect", 16)
    rig.nothing_left()
    leg, call = rig.into()
    (released,) = rig.do(leg, leg.answer(Answered(), rig.wire.now))
    assert isinstance(released, Released)
    rig.far_does(call, "disconnect", 16)
    rig.nothing_left()


def test_a_link_that_stays_away_releases_its_calls() -> None:
    rig = Rig()
    leg, _ = rig.into()
    rig.do(leg, leg.answer(Answered(), rig.wire.now))
    rig.wire.cut = True
    rig.wire.run(200.0)
    assert rig.events(leg) == [Released(Cause.DESTINATION_OUT_OF_ORDER)]
    assert leg.next_deadline() == math.inf
    assert rig.channels == {}
