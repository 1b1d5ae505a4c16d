"""The build without SIMD gives the same bits as the one that chooses AVX2 at run time."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import voipgw
from voipgw._native import g711
from voipgw.dsp import DtmfDetector, dtmf

CSRC = Path(voipgw.__file__).parent / "csrc"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    out = tmp_path_factory.mktemp("plain") / "libplain.so"
    sources = [str(CSRC / name) for name in ("vg_g711.c", "vg_dtmf.c")]
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
