"""Resampling between 8000 and 16,000 Hz through ``vg_resample``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

Pcm = npt.NDArray[np.int16]


class Upsampler:
    """``vg_upsampler``."""

    def __init__(self) -> None:
        self._state: Any = ffi.new("vg_upsampler *")

    def process(self, pcm: Pcm) -> Pcm:
        """int16[2 n] samples of contiguous int16[n]."""
        out = np.empty(2 * len(pcm), np.int16)
        lib.vg_upsample(self._state, ffi.from_buffer("int16_t[]", pcm), len(pcm), ffi.from_buffer("int16_t[]", out))
        return out


class Downsampler:
    """``vg_downsampler``."""

    def __init__(self) -> None:
        self._state: Any = ffi.new("vg_downsampler *")

    def process(self, pcm: Pcm) -> Pcm:
        """One sample for two of contiguous int16[n]; an odd one waits for the next call."""
        out = np.empty(len(pcm) // 2 + 1, np.int16)
        made = lib.vg_downsample(
            self._state, ffi.from_buffer("int16_t[]", pcm), len(pcm), ffi.from_buffer("int16_t[]", out)
        )
        return out[:made]
