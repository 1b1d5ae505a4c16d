"""G.711 against the vectors of ITU-T G.191: all 65,536 inputs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from voipgw.codecs import create

VECTORS = Path(os.environ.get("VOIPGW_VECTORS", Path(__file__).parents[2] / ".." / "shared" / "vectors")) / "g711"

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason=f"the vectors of ITU-T G.191 are not in {VECTORS}")


def words(name: str) -> np.ndarray:
    return np.fromfile(VECTORS / name, "<i2")


@pytest.mark.parametrize(("name", "suffix"), [("PCMU", "u"), ("PCMA", "a")])
def test_encoding_and_decoding_are_those_of_the_reference(name: str, suffix: str) -> None:
    octets = create(name).encode(words("sweep.src"))
    assert np.array_equal(np.frombuffer(octets, np.uint8), words(f"sweep-r.{suffix}").astype(np.uint8))
    assert np.array_equal(create(name).decode(octets), words(f"sweep-r.re{suffix}"))
