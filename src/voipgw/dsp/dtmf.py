"""DTMF digits: made, heard on one channel, heard on many in one call (ITU-T Q.23 and Q.24)."""

from __future__ import annotations

import math

import attrs
import numpy as np

from voipgw._native import dtmf as _dtmf
from voipgw.dsp.samples import Pcm, check_pcm, check_rate

SYMBOLS = "0123456789*#ABCD"
PROFILES = tuple(_dtmf.PROFILES)  #: names of receiver profiles; their limits stand in ``csrc/vg_dtmf.h``
FULL_SCALE_DBM0 = 3.14  #: a full-scale sine (G.711 A-law)


@attrs.frozen
class Digit:
    """A DTMF digit that has ended."""

    symbol: str  #: one of ``0123456789*#ABCD``
    start_s: float  #: its first edge, in seconds of audio since the detector was made
    duration_s: float  #: from edge to edge


def _samples(milliseconds: float, sample_rate_hz: int, name: str) -> int:
    if not (math.isfinite(milliseconds) and milliseconds >= 0):
        raise ValueError(f"{name} must be a time of 0 ms or more, not {milliseconds!r}")
    return round(milliseconds * sample_rate_hz / 1000)


def dtmf(
    digits: str,
    on_ms: float = 50,
    off_ms: float = 50,
    level_dbm0: float = -9.0,
    twist_db: float = 0.0,
    sample_rate_hz: int = 8000,
) -> Pcm:
    """The sound of ``digits`` as int16[n], each digit ``on_ms`` of tone and then ``off_ms`` of silence.

    Args:
        digits: of ``0123456789*#ABCD``, lower case too.
        on_ms: length of each tone burst.
        off_ms: silence after each, the last included.
        level_dbm0: level of the low tone, and of the high one where ``twist_db`` is 0; at most 3.14 (full scale).
        twist_db: level of the high tone less that of the low one (Q.24: -8 to +4 dB must be understood).
        sample_rate_hz: 8000 to 192000.

    Raises:
        ValueError: an unknown symbol, a negative time, a level that is not a number or above full scale, or a bad rate.
    """
    if not 8000 <= sample_rate_hz <= 192000:
        raise ValueError(f"sample_rate_hz must lie between 8000 and 192000, not {sample_rate_hz!r}")
    for name, value in (("level_dbm0", level_dbm0), ("level_dbm0 + twist_db", level_dbm0 + twist_db)):
        if not -200 <= value <= FULL_SCALE_DBM0:
            raise ValueError(f"{name} must be a level up to {FULL_SCALE_DBM0} dBm0, not {value!r}")
    on, off = _samples(on_ms, sample_rate_hz, "on_ms"), _samples(off_ms, sample_rate_hz, "off_ms")
    out = np.zeros(len(digits) * (on + off), np.int16)
    for index, symbol in enumerate(digits.upper()):
        tone = _dtmf.tone(symbol, level_dbm0, level_dbm0 + twist_db, on, sample_rate_hz) if symbol in SYMBOLS else None
        if tone is None:
            raise ValueError(f"{digits[index]!r} is no DTMF symbol; they are {SYMBOLS}")
        out[index * (on + off) : index * (on + off) + on] = tone
    return out


def _check_profile(profile: str) -> None:
    if profile not in _dtmf.PROFILES:
        raise ValueError(f"no DTMF profile {profile!r}; there are {', '.join(PROFILES)}")


class DtmfBank:
    """Many receivers of one profile, run in one call."""

    def __init__(self, channels: int, sample_rate_hz: int = 8000, profile: str = "q24") -> None:
        """``channels`` receivers, 1 to 65535.

        Raises:
            ValueError: a rate other than 8000 Hz, an unknown profile, or a number of channels out of its range.
        """
        check_rate(sample_rate_hz, "the DTMF detector")
        _check_profile(profile)
        if not 1 <= channels <= 0xFFFF:
            raise ValueError(f"channels must lie between 1 and 65535, not {channels!r}")
        self.channels = channels
        self._receivers = _dtmf.Receivers(channels, profile)

    def process(self, pcm: Pcm) -> list[list[Digit]]:
        """Hear int16[channels, n] at 8000 Hz, any n; for each channel the digits that ended meanwhile.

        Raises:
            TypeError: not an int16 array.
            ValueError: another shape, or not contiguous.
        """
        check_pcm(pcm, shape=(self.channels, None))
        heard: list[list[Digit]] = [[] for _ in range(self.channels)]
        for kind, symbol, channel, start, duration in self._receivers.process(pcm):
            if kind == _dtmf.END:
                heard[channel].append(Digit(symbol, start / 8000, duration / 8000))
        return heard

    def sounding(self, channel: int) -> str | None:
        """The symbol that sounds on ``channel`` now, or None."""
        if not 0 <= channel < self.channels:
            raise ValueError(f"channel must lie between 0 and {self.channels - 1}, not {channel!r}")
        return self._receivers.sounding(channel)


class DtmfDetector:
    """A DTMF receiver for one channel; what it accepts and rejects stands in ``csrc/vg_dtmf.h``."""

    def __init__(self, sample_rate_hz: int = 8000, profile: str = "q24") -> None:
        """A receiver at rest.

        Raises:
            ValueError: a rate other than 8000 Hz, or an unknown profile.
        """
        self._bank = DtmfBank(1, sample_rate_hz, profile)

    def process(self, pcm: Pcm) -> list[Digit]:
        """Hear int16[n] at 8000 Hz, any n; the digits that ended meanwhile.

        A digit has ended when its pause has lasted long enough to be one (35 to 47 ms after the last of its sound).

        Raises:
            TypeError: not an int16 array.
            ValueError: not one-dimensional, or not contiguous.
        """
        return self._bank.process(check_pcm(pcm).reshape(1, -1))[0]

    @property
    def sounding(self) -> str | None:
        """The symbol that sounds now (known about 40 ms after its begin), or None."""
        return self._bank.sounding(0)
