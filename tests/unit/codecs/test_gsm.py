"""GSM full rate beside two programs that others wrote: libspandsp, and sox with libgsm."""

from __future__ import annotations

import ctypes
import ctypes.util
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipgw._native import gsm
from voipgw.codecs import create
from voipgw.errors import ParseError

RNG = np.random.default_rng(610)
T = np.arange(160 * 120)
SIGNALS = {
    "vowels": (9000 * np.sin(2 * np.pi * (110 + 40 * np.sin(T / 9000)) * T / 8000) * (1 + np.sin(T / 900)) / 2
               + 2500 * np.sin(T * 0.9) * (1 + np.sin(T / 1300)) / 2).astype(np.int16),
    "noise": RNG.integers(-32768, 32768, len(T)).astype(np.int16),
    "square": np.where(T // 37 % 2, 32767, -32768).astype(np.int16),
    "silence": np.concatenate([np.zeros(8000, np.int16), RNG.integers(-9, 9, len(T) - 8000).astype(np.int16)]),
    "steps": (np.repeat(RNG.integers(-32768, 32768, len(T) // 800), 800)).astype(np.int16),
}  # fmt: skip
VOIP_PACKING = 2


@pytest.fixture(scope="module")
def spandsp() -> ctypes.CDLL:
    name = ctypes.util.find_library("spandsp")
    if name is None:
        pytest.skip("libspandsp is not installed")
    library = ctypes.CDLL(name)
    library.gsm0610_init.restype = ctypes.c_void_p
    for function in (library.gsm0610_init, library.gsm0610_encode, library.gsm0610_decode):
        function.argtypes = None
    return library


@pytest.mark.parametrize("signal", SIGNALS)
def test_frames_and_samples_are_those_of_spandsp(spandsp: ctypes.CDLL, signal: str) -> None:
    pcm, frames = SIGNALS[signal], len(SIGNALS[signal]) // 160
    theirs = ctypes.create_string_buffer(33 * frames)
    encoder = ctypes.c_void_p(spandsp.gsm0610_init(None, VOIP_PACKING))
    spandsp.gsm0610_encode(encoder, theirs, pcm.ctypes.data_as(ctypes.c_void_p), len(pcm))
    octets = create("GSM").encode(pcm)
    assert octets == theirs.raw
    decoded = np.empty(len(pcm), np.int16)
    decoder = ctypes.c_void_p(spandsp.gsm0610_init(None, VOIP_PACKING))
    spandsp.gsm0610_decode(decoder, decoded.ctypes.data_as(ctypes.c_void_p), octets, len(octets))
    assert np.array_equal(create("GSM").decode(octets), decoded)


def test_codes_that_no_encoder_makes_are_decoded_like_spandsp(spandsp: ctypes.CDLL) -> None:
    frames = RNG.integers(0, 256, (500, 33)).astype(np.uint8)
    frames[:, 0] = frames[:, 0] & 15 | 0xD0
    octets = frames.tobytes()
    decoded = np.empty(500 * 160, np.int16)
    decoder = ctypes.c_void_p(spandsp.gsm0610_init(None, VOIP_PACKING))
    spandsp.gsm0610_decode(decoder, decoded.ctypes.data_as(ctypes.c_void_p), octets, len(octets))
    assert np.array_equal(gsm.Stream().decode(octets), decoded)


@pytest.mark.parametrize("signal", SIGNALS)
def test_frames_are_those_of_libgsm(signal: str) -> None:
    if shutil.which("sox") is None:
        pytest.skip("sox is not installed")
    raw = ["-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"]
    run = subprocess.run(
        ["sox", "-D", *raw, "-t", "gsm", "-"], input=SIGNALS[signal].tobytes(), capture_output=True, check=True
    )
    octets = create("GSM").encode(SIGNALS[signal])
    assert run.stdout[: len(octets)] == octets


@given(payload=st.binary(max_size=140))
def test_any_payload_is_decoded_or_refused(payload: bytes) -> None:
    whole = len(payload) % 33 == 0 and all(octet >> 4 == 0xD for octet in payload[::33])
    if whole:
        assert create("GSM").decode(payload).shape == (len(payload) // 33 * 160,)
        return
    with pytest.raises(ParseError, match="multiple of 33|1101"):
        create("GSM").decode(payload)
