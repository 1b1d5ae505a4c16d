"""The FXS machine in virtual time: dial tone to howler, ringing, answering, hanging up in every state."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from voipgw.errors import LocalProtocolError
from voipgw.pstn.dialling import DiallingFault, DigitMatch
from voipgw.pstn.effects import (
    Dialled,
    DiallingFailed,
    Flashed,
    HungUp,
    ListenForDigits,
    Parked,
    RingAnswered,
    Seized,
    SendCallerId,
    ServiceChanged,
    SetFeed,
    SetRing,
    StartTone,
    StopSound,
    Tone,
)  # fmt: skip
from voipgw.pstn.fxs import CallerIdSent, FxsConfig, FxsMachine, FxsState, KeyBegan, KeyHeard, LineEffect
from voipgw.pstn.hook import HookTiming
from voipgw.pstn.line import Feed, LineEvent, LineEventKind
from voipgw.pstn.ringing import DISTINCTIVE_RINGS, CallerIdMoment, CallerIdTiming, RingCadence

CLOSED, OPENED, TRIP = LineEventKind.LOOP_CLOSED, LineEventKind.LOOP_OPENED, LineEventKind.RING_TRIP


class Plan:
    """Numbers 101, 1015 and 9 followed by three digits."""

    numbers = ("101", "1015", *(f"9{n:03d}" for n in range(1000)))

    def match(self, digits: str) -> DigitMatch:
        longer = any(number.startswith(digits) and number != digits for number in self.numbers)
        if digits in self.numbers:
            return DigitMatch.COMPLETE_MAY_GROW if longer else DigitMatch.COMPLETE
        return DigitMatch.INCOMPLETE if longer else DigitMatch.IMPOSSIBLE


class Bench:
    """A machine, its virtual clock, and everything it did with the time it did it at."""

    def __init__(self, config: FxsConfig | None = None) -> None:
        self.machine = FxsMachine(config, Plan())
        self.now = 0.0
        self.done: list[tuple[float, LineEffect]] = []
        self._keep(self.machine.start(0.0))
        self.done.clear()

    def _keep(self, effects: list[LineEffect]) -> None:
        self.done += [(round(self.now, 6), effect) for effect in effects]

    def until(self, moment: float) -> Bench:
        while (due := self.machine.next_deadline()) <= moment:
            self.now = max(self.now, due)
            self._keep(self.machine.handle_deadline(self.now))
        self.now = moment
        return self

    def line(self, kind: LineEventKind, at: float) -> Bench:
        self.until(at)
        self._keep(self.machine.receive(LineEvent(kind, at), at))
        return self

    def keys(self, digits: str, *, gap_s: float = 0.1) -> Bench:
        for symbol in digits:
            self.until(self.now + gap_s)
            self._keep(self.machine.receive(KeyBegan(), self.now))
            self.until(self.now + 0.05)
            self._keep(self.machine.receive(KeyHeard(symbol), self.now))
        return self

    def do(self, command: Callable[..., list[LineEffect]], *args: object, **options: object) -> Bench:
        self._keep(command(self.now, *args, **options))
        return self

    def take(self) -> list[LineEffect]:
        effects = [effect for _, effect in self.done]
        self.done.clear()
        return effects

    def off_hook(self, at: float = 1.0) -> Bench:
        return self.line(CLOSED, at).until(at + 0.1)

    def calling(self) -> Bench:
        self.off_hook().keys("9123")
        assert self.machine.state is FxsState.CALLING
        self.take()
        return self

    def talking(self) -> Bench:
        self.calling().do(self.machine.answered)
        assert self.machine.state is FxsState.TALKING
        self.take()
        return self


def test_an_off_hook_telephone_hears_dial_tone() -> None:
    bench = Bench()
    assert bench.machine.idle
    bench.line(CLOSED, 1.0)
    assert not bench.machine.idle
    bench.until(2.0)
    assert bench.done == [(1.03, Seized()), (1.03, ListenForDigits(True)), (1.03, StartTone(Tone.DIAL))]
    assert bench.machine.state is FxsState.COLLECTING


def test_dial_tone_stutters_while_messages_wait() -> None:
    bench = Bench()
    bench.machine.messages_waiting = True
    assert StartTone(Tone.STUTTER) in bench.off_hook().take()


def test_the_first_key_stops_dial_tone_before_it_ends() -> None:
    bench = Bench().off_hook()
    bench.take()
    bench._keep(bench.machine.receive(KeyBegan(), bench.now))
    assert bench.take() == [StopSound()]
    assert bench.machine.tone is None


def test_a_complete_number_goes_out_at_once() -> None:
    bench = Bench().off_hook()
    bench.take()
    bench.keys("9123")
    assert bench.take() == [StopSound(), Dialled("9123")]
    assert bench.machine.state is FxsState.CALLING


def test_a_number_that_may_grow_waits_the_short_time() -> None:
    bench = Bench().off_hook().keys("101")
    ended = bench.now
    bench.until(ended + 3.999)
    assert bench.machine.state is FxsState.COLLECTING
    bench.until(ended + 4.0)
    assert bench.take()[-1] == Dialled("101")


def test_a_number_that_grew_goes_out_longer() -> None:
    assert Bench().off_hook().keys("1015").take()[-1] == Dialled("1015")


def test_hash_ends_dialling() -> None:
    bench = Bench().off_hook().keys("101#")
    assert bench.take()[-1] == Dialled("101")
    assert bench.machine.digits == "101"


def test_an_impossible_number_is_refused_at_its_first_wrong_digit() -> None:
    bench = Bench().off_hook()
    bench.take()
    bench.keys("17")
    assert bench.take() == [StopSound(), StartTone(Tone.CONGESTION), DiallingFailed("17", DiallingFault.IMPOSSIBLE)]
    assert bench.machine.state is FxsState.CLEARED


def test_an_incomplete_number_is_refused_after_the_long_time() -> None:
    bench = Bench().off_hook().keys("91")
    bench.until(bench.now + 9.999)
    assert bench.machine.state is FxsState.COLLECTING
    bench.until(bench.now + 0.01)
    assert bench.take()[-1] == DiallingFailed("91", DiallingFault.INCOMPLETE)


def test_a_long_key_holds_the_timers_off() -> None:
    bench = Bench().off_hook()
    bench.until(1.03 + 15.9)
    bench._keep(bench.machine.receive(KeyBegan(), bench.now))
    bench.until(bench.now + 5.0)
    bench._keep(bench.machine.receive(KeyHeard("9"), bench.now))
    assert bench.machine.state is FxsState.COLLECTING


def test_no_digit_leads_over_congestion_and_howler_to_a_parked_line_and_hanging_up_brings_it_back() -> None:
    bench = Bench().off_hook()
    bench.take()
    bench.until(200.0)
    assert bench.done == [
        (17.03, StartTone(Tone.CONGESTION)),
        (17.03, DiallingFailed("", DiallingFault.NO_DIGITS)),
        (37.03, StartTone(Tone.HOWLER)),
        (97.03, StopSound()),
        (97.03, Parked()),
    ]
    assert bench.machine.state is FxsState.PARKED
    bench.take()
    bench.line(OPENED, 200.0).until(202.0)
    assert bench.take() == [ListenForDigits(False), HungUp()]
    assert bench.machine.idle
    assert StartTone(Tone.DIAL) in bench.off_hook(203.0).take()


def test_a_line_parked_without_battery_is_probed_until_it_is_hung_up() -> None:
    bench = Bench(FxsConfig(park_feed=Feed.OPEN)).off_hook()
    bench.until(97.03)
    assert bench.take()[-2:] == [SetFeed(Feed.OPEN), Parked()]
    bench.line(OPENED, 97.04)  # no battery, no current
    bench.until(102.03)
    assert bench.take() == [SetFeed(Feed.NORMAL)]
    bench.line(CLOSED, 102.04).until(102.28)
    assert bench.take() == [SetFeed(Feed.OPEN)]
    assert bench.machine.state is FxsState.PARKED
    bench.line(OPENED, 102.29).until(108.0)
    assert bench.take() == [SetFeed(Feed.NORMAL), ListenForDigits(False), HungUp()]
    assert bench.machine.idle


def test_pulses_are_digits_and_stop_dial_tone() -> None:
    bench = Bench().off_hook()
    bench.take()
    at = 2.0
    for pulses in (9, 1, 2, 3):
        for _ in range(pulses):
            bench.line(OPENED, at).line(CLOSED, at + 0.06)
            at += 0.1
        at += 0.7
        bench.until(at - 0.1)
    assert bench.take() == [StopSound(), Dialled("9123")]


def test_a_flash_while_dialling_asks_for_dial_tone_again() -> None:
    bench = Bench().off_hook().keys("91")
    bench.take()
    bench.line(OPENED, bench.now + 0.2).line(CLOSED, bench.now + 0.5).until(bench.now + 0.1)
    assert bench.take() == [StartTone(Tone.DIAL)]
    assert bench.machine.digits == ""
    assert bench.keys("9123").take()[-1] == Dialled("9123")


def test_a_number_is_not_dialled_out_while_the_telephone_is_being_hung_up() -> None:
    bench = Bench().off_hook().keys("101")
    bench.line(OPENED, bench.now + 3.5).until(bench.now + 10.0)
    assert Dialled("101") not in bench.take()
    assert bench.machine.idle


def test_ringing_keeps_the_cadence_and_sends_caller_id_after_the_first_ring() -> None:
    bench = Bench().until(10.0).do(lambda now: [])
    bench.do(bench.machine.ring)
    assert bench.machine.state is FxsState.RINGING
    bench.until(13.4)
    bench._keep(bench.machine.receive(CallerIdSent(), bench.now))
    bench.until(24.0)
    assert bench.done == [
        (10.0, SetRing(True)), (12.0, SetRing(False)), (12.5, SendCallerId()),
        (16.0, SetRing(True)), (18.0, SetRing(False)), (22.0, SetRing(True)), (24.0, SetRing(False)),
    ]  # fmt: skip


def test_ringing_without_caller_id_sends_none() -> None:
    bench = Bench()
    bench.do(bench.machine.ring, caller_id=False).until(30.0)
    assert {type(effect) for effect in bench.take()} == {SetRing}


def test_the_next_ring_waits_for_caller_id_but_not_for_ever() -> None:
    config = FxsConfig(ring=RingCadence(((1.0, 2.0),)))
    bench = Bench(config)
    bench.do(bench.machine.ring).until(4.0)
    bench._keep(bench.machine.receive(CallerIdSent(), bench.now))
    bench.until(4.3)
    assert bench.done[-1] == (4.25, SetRing(True))
    bench = Bench(config)
    bench.do(bench.machine.ring).until(8.0)
    assert bench.done[-2:] == [(7.5, StopSound()), (7.75, SetRing(True))]


def test_caller_id_before_ringing_follows_a_reversal_and_precedes_all_rings() -> None:
    timing = CallerIdTiming(CallerIdMoment.BEFORE_RING, reversal=True, delay_s=0.2, guard_s=0.3)
    bench = Bench(FxsConfig(caller_id=timing, ring=RingCadence(((0.4, 0.2), (0.4, 2.0)))))
    bench.do(bench.machine.ring).until(1.5)
    bench._keep(bench.machine.receive(CallerIdSent(), bench.now))
    bench.until(3.0)
    assert bench.done == [
        (0.0, SetFeed(Feed.REVERSED)), (0.2, SendCallerId()),
        (1.8, SetRing(True)), (2.2, SetRing(False)), (2.4, SetRing(True)), (2.8, SetRing(False)),
    ]  # fmt: skip
    bench.take()
    bench.do(bench.machine.stop_ringing)
    assert bench.take() == [SetFeed(Feed.NORMAL)]


def test_caller_id_before_ringing_may_be_alerted_by_a_short_ring() -> None:
    timing = CallerIdTiming(CallerIdMoment.BEFORE_RING, ring_pulse_s=0.25, delay_s=0.6)
    bench = Bench(FxsConfig(caller_id=timing))
    bench.do(bench.machine.ring).until(0.9)
    assert bench.done == [(0.0, SetRing(True)), (0.25, SetRing(False)), (0.85, SendCallerId())]


@pytest.mark.parametrize("name", sorted(DISTINCTIVE_RINGS))
def test_a_distinctive_ring_is_selectable_and_finds_room_for_caller_id(name: str) -> None:
    cadence = DISTINCTIVE_RINGS[name]
    bench = Bench()
    bench.do(bench.machine.ring, cadence=cadence)
    bench.until(sum(on + off for on, off in cadence.phases) - 3.0)
    [sent_at] = [at for at, effect in bench.done if effect == SendCallerId()]
    rings = [at for at, effect in bench.done if effect == SetRing(True)]
    assert len(rings) == len(cadence.phases)
    assert sent_at > rings[-1]


@pytest.mark.parametrize("at", [0.7, 1.99])
def test_a_telephone_lifted_while_the_bell_sounds_trips_the_ringing(at: float) -> None:
    bench = Bench()
    bench.do(bench.machine.ring).until(at)
    bench.take()
    bench.line(TRIP, at)
    assert bench.take() == [SetRing(False), ListenForDigits(True), RingAnswered()]
    assert bench.machine.state is FxsState.TALKING
    bench.line(CLOSED, at + 0.01).until(60.0)
    assert bench.take() == []


def test_a_telephone_lifted_in_the_silent_part_answers() -> None:
    bench = Bench()
    bench.do(bench.machine.ring, caller_id=False).until(4.0)
    bench.take()
    bench.line(CLOSED, 4.0).until(4.1)
    assert bench.take() == [ListenForDigits(True), RingAnswered()]


def test_a_telephone_lifted_amid_caller_id_answers_and_the_data_stop() -> None:
    bench = Bench()
    bench.do(bench.machine.ring).until(2.8)
    bench.take()
    bench.line(CLOSED, 2.8).until(2.9)
    assert bench.take() == [StopSound(), ListenForDigits(True), RingAnswered()]


def test_a_caller_who_gives_up_leaves_an_idle_line() -> None:
    bench = Bench()
    bench.do(bench.machine.ring).until(1.0)
    bench.do(bench.machine.stop_ringing)
    assert bench.take()[-1] == SetRing(False)
    assert bench.machine.idle
    assert bench.until(60.0).take() == []


def test_a_telephone_lifted_just_as_the_caller_gives_up_gets_dial_tone() -> None:
    bench = Bench()
    bench.do(bench.machine.ring, caller_id=False).until(3.0)
    bench.line(CLOSED, 3.0).until(3.01)
    bench.do(bench.machine.stop_ringing).until(3.1)
    assert bench.take()[-3:] == [Seized(), ListenForDigits(True), StartTone(Tone.DIAL)]


def test_a_line_in_use_cannot_be_rung() -> None:
    bench = Bench().line(CLOSED, 1.0)
    with pytest.raises(LocalProtocolError, match="cannot be rung"):
        bench.machine.ring(1.01)


def test_a_glitch_on_the_loop_while_ringing_is_no_answer() -> None:
    bench = Bench()
    bench.do(bench.machine.ring, caller_id=False).line(CLOSED, 3.0).line(OPENED, 3.02).until(5.0)
    assert bench.machine.state is FxsState.RINGING


def test_ringback_early_media_and_answer() -> None:
    bench = Bench(FxsConfig(answer_reversal=True)).calling()
    assert bench.do(bench.machine.ringback).take() == [StartTone(Tone.RINGBACK)]
    assert bench.do(bench.machine.cut_through).take() == [StopSound()]
    assert bench.do(bench.machine.ringback).take() == [StartTone(Tone.RINGBACK)]
    assert bench.do(bench.machine.answered).take() == [StopSound(), SetFeed(Feed.REVERSED)]
    assert bench.machine.state is FxsState.TALKING


def test_a_refused_call_is_told_by_tones_alone() -> None:
    bench = Bench().calling()
    assert bench.do(bench.machine.cleared, Tone.BUSY).take() == [StartTone(Tone.BUSY)]
    assert bench.until(bench.now + 20.0).take() == [StartTone(Tone.HOWLER)]


def test_special_information_tones_come_before_the_tone() -> None:
    bench = Bench().calling()
    assert bench.do(bench.machine.cleared, sit=True).take() == [StartTone(Tone.SIT)]
    assert bench.until(bench.now + 2.0).take() == [StartTone(Tone.CONGESTION)]


def test_a_far_end_that_leaves_is_shown_by_an_open_loop_and_then_by_tones() -> None:
    bench = Bench().talking()
    began = round(bench.now, 6)
    bench.do(bench.machine.cleared, Tone.BUSY)
    bench.line(OPENED, began + 0.001).until(began + 0.5).line(CLOSED, began + 0.501).until(began + 100.0)
    assert bench.done == [
        (began, SetFeed(Feed.OPEN)),
        (began + 0.5, SetFeed(Feed.NORMAL)),
        (began + 0.5, StartTone(Tone.BUSY)),
        (began + 20.5, StartTone(Tone.HOWLER)),
        (began + 80.5, StopSound()),
        (began + 80.5, Parked()),
    ]


def test_a_telephone_hung_up_during_the_open_loop_is_found_idle() -> None:
    bench = Bench().talking()
    bench.do(bench.machine.cleared)
    bench.line(OPENED, bench.now + 0.001).until(bench.now + 3.0)
    assert bench.take()[-1] == HungUp()
    assert bench.machine.idle


def test_a_flash_in_a_call_is_reported_and_the_call_goes_on() -> None:
    bench = Bench().talking()
    bench.line(OPENED, 5.0).line(CLOSED, 5.45).until(6.0)
    [flash] = bench.take()
    assert isinstance(flash, Flashed) and flash.duration_s == pytest.approx(0.45)
    assert bench.machine.state is FxsState.TALKING


def test_a_pulse_in_a_call_is_nothing() -> None:
    bench = Bench().talking()
    assert bench.line(OPENED, 5.0).line(CLOSED, 5.06).until(6.0).take() == []


def test_a_flash_just_after_a_ring_was_answered_is_a_flash() -> None:
    bench = Bench()
    bench.do(bench.machine.ring).line(TRIP, 1.0).line(OPENED, 1.2).line(CLOSED, 1.6).until(2.0)
    assert isinstance(bench.take()[-1], Flashed)


def test_busy_tone_gives_way_to_dial_tone_on_a_flash() -> None:
    bench = Bench().calling().do(lambda now: [])
    bench.do(bench.machine.cleared, Tone.BUSY)
    bench.take()
    start = bench.now
    bench.line(OPENED, start + 1.0).line(CLOSED, start + 1.5).until(start + 2.0)
    assert bench.take() == [StartTone(Tone.DIAL)]


def _dialling(bench: Bench) -> None:
    bench.off_hook().keys("91")


def _seized(bench: Bench) -> None:
    bench.off_hook()


def _cleared(bench: Bench) -> None:
    bench.calling().do(bench.machine.cleared)


def _howling(bench: Bench) -> None:
    _cleared(bench)
    bench.until(bench.now + 21.0)


def _parked(bench: Bench) -> None:
    _cleared(bench)
    bench.until(bench.now + 90.0)


def _answered(bench: Bench) -> None:
    bench.do(bench.machine.ring).line(TRIP, 1.0)


@pytest.mark.parametrize(
    "reach",
    [_seized, _dialling, Bench.calling, Bench.talking, _cleared, _howling, _parked, _answered],
    ids=["dial tone", "dialling", "calling", "talking", "cleared", "howler", "parked", "answered"],
)
def test_hanging_up_in_any_state_leaves_a_silent_idle_line(reach: Callable[[Bench], object]) -> None:
    bench = Bench(FxsConfig(answer_reversal=True))
    reach(bench)
    assert bench.machine.state is not FxsState.IDLE
    bench.take()
    bench.line(OPENED, bench.now + 0.1).until(bench.now + 1.5)
    effects = bench.take()
    assert effects[-2:] == [ListenForDigits(False), HungUp()]
    assert bench.machine.idle and bench.machine.tone is None
    assert bench.machine.next_deadline() == math.inf
    assert bench.until(bench.now + 500.0).take() == []


def test_an_alarm_ends_the_call_and_the_line_comes_back_idle() -> None:
    bench = Bench().talking()
    bench.line(LineEventKind.ALARM, 5.0)
    assert bench.take()[-2:] == [HungUp(), ServiceChanged(False)]
    assert bench.machine.state is FxsState.OUT_OF_SERVICE
    assert not bench.machine.idle
    assert bench.line(CLOSED, 6.0).take() == []
    assert bench.line(LineEventKind.ALARM_CLEARED, 7.0).take() == [SetFeed(Feed.NORMAL), ServiceChanged(True)]
    assert bench.machine.idle


def test_what_was_due_before_an_event_happens_before_it() -> None:
    machine = FxsMachine(FxsConfig(hook=HookTiming(flash_max_s=0.0)), Plan())
    machine.receive(LineEvent(CLOSED, 1.0), 1.0)
    effects = machine.receive(LineEvent(OPENED, 40.0), 40.0)  # no deadline was served in between
    assert Seized() in effects and StartTone(Tone.CONGESTION) in effects and StartTone(Tone.HOWLER) in effects
    assert HungUp() in machine.receive(LineEvent(CLOSED, 50.0), 50.0)


def test_a_cadence_without_sound_or_silence_is_refused() -> None:
    with pytest.raises(ValueError, match="positive seconds"):
        RingCadence(((2.0, 0.0),))
