"""Lines and their legs, from a simulated telephone's sound and contacts to call events and back, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from voipgw import dsp
from voipgw.b2bua.analog_country import CountryLine, dialled_back, shown
from voipgw.b2bua.analog_leg import AnalogLeg, AnalogLine, LineFailed, LineSettings, Raised, Reported
from voipgw.call.events import Answered, CallEvent, Digit, HookFlash, Offered, Progress, Released, Updated
from voipgw.call.model import (
    PCMU,
    CallRequest,
    Direction,
    Media,
    Party,
    Route,
    Source,
    SourceKind,
    Target,
    TargetKind,
)  # fmt: skip
from voipgw.causes import Cause
from voipgw.drivers.audio import MemoryAudio
from voipgw.drivers.sim import LoopPhysics, SimCard
from voipgw.drivers.telephone import SimTelephone
from voipgw.dsp import Absence, CallerIdStandard, CallTime
from voipgw.entropy import SeededEntropy
from voipgw.errors import LocalProtocolError
from voipgw.lab.clock import LabClock, run_virtual
from voipgw.pstn.dialling import DigitMatch
from voipgw.pstn.driver import FxsPort
from voipgw.pstn.effects import DiallingFailed, Parked, ServiceChanged
from voipgw.pstn.fxs import FxsConfig, FxsState
from voipgw.pstn.line import Feed, LineEvent
from voipgw.testing.line_plane import LinePlane

MEDIA = Media(codecs=(PCMU,))


class Plan:
    """Three-digit extensions, and 9 with seven digits."""

    def match(self, digits: str) -> DigitMatch:
        length = 8 if digits[0] == "9" else 3
        if not digits.isdigit() or digits[0] not in "19" or len(digits) > length:
            return DigitMatch.IMPOSSIBLE
        return DigitMatch.COMPLETE if len(digits) == length else DigitMatch.INCOMPLETE


class House:
    """Simulated telephones, their lines, and the edge that drives them."""

    def __init__(self, lines: int = 2, country: str = "us", most_streams: int = 1000, **settings: Any) -> None:
        self.loop = asyncio.get_running_loop()
        entropy = SeededEntropy(11)
        self.card = SimCard(
            lines, entropy=entropy, country=country, audio=MemoryAudio, physics=LoopPhysics(return_loss_db=60)
        )
        self.plane = LinePlane(lambda: self.loop.call_soon(self._media), most_streams=most_streams)
        ways = CountryLine(country)
        self.lines = [
            AnalogLine(
                LineSettings(str(n + 1), Party(f"{101 + n}", f"Room {n + 1}"), **settings),
                port, self.plane, country=ways, entropy=entropy, clock=LabClock(self.loop), digit_map=Plan(),
            )
            for n, port in enumerate(self.card.fxs_ports)
        ]  # fmt: skip
        self.line = self.lines[0]
        self.phone: SimTelephone = self.card.telephone(1)
        self.reports: list[Reported] = []
        self._timers: dict[AnalogLine, asyncio.TimerHandle] = {}

    async def open(self) -> None:
        await self.card.start(self._deliver)
        for line in self.lines:
            self._after(line, line.start(self.loop.time()))

    def _deliver(self, port: FxsPort, event: LineEvent) -> None:
        line = self.lines[port.number - 1]
        self._after(line, line.receive(event, self.loop.time()))

    def _media(self) -> None:
        for event in self.plane.take_events():
            for line in self.lines:
                self._after(line, line.receive_media(event, self.loop.time()))

    def _after(self, line: AnalogLine, reports: list[Reported]) -> None:
        self.reports += reports
        self.arm(line)

    def arm(self, line: AnalogLine) -> None:
        if line in self._timers:
            self._timers.pop(line).cancel()
        if line.next_deadline() < 1e9:
            self._timers[line] = self.loop.call_at(
                line.next_deadline(), lambda: self._after(line, line.handle_deadline(self.loop.time()))
            )

    def tell(self, leg: AnalogLeg, command: Callable[..., list[object]], *args: object) -> list[object]:
        effects = command(*args, self.loop.time())
        self.arm(leg.line)
        return effects

    def events(self, line: AnalogLine | None = None) -> list[CallEvent]:
        """Call events so far, of one line or all, taken."""
        taken = [r for r in self.reports if isinstance(r, Raised) and (line is None or r.leg.line is line)]
        self.reports = [r for r in self.reports if r not in taken]
        return [r.event for r in taken]

    async def dial(self, digits: str, phone: int = 1) -> AnalogLeg:
        telephone = self.card.telephone(phone)
        telephone.off_hook()
        await telephone.expect("dial-tone")
        await telephone.dial(digits)
        await asyncio.sleep(0.2)
        leg = self.lines[phone - 1].leg
        assert leg is not None
        return leg

    def call(
        self, line: int = 1, calling: Party | None = None, ring_timeout_s: float = 60.0, **request: Any
    ) -> AnalogLeg:
        """A call to a line; its first effects are kept in ``first``."""
        leg = self.lines[line - 1].open_leg()
        caller = calling if calling is not None else Party("+14155550123", "Alice")
        asked = CallRequest("c1", Source(SourceKind.TRUNK, "carrier"), "101", caller, MEDIA, **request)
        route = Route(Target(TargetKind.LINE, str(line)), "101", ring_timeout_s=ring_timeout_s)
        self.first = self.tell(leg, leg.originate, asked, route, MEDIA)
        return leg


def housed(act: Callable[[House], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        house = House(**options)
        await house.open()
        await act(house)
        await house.card.close()
        house.plane.close()

    run_virtual(main, limit_s=3600)


def test_a_number_dialled_by_sound_is_offered() -> None:
    async def act(house: House) -> None:
        leg = await house.dial("95550123")
        [offered] = house.events()
        assert isinstance(offered, Offered)
        request = offered.request
        assert request.called == "95550123"
        assert request.calling == Party("101", "Room 1")
        assert request.source == Source(SourceKind.LINE, "1", trusted=True)
        assert request.media == Media(codecs=(PCMU,))
        assert leg.name == "line:1" and leg.stream is house.line.stream is not None
        await house.phone.expect("silence", within=3.0)

    housed(act)


def test_a_number_dialled_by_pulses_is_offered() -> None:
    async def act(house: House) -> None:
        house.phone.off_hook()
        await house.phone.expect("dial-tone")
        await house.phone.pulse("105")
        [offered] = house.events()
        assert isinstance(offered, Offered) and offered.request.called == "105"

    housed(act)


def test_the_caller_hears_ringback_then_the_far_end_and_is_heard() -> None:
    async def act(house: House) -> None:
        leg = await house.dial("102")
        house.tell(leg, leg.progress, Progress(180))
        await house.phone.expect("ringback")
        house.tell(leg, leg.progress, Progress(180))
        house.tell(leg, leg.answer, Answered(MEDIA))
        await asyncio.sleep(0.5)
        assert house.line.machine.state is FxsState.TALKING
        assert house.line.machine.tone is None

    housed(act)


def test_early_media_replaces_ringback_and_is_not_replaced_again() -> None:
    async def act(house: House) -> None:
        leg = await house.dial("102")
        house.tell(leg, leg.progress, Progress(180))
        house.tell(leg, leg.progress, Progress(183, MEDIA))
        assert house.line.machine.tone is None
        house.tell(leg, leg.progress, Progress(180))
        assert house.line.machine.tone is None

    housed(act)


@pytest.mark.parametrize(("cause", "tone"), [(Cause.USER_BUSY, "busy"), (Cause.NO_CIRCUIT_AVAILABLE, "congestion")])
def test_a_refused_call_is_told_by_the_tone_of_its_cause(cause: Cause, tone: str) -> None:
    async def act(house: House) -> None:
        leg = await house.dial("102")
        house.tell(leg, leg.release, Released(cause))
        await house.phone.expect(tone)
        assert house.line.leg is None
        house.phone.on_hook()
        await asyncio.sleep(2.0)
        assert house.line.idle and house.line.stream is None

    housed(act)


def test_special_information_tones_come_where_the_number_is_wrong() -> None:
    async def act(house: House) -> None:
        leg = await house.dial("102")
        house.tell(leg, leg.release, Released(Cause.UNALLOCATED_NUMBER))
        await house.phone.expect("sit")
        await house.phone.expect("congestion")

    housed(act, sit=True)


def test_a_caller_who_hangs_up_releases_the_call() -> None:
    async def act(house: House) -> None:
        leg = await house.dial("102")
        house.events()
        stream = leg.stream
        house.phone.on_hook()
        await asyncio.sleep(1.5)
        assert house.events() == [Released(Cause.NORMAL_CALL_CLEARING)]
        assert house.line.idle
        assert leg.stream is stream and stream.statistics().packets_received > 0
        assert house.tell(leg, leg.release, Released(Cause.NORMAL_CALL_CLEARING)) == []

    housed(act)


def test_a_far_end_that_hangs_up_opens_the_loop_and_then_congestion_sounds() -> None:
    async def act(house: House) -> None:
        leg = await house.dial("102")
        house.tell(leg, leg.answer, Answered(MEDIA))
        await asyncio.sleep(1.0)
        old = leg.stream
        house.tell(leg, leg.release, Released(Cause.NORMAL_CALL_CLEARING))
        await asyncio.sleep(0.1)
        assert not house.card.fxs_ports[0].current
        await house.phone.expect("congestion")
        assert house.card.fxs_ports[0].current
        assert old is not None and old.closed and house.line.stream is not old

    housed(act)


def test_the_telephone_rings_shows_the_caller_and_answers() -> None:
    async def act(house: House) -> None:
        leg = house.call()
        assert house.first == [Progress(180)]
        await house.phone.expect_ring(within=0.5)
        shown_id = await house.phone.expect_caller_id("4155550123", within=5.0)
        assert (shown_id.number, shown_id.name) == ("4155550123", "Alice")
        assert shown_id.time == CallTime(1, 5, 9, 0)
        await house.phone.expect_ring(within=12.0, cadence=(2.0, 4.0, 2.0))
        house.phone.off_hook()
        await asyncio.sleep(0.2)
        assert house.events() == [Answered(Media(codecs=(PCMU,)), Party("101", "Room 1"))]
        assert house.line.leg is leg
        assert not house.card.fxs_ports[0].ringing

    housed(act)


@pytest.mark.parametrize("country", sorted(code for code, ways in dsp.COUNTRIES.items() if ways.caller_id is not None))
def test_each_country_shows_the_number_its_own_way(country: str) -> None:
    async def act(house: House) -> None:
        house.call(calling=Party("2075550123"))
        await house.phone.expect_caller_id("2075550123", within=8.0)
        await house.phone.expect_ring(within=8.0)
        await asyncio.sleep(10.0)
        assert len(house.phone.caller_ids) == 1
        house.phone.off_hook()
        await asyncio.sleep(0.2)
        assert [type(event) for event in house.events()] == [Answered]

    housed(act, country=country)


@pytest.mark.parametrize("at", [0.5, 1.99, 2.3, 3.0, 4.0, 5.99, 6.01])
def test_the_telephone_can_be_lifted_at_any_moment_of_the_ringing(at: float) -> None:
    async def act(house: House) -> None:
        house.call()
        await asyncio.sleep(at)
        house.phone.off_hook()
        await asyncio.sleep(0.3)
        assert [type(event) for event in house.events()] == [Answered]
        await house.phone.expect("silence", within=2.0)
        assert not house.card.fxs_ports[0].ringing

    housed(act)


def test_a_line_in_use_is_busy_in_every_state_but_idle() -> None:
    async def act(house: House) -> None:
        house.phone.off_hook()
        await house.phone.expect("dial-tone")
        house.call()
        assert [type(effect) for effect in house.first] == [Released]
        assert house.first[0].cause is Cause.USER_BUSY  # type: ignore[attr-defined]
        await house.phone.expect("dial-tone", within=0.1)
        house.phone.on_hook()
        await asyncio.sleep(0.5)  # not yet certain that it is no flash
        house.call()
        assert isinstance(house.first[0], Released)
        await asyncio.sleep(1.0)
        house.call()
        assert house.first == [Progress(180)]
        house.call()
        assert isinstance(house.first[0], Released)

    housed(act)


def test_nobody_lifts() -> None:
    async def act(house: House) -> None:
        leg = house.call(ring_timeout_s=20.0)
        await asyncio.sleep(19.9)
        assert house.events() == []
        await asyncio.sleep(0.2)
        [released] = house.events()
        assert isinstance(released, Released) and released.cause is Cause.NO_ANSWER
        assert house.line.idle and house.line.stream is None
        assert not house.card.fxs_ports[0].ringing
        assert house.tell(leg, leg.release, released) == []

    housed(act)


def test_a_caller_who_gives_up_stops_the_bell() -> None:
    async def act(house: House) -> None:
        leg = house.call()
        await asyncio.sleep(1.0)
        assert house.tell(leg, leg.release, Released(Cause.NORMAL_CALL_CLEARING)) == []
        assert not house.card.fxs_ports[0].ringing
        assert house.line.idle
        await asyncio.sleep(30.0)
        assert house.events() == [] and len(house.phone.rings) == 1
        house.call()
        assert house.first == [Progress(180)]

    housed(act)


def test_two_telephones_hear_each_other_and_keys_and_flashes_are_events() -> None:
    async def act(house: House) -> None:
        one = await house.dial("102")
        house.events()
        other = house.call(line=2)
        await asyncio.sleep(1.0)
        second = house.card.telephone(2)
        second.off_hook()
        await asyncio.sleep(0.2)
        assert [type(event) for event in house.events()] == [Answered]
        house.tell(one, one.answer, Answered(MEDIA))
        assert one.stream is not None and other.stream is not None
        house.plane.bridge(one.stream, other.stream)
        tone = np.rint(6000 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)).astype(np.int16)
        recording = second.record()
        await house.phone.play(tone)
        await asyncio.sleep(0.1)
        heard = recording.stop().astype(float)
        assert np.sqrt(np.mean(heard[800:7200] ** 2)) == pytest.approx(6000 / np.sqrt(2), rel=0.02)
        await second.dial("5", on_ms=100)
        await asyncio.sleep(0.2)
        [digit] = house.events(house.lines[1])
        assert isinstance(digit, Digit) and digit.symbol == "5" and 80 <= digit.duration_ms <= 120
        await second.flash(500)
        await asyncio.sleep(0.1)
        assert house.events(house.lines[1]) == [HookFlash()]
        assert house.tell(one, one.digit, Digit("!")) == []
        assert house.tell(one, one.update, Updated(Media(direction=Direction.SENDONLY))) == []
        second.on_hook()
        await asyncio.sleep(1.5)
        assert house.events(house.lines[1]) == [Released(Cause.NORMAL_CALL_CLEARING)]
        house.tell(one, one.release, Released(Cause.NORMAL_CALL_CLEARING))
        await house.phone.expect("congestion")

    housed(act)


def test_a_key_of_the_far_side_is_heard() -> None:
    async def act(house: House) -> None:
        from voipgw.dsp import DtmfDetector

        leg = await house.dial("102")
        house.tell(leg, leg.answer, Answered(MEDIA))
        recording = house.phone.record()
        house.tell(leg, leg.digit, Digit("7", 120))
        await asyncio.sleep(0.4)
        assert [digit.symbol for digit in DtmfDetector().process(recording.stop())] == ["7"]

    housed(act)


def test_a_telephone_left_off_hook_howls_is_parked_and_comes_back() -> None:
    async def act(house: House) -> None:
        house.phone.off_hook()
        await house.phone.expect("dial-tone")
        await house.phone.expect("congestion", within=20.0)
        await house.phone.expect("howler", within=25.0)
        await house.phone.expect("silence", within=65.0)
        assert [type(report) for report in house.reports] == [DiallingFailed, Parked]
        house.call()
        assert isinstance(house.first[0], Released)
        house.phone.on_hook()
        await asyncio.sleep(1.5)
        house.call()
        assert house.first == [Progress(180)]

    housed(act)


def test_an_impossible_number_meets_congestion_and_no_call() -> None:
    async def act(house: House) -> None:
        house.phone.off_hook()
        await house.phone.expect("dial-tone")
        await house.phone.dial("7")
        await house.phone.expect("congestion")
        assert house.events() == []

    housed(act)


@pytest.mark.parametrize("country", sorted(dsp.COUNTRIES))
def test_a_call_in_each_country(country: str) -> None:
    async def act(house: House) -> None:
        house.phone.off_hook()
        await house.phone.expect("dial-tone", within=6.0)
        await house.phone.dial("102")
        await asyncio.sleep(0.2)
        leg = house.line.leg
        assert leg is not None
        house.call(line=2)
        await house.card.telephone(2).expect_ring(within=4.0)
        house.tell(leg, leg.progress, Progress(180))
        await house.phone.expect("ringback", within=7.0)
        house.tell(leg, leg.answer, Answered(MEDIA))
        await house.phone.flash()
        await asyncio.sleep(0.2)
        assert HookFlash() in house.events(house.line)
        house.tell(leg, leg.release, Released(Cause.USER_BUSY))
        await house.phone.expect("busy", within=7.0)
        house.phone.on_hook()
        await asyncio.sleep(1.2)
        assert house.line.idle

    housed(act, country=country)


def test_answer_supervision_reverses_the_polarity() -> None:
    async def act(house: House) -> None:
        leg = await house.dial("102")
        house.tell(leg, leg.progress, Progress(180))
        await house.phone.expect("ringback")
        house.tell(leg, leg.answer, Answered(MEDIA))
        await house.phone.expect("answer", within=0.1)

    housed(act, config=FxsConfig(answer_reversal=True))


def test_a_port_that_fails_releases_its_call_and_takes_none() -> None:
    async def act(house: House) -> None:
        await house.dial("102")
        house.events()
        port = house.card.fxs_ports[0]
        port.alarm(True)
        await asyncio.sleep(0.1)
        assert house.events() == [Released(Cause.DESTINATION_OUT_OF_ORDER)]
        assert house.reports == [ServiceChanged(False)]
        house.call()
        assert isinstance(house.first[0], Released)
        assert house.first[0].cause is Cause.DESTINATION_OUT_OF_ORDER
        house.phone.on_hook()
        port.alarm(False)
        await asyncio.sleep(0.5)
        house.call()
        assert house.first == [Progress(180)]

    housed(act)


def test_a_line_without_a_stream_says_so_and_the_next_call_works() -> None:
    async def act(house: House) -> None:
        await house.dial("102", phone=2)
        house.reports.clear()
        house.phone.off_hook()
        await asyncio.sleep(0.5)
        [failed] = house.reports
        assert isinstance(failed, LineFailed)
        house.phone.on_hook()
        house.card.telephone(2).on_hook()
        await asyncio.sleep(1.5)
        await house.dial("102")

    housed(act, most_streams=1)


def test_alert_info_asks_for_a_distinctive_ring() -> None:
    async def act(house: House) -> None:
        house.call(headers=(("Alert-Info", "<http://127.0.0.1/Bellcore-dr2>"),))
        await house.phone.expect_ring(within=8.0, cadence=(0.8, 0.4, 0.8, 4.0))

    housed(act)


def test_what_a_telephone_may_show() -> None:
    time = CallTime(1, 2, 3, 4)
    bell = CallerIdStandard.BELLCORE
    assert shown(Party("+4930123456", "Bob"), time, bell).number == "4930123456"
    assert shown(Party("+4930123456"), time, CallerIdStandard.DTMF).number == "+4930123456"
    hidden = shown(Party("123", "Bob", restricted=True), time, bell)
    assert (hidden.number, hidden.name, hidden.number_absence) == ("", "", Absence.PRIVATE)
    user = shown(Party("alice"), time, bell)
    assert (user.number, user.name, user.number_absence) == ("", "alice", Absence.UNAVAILABLE)
    assert shown(Party(), time, bell).number_absence is Absence.UNAVAILABLE
    assert shown(Party("1" * 30), time, bell).number == ""


def test_a_telephone_shows_a_number_as_its_country_would_dial_it_back() -> None:
    assert dialled_back("+12125550147", "us") == "2125550147"
    assert dialled_back("+442079460000", "us") == "011442079460000"
    assert dialled_back("+442079460000", "gb") == "02079460000"
    assert dialled_back("101", "us") == "101"
    assert dialled_back("alice", "us") == "alice"
    assert dialled_back("+12125550147", "fi") == "+12125550147"


class Abuse:
    """People and far ends that do anything at any moment."""

    def __init__(self, house: House, rng: random.Random) -> None:
        self.house, self.rng = house, rng
        self.legs: list[AnalogLeg] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def person(self, phone: SimTelephone) -> None:
        """Dials, flashes or plays, and hangs up amid it."""
        with contextlib.suppress(LocalProtocolError):
            match self.rng.randrange(4):
                case 0:
                    await phone.dial(self.rng.choice(["102", "1", "777", "95550123", "#", "10#"]))
                case 1:
                    await phone.pulse(self.rng.choice(["102", "9", "105"]), rate=self.rng.uniform(8, 12))
                case 2:
                    await phone.flash(self.rng.choice([30, 100, 250, 500, 990, 1010]))
                case _:
                    await phone.play(np.zeros(1600, np.int16))

    def act(self) -> None:
        house, rng = self.house, self.rng
        number = rng.choice((1, 2))
        phone, line = house.card.telephone(number), house.lines[number - 1]
        match rng.randrange(9):
            case 0 | 1:
                phone.off_hook()
            case 2:
                phone.on_hook()
            case 3:
                task = asyncio.ensure_future(self.person(phone))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            case 4:
                house.call(line=number, ring_timeout_s=rng.choice((0.5, 60.0)))
            case 5 if line.leg is not None:
                house.tell(line.leg, line.leg.progress, rng.choice((Progress(180), Progress(183, MEDIA))))
            case 6 if line.leg is not None:
                house.tell(line.leg, line.leg.answer, Answered(MEDIA))
            case 7 if line.leg is not None:
                house.tell(line.leg, line.leg.release, Released(rng.choice((Cause.USER_BUSY, Cause.NO_ANSWER))))
            case 8 if rng.random() < 0.2:
                house.card.fxs_ports[number - 1].alarm(True)
                house.card.fxs_ports[number - 1].alarm(False)


def balanced(events: list[Raised]) -> None:
    """Each leg: nothing after its Released, at most one Offered or Answered, nothing of a leg that never was."""
    over: set[AnalogLeg] = set()
    begun: set[AnalogLeg] = set()
    for raised in events:
        assert raised.leg not in over, f"{raised} after the end"
        if isinstance(raised.event, Offered | Answered):
            assert raised.leg not in begun
            begun.add(raised.leg)
        if isinstance(raised.event, Released):
            over.add(raised.leg)


@pytest.mark.parametrize("seed", range(12))
def test_lines_survive_whatever_telephones_and_far_ends_do(seed: int) -> None:
    async def act(house: House) -> None:
        rng = random.Random(seed)
        abuse = Abuse(house, rng)
        for _ in range(150):
            abuse.act()
            await asyncio.sleep(rng.choice((0.0, 0.002, 0.05, 0.3, 1.0)))
        for number, line in enumerate(house.lines, 1):
            house.card.telephone(number).on_hook()
            if line.leg is not None:
                house.tell(line.leg, line.leg.release, Released(Cause.NORMAL_CALL_CLEARING))
        await asyncio.sleep(30.0)
        for port, line in zip(house.card.fxs_ports, house.lines, strict=True):
            assert line.idle and line.stream is None, line.machine.state
            assert not port.ringing and port.feed is Feed.NORMAL
            assert line.next_deadline() == math.inf
        assert all(stream.closed for stream in house.plane.streams)
        assert not abuse.tasks
        balanced([report for report in house.reports if isinstance(report, Raised)])

    housed(act)
