"""Caller ID as sound, to an on-hook telephone and from an exchange: Bell 202, V.23 and DTMF, sent and received."""

from __future__ import annotations

import numpy as np

from voipgw._native import fsk as _fsk
from voipgw.dsp.caller_id_message import MESSAGE_TYPES, Absence, CallerId, CallTime, MessageForm, message, parse
from voipgw.dsp.dtmf import DtmfDetector, dtmf
from voipgw.dsp.samples import Pcm, check_pcm, check_rate
from voipgw.dsp.tones import CallerIdAlert, CallerIdMethod, CallerIdStandard, ToneGenerator, ToneSegment, silence
from voipgw.errors import ParseError

__all__ = [
    "Absence",
    "CallTime",
    "CallerId",
    "CallerIdReceiver",
    "MessageForm",
    "encode",
    "transmission",
]

_SEIZURE_BITS = {CallerIdStandard.BELLCORE: 300, CallerIdStandard.ETSI: 300, CallerIdStandard.BT: 250}
_MARK_BITS = {CallerIdStandard.BELLCORE: 180, CallerIdStandard.ETSI: 180, CallerIdStandard.BT: 80}
_NAME_LIMIT = {CallerIdStandard.BELLCORE: 15, CallerIdStandard.ETSI: 50, CallerIdStandard.BT: 50}
_MARK_OUT_BITS = 5
_MODE = {
    CallerIdStandard.BELLCORE: _fsk.BELL202,
    CallerIdStandard.ETSI: _fsk.V23,
    CallerIdStandard.BT: _fsk.V23,
}
_DTMF_ABSENCE = {Absence.UNAVAILABLE: "B00C", Absence.PRIVATE: "B10C"}  # EN 300 659-3 annex B
_HASH_ABSENCE = {"1": Absence.PRIVATE, "2": Absence.UNAVAILABLE, "3": Absence.UNAVAILABLE}
_LARGEST_MESSAGE = 258
_CHARACTER_SAMPLES = 8000 / 120
_LONGEST_PAUSE_SAMPLES = 8000 * 40 // 1200  # between two characters of one message
_DTMF_PAUSE_S = 0.6  # between two digits of one number


def _bits(octets: bytes, seizure: int, mark: int) -> bytes:
    """Seizure (from space), mark, each octet between start and stop bit, mark-out; one bit an octet."""
    out = [i & 1 for i in range(seizure)] + [1] * mark
    for octet in octets:
        out += [0, *((octet >> k) & 1 for k in range(8)), 1]
    return bytes(out + [1] * _MARK_OUT_BITS)


def _dtmf_digits(caller: CallerId) -> str:
    number = caller.number.replace("+", "00")
    return f"D{number}C" if number else _DTMF_ABSENCE[caller.number_absence or Absence.UNAVAILABLE]


def encode(
    caller: CallerId,
    standard: CallerIdStandard | str = CallerIdStandard.BELLCORE,
    *,
    form: MessageForm | str = MessageForm.MDMF,
    level_dbm0: float = -13.5,
) -> Pcm:
    """The sound of ``caller`` as int16[n] at 8000 Hz, from the first bit of the channel seizure to the last mark.

    Args:
        caller: what to show. A name is put into printable ASCII and cut to 15 characters (50 in Europe).
        standard: ``bellcore``, ``etsi`` and ``bt`` are FSK at 1200 bit/s; ``dtmf`` sends ``D`` number ``C`` (a ``+`` as
            ``00``), or ``B00C`` (unavailable) and ``B10C`` (private), and no name or time.
        form: of a Bellcore message; SDMF carries time and number only. ETSI and BT know only MDMF's form.
        level_dbm0: of the FSK signal, or of each DTMF tone.

    Raises:
        ValueError: an unknown standard or form, SDMF outside Bellcore or without a time, a level above full scale.
    """
    standard, form = CallerIdStandard(standard), MessageForm(form)
    if not -200 <= level_dbm0 <= 3.14:
        raise ValueError(f"level_dbm0 must be a level up to 3.14 dBm0, not {level_dbm0!r}")
    if standard is CallerIdStandard.DTMF:
        return dtmf(_dtmf_digits(caller), on_ms=70, off_ms=70, level_dbm0=level_dbm0)
    if form is MessageForm.SDMF and standard is not CallerIdStandard.BELLCORE:
        raise ValueError(f"SDMF is a Bellcore form; {standard.value} sends MDMF's")
    octets = message(caller, form, name_limit=_NAME_LIMIT[standard], call_type=standard is CallerIdStandard.BT)
    bits = _bits(octets, _SEIZURE_BITS[standard], _MARK_BITS[standard])
    return _fsk.modulate(_MODE[standard], level_dbm0, bits)


