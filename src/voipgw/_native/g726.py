"""G.726 through ``vg_g726``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

ULAW: int = lib.VG_LAW_ULAW
ALAW: int = lib.VG_LAW_ALAW


class Stream:
    """An encoder and a decoder of ``bits`` (2 to 5) a sample, packed from the least (or ``aal2``: the most) significant bit."""

    def __init__(self, bits: int, *, aal2: bool = False) -> None:
        self._encoder: Any = ffi.new("vg_g726 *")
        self._decoder: Any = ffi.new("vg_g726 *")
        self._bits = bits
        for state in (self._encoder, self._decoder):
            lib.vg_g726_init(state, bits, int(aal2))

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """Octets of the contiguous int16[n] samples; bits that do not fill one wait for the next call."""
        out = bytearray((len(pcm) * self._bits + 7) // 8 + 1)
        made = lib.vg_g726_encode(
            self._encoder, ffi.from_buffer("int16_t[]", pcm), len(pcm), ffi.from_buffer("uint8_t[]", out)
        )
        return bytes(out[:made])

    def decode(self, octets: bytes) -> npt.NDArray[np.int16]:
        """int16[8 n // bits] samples of n octets."""
        out = np.empty(8 * len(octets) // self._bits, np.int16)
        lib.vg_g726_decode(self._decoder, ffi.from_buffer(octets), len(octets), ffi.from_buffer("int16_t[]", out))
        return out

    def code_law(self, law: int, octets: bytes) -> bytes:
        """Code words, one in each octet, of G.711 octets in ``law`` (``ULAW`` or ``ALAW``)."""
        out = bytearray(len(octets))
        lib.vg_g726_code_law(
            self._encoder, law, ffi.from_buffer(octets), len(octets), ffi.from_buffer("uint8_t[]", out)
        )
        return bytes(out)

    def decode_law(self, law: int, codes: bytes) -> bytes:
        """G.711 octets in ``law`` of code words, one in each octet, with synchronous tandem adjustment."""
        out = bytearray(len(codes))
        lib.vg_g726_decode_law(
            self._decoder, law, ffi.from_buffer(codes), len(codes), ffi.from_buffer("uint8_t[]", out)
        )
        return bytes(out)
