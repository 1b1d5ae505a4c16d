"""DTMF through ``vg_dtmf``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

PROFILES: dict[str, int] = {
    "q24": lib.VG_DTMF_Q24,
    "etsi": lib.VG_DTMF_ETSI,
    "ntt": lib.VG_DTMF_NTT,
    "bellcore": lib.VG_DTMF_BELLCORE,
}
BEGIN: int = lib.VG_DTMF_BEGIN
END: int = lib.VG_DTMF_END

Event = tuple[int, str, int, int, int]  # kind, symbol, channel, start and duration in samples


class Receivers:
    """``channels`` receivers of one profile, each with its own state."""

    def __init__(self, channels: int, profile: str) -> None:
        self._states: Any = ffi.new("vg_dtmf[]", channels)
        self._channels = channels
        for index in range(channels):
            lib.vg_dtmf_init(self._states + index, PROFILES[profile])
        self._count: Any = ffi.new("size_t *")

    def process(self, pcm: npt.NDArray[np.int16]) -> list[Event]:
        """Events of the C-contiguous int16[channels, n], channel by channel, in order of time within each."""
        n = pcm.shape[-1]
        room = self._channels * (n // 120 + 4)
        events: Any = ffi.new("vg_dtmf_event[]", room)
        samples = ffi.from_buffer("int16_t[]", pcm)
        lib.vg_dtmf_process_bank(self._states, self._channels, samples, n, n, events, room, self._count)
        return [
            (e.kind, e.symbol.decode("ascii"), e.channel, e.start_sample, e.duration_samples)
            for e in events[0 : self._count[0]]
        ]

    def sounding(self, channel: int) -> str | None:
        """The symbol that sounds on a channel now, or None."""
        code = lib.vg_dtmf_sounding(self._states + channel)
        return chr(code) if code else None


def tone(
    symbol: str, low_dbm0: float, high_dbm0: float, samples: int, sample_rate_hz: int
) -> npt.NDArray[np.int16] | None:
    """int16[samples] of one digit; None when the C layer refuses symbol, level or rate."""
    state: Any = ffi.new("vg_dtmf_tone *")
    if lib.vg_dtmf_tone_init(state, symbol.encode("ascii"), low_dbm0, high_dbm0, samples, sample_rate_hz) != lib.VG_OK:
        return None
    out = np.empty(samples, np.int16)
    lib.vg_dtmf_tone_make(state, ffi.from_buffer("int16_t[]", out), samples)
    return out
