"""The static RTP payload types of audio (RFC 3551 table 4): what a number means when no rtpmap says so."""

from __future__ import annotations

STATIC: dict[int, tuple[str, int, int]] = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    5: ("DVI4", 8000, 1),
    6: ("DVI4", 16000, 1),
    7: ("LPC", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),  # samples at 16 kHz; the RTP clock is 8 kHz by an old error that section 4.5.2 keeps
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    12: ("QCELP", 8000, 1),
    13: ("CN", 8000, 1),
    14: ("MPA", 90000, 1),
    15: ("G728", 8000, 1),
    16: ("DVI4", 11025, 1),
    17: ("DVI4", 22050, 1),
    18: ("G729", 8000, 1),
}  #: payload type: name, clock rate in Hz, channels

NUMBER_OF: dict[tuple[str, int, int], int] = {
    (name.lower(), rate, channels): number for number, (name, rate, channels) in STATIC.items()
}  #: the reverse, the name in lower case

DYNAMIC = range(96, 128)  #: numbers that an rtpmap gives a meaning (RFC 3551 section 3)
