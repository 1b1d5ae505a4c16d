"""Tones and their detectors: DTMF, call progress, caller-ID modems, levels."""

from __future__ import annotations

from voipgw.dsp.dtmf import Digit, DtmfBank, DtmfDetector, dtmf

__all__ = ["Digit", "DtmfBank", "DtmfDetector", "dtmf"]
