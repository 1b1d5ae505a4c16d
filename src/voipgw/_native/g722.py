"""G.722 through ``vg_g722``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

MODES: dict[int, int] = {64000: lib.VG_G722_64K, 56000: lib.VG_G722_56K, 48000: lib.VG_G722_48K}


class Stream:
    """An encoder and a decoder; ``bit_rate`` is a key of ``MODES``."""

    def __init__(self, bit_rate: int) -> None:
        self._encoder: Any = ffi.new("vg_g722 *")
        self._decoder: Any = ffi.new("vg_g722 *")
        for state in (self._encoder, self._decoder):
            lib.vg_g722_init(state, MODES[bit_rate])

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """Octets of the contiguous int16[n] samples; an odd one waits for the next call."""
        out = bytearray(len(pcm) // 2 + 1)
        made = lib.vg_g722_encode(
            self._encoder, ffi.from_buffer("int16_t[]", pcm), len(pcm), ffi.from_buffer("uint8_t[]", out)
        )
        return bytes(out[:made])

    def decode(self, octets: bytes) -> npt.NDArray[np.int16]:
        """int16[2 n] samples of n octets."""
        out = np.empty(2 * len(octets), np.int16)
        lib.vg_g722_decode(self._decoder, ffi.from_buffer(octets), len(octets), ffi.from_buffer("int16_t[]", out))
        return out
