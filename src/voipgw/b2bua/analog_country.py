"""What a country's tables mean for a line: its FXS values, its tones as the media engine plays them, its caller ID as sound."""

from __future__ import annotations

import datetime as dt
import re

import attrs
import numpy as np
import numpy.typing as npt

from voipgw import dsp
from voipgw.call.model import Party
from voipgw.dsp.caller_id import transmission
from voipgw.errors import ConfigurationError
from voipgw.media.plane import ToneSegment
from voipgw.pstn.effects import Tone
from voipgw.pstn.fxs import FxsConfig
from voipgw.pstn.hook import HookTiming
from voipgw.pstn.ringing import CallerIdMoment, CallerIdTiming, RingCadence
from voipgw.routing.numbers import Number, NumberKind
from voipgw.routing.transforms import national

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
        """int16[n] samples that show ``caller`` and the ``moment`` (of the telephone's own time zone), as this country does.

        Empty where the country sends no caller ID.
        """
        method = self._country.caller_id
        if method is None:
            return np.zeros(0, np.int16)
        time = dsp.CallTime(moment.month, moment.day, moment.hour, moment.minute)
        local = attrs.evolve(caller, number=dialled_back(caller.number, self.code))
        return transmission(shown(local, time, method.standard), method)


def dialled_back(number: str, country: str) -> str:
    """An E.164 number as telephones of a country show it, so that it can be dialled from there; others as they are.

    North America shows ten digits, without the 1 that its long-distance dialling begins with.
    """
    if not re.fullmatch(r"\+[1-9][0-9]{2,14}", number):
        return number
    try:
        written = national(country).apply(Number(NumberKind.E164, number)).text
    except ConfigurationError:  # routing has no numbering plan of a country whose tones are known
        return number
    return written[1:] if country in ("us", "ca") and len(written) == 11 and written[0] == "1" else written


def shown(caller: Party, time: dsp.CallTime, standard: dsp.CallerIdStandard) -> dsp.CallerId:
    """What a telephone may show of ``caller``: nothing restricted, and only digits for a number (GR-30, EN 300 659-3)."""
    if caller.restricted:
        return dsp.CallerId(number_absence=dsp.Absence.PRIVATE, name_absence=dsp.Absence.PRIVATE, time=time)
    number = caller.number if standard is dsp.CallerIdStandard.DTMF else caller.number.removeprefix("+")
    if not re.fullmatch(r"\+?[0-9*#]{1,18}", number):
        number = ""
    name = caller.display_name or ("" if number else caller.number)  # a SIP user part that is no number is a name
    return dsp.CallerId(
        number,
        name,
        number_absence=None if number else dsp.Absence.UNAVAILABLE,
        name_absence=None if name else dsp.Absence.UNAVAILABLE,
        time=time,
    )


def _fxs_config(country: dsp.Country) -> FxsConfig:
    rings = [ms / 1000 for ms in country.ring_ms]
    flash_min_s, flash_max_s = _FLASH_S.get(country.code, _FLASH_ELSEWHERE_S)
    return FxsConfig(
        hook=HookTiming(flash_min_s=flash_min_s, flash_max_s=flash_max_s),
        answer_reversal=True,  # a telephone does not mind; whatever counts or charges on the port needs it
        ring=RingCadence(tuple(zip(rings[::2], rings[1::2], strict=True))),
        caller_id=_caller_id_timing(country.caller_id),
    )


def _caller_id_timing(method: dsp.CallerIdMethod | None) -> CallerIdTiming:
    """``transmission`` brings the pauses and the dual-tone alert along, so that the data may begin at once."""
    if method is None:
        return CallerIdTiming(CallerIdMoment.NEVER)
    if method.timing is dsp.CallerIdTiming.AFTER_FIRST_RING:
        return CallerIdTiming(CallerIdMoment.AFTER_FIRST_RING, delay_s=0.0)
    reversal = method.alert in (dsp.CallerIdAlert.POLARITY_REVERSAL, dsp.CallerIdAlert.POLARITY_REVERSAL_DT_AS)
    pulse_s = 0.250 if method.alert is dsp.CallerIdAlert.RING_PULSE else 0.0
    return CallerIdTiming(CallerIdMoment.BEFORE_RING, reversal=reversal, ring_pulse_s=pulse_s, delay_s=0.0, guard_s=0.3)