def transmission(caller: CallerId, method: CallerIdMethod, *, level_dbm0: float = -13.5) -> Pcm:
    """What a country's exchange sends in the silence that ``method`` names, with the pauses and the alert that are sound.

    A dual-tone alert (2130 + 2750 Hz, 100 ms, then 60 ms of silence; EN 300 659-1 section 6.1.2) is included; rings and
    polarity reversals are the line's business. After a ring, 500 ms of silence come first (GR-30: at least 300 ms).

    Raises:
        ValueError: as ``encode``.
    """
    sound = encode(caller, method.standard, level_dbm0=level_dbm0)
    if method.alert is CallerIdAlert.POLARITY_REVERSAL_DT_AS:
        alert = (silence(150), ToneSegment((2130.0, 2750.0), 100, -15.0), silence(60))
        lead = ToneGenerator(alert, repeat=False).make(8 * 310)
    else:
        lead = np.zeros(8 * (300 if method.alert is CallerIdAlert.POLARITY_REVERSAL else 500), np.int16)
    return np.concatenate([lead, sound, np.zeros(8 * 50, np.int16)])


class _FskReader:
    """Characters to messages: the first octets that are a whole message with a right checksum win."""

    def __init__(self, mode: int) -> None:
        self._receiver = _fsk.Receiver(mode)
        self._octets = bytearray()
        self._last = 0

    def process(self, pcm: Pcm) -> list[CallerId]:
        heard: list[CallerId] = []
        for octet, start in self._receiver.process(pcm):
            if start - self._last > _CHARACTER_SAMPLES + _LONGEST_PAUSE_SAMPLES:
                self._octets.clear()
            self._last = start
            self._octets.append(octet)
            del self._octets[:-_LARGEST_MESSAGE]
            found = self._whole_message()
            if found is not None:
                heard.append(found)
        return heard

    def _whole_message(self) -> CallerId | None:
        octets = bytes(self._octets)
        for at in range(len(octets) - 2):
            if octets[at] in MESSAGE_TYPES and at + octets[at + 1] + 3 == len(octets):
                try:
                    found = parse(octets[at:])
                except ParseError:  # a chance look-alike, or a message spoilt on the line
                    continue
                self._octets.clear()
                return found
        return None


class _DtmfReader:
    """Digits to a number: ``A`` or ``D`` digits ``C`` or ``#``; ``B`` code ``C``; ``D`` one digit ``#`` is an absence."""

    def __init__(self) -> None:
        self._detector = DtmfDetector()
        self._symbols = ""
        self._last_s = 0.0

    def process(self, pcm: Pcm) -> list[CallerId]:
        heard: list[CallerId] = []
        for digit in self._detector.process(pcm):
            if digit.start_s - self._last_s > _DTMF_PAUSE_S:
                self._symbols = ""
            self._last_s = digit.start_s + digit.duration_s
            if digit.symbol in "ABD":
                self._symbols = digit.symbol
            elif self._symbols and digit.symbol in "C#":
                found = self._read(self._symbols, digit.symbol)
                self._symbols = ""
                if found is not None:
                    heard.append(found)
            elif self._symbols:
                self._symbols = (self._symbols + digit.symbol)[:22]
        return heard

    @staticmethod
    def _read(symbols: str, end: str) -> CallerId | None:
        kind, body = symbols[0], symbols[1:]
        if kind == "B":
            return CallerId(number_absence=Absence.PRIVATE if body.startswith("1") else Absence.UNAVAILABLE)
        if kind == "D" and end == "#" and body in _HASH_ABSENCE:
            return CallerId(number_absence=_HASH_ABSENCE[body])
        return CallerId(body) if 0 < len(body) <= 20 else None


class CallerIdReceiver:
    """Listens for callers' numbers in one standard, on an on-hook line."""

    def __init__(
        self, standard: CallerIdStandard | str = CallerIdStandard.BELLCORE, sample_rate_hz: int = 8000
    ) -> None:
        """A receiver at rest.

        Raises:
            ValueError: an unknown standard, or a rate other than 8000 Hz.
        """
        check_rate(sample_rate_hz, "the caller-ID receiver")
        self.standard = CallerIdStandard(standard)
        self._reader = _DtmfReader() if self.standard is CallerIdStandard.DTMF else _FskReader(_MODE[self.standard])

    def process(self, pcm: Pcm) -> list[CallerId]:
        """Hear int16[n] at 8000 Hz, any n; the callers whose message ended meanwhile, with a right checksum.

        Raises:
            TypeError: not an int16 array.
            ValueError: not one-dimensional, or not contiguous.
        """
        return self._reader.process(check_pcm(pcm))
