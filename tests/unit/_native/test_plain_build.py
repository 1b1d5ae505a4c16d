"""The build without SIMD gives the same bits as the one that chooses AVX2 at run time."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import voipgw
from voipgw._native import g711, g722, g726
from voipgw.dsp import DtmfDetector, dtmf

CSRC = Path(voipgw.__file__).parent / "csrc"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    out = tmp_path_factory.mktemp("plain") / "libplain.so"
    sources = [str(CSRC / name) for name in ("vg_g711.c", "vg_g722.c", "vg_g726.c", "vg_dtmf.c")]
    flags = ["-std=gnu11", "-O1", "-DVG_PLAIN", "-ffp-contract=off", "-fno-tree-vectorize", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, f"-I{CSRC}", *sources, "-lm", "-o", str(out)], check=True, timeout=100)
    return ctypes.CDLL(str(out))


@pytest.mark.parametrize("law", [g711.ALAW, g711.ULAW])
def test_g711_is_the_same(plain: ctypes.CDLL, law: int) -> None:
    x = np.arange(-32768, 32768).astype(np.int16)
    octets = ctypes.create_string_buffer(len(x))
    plain.vg_g711_encode(law, ctypes.c_void_p(x.ctypes.data), ctypes.c_size_t(len(x)), octets)
    assert octets.raw == g711.encode(law, x)
    back = np.zeros(len(x), np.int16)
    plain.vg_g711_decode(law, octets, ctypes.c_size_t(len(x)), ctypes.c_void_p(back.ctypes.data))
    assert np.array_equal(back, g711.decode(law, octets.raw))


def loud_and_quiet() -> np.ndarray:
    """Noise of every level, with stretches of the greatest samples."""
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, 32000) * np.exp2(rng.uniform(0, 16, 200)).repeat(160)
    return np.clip(x, -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("bit_rate", list(g722.MODES))
def test_g722_is_the_same(plain: ctypes.CDLL, bit_rate: int) -> None:
    x, state = loud_and_quiet(), ctypes.create_string_buffer(4096)
    octets, out = ctypes.create_string_buffer(len(x) // 2), np.zeros(len(x), np.int16)
    plain.vg_g722_init(state, g722.MODES[bit_rate])
    plain.vg_g722_encode(state, ctypes.c_void_p(x.ctypes.data), ctypes.c_size_t(len(x)), octets)
    assert octets.raw == g722.Stream(bit_rate).encode(x)
    wild = np.random.default_rng(3).integers(0, 256, len(octets.raw)).astype(np.uint8).tobytes()
    for payload in (octets.raw, wild):
        plain.vg_g722_init(state, g722.MODES[bit_rate])
        plain.vg_g722_decode(state, payload, ctypes.c_size_t(len(payload)), ctypes.c_void_p(out.ctypes.data))
        assert np.array_equal(out, g722.Stream(bit_rate).decode(payload))


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_g726_is_the_same(plain: ctypes.CDLL, bits: int) -> None:
    x, state = loud_and_quiet(), ctypes.create_string_buffer(4096)
    octets, out = ctypes.create_string_buffer(len(x) * bits // 8), np.zeros(len(x), np.int16)
    plain.vg_g726_init(state, bits, 0)
    plain.vg_g726_encode(state, ctypes.c_void_p(x.ctypes.data), ctypes.c_size_t(len(x)), octets)
    assert octets.raw == g726.Stream(bits).encode(x)
    wild = np.random.default_rng(4).integers(0, 256, len(octets.raw)).astype(np.uint8).tobytes()
    for payload in (octets.raw, wild):
        plain.vg_g726_init(state, bits, 0)
        plain.vg_g726_decode(state, payload, ctypes.c_size_t(len(payload)), ctypes.c_void_p(out.ctypes.data))
        assert np.array_equal(out, g726.Stream(bits).decode(payload))


class Event(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_uint8),
        ("symbol", ctypes.c_char),
        ("channel", ctypes.c_uint16),
        ("duration_samples", ctypes.c_uint32),
        ("start_sample", ctypes.c_uint64),
    )


def test_digits_are_the_same_to_the_sample(plain: ctypes.CDLL) -> None:
    rng = np.random.default_rng(1)
    x = dtmf("0123456789*#ABCD" * 20, 45, 48, -15).astype(float)
    noisy = np.clip(x + rng.normal(0, 1200, len(x)), -32768, 32767).astype(np.int16)
    state, events, count = ctypes.create_string_buffer(65536), (Event * 2000)(), ctypes.c_size_t()
    plain.vg_dtmf_init(state, 0)
    samples = ctypes.c_void_p(noisy.ctypes.data)
    plain.vg_dtmf_process(
        state, samples, ctypes.c_size_t(len(noisy)), events, ctypes.c_size_t(2000), ctypes.byref(count)
    )
    ended = [
        (e.symbol.decode(), e.start_sample / 8000, e.duration_samples / 8000)
        for e in events[: count.value]
        if e.kind == 2
    ]
    assert len(ended) > 300
    assert ended == [(d.symbol, d.start_s, d.duration_s) for d in DtmfDetector().process(noisy)]
