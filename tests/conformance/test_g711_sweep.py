"""ITU-T G.711 against the sweep of the G.191 tool library: every 16-bit input, both laws, exact."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from voipgw._native import g711

VECTORS = Path(os.environ.get("VOIPGW_VECTORS", Path(__file__).parents[3] / "shared" / "vectors")) / "g711"


def vector(name: str) -> np.ndarray:
    path = VECTORS / name
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is missing: set VOIPGW_VECTORS")
        pytest.skip(f"{path} is missing: set VOIPGW_VECTORS")
    return np.fromfile(path, "<i2")


@pytest.mark.parametrize(
    ("law", "codes", "values"), [("ALAW", "sweep-r.a", "sweep-r.rea"), ("ULAW", "sweep-r.u", "sweep-r.reu")]
)
@pytest.mark.parametrize("cut", [65536, 16 * 7, 160, 13])
def test_the_sweep_is_exact_in_both_directions(law: str, codes: str, values: str, cut: int) -> None:
    source, wanted, decoded = vector("sweep.src"), vector(codes).astype(np.uint16), vector(values)
    assert len(source) == len(np.unique(source)) == 65536
    which = getattr(g711, law)
    for at in range(0, 65536, cut * (1 if cut > 200 else 11)):
        octets = g711.encode(which, source[at : at + cut])
        assert np.array_equal(np.frombuffer(octets, np.uint8), wanted[at : at + cut])
        assert np.array_equal(g711.decode(which, octets), decoded[at : at + cut])
