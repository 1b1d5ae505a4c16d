"""The resampler between 8000 and 16,000 Hz, against SciPy's filters and its own specification."""

from __future__ import annotations

import numpy as np
import pytest

from voipgw.dsp.resample import Resampler

RNG = np.random.default_rng(816)


def taps() -> np.ndarray:
    """The impulse response at 16,000 Hz, as the upsampler shows it."""
    one = np.zeros(40, np.int16)
    one[0] = 16384
    return Resampler(8000, 16000).process(one)[:63] / 16384.0


def test_the_filter_is_what_its_header_says() -> None:
    h = taps()
    assert np.array_equal(h, h[::-1])
    bins = np.abs(np.fft.rfft(h, 16384)) / 2
    hz = np.arange(len(bins)) * 16000 / 16384
    db = 20 * np.log10(np.maximum(bins, 1e-9))
    assert np.max(np.abs(db[hz <= 3500])) < 0.02
    assert np.max(db[hz >= 4500]) < -60
    assert abs(db[np.argmin(np.abs(hz - 4000))] + 6.02) < 0.1


@pytest.mark.parametrize("amplitude", [300, 32767])
def test_both_ways_are_the_plain_convolution_rounded(amplitude: int) -> None:
    h, x = taps(), RNG.integers(-amplitude, amplitude + 1, 3000).astype(np.int16)
    stuffed = np.zeros(2 * len(x))
    stuffed[::2] = x
    up = np.convolve(stuffed, h)[: len(stuffed)]
    assert np.max(np.abs(Resampler(8000, 16000).process(x) - np.clip(up, -32768, 32767))) <= 0.5
    down = np.convolve(x.astype(float), h / 2)[1 : len(x) : 2]
    assert np.max(np.abs(Resampler(16000, 8000).process(x) - np.clip(down, -32768, 32767))) <= 0.5


@pytest.mark.parametrize("rates", [(8000, 16000), (16000, 8000)])
def test_samples_cut_anywhere_give_the_same(rates: tuple[int, int]) -> None:
    x = RNG.integers(-32768, 32768, 4001).astype(np.int16)
    whole, parts = Resampler(*rates), Resampler(*rates)
    cuts = np.sort(RNG.integers(0, len(x), 60))
    assert np.array_equal(np.concatenate([parts.process(part) for part in np.split(x, cuts)]), whole.process(x))
    assert Resampler(*rates).process(x[:0]).shape == (0,)


def test_other_rates_and_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="8000 to 16000"):
        Resampler(8000, 48000)
    with pytest.raises(TypeError, match="int16"):
        Resampler(8000, 16000).process(np.zeros(4))
