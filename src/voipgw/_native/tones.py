"""Cadenced tones through ``vg_tones``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

MAX_SEGMENTS: int = lib.VG_TONES_SEGMENTS


class Generator:
    """One cadence being played; segments are (frequencies, level in dBm0, duration in ms)."""

    def __init__(
        self, segments: Sequence[tuple[Sequence[float], float, int]], repeat: bool, sample_rate_hz: int
    ) -> None:
        """Raises ValueError when the C layer refuses a frequency, a level or the number of segments."""
        self._state: Any = ffi.new("vg_tones *")
        parts: Any = ffi.new("vg_tone_segment[]", max(1, len(segments)))
        for part, (frequencies_hz, level_dbm0, duration_ms) in zip(parts, segments, strict=False):
            for index, hz in enumerate(frequencies_hz):
                part.hz[index] = hz
            part.level_dbm0 = level_dbm0
            part.duration_ms = duration_ms
        status = lib.vg_tones_init(self._state, parts, len(segments), repeat, sample_rate_hz)
        if status == lib.VG_ELIMIT:
            raise ValueError(f"a cadence has at most {MAX_SEGMENTS} segments, not {len(segments)}")
        if status != lib.VG_OK:
            raise ValueError(
                "a cadence needs a segment, frequencies below half the sample rate and levels up to 3.14 dBm0"
            )

    def make(self, samples: int) -> npt.NDArray[np.int16]:
        """The next int16[samples]; zeros after the end."""
        out = np.empty(samples, np.int16)
        lib.vg_tones_make(self._state, ffi.from_buffer("int16_t[]", out), samples)
        return out

    def done(self) -> bool:
        """Whether a cadence that does not repeat has ended."""
        return bool(lib.vg_tones_done(self._state))


def mix_add(into: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> None:
    """``into`` += ``other`` in place, held at 16 bits; both contiguous and of one length."""
    lib.vg_mix_add(ffi.from_buffer("int16_t[]", into), ffi.from_buffer("int16_t[]", other), len(into))
