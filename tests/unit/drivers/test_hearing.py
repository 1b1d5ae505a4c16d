"""The telephone's ear on the tones of every country, on speech-like sound and on silence."""

from __future__ import annotations

import numpy as np
import pytest

from voipgw import dsp
from voipgw.drivers.hearing import SILENCE, VOICE, Ear
from voipgw.drivers.telephone_country import shapes_of

KINDS = {
    "dial-tone": dsp.ToneKind.DIAL,
    "ringback": dsp.ToneKind.RINGBACK,
    "busy": dsp.ToneKind.BUSY,
    "congestion": dsp.ToneKind.CONGESTION,
    "howler": dsp.ToneKind.HOWLER,
    "sit": dsp.ToneKind.SIT,
}


def listen(country: str, pcm: np.ndarray, lead: int = 25) -> Ear:
    ear = Ear(shapes_of(country))
    for _ in range(lead):
        ear.hear(None)
    for at in range(0, len(pcm) - 159, 160):
        ear.hear(pcm[at : at + 160])
    return ear


@pytest.mark.parametrize("country", sorted(dsp.COUNTRIES))
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_tone_of_each_country_is_told_from_all_its_others(country: str, kind: str) -> None:
    tone = dsp.ToneGenerator(dsp.country(country).tone(KINDS[kind])).make(8000 * 12)
    offset = np.zeros(57, np.int16)  # bursts do not begin with a frame
    ear = listen(country, np.concatenate([offset, tone]))
    assert [sound.kind for sound in ear.sounds] == [kind]
    assert ear.current == kind


def test_stutter_dial_tone_is_heard_before_it_turns_steady() -> None:
    ear = listen("us", dsp.ToneGenerator(dsp.country("us").tone("stutter")).make(8000 * 4))
    assert [sound.kind for sound in ear.sounds] == ["stutter", "dial-tone"]


def speech_like(seconds: float, level: float = 3000.0) -> np.ndarray:
    """A buzz of moving pitch through moving formants, in syllables: not speech, but no tone either."""
    rng = np.random.default_rng(7)
    t = np.arange(int(8000 * seconds)) / 8000
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 1.3 * t)) / 8000
    buzz = sum(np.cos(n * pitch) / n for n in range(1, 20))
    return np.rint((buzz * np.abs(np.sin(2 * np.pi * 2.1 * t)) + rng.normal(0, 0.2, len(t))) * level).astype(np.int16)


@pytest.mark.parametrize("country", ["us", "gb", "de", "fr", "au"])
def test_what_is_no_tone_of_the_country_is_voice(country: str) -> None:
    ear = listen(country, speech_like(3.0))
    assert [sound.kind for sound in ear.sounds] == [VOICE]
    assert ear.sounds[0].start_s < 0.5 + 0.4


@pytest.mark.parametrize(
    ("country", "hz"), [("us", 400), ("us", 440), ("gb", 400), ("de", 400), ("de", 1000), ("fr", 425)]
)
def test_a_steady_sound_that_no_tone_of_the_country_makes_is_voice(country: str, hz: float) -> None:
    ear = listen(country, np.rint(5000 * np.sin(2 * np.pi * hz * np.arange(16000) / 8000)).astype(np.int16))
    assert ear.current == VOICE


def test_a_cadenced_tone_goes_on_through_its_pause_and_silence_begins_after_it() -> None:
    ringback = dsp.ToneGenerator(dsp.country("us").tone("ringback")).make(8000 * 5)
    ear = listen("us", ringback)
    assert ear.current == "ringback"
    for _ in range(75):
        ear.hear(None)
    assert ear.current == "ringback"
    for _ in range(75):
        ear.hear(None)
    assert ear.current == SILENCE


def test_dtmf_is_no_progress_tone() -> None:
    ear = listen("us", dsp.dtmf("0123456789", on_ms=200, off_ms=100))
    assert {sound.kind for sound in ear.sounds} <= {VOICE}


def test_noise_below_the_threshold_is_silence() -> None:
    noise = np.rint(np.random.default_rng(3).normal(0, 20, 16000)).astype(np.int16)
    ear = listen("us", noise)
    assert not ear.sounds
    assert ear.silent_s > 2.0
