"""Caller-ID FSK through ``vg_fsk``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

BELL202: int = lib.VG_FSK_BELL202
V23: int = lib.VG_FSK_V23


def modulate(mode: int, level_dbm0: float, bits: bytes) -> npt.NDArray[np.int16]:
    """int16[n] at 8000 Hz of the bits, one an octet (0: space); ValueError when the C layer refuses the level."""
    out = np.zeros(lib.vg_fsk_samples(len(bits)), np.int16)
    samples = ffi.from_buffer("int16_t[]", out)
    if lib.vg_fsk_modulate(mode, level_dbm0, bits, len(bits), samples, len(out)) != lib.VG_OK:
        raise ValueError(f"level_dbm0 must be a level up to 3.14 dBm0, not {level_dbm0!r}")
    return out


class Receiver:
    """One demodulator."""

    def __init__(self, mode: int) -> None:
        self._state: Any = ffi.new("vg_fsk_rx *")
        lib.vg_fsk_rx_init(self._state, mode)
        self._count: Any = ffi.new("size_t *")

    def process(self, pcm: npt.NDArray[np.int16]) -> list[tuple[int, int]]:
        """(octet, sample of its start bit) of each character in the contiguous int16[n]."""
        room = len(pcm) // 60 + 4
        out: Any = ffi.new("vg_fsk_octet[]", room)
        lib.vg_fsk_rx_process(self._state, ffi.from_buffer("int16_t[]", pcm), len(pcm), out, room, self._count)
        return [(c.octet, c.start_sample) for c in out[0 : self._count[0]]]
