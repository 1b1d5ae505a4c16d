from __future__ import annotations

import math
import wave
from pathlib import Path

import numpy as np
import pytest

from voipgw._native import g711
from voipgw.dsp import COUNTRIES, Activity, ActivityDetector, ActivityKind, ToneGenerator, ToneKind, dtmf, level_dbm0

SOUNDS = Path("/usr/share/asterisk/sounds")


def kinds(x: np.ndarray) -> list[ActivityKind]:
    heard = ActivityDetector().process(g711.decode(g711.ULAW, g711.encode(g711.ULAW, x)))
    return [activity.kind for activity in heard]


def test_a_full_scale_sine_is_3_14_dbm0() -> None:
    x = np.rint(32767 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)).astype(np.int16)
    assert level_dbm0(x) == pytest.approx(3.14, abs=0.01)
    assert level_dbm0(x // 10) == pytest.approx(-16.86, abs=0.05)


def test_silence_has_no_level() -> None:
    assert level_dbm0(np.zeros(160, np.int16)) == -math.inf
    assert level_dbm0(np.zeros(0, np.int16)) == -math.inf


@pytest.mark.parametrize("kind", [kind for kind in ToneKind if kind is not ToneKind.CALL_WAITING])
def test_a_tone_is_never_taken_for_voice(kind: ToneKind) -> None:
    for country in COUNTRIES.values():
        x = np.concatenate([np.zeros(4321, np.int16), ToneGenerator(country.tone(kind)).make(40000)])
        heard = kinds(x)
        assert ActivityKind.TONE in heard, country.code
        assert ActivityKind.VOICE not in heard, country.code


def test_digits_are_tones() -> None:
    assert kinds(dtmf("0123456789" * 3, 50, 50)) == [ActivityKind.TONE]


def test_speech_is_voice_and_its_end_is_silence() -> None:
    path = SOUNDS / "en_US_f_Allison" / "all-circuits-busy-now.wav"
    if not path.exists():
        pytest.skip("asterisk-core-sounds-en-wav is not installed")
    with wave.open(str(path)) as w:
        speech = np.frombuffer(w.readframes(w.getnframes()), "<i2")
    heard = kinds(np.concatenate([np.zeros(8000, np.int16), speech, np.zeros(8000, np.int16)]))
    assert heard[0] is ActivityKind.VOICE
    assert heard[-1] is ActivityKind.SILENCE


def test_a_change_tells_when_and_how_loud() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([np.zeros(8000), rng.normal(0, 2000, 8000), np.zeros(8000)]).astype(np.int16)
    detector = ActivityDetector()
    heard = [activity for i in range(0, len(x), 77) for activity in detector.process(x[i : i + 77])]
    assert [activity.kind for activity in heard] == [ActivityKind.VOICE, ActivityKind.SILENCE]
    assert heard == ActivityDetector().process(x)
    assert heard[0].start_s == pytest.approx(1.0, abs=0.02)
    assert heard[1].start_s == pytest.approx(2.0, abs=0.02)
    assert heard[0].level_dbm0 == pytest.approx(-18.1, abs=1)
    assert detector.kind is ActivityKind.SILENCE


def test_line_noise_is_silence() -> None:
    rng = np.random.default_rng(2)
    assert kinds(rng.normal(0, 60, 80000).astype(np.int16)) == []


def test_wrong_input_is_refused() -> None:
    with pytest.raises(TypeError, match="float64"):
        level_dbm0(np.zeros(10))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape"):
        ActivityDetector().process(np.zeros((2, 10), np.int16))
    with pytest.raises(ValueError, match="8000"):
        ActivityDetector(16000)
    assert ActivityDetector().process(np.zeros(0, np.int16)) == []
    assert Activity(ActivityKind.TONE, 0.0, -10.0).kind.value == "tone"
