"""The simulated card and telephone: contacts, bell, sound, pacing."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from voipgw import dsp
from voipgw._native import g711
from voipgw.drivers.audio import BACKLOG_FRAMES, MemoryAudio, SocketAudio
from voipgw.drivers.sim import LoopPhysics, SimCard, SimFxsPort
from voipgw.entropy import SeededEntropy
from voipgw.errors import DriverError, ExpectationFailed, LocalProtocolError
from voipgw.lab.clock import run_virtual
from voipgw.pstn.line import Feed, LineEvent, LineEventKind

SILENT = g711.encode(g711.ULAW, np.zeros(160, np.int16))


class Rig:
    """A card of one port in virtual time; ``say`` is what the engine answers, ``heard`` what it got."""

    def __init__(self, **options: Any) -> None:
        self.card = SimCard(1, entropy=SeededEntropy(5), audio=MemoryAudio, **options)
        self.port: SimFxsPort = self.card.fxs_ports[0]
        self.phone = self.card.telephone(1)
        self.events: list[LineEvent] = []
        self.heard: list[bytes] = []
        self.say: Callable[[], bytes] = lambda: SILENT
        self.port.audio.connect(self._answer)

    def _answer(self, frame: bytes) -> list[bytes]:
        self.heard.append(frame)
        return [self.say()]

    def play(self, pcm: np.ndarray) -> None:
        frames = iter([g711.encode(g711.ULAW, pcm[at : at + 160]) for at in range(0, len(pcm) - 159, 160)])
        self.say = lambda: next(frames, SILENT)

    @property
    def heard_pcm(self) -> np.ndarray:
        return g711.decode(g711.ULAW, b"".join(self.heard))


def virtually(act: Callable[[Rig], Coroutine[Any, Any, None]], **options: Any) -> Rig:
    rigs = []

    async def main() -> None:
        rig = Rig(**options)
        rigs.append(rig)
        await rig.card.start(lambda port, event: rig.events.append(event))
        await act(rig)
        await rig.card.close()

    run_virtual(main, limit_s=3600)
    return rigs[0]


def test_lifting_bounces_for_some_milliseconds_and_ends_closed() -> None:
    async def act(rig: Rig) -> None:
        for _ in range(20):
            rig.phone.off_hook()
            await asyncio.sleep(0.2)
            rig.phone.on_hook()
            await asyncio.sleep(0.2)

    rig = virtually(act)
    kinds = [event.kind for event in rig.events]
    assert len(kinds) > 40, "no contact ever bounced"
    assert kinds[::2] == [LineEventKind.LOOP_CLOSED] * (len(kinds) // 2)
    assert kinds[-1] is LineEventKind.LOOP_OPENED
    starts = [event.at - 0.2 * round(event.at / 0.2) for event in rig.events]
    assert all(-1e-9 <= late <= 0.003 for late in starts)


def test_hanging_up_amid_a_bounce_leaves_the_loop_open() -> None:
    async def act(rig: Rig) -> None:
        for wait in range(40):
            rig.phone.off_hook()
            await asyncio.sleep(wait * 0.0001)
            rig.phone.on_hook()
            await asyncio.sleep(0.1)
            assert not rig.port.current

    virtually(act)


def test_the_dial_makes_breaks_of_the_asked_rate_and_share() -> None:
    async def act(rig: Rig) -> None:
        rig.phone.off_hook()
        await asyncio.sleep(0.5)
        rig.events.clear()
        await rig.phone.pulse("30", rate=12, break_share=0.7, pause_ms=400)

    rig = virtually(act, physics=LoopPhysics(bounce_ms=0))
    edges = [event.at for event in rig.events]
    assert len(edges) == 26
    breaks = [closed - opened for opened, closed in zip(edges[::2], edges[1::2], strict=True)]
    assert breaks == pytest.approx([0.7 / 12] * 13)
    assert edges[6] - edges[4] == pytest.approx(1 / 12 + 0.4)


def test_a_dialled_digit_arrives_as_the_sound_of_its_key() -> None:
    async def act(rig: Rig) -> None:
        rig.phone.off_hook()
        await rig.phone.dial("159#", on_ms=60, off_ms=60)
        await asyncio.sleep(0.1)

    rig = virtually(act)
    digits = dsp.DtmfDetector().process(np.ascontiguousarray(rig.heard_pcm))
    assert "".join(digit.symbol for digit in digits) == "159#"


def test_what_is_played_arrives_sample_by_sample_and_play_returns_when_it_is_said() -> None:
    pcm = np.rint(8000 * np.sin(np.arange(4000) / 5)).astype(np.int16)
    took = []

    async def act(rig: Rig) -> None:
        rig.phone.off_hook()
        await asyncio.sleep(0.1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await rig.phone.play(pcm)
        took.append(loop.time() - began)
        await asyncio.sleep(0.1)

    rig = virtually(act)
    assert 0.48 <= took[0] <= 0.52
    expected = g711.decode(g711.ULAW, g711.encode(g711.ULAW, pcm))
    said = np.trim_zeros(rig.heard_pcm)
    assert np.array_equal(said, np.trim_zeros(expected))


def test_the_earpiece_records_what_the_port_sends_with_its_sample_clock() -> None:
    pcm = np.rint(5000 * np.sin(np.arange(8000) / 7)).astype(np.int16)
    got = []

    async def act(rig: Rig) -> None:
        rig.phone.off_hook()
        await asyncio.sleep(0.1)
        recording = rig.phone.record()
        rig.play(pcm)
        await asyncio.sleep(1.5)
        got.append(recording.stop())
        assert recording.start_sample == round(0.1 * 8000)
        assert rig.phone.samples_heard == round(1.6 * 8000)

    virtually(act)
    assert len(got[0]) == round(1.5 * 8000)
    assert np.array_equal(got[0][:8000], g711.decode(g711.ULAW, g711.encode(g711.ULAW, pcm)))
    assert not got[0][8000:].any()


def test_a_telephone_on_the_hook_neither_speaks_nor_hears() -> None:
    async def act(rig: Rig) -> None:
        rig.play(np.full(16000, 9000, np.int16))
        recording = rig.phone.record()
        await asyncio.sleep(0.5)
        assert len(recording.stop()) == 0
        with pytest.raises(LocalProtocolError, match="on the hook"):
            await rig.phone.play(np.ones(100, np.int16))
        with pytest.raises(LocalProtocolError, match="on the hook"):
            await rig.phone.dial("1")

    assert set(virtually(act).heard) == {SILENT}


def test_hanging_up_ends_what_is_being_played() -> None:
    async def act(rig: Rig) -> None:
        rig.phone.off_hook()
        playing = asyncio.ensure_future(rig.phone.play(np.ones(80000, np.int16)))
        await asyncio.sleep(1.0)
        rig.phone.on_hook()
        with pytest.raises(LocalProtocolError, match="was hung up while it played"):
            await playing

    virtually(act)


def test_the_hybrid_returns_an_echo_of_the_chosen_loss() -> None:
    tone = np.rint(16000 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 8000)).astype(np.int16)

    async def act(rig: Rig) -> None:
        rig.phone.off_hook()
        await asyncio.sleep(0.1)
        rig.play(tone)
        await asyncio.sleep(2.2)

    echo = virtually(act, physics=LoopPhysics(return_loss_db=20)).heard_pcm.astype(float)
    ratio = np.sqrt(np.mean(echo[4000:14000] ** 2)) / np.sqrt(np.mean(tone.astype(float) ** 2))
    assert 20 * np.log10(ratio) == pytest.approx(-20, abs=0.3)


def test_attenuation_and_noise_are_those_chosen() -> None:
    tone = np.rint(16000 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)).astype(np.int16)

    async def act(rig: Rig) -> None:
        await asyncio.sleep(1.0)
        rig.phone.off_hook()
        await rig.phone.play(tone)

    heard = virtually(act, physics=LoopPhysics(attenuation_db=6, noise_dbm0=-50)).heard_pcm.astype(float)
    full_scale_rms = 32767 / np.sqrt(2)
    noise_dbm0 = 20 * np.log10(np.std(heard[:7000]) / full_scale_rms) + 3.17
    assert noise_dbm0 == pytest.approx(-50, abs=0.5)
    assert np.abs(heard[9000:15000]).max() == pytest.approx(16000 / 10 ** (6 / 20), rel=0.05)


def test_bell_and_ring_trip() -> None:
    async def act(rig: Rig) -> None:
        rig.port.ring(True)
        await asyncio.sleep(1.0)
        assert rig.phone.being_rung
        rig.phone.off_hook()
        await asyncio.sleep(0.1)
        assert not rig.phone.being_rung
        rig.port.ring(False)
        await asyncio.sleep(0.1)

    rig = virtually(act)
    [trip] = rig.events
    assert trip.kind is LineEventKind.RING_TRIP
    assert 1.04 <= trip.at <= 1.045
    [ring] = rig.phone.rings
    assert ring.start == 0.0 and ring.end == trip.at


def test_a_short_contact_under_ringing_does_not_trip() -> None:
    async def act(rig: Rig) -> None:
        rig.port.ring(True)
        rig.phone.off_hook()
        await asyncio.sleep(0.02)
        rig.phone.on_hook()
        await asyncio.sleep(1.0)
        assert rig.port.ringing

    assert virtually(act).events == []


def test_the_bells_cadence_is_measured() -> None:
    async def act(rig: Rig) -> None:
        for on_s, off_s in ((0.4, 0.2), (0.4, 2.0), (0.4, 0.2)):
            rig.port.ring(True)
            await asyncio.sleep(on_s)
            rig.port.ring(False)
            await asyncio.sleep(off_s)
        assert rig.phone.cadence == pytest.approx((0.4, 0.2, 0.4, 2.0, 0.4))
        await rig.phone.expect_ring(cadence=(0.4, 0.2, 0.4, 2.0))
        with pytest.raises(ExpectationFailed, match=r"was to ring 2, 4 s; it rang 0\.40, 0\.20"):
            await rig.phone.expect_ring(cadence=(2.0, 4.0))

    virtually(act)


@pytest.mark.parametrize("country", ["us", "gb", "nl"])
def test_caller_id_between_rings_is_received_by_the_telephone(country: str) -> None:
    method = dsp.country(country).caller_id
    assert method is not None

    async def act(rig: Rig) -> None:
        from voipgw.dsp.caller_id import transmission

        rig.play(transmission(dsp.CallerId("4155550123"), method))
        shown = await rig.phone.expect_caller_id("4155550123", within=5.0)
        assert shown.number == "4155550123"
        with pytest.raises(ExpectationFailed, match=r"'999' within 0.1 s; it received '4155550123'"):
            await rig.phone.expect_caller_id("999", within=0.1)

    virtually(act, country=country)


def test_no_caller_id_is_said_so() -> None:
    async def act(rig: Rig) -> None:
        with pytest.raises(ExpectationFailed, match="it received none"):
            await rig.phone.expect_caller_id("1", within=1.0)

    virtually(act)


def test_an_expectation_that_fails_says_what_was_heard() -> None:
    async def act(rig: Rig) -> None:
        with pytest.raises(ExpectationFailed, match="cannot hear dial-tone: its handset is on the hook"):
            await rig.phone.expect("dial-tone", within=1.0)
        rig.phone.off_hook()
        await asyncio.sleep(0.1)
        rig.play(dsp.ToneGenerator(dsp.country("us").tone("busy")).make(80000))
        with pytest.raises(ExpectationFailed, match=r"did not hear dial-tone within 4 s; it heard busy"):
            await rig.phone.expect("dial-tone", within=4.0)
        await rig.phone.expect("busy", within=1.0)
        with pytest.raises(ValueError, match="nothing that a telephone hears"):
            await rig.phone.expect("birdsong")

    virtually(act)


def test_an_answer_is_noticed_by_polarity_by_voice_and_by_ringback_that_stopped() -> None:
    async def polarity(rig: Rig) -> None:
        rig.phone.off_hook()
        await rig.phone.dial("1")
        rig.port.set_feed(Feed.REVERSED)
        await rig.phone.expect("answer", within=0.1)

    async def stopped(rig: Rig) -> None:
        rig.phone.off_hook()
        await rig.phone.dial("1")
        rig.play(dsp.ToneGenerator(dsp.country("us").tone("ringback")).make(8000 * 7))
        await asyncio.sleep(5.5)
        with pytest.raises(ExpectationFailed, match="it heard ringback"):
            await rig.phone.expect("answer", within=1.0)
        await rig.phone.expect("answer", within=6.0)

    virtually(polarity)
    virtually(stopped)


def test_the_card_gives_fifty_frames_a_second_without_drift() -> None:
    async def act(rig: Rig) -> None:
        await asyncio.sleep(600.0)

    assert len(virtually(act).heard) == 30000


def test_a_card_with_a_fast_clock_gives_more_frames() -> None:
    async def act(rig: Rig) -> None:
        await asyncio.sleep(100.0)

    assert len(virtually(act, clock_ppm=2000).heard) == 5010


def test_the_same_seed_gives_the_same_contacts_and_sound() -> None:
    async def act(rig: Rig) -> None:
        rig.phone.off_hook()
        await asyncio.sleep(0.3)
        await rig.phone.dial("123")
        await rig.phone.pulse("45")
        rig.phone.on_hook()
        await asyncio.sleep(0.1)

    one, other = (virtually(act, physics=LoopPhysics(noise_dbm0=-55)) for _ in range(2))
    assert one.events == other.events
    assert one.heard == other.heard


def test_a_port_that_is_not_there_and_a_law_that_is_none_are_named() -> None:
    with pytest.raises(DriverError, match="its ports are 1 to 2"):
        SimCard(2, entropy=SeededEntropy(1), audio=MemoryAudio).telephone(3)
    with pytest.raises(DriverError, match="neither PCMU nor PCMA"):
        SimCard(1, entropy=SeededEntropy(1), audio=MemoryAudio, law="G729")


def test_an_alarm_and_its_end_are_reported_and_then_the_loop() -> None:
    async def act(rig: Rig) -> None:
        rig.phone.off_hook()
        await asyncio.sleep(0.1)
        rig.events.clear()
        rig.port.alarm(True)
        rig.port.alarm(False)
        await asyncio.sleep(0.1)

    kinds = [event.kind for event in virtually(act).events]
    assert kinds == [LineEventKind.ALARM, LineEventKind.ALARM_CLEARED, LineEventKind.LOOP_CLOSED]


def fetch(audio: SocketAudio) -> list[int]:
    got: list[int] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            got.append(os.read(audio.fileno(), 4096)[0])
    return got


def test_a_slow_engine_gets_every_frame_late() -> None:
    audio = SocketAudio()
    got: list[int] = []
    for n in range(BACKLOG_FRAMES):
        audio.give(bytes([n]) * 160)
    for n in range(BACKLOG_FRAMES, 200):
        got += fetch(audio)
        audio.give(bytes([n]) * 160)
    got += fetch(audio)
    assert audio.frames_lost == 0
    assert got == list(range(200))
    audio.close()
    audio.close()
    assert audio.fileno() == -1


def test_an_engine_that_begins_to_listen_hears_nothing_older_than_the_sockets_hold() -> None:
    audio = SocketAudio()
    for n in range(200):
        audio.give(bytes([n]) * 160)
    stale = fetch(audio)
    assert len(stale) <= 8
    audio.give(bytes([200]) * 160)
    assert fetch(audio) == [199, 200]
    assert audio.frames_lost == 199 - len(stale)
    audio.close()


def test_in_real_time_sound_crosses_the_sockets_both_ways() -> None:
    async def main() -> None:
        card = SimCard(1, entropy=SeededEntropy(1), physics=LoopPhysics(return_loss_db=math.inf))
        port, phone = card.fxs_ports[0], card.telephone(1)
        loop = asyncio.get_running_loop()

        def echo() -> None:
            os.write(port.fileno(), os.read(port.fileno(), 4096))

        loop.add_reader(port.fileno(), echo)
        await card.start(lambda port, event: None)
        phone.off_hook()
        await asyncio.sleep(0.1)
        pcm = np.rint(8000 * np.sin(np.arange(4000) / 5)).astype(np.int16)
        recording = phone.record()
        await phone.play(pcm)
        await asyncio.sleep(0.2)
        loop.remove_reader(port.fileno())
        await card.close()
        heard = recording.stop()
        expected = g711.decode(g711.ULAW, g711.encode(g711.ULAW, pcm))
        assert np.array_equal(np.trim_zeros(heard), np.trim_zeros(expected))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("shown", "wanted", "same"),
    [
        ("2125550147", "+12125550147", True),
        ("02079460000", "+442079460000", True),
        ("011442079460000", "+442079460000", True),
        ("101", "101", True),
        ("2125550147", "4125550147", False),
        ("101", "1101", False),
        ("", "101", False),
        ("5550147", "2125550148", False),
    ],
)
def test_a_number_is_recognised_whatever_its_prefix(shown: str, wanted: str, same: bool) -> None:
    async def act(rig: Rig) -> None:
        rig.phone.caller_ids = [dsp.CallerId(shown)]
        if same:
            assert (await rig.phone.expect_caller_id(wanted, within=0.1)).number == shown
        else:
            with pytest.raises(ExpectationFailed):
                await rig.phone.expect_caller_id(wanted, within=0.1)

    virtually(act)
