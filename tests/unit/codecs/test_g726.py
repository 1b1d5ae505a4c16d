"""How G.726 code words stand in octets, and what becomes of octets that are no encoder's."""

from __future__ import annotations

import ctypes
import ctypes.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipgw._native import g726
from voipgw.codecs import create

NAMES = [f"{packing}G726-{rate}" for packing in ("", "AAL2-") for rate in (16, 24, 32, 40)]
PCM = (5000 * np.sin(np.arange(800) / 3)).astype(np.int16)


def codes_of(bits: int) -> np.ndarray:
    """One code word for each sample, by way of the law's path: the same codes where the samples are the law's own."""
    law = create("PCMU").encode(PCM)
    return np.frombuffer(g726.Stream(bits).code_law(g726.ULAW, law), np.uint8)


@pytest.mark.parametrize("rate", [16, 24, 32, 40])
@pytest.mark.parametrize("aal2", [False, True])
def test_code_words_fill_octets_from_the_end_that_the_name_says(rate: int, aal2: bool) -> None:
    """RFC 3551 section 4.5.4: the first code word is in the least significant bits; I.366.2 has it in the most significant."""
    bits = rate // 8
    pcm = create("PCMU").decode(create("PCMU").encode(PCM))
    payload = create(f"{'AAL2-' if aal2 else ''}G726-{rate}").encode(pcm)
    order = "big" if aal2 else "little"
    stream = np.unpackbits(np.frombuffer(payload, np.uint8), bitorder=order).reshape(-1, bits)
    weights = 1 << np.arange(bits)
    found = stream @ (weights[::-1] if aal2 else weights)
    assert np.array_equal(found, codes_of(bits))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(payload=st.binary(max_size=400))
def test_any_payload_is_decoded_to_its_whole_code_words(name: str, payload: bytes) -> None:
    bits = int(name[-2:]) // 8
    assert create(name).decode(payload).shape == (8 * len(payload) // bits,)


@pytest.mark.parametrize("name", NAMES)
def test_octets_are_those_of_spandsp(name: str) -> None:
    """Its packings: 1 is from the most significant bit ("left"), 2 from the least significant one ("right")."""
    found = ctypes.util.find_library("spandsp")
    if found is None:
        pytest.skip("libspandsp is not installed")
    library = ctypes.CDLL(found)
    library.g726_init.restype = ctypes.c_void_p
    packing = 1 if name.startswith("AAL2-") else 2
    linear = 0
    encoder = ctypes.c_void_p(library.g726_init(None, int(name[-2:]) * 1000, linear, packing))
    theirs = ctypes.create_string_buffer(len(PCM))
    count = library.g726_encode(encoder, theirs, PCM.ctypes.data_as(ctypes.c_void_p), len(PCM))
    payload = create(name).encode(PCM)
    assert payload == theirs.raw[:count]
    decoder = ctypes.c_void_p(library.g726_init(None, int(name[-2:]) * 1000, linear, packing))
    decoded = np.empty(len(PCM), np.int16)
    count = library.g726_decode(decoder, decoded.ctypes.data_as(ctypes.c_void_p), payload, len(payload))
    assert count == len(PCM)
    assert np.array_equal(create(name).decode(payload), decoded)
