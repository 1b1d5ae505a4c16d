from __future__ import annotations

import numpy as np
import pytest

from voipgw.dsp import COUNTRIES, ToneGenerator, ToneKind, ToneSegment, country, mix_add
from voipgw.dsp.tones import cadence_ms, silence


def level_dbm0(x: np.ndarray, hz: float) -> float:
    window = np.hanning(len(x))
    t = np.arange(len(x)) / 8000
    return float(
        20 * np.log10(abs(np.sum(x * window * np.exp(-2j * np.pi * hz * t))) / np.sum(window) * 2 / 32767) + 3.14
    )


def test_a_tone_has_its_frequencies_at_their_levels() -> None:
    x = ToneGenerator(country("us").tone("dial")).make(8000)
    assert x.dtype == np.int16
    assert level_dbm0(x, 350) == pytest.approx(-13, abs=0.05)
    assert level_dbm0(x, 440) == pytest.approx(-13, abs=0.05)
    assert level_dbm0(x, 620) < -80


def test_a_cadence_keeps_its_times_and_repeats() -> None:
    x = ToneGenerator(country("us").tone(ToneKind.BUSY)).make(24000)
    on = np.abs(x.astype(int)).reshape(-1, 80).max(axis=1) > 100
    assert on.reshape(-1, 50).all(axis=1).tolist() == [True, False, True, False, True, False]
    assert not on.reshape(-1, 50)[1::2].any()


def test_any_cut_gives_the_same_samples() -> None:
    for cadence in (country("gb").tone("ringback"), country("us").tone("stutter"), country("gb").tone("stutter")):
        whole = ToneGenerator(cadence).make(40000)
        generator = ToneGenerator(cadence)
        cut = [generator.make(n) for n in [1, 2, 3, 19, 20, 21, 160] * 400]
        assert np.array_equal(np.concatenate(cut)[:40000], whole)


def test_nothing_clicks() -> None:
    x = ToneGenerator((ToneSegment((440,), 101, -10), silence(50))).make(8000).astype(int)
    assert np.abs(np.diff(x)).max() < 1.02 * 2 * np.pi * 440 / 8000 * np.abs(x).max()


def test_what_does_not_repeat_ends_in_silence() -> None:
    generator = ToneGenerator((ToneSegment((1000,), 20),), repeat=False)
    assert not generator.done
    x = generator.make(400)
    assert generator.done
    assert np.abs(x[:160]).max() > 1000
    assert not x[160:].any()


def test_the_last_segment_without_end_stays() -> None:
    x = ToneGenerator(country("us").tone("stutter")).make(8000 * 10)
    assert level_dbm0(x[8000 * 8 :], 350) == pytest.approx(-13, abs=0.1)


def test_every_country_has_every_tone_and_a_ring() -> None:
    assert {"us", "gb", "de", "fr"} < set(COUNTRIES)
    assert len(COUNTRIES) >= 16
    for code, entry in COUNTRIES.items():
        assert entry.code == code
        assert set(entry.tones) == set(ToneKind)
        assert len(entry.ring_ms) % 2 == 0
        for cadence in entry.tones.values():
            x = ToneGenerator(cadence).make(1600)
            assert np.abs(x.astype(int)).max() < 32767


def test_ring_cadences_are_the_countries_own() -> None:
    assert country("us").ring_ms == (2000, 4000)
    assert country("GB").ring_ms == country("uk").ring_ms == (400, 200, 400, 2000)
    assert country("de").ring_ms == (1000, 4000)
    assert country("fr").ring_ms == (1500, 3500)


def test_the_length_of_a_cadence() -> None:
    assert cadence_ms(country("us").tone("ringback")) == 6000
    assert cadence_ms(country("us").tone("dial")) == 0


def test_samples_are_added_and_held() -> None:
    x = np.array([1, 32000, -32000, 5], np.int16)
    mix_add(x, np.array([2, 1000, -1000, -5], np.int16))
    assert x.tolist() == [3, 32767, -32768, 0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: country("xx"), "us, ca, gb"),
        (lambda: country("us").tone("nothing"), "nothing"),
        (lambda: ToneSegment((1, 2, 3, 4, 5), 100), "four"),
        (lambda: ToneSegment((-1,), 100), "positive"),
        (lambda: ToneSegment((float("nan"),), 100), "positive"),
        (lambda: ToneSegment((400,), -1), "duration"),
        (lambda: ToneGenerator(()), "segment"),
        (lambda: ToneGenerator((silence(10),) * 33), "32"),
        (lambda: ToneGenerator((ToneSegment((4000,), 10),)), "half"),
        (lambda: ToneGenerator((ToneSegment((400,), 10, 4.0),)), "level"),
        (lambda: ToneGenerator((ToneSegment((400,), 10, float("nan")),)), "level"),
        (lambda: ToneGenerator((silence(10),), sample_rate_hz=1), "sample_rate_hz"),
        (lambda: ToneGenerator((silence(10),)).make(-1), "samples"),
        (lambda: mix_add(np.zeros(3, np.int16), np.zeros(4, np.int16)), "shape"),
    ],
)
def test_values_out_of_range_are_named(call, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
