"""G.722: 16,000 samples a second in 64, 56 or 48 kbit/s (ITU-T G.722; RFC 3551 section 4.5.2), over ``vg_g722``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voipgw._native import g722
from voipgw.codecs.concealment import Concealment, checked
from voipgw.errors import ConfigurationError


class G722:
    """One stream. Its RTP clock runs at 8000 Hz although there are 16,000 samples a second: an old error that RFC 3551 keeps."""

    name = "G722"
    sample_rate_hz = 16000
    clock_rate_hz = 8000

    def __init__(self, bit_rate: int = 64000) -> None:
        if bit_rate not in g722.MODES:
            raise ConfigurationError(f"G.722 at {bit_rate} bit/s; 64000, 56000 and 48000 are possible")
        self._stream = g722.Stream(bit_rate)
        self._concealment = Concealment(16000)

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """One octet for two of the int16[n] samples; an odd one waits for the next call."""
        return self._stream.encode(checked(pcm))

    def decode(self, payload: bytes) -> npt.NDArray[np.int16]:
        """Two samples for each octet; the first ones after a loss fade over from what concealed it."""
        return self._concealment.received(self._stream.decode(payload))

    def conceal(self, n: int) -> npt.NDArray[np.int16]:
        """int16[n] samples in the place of lost audio."""
        return self._concealment.conceal(n)
