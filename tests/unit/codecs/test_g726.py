"""How G.726 code words stand in octets, and what becomes of octets that are no encoder's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
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
@given(payload=st.binary(max_size=400))
def test_any_payload_is_decoded_to_its_whole_code_words(name: str, payload: bytes) -> None:
    bits = int(name[-2:]) // 8
    assert create(name).decode(payload).shape == (8 * len(payload) // bits,)
