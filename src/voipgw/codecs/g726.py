"""G.726: 8000 samples a second in 40, 32, 24 or 16 kbit/s (ITU-T G.726; RFC 3551 section 4.5.4), over ``vg_g726``."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from voipgw._native import g726
from voipgw.codecs.concealment import Concealment, checked
from voipgw.errors import ConfigurationError

_NAME = re.compile(r"(AAL2-)?G726-(16|24|32|40)")


class G726:
    """One stream: ``G726-32`` fills octets from the least significant bit, ``AAL2-G726-32`` from the most significant."""

    sample_rate_hz = 8000
    clock_rate_hz = 8000

    def __init__(self, name: str) -> None:
        match = _NAME.fullmatch(name)
        if match is None:
            raise ConfigurationError(f"G.726 is G726-16, -24, -32 or -40, AAL2- before it or not; not {name!r}")
        self.name = name
        self._stream = g726.Stream(int(match[2]) // 8, aal2=bool(match[1]))
        self._concealment = Concealment(8000)

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """Packed code words of the int16[n] samples; bits that do not fill an octet wait for the next call."""
        return self._stream.encode(checked(pcm))

    def decode(self, payload: bytes) -> npt.NDArray[np.int16]:
        """As many samples as the payload has whole code words; the first ones after a loss fade over from what concealed it."""
        return self._concealment.received(self._stream.decode(payload))

    def conceal(self, n: int) -> npt.NDArray[np.int16]:
        """int16[n] samples in the place of lost audio."""
        return self._concealment.conceal(n)
