"""G.726 against the reset sequences of ITU-T G.726 Appendix II (in the tool library of G.191): four rates, two laws."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from voipgw._native import g726

VECTORS = Path(os.environ.get("VOIPGW_VECTORS", Path(__file__).parents[2] / ".." / "shared" / "vectors")) / "g726"
LAWS = {"a": g726.ALAW, "m": g726.ULAW}

pytestmark = [
    pytest.mark.skipif(
        not VECTORS.is_dir() and os.environ.get("CI") != "true",
        reason=f"the vectors of ITU-T G.191 are not in {VECTORS}",
    ),
    pytest.mark.parametrize("rate", [16, 24, 32, 40]),
    pytest.mark.parametrize("law", ["a", "m"]),
]


def octets(name: str) -> bytes:
    return np.fromfile(VECTORS / name, "<i2").astype(np.uint8).tobytes()


@pytest.mark.parametrize("kind", [("nrm", "n"), ("ovr", "v")], ids=["normal", "overload"])
def test_coding_is_that_of_the_reference(rate: int, law: str, kind: tuple[str, str]) -> None:
    stream = g726.Stream(rate // 8)
    assert stream.code_law(LAWS[law], octets(f"{kind[0]}.{law}")) == octets(f"r{kind[1]}{rate}f{law}.i")


@pytest.mark.parametrize("kind", ["n", "v"], ids=["normal", "overload"])
def test_decoding_to_the_same_law_is_that_of_the_reference(rate: int, law: str, kind: str) -> None:
    stream = g726.Stream(rate // 8)
    assert stream.decode_law(LAWS[law], octets(f"r{kind}{rate}f{law}.i")) == octets(f"r{kind}{rate}f{law}.o")


@pytest.mark.parametrize("kind", ["n", "v"], ids=["normal", "overload"])
def test_decoding_to_the_other_law_is_that_of_the_reference(rate: int, law: str, kind: str) -> None:
    other, suffix = {"a": ("m", "x"), "m": ("a", "c")}[law]
    decoded = g726.Stream(rate // 8).decode_law(LAWS[other], octets(f"r{kind}{rate}f{law}.i"))
    assert decoded == octets(f"r{kind}{rate}f{suffix}.o")


def test_codes_that_no_encoder_makes_are_decoded_like_the_reference(rate: int, law: str) -> None:
    assert g726.Stream(rate // 8).decode_law(LAWS[law], octets(f"i{rate}")) == octets(f"ri{rate}f{law}.o")
