"""Speed of the codecs, beside libspandsp's in the same run. Each case works on 128 frames of 20 ms; divide by 128 for one frame.

Run: ``python -m pytest benchmarks/bench_codecs.py``; the column to read is the median.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path

import numpy as np
import pytest

from voipgw.codecs import ENCODINGS
from voipgw.dsp import Resampler

FRAMES = 128
SPEECH = Path(__file__).parents[1] / "examples" / "sounds" / "telephone.wav"
NARROW = np.frombuffer(SPEECH.read_bytes()[44:], "<i2")[8000:][: FRAMES * 160].copy()
WIDE = Resampler(8000, 16000).process(NARROW)
OURS = ["G722", "G726-16", "G726-24", "G726-32", "G726-40", "GSM"]
POINTER = ctypes.c_void_p


def sound(name: str) -> np.ndarray:
    return WIDE if ENCODINGS[name].sample_rate_hz == 16000 else NARROW


def stream(name: str):
    """The C unit's wrapper, so that nothing but the codec is measured."""
    from voipgw._native import g722, g726, gsm

    if name == "G722":
        return g722.Stream(64000)
    return gsm.Stream() if name == "GSM" else g726.Stream(int(name[-2:]) // 8)


class Spandsp:
    """libspandsp's codec of that name."""

    def __init__(self, name: str) -> None:
        found = ctypes.util.find_library("spandsp")
        if found is None:
            pytest.skip("libspandsp is not installed")
        library = ctypes.CDLL(found)
        kind, arguments = {"G722": ("g722", (64000, 0)), "GSM": ("gsm0610", (2,))}.get(
            name, ("g726", (int(name[-2:] if name[-2:].isdigit() else 0) * 1000, 0, 2))
        )
        self.encode_, self.decode_ = getattr(library, f"{kind}_encode"), getattr(library, f"{kind}_decode")
        makers = (f"{kind}_encode_init", f"{kind}_decode_init") if kind == "g722" else (f"{kind}_init",) * 2
        self.states = []
        for maker in makers:
            make = getattr(library, maker)
            make.restype = POINTER
            self.states.append(POINTER(make(None, *arguments)))

    def encode(self, pcm: np.ndarray) -> bytes:
        out = ctypes.create_string_buffer(2 * len(pcm))
        count = self.encode_(self.states[0], out, POINTER(pcm.ctypes.data), len(pcm))
        return out.raw[:count]

    def decode(self, octets: bytes) -> np.ndarray:
        out = np.empty(8 * len(octets), np.int16)
        return out[: self.decode_(self.states[1], POINTER(out.ctypes.data), octets, len(octets))]


@pytest.mark.parametrize("whose", ["ours", "spandsp"])
@pytest.mark.parametrize("name", OURS)
def test_encode_128_frames(benchmark, name: str, whose: str) -> None:
    coder = stream(name) if whose == "ours" else Spandsp(name)
    benchmark.group = f"{name} encode"
    assert len(benchmark(coder.encode, sound(name))) > 0


@pytest.mark.parametrize("whose", ["ours", "spandsp"])
@pytest.mark.parametrize("name", OURS)
def test_decode_128_frames(benchmark, name: str, whose: str) -> None:
    octets = stream(name).encode(sound(name))
    coder = stream(name) if whose == "ours" else Spandsp(name)
    benchmark.group = f"{name} decode"
    assert len(benchmark(coder.decode, octets)) == len(sound(name))


@pytest.mark.parametrize("rates", [(8000, 16000), (16000, 8000)])
def test_resample_128_frames(benchmark, rates: tuple[int, int]) -> None:
    resampler = Resampler(*rates)
    assert len(benchmark(resampler.process, NARROW if rates[0] == 8000 else WIDE)) > 0
