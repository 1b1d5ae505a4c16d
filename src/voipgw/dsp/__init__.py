"""Tones and their detectors: DTMF, call progress, caller-ID modems, levels."""

from __future__ import annotations

from voipgw.dsp.caller_id import Absence, CallerId, CallerIdReceiver, CallTime, MessageForm
from voipgw.dsp.country_tables import COUNTRIES, country
from voipgw.dsp.dtmf import Digit, DtmfBank, DtmfDetector, dtmf
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
    "ToneGenerator",
    "ToneKind",
    "ToneSegment",
    "country",
    "dtmf",
    "mix_add",
]
