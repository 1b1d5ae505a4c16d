from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from voipgw._native import g711
from voipgw.dsp import COUNTRIES, ProgressTone, ProgressToneDetector, ToneGenerator, ToneKind, country, dtmf

SOUNDS = Path("/usr/share/asterisk/sounds")


def line(code: str, kind: ToneKind, seconds: float, rng: np.random.Generator, noise_dbm0: float = -50) -> np.ndarray:
    """A tone after a pause of any length, in noise, through mu-law."""
    x = np.concatenate(
        [
            np.zeros(rng.integers(4000, 9000), np.int16),
            ToneGenerator(country(code).tone(kind)).make(int(8000 * seconds)),
        ]
    )
    rms = 32767 / np.sqrt(2) * 10 ** ((noise_dbm0 - 3.14) / 20)
    noisy = np.clip(np.rint(x + rng.normal(0, rms, len(x))), -32768, 32767).astype(np.int16)
    return g711.decode(g711.ULAW, g711.encode(g711.ULAW, noisy))


@pytest.mark.parametrize("code", list(COUNTRIES))
def test_every_tone_of_a_country_is_heard_as_itself_and_once(code: str) -> None:
    rng = np.random.default_rng(1)
    for kind in ToneKind:
        heard = ProgressToneDetector(code).process(line(code, kind, 14, rng))
        assert [tone.kind for tone in heard] == [kind.value], kind


@pytest.mark.parametrize("off", [-0.008, 0.008])
def test_an_exchange_that_is_a_little_off_is_understood(off: float) -> None:
    for kind in ToneKind:
        x = ToneGenerator(country("us").tone(kind)).make(8000 * 13).astype(float)
        at = np.arange(0, len(x) - 1, 1 + off)
        x = np.concatenate([np.zeros(5000), np.interp(at, np.arange(len(x)), x)])
        assert [tone.kind for tone in ProgressToneDetector("us").process(x.astype(np.int16))] == [kind.value], kind


@pytest.mark.parametrize("step", [1, 33, 160, 8000])
def test_any_cut_of_the_stream_gives_the_same_tones(step: int) -> None:
    x = line("gb", ToneKind.RINGBACK, 3, np.random.default_rng(2))
    detector = ProgressToneDetector("gb")
    cut = [tone for i in range(0, len(x), step) for tone in detector.process(x[i : i + step])]
    assert cut == ProgressToneDetector("gb").process(x)
    assert [tone.kind for tone in cut] == ["ringback"]


def test_a_tone_that_changes_into_another_is_followed() -> None:
    us = country("us")
    parts = [
        ToneGenerator(us.tone("dial")).make(16000),
        dtmf("5551234"),
        np.zeros(8000, np.int16),
        ToneGenerator(us.tone("ringback")).make(48000 + 16000),
        np.zeros(8000, np.int16),
        ToneGenerator(us.tone("congestion")).make(24000),
    ]
    heard = ProgressToneDetector("us").process(np.concatenate(parts))
    assert [tone.kind for tone in heard] == ["dial", "ringback", "congestion"]


def test_a_tone_is_reported_again_after_it_was_gone() -> None:
    busy = ToneGenerator(country("de").tone("busy")).make(8000 * 4)
    x = np.concatenate([busy, np.zeros(8000 * 3, np.int16), busy])
    assert [tone.kind for tone in ProgressToneDetector("de").process(x)] == ["busy", "busy"]


def test_tones_are_recognised_in_time() -> None:
    limits_s = {"dial": 1.0, "busy": 1.6, "congestion": 0.9, "ringback": 2.8, "SIT": 1.2}
    for kind, limit_s in limits_s.items():
        tone = ToneGenerator(country("us").tone(kind)).make(80000)
        detector = ProgressToneDetector("us")
        x = np.concatenate([np.zeros(8000, np.int16), tone])
        first = next(i for i in range(0, len(x), 160) if detector.process(x[i : i + 160]))
        assert first / 8000 - 1 < limit_s, kind


def test_sit_before_an_announcement_is_heard() -> None:
    rng = np.random.default_rng(3)
    sit = ToneGenerator(country("us").tone("SIT"), repeat=False).make(8 * 990)
    x = np.concatenate([np.zeros(4000, np.int16), sit, rng.normal(0, 1500, 16000).astype(np.int16)])
    assert ProgressToneDetector("us").process(x) == [ProgressTone("SIT", 0.5)]


@pytest.mark.parametrize("code", ["us", "gb", "de", "fr"])
def test_speech_digits_and_noise_are_no_progress_tones(code: str) -> None:
    rng = np.random.default_rng(4)
    assert ProgressToneDetector(code).process(rng.normal(0, 2000, 8000 * 30).astype(np.int16)) == []
    assert ProgressToneDetector(code).process(dtmf("0123456789*#" * 4, 80, 80)) == []
    files = sorted(SOUNDS.rglob("*.wav"))
    if not files:
        pytest.skip("asterisk-core-sounds-en-wav is not installed")
    detector = ProgressToneDetector(code)
    for path in files:
        with wave.open(str(path)) as w:
            assert detector.process(np.frombuffer(w.readframes(w.getnframes()), "<i2")) == [], path.name


def test_wrong_input_is_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        ProgressToneDetector("us").process(np.zeros(10))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="contiguous"):
        ProgressToneDetector("us").process(np.zeros(10, np.int16)[::2])
    with pytest.raises(ValueError, match="us, ca"):
        ProgressToneDetector("xx")
    with pytest.raises(ValueError, match="8000"):
        ProgressToneDetector("us", 16000)
    assert ProgressToneDetector("us").process(np.zeros(0, np.int16)) == []
    assert ProgressToneDetector("us").process(np.full(16000, 32767, np.int16)) == []
