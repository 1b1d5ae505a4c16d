"""Speed of the signal units. Each case works on 128 frames of 20 ms (20,480 samples); divide by 128 for one frame.

Run: ``python -m pytest benchmarks/bench_dsp.py``; the column to read is the median.
"""

from __future__ import annotations

import numpy as np
import pytest

from voipgw._native import g711
from voipgw.dsp import (
    CallerId,
    CallerIdReceiver,
    DtmfBank,
    ProgressToneDetector,
    ToneGenerator,
    country,
    dtmf,
)
from voipgw.dsp.caller_id import encode

FRAMES = 128
RNG = np.random.default_rng(1)
NOISE = RNG.normal(0, 2000, FRAMES * 160).astype(np.int16)
LAWS = {"pcmu": g711.ULAW, "pcma": g711.ALAW}


@pytest.mark.parametrize("law", list(LAWS))
def test_g711_encode_128_frames(benchmark, law: str) -> None:
    assert len(benchmark(g711.encode, LAWS[law], NOISE)) == len(NOISE)


@pytest.mark.parametrize("law", list(LAWS))
def test_g711_decode_128_frames(benchmark, law: str) -> None:
    octets = g711.encode(LAWS[law], NOISE)
    assert len(benchmark(g711.decode, LAWS[law], octets)) == len(NOISE)


@pytest.mark.parametrize("what", ["noise", "digits"])
def test_dtmf_bank_of_128_channels_one_frame_each(benchmark, what: str) -> None:
    bank = DtmfBank(FRAMES)
    digits = np.tile(dtmf("1590*#73", 50, 50), 1)[: 8 * 160].reshape(8, 160)
    x = NOISE.reshape(FRAMES, 160) if what == "noise" else np.ascontiguousarray(np.tile(digits, (FRAMES // 8, 1)))
    benchmark(bank.process, x)


def test_progress_128_frames_of_ringback(benchmark) -> None:
    x = ToneGenerator(country("us").tone("ringback")).make(FRAMES * 160)
    detector = ProgressToneDetector("us")
    benchmark(detector.process, x)


def test_tone_generator_128_frames_of_dial_tone(benchmark) -> None:
    generator = ToneGenerator(country("us").tone("dial"))
    assert len(benchmark(generator.make, FRAMES * 160)) == FRAMES * 160


def test_caller_id_receiver_one_message(benchmark) -> None:
    x = np.concatenate([encode(CallerId("2125551234", "JANE DOE")), np.zeros(800, np.int16)])
    receiver = CallerIdReceiver("bellcore")
    assert benchmark(receiver.process, x) == [CallerId("2125551234", "JANE DOE")]
