"""Tones and their detectors: DTMF, call progress, caller-ID modems, levels."""

from __future__ import annotations

from voipgw.dsp.caller_id import Absence, CallerId, CallerIdReceiver, CallTime, MessageForm
from voipgw.dsp.country_tables import COUNTRIES, country
from voipgw.dsp.dtmf import Digit, DtmfBank, DtmfDetector, dtmf
from voipgw.dsp.level import Activity, ActivityDetector, ActivityKind, level_dbm0
from voipgw.dsp.progress import ProgressTone, ProgressToneDetector
from voipgw.dsp.resample import Resampler
from voipgw.dsp.tones import (
    Cadence,
    CallerIdAlert,
    CallerIdMethod,
    CallerIdStandard,
    CallerIdTiming,
    Country,
    ToneGenerator,
    ToneKind,
    ToneSegment,
    mix_add,
)

__all__ = [
    "COUNTRIES",
    "Absence",
    "Activity",
    "ActivityDetector",
    "ActivityKind",
    "Cadence",
    "CallTime",
    "CallerId",
    "CallerIdAlert",
    "CallerIdMethod",
    "CallerIdReceiver",
    "CallerIdStandard",
    "CallerIdTiming",
    "Country",
    "Digit",
    "DtmfBank",
    "DtmfDetector",
    "MessageForm",
    "ProgressTone",
    "ProgressToneDetector",
    "Resampler",
    "ToneGenerator",
    "ToneKind",
    "ToneSegment",
    "country",
    "dtmf",
    "level_dbm0",
    "mix_add",
]
