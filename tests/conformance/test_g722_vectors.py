"""G.722 against the vectors of ITU-T G.191."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from voipgw._native import g722
from voipgw.codecs import create
from voipgw.codecs.g722 import G722

VECTORS = Path(os.environ.get("VOIPGW_VECTORS", Path(__file__).parents[2] / ".." / "shared" / "vectors")) / "g722"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir() and os.environ.get("CI") != "true", reason=f"the vectors of ITU-T G.191 are not in {VECTORS}"
)


def words(name: str) -> np.ndarray:
    return np.fromfile(VECTORS / name, "<i2")


def test_encoding_is_that_of_the_reference() -> None:
    assert create("G722").encode(words("inpsp.bin")) == words("codspw.cod").astype(np.uint8).tobytes()


@pytest.mark.parametrize("bit_rate", [64000, 56000, 48000])
def test_decoding_in_each_mode_is_that_of_the_reference(bit_rate: int) -> None:
    octets = words("codspw.cod").astype(np.uint8).tobytes()
    mode = g722.MODES[bit_rate]
    assert np.array_equal(G722(bit_rate).decode(octets), words(f"outsp{mode}.bin"))


def test_samples_cut_anywhere_give_the_same_octets() -> None:
    pcm, codec, rng = words("inpsp.bin"), create("G722"), np.random.default_rng(722)
    cuts = np.sort(rng.integers(0, len(pcm), 400))
    octets = b"".join(codec.encode(part) for part in np.split(pcm, cuts))
    assert octets == words("codspw.cod").astype(np.uint8).tobytes()
