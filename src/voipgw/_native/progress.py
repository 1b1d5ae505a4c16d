"""Call-progress detection through ``vg_progress``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

SILENCE: int = lib.VG_PROGRESS_SILENCE


class Plan:
    """What may sound; read-only once made."""

    def __init__(self) -> None:
        self.state: Any = ffi.new("vg_progress_plan *")
        lib.vg_progress_plan_init(self.state)
        self._set: Any = ffi.new("uint8_t *")

    def add_set(self, frequencies_hz: Sequence[float]) -> int:
        """Number of a new set of 1 to 4 frequencies; ValueError when the C layer has no room or refuses one."""
        status = lib.vg_progress_plan_add_set(self.state, list(frequencies_hz), len(frequencies_hz), self._set)
        if status != lib.VG_OK:
            raise ValueError(f"the detector cannot take the frequencies {frequencies_hz} (status {status})")
        return int(self._set[0])

    def add_steady(self, set_number: int, steady_ms: int, rearm_ms: int) -> None:
        """A tone without cadence."""
        pattern: Any = ffi.new("vg_progress_pattern *")
        pattern.steady_set, pattern.steady_ms, pattern.rearm_ms = set_number, steady_ms, rearm_ms
        self._add(pattern)

    def add_cadence(
        self,
        parts: Sequence[tuple[int, int]],
        *,
        needed: int,
        first_only: bool,
        pause_ms: int,
        rearm_ms: int,
        hides: int,
    ) -> None:
        """A cadence of (set or SILENCE, milliseconds); ``hides`` is a bit mask of patterns."""
        pattern: Any = ffi.new("vg_progress_pattern *")
        for index, (number, duration_ms) in enumerate(parts):
            pattern.set[index], pattern.duration_ms[index] = number, duration_ms
        pattern.parts, pattern.needed, pattern.first_only = len(parts), needed, first_only
        pattern.pause_ms, pattern.rearm_ms, pattern.hides = pause_ms, rearm_ms, hides
        self._add(pattern)

    def _add(self, pattern: Any) -> None:
        status = lib.vg_progress_plan_add_pattern(self.state, pattern)
        if status != lib.VG_OK:
            raise ValueError(f"the detector cannot take this cadence (status {status})")


class Detector:
    """One detector over a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state: Any = ffi.new("vg_progress *")
        lib.vg_progress_init(self._state)
        self._count: Any = ffi.new("size_t *")

    def process(self, pcm: npt.NDArray[np.int16]) -> list[tuple[int, int]]:
        """(pattern, start sample) of each tone recognised in the contiguous int16[n]."""
        room = len(pcm) // 100 + 2
        events: Any = ffi.new("vg_progress_event[]", room)
        samples = ffi.from_buffer("int16_t[]", pcm)
        lib.vg_progress_process(self._state, self._plan.state, samples, len(pcm), events, room, self._count)
        return [(e.pattern, e.start_sample) for e in events[0 : self._count[0]]]
