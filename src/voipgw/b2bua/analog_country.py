"""What a country's tables mean for a line: its FXS values, its tones as the media engine plays them, its caller ID as sound."""

from __future__ import annotations

import datetime as dt
import functools

import numpy as np
import numpy.typing as npt

from voipgw import dsp
from voipgw.call.model import Party
from voipgw.media.plane import ToneSegment
from voipgw.pstn.effects import Tone
from voipgw.pstn.fxs import FxsConfig
from voipgw.pstn.hook import HookTiming
from voipgw.pstn.ringing import CallerIdMoment, CallerIdTiming, RingCadence

Pcm = npt.NDArray[np.int16]

_KINDS = {
    Tone.DIAL: dsp.ToneKind.DIAL,
    Tone.STUTTER: dsp.ToneKind.STUTTER,
    Tone.RINGBACK: dsp.ToneKind.RINGBACK,
    Tone.BUSY: dsp.ToneKind.BUSY,
    Tone.CONGESTION: dsp.ToneKind.CONGESTION,
    Tone.SIT: dsp.ToneKind.SIT,
    Tone.HOWLER: dsp.ToneKind.HOWLER,
    Tone.CALL_WAITING: dsp.ToneKind.CALL_WAITING,
}
# Hook flash in seconds: North America's by hand (Telcordia GR-506 section 11); Britain's timed break recall (BS 6305); elsewhere
# the key of the telephone makes 80 to 310 ms, and hands are slower.
_FLASH_S = {"us": (0.300, 1.000), "ca": (0.300, 1.000), "gb": (0.050, 0.600), "ie": (0.050, 0.600)}
_FLASH_ELSEWHERE_S = (0.080, 0.600)


class CountryLine:
    """One country's ways, made once and shared by all lines of it.

    Raises:
        ValueError: the table has no such country.
    """

    def __init__(self, code: str) -> None:
        self._country = dsp.country(code)
        self.code = self._country.code  #: ISO 3166-1 alpha-2, lower case
        self.config = _fxs_config(self._country)
        self._tones = {
            tone: tuple(
                ToneSegment(part.frequencies_hz, part.duration_ms, part.level_dbm0) for part in self._country.tone(kind)
            )
            for tone, kind in _KINDS.items()
        }

    def tone(self, tone: Tone) -> tuple[ToneSegment, ...]:
        """The cadence of a tone."""
        return self._tones[tone]

    def caller_id(self, caller: Party, moment: dt.datetime) -> Pcm:
        """int16[n] samples that show ``caller`` and the local ``moment`` to a telephone, as this country sends them."""
        raise NotImplementedError
