"""What speech is worth after a conversion in the engine, by PESQ (ITU-T P.862), beside the same codecs without the engine."""

from __future__ import annotations

import functools
import importlib.util
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from voipgw import codecs

pesq = pytest.importorskip("pesq", reason="speech quality needs the package pesq")
_spec = importlib.util.spec_from_file_location("media_bench", Path(__file__).with_name("bench.py"))
bench = sys.modules.setdefault("media_bench", importlib.util.module_from_spec(_spec))
if not hasattr(bench, "Bench"):
    _spec.loader.exec_module(bench)

ROOT = Path(__file__).parents[3]
NAMES = ["PCMU", "PCMA", "G722", "G726-16", "G726-24", "G726-32", "G726-40", "GSM", "L16"]
QUICK = {("L16", "GSM"), ("PCMU", "G722"), ("G722", "PCMA"), ("G722", "G726-32"), ("GSM", "PCMU")}


@functools.cache
def speech() -> np.ndarray:
    with wave.open(str(ROOT / "examples" / "sounds" / "telephone.wav")) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm[: len(pcm) // 160 * 160]


def at_rate(pcm: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """An ideal resampler: the spectrum cut off or filled up with zeros."""
    n = len(pcm) * to_hz // from_hz
    wanted = np.fft.irfft(np.fft.rfft(pcm)[: n // 2 + 1], n) * to_hz / from_hz
    return np.round(wanted).clip(-32768, 32767).astype(np.int16)


def once(name: str, pcm8: np.ndarray) -> np.ndarray:
    codec = codecs.create(name)
    rate = codec.sample_rate_hz
    return at_rate(codec.decode(codec.encode(at_rate(pcm8, 8000, rate))), rate, 8000)


def converted(one: str, other: str) -> np.ndarray:
    """The speech coded in ``one``, converted by the engine to ``other``, decoded."""
    formats = [
        bench.Codec(name, 8000, 1, e.payload_type if e.payload_type is not None else 96)
        for name, e in ((name, codecs.ENCODINGS[name]) for name in (one, other))
    ]
    b = bench.Bench()
    a, z = b.peer(formats[0]), b.peer(formats[1])
    b.engine.bridge(a.stream, z.stream)
    coder, decoder = codecs.create(one), codecs.create(other)
    pcm = at_rate(speech(), 8000, coder.sample_rate_hz)
    step, heard = coder.sample_rate_hz // 50, []
    for at in range(0, len(pcm), step):
        a.send(coder.encode(pcm[at : at + step]), advance=160)
        heard += [decoder.decode(packet.payload) for packet in b.heard()]
        b.advance(0.02)
    return at_rate(np.concatenate(heard), decoder.sample_rate_hz, 8000)


def score(pcm: np.ndarray) -> float:
    return float(pesq.pesq(8000, speech(), pcm, "nb"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(one, other, marks=() if (one, other) in QUICK else pytest.mark.nightly)
        for one in NAMES
        for other in NAMES
        if one != other
    ],
)
def test_a_conversion_costs_no_more_than_its_codecs_do(one: str, other: str) -> None:
    alone = score(once(other, once(one, speech())))
    assert score(converted(one, other)) > alone - 0.1
