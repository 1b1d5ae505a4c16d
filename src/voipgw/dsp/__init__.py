"""Tones and their detectors: DTMF, call progress, caller-ID modems, levels."""
