"""GSM full rate: 8000 samples a second in 13 kbit/s (GSM 06.10; RFC 3551 section 4.5.8), over ``vg_gsm``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voipgw._native import gsm
from voipgw.codecs.concealment import Concealment, checked
from voipgw.errors import ParseError


class Gsm:
    """One stream, in frames of 160 samples and 33 octets."""

    name = "GSM"
    sample_rate_hz = 8000
    clock_rate_hz = 8000

    def __init__(self) -> None:
        self._stream = gsm.Stream()
        self._waiting: npt.NDArray[np.int16] = np.zeros(0, np.int16)
        self._concealment = Concealment(8000)

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """33 octets for each 160 of the int16[n] samples; what does not fill a frame waits for the next call."""
        waiting = np.concatenate((self._waiting, checked(pcm)))
        whole = len(waiting) // gsm.SAMPLES * gsm.SAMPLES
        self._waiting = waiting[whole:]
        return self._stream.encode(waiting[:whole])

    def decode(self, payload: bytes) -> npt.NDArray[np.int16]:
        """160 samples for each 33 octets; the first ones after a loss fade over from what concealed it."""
        if len(payload) % gsm.OCTETS:
            raise ParseError(f"a GSM payload has a multiple of {gsm.OCTETS} octets, not {len(payload)}")
        pcm = self._stream.decode(payload)
        if pcm is None:
            raise ParseError("a GSM frame begins with the bits 1101")
        return self._concealment.received(pcm)

    def conceal(self, n: int) -> npt.NDArray[np.int16]:
        """int16[n] samples in the place of lost audio."""
        return self._concealment.conceal(n)
