"""Concealment of lost audio (after G.711 Appendix I)."""

from __future__ import annotations

import numpy as np
import pytest

from voipgw.codecs.concealment import Concealment

T = np.arange(16000)
VOICE = (7000 * np.sin(2 * np.pi * 125 * T / 8000) + 3000 * np.sin(2 * np.pi * 500 * T / 8000)).astype(np.int16)


def level(pcm: np.ndarray) -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


def after(samples: int) -> Concealment:
    concealment = Concealment(8000)
    concealment.received(VOICE[:samples])
    return concealment


def test_a_periodic_sound_goes_on_as_if_nothing_were_lost() -> None:
    made = after(4000).conceal(80)
    assert made.dtype == np.int16
    error = made.astype(float) - VOICE[4000:4080]
    assert level(error) < 0.03 * level(VOICE)


@pytest.mark.parametrize("chunk", [1, 7, 80, 160, 480])
def test_it_fades_to_silence_at_60_ms_however_it_is_asked_for(chunk: int) -> None:
    concealment = after(4000)
    made = np.concatenate([concealment.conceal(chunk) for _ in range(800 // chunk + 1)])
    assert level(made[:80]) > 0.9 * level(VOICE)
    assert level(made[400:480]) < 0.25 * level(VOICE)
    assert not made[480:].any()


def test_the_received_samples_are_faded_over_without_a_step() -> None:
    concealment = after(4000)
    made = concealment.conceal(160)
    back = concealment.received(VOICE[4160:4320])
    steps = np.abs(np.diff(np.concatenate((VOICE[3900:4000], made, back)).astype(float)))
    assert steps.max() < 1.3 * np.abs(np.diff(VOICE.astype(float))).max()
    assert np.array_equal(back[-80:], VOICE[4240:4320])


def test_received_samples_are_untouched_where_nothing_was_lost() -> None:
    concealment = Concealment(8000)
    assert np.array_equal(concealment.received(VOICE[:1000]), VOICE[:1000])
    assert np.array_equal(concealment.received(VOICE[1000:1001]), VOICE[1000:1001])


def test_silence_is_concealed_by_silence() -> None:
    assert not Concealment(8000).conceal(160).any()
    assert Concealment(8000).conceal(0).shape == (0,)


def test_loud_sound_never_wraps() -> None:
    concealment = Concealment(16000)
    concealment.received(np.where(np.arange(4000) // 40 % 2, 32767, -32768).astype(np.int16))
    concealment.conceal(320)
    back = concealment.received(np.full(320, 32767, np.int16))
    assert back.max() == 32767


def test_more_samples_than_the_past_keeps_are_taken() -> None:
    concealment = Concealment(8000)
    concealment.received(VOICE)
    assert level(concealment.conceal(80)) > 0.9 * level(VOICE)
