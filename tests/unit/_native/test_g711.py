from __future__ import annotations

import numpy as np
import pytest

from voipgw._native import g711

ALL = np.arange(-32768, 32768).astype(np.int16)


def decoded_by_the_definition(law: int, octet: int) -> int:
    """G.711 tables 1a to 2b, as the G.191 tool library scales them to 16 bits."""
    if law == g711.ALAW:
        code = octet ^ 0x55
        segment, mantissa = code >> 4 & 7, code & 15
        magnitude = (mantissa << 4) + 8 if segment == 0 else ((mantissa << 4) + 0x108) << (segment - 1)
        return magnitude if code & 0x80 else -magnitude
    code = ~octet & 0xFF
    magnitude = ((((code & 15) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


@pytest.mark.parametrize("law", [g711.ALAW, g711.ULAW])
def test_every_octet_decodes_as_defined(law: int) -> None:
    octets = bytes(range(256)) * 2
    assert g711.decode(law, octets).tolist() == [decoded_by_the_definition(law, octet) for octet in octets]


@pytest.mark.parametrize("law", [g711.ALAW, g711.ULAW])
def test_what_was_decoded_encodes_to_itself(law: int) -> None:
    octets = bytes(range(256))
    again = g711.encode(law, g711.decode(law, octets))
    assert [a for a, b in zip(octets, again, strict=True) if a != b] == ([0x7F] if law == g711.ULAW else [])


@pytest.mark.parametrize(("law", "most"), [(g711.ALAW, 512), (g711.ULAW, 644)])
def test_no_sample_is_further_off_than_half_a_step(law: int, most: int) -> None:
    back = g711.decode(law, g711.encode(law, ALL)).astype(int)
    error = np.abs(back - ALL)
    assert error.max() <= most
    assert np.all(error <= np.maximum(16, np.abs(ALL.astype(int)) // 24 + 8)[...] + (law == g711.ULAW) * 600)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 31, 33, 160])
def test_any_length_gives_the_same_octets(n: int) -> None:
    for law in (g711.ALAW, g711.ULAW):
        x = ALL[1234::97][:n].copy()
        whole = g711.encode(law, ALL[1234::97].copy())
        assert g711.encode(law, x) == whole[:n]
        assert np.array_equal(g711.decode(law, whole[:n]), g711.decode(law, whole)[:n])


def test_conversion_goes_through_linear() -> None:
    octets = bytes(range(256))
    for law, other in ((g711.ALAW, g711.ULAW), (g711.ULAW, g711.ALAW)):
        assert g711.convert(law, octets) == g711.encode(other, g711.decode(law, octets))
