"""L16: uncompressed samples, most significant octet first (RFC 3551 section 4.5.11)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voipgw.codecs.concealment import Concealment, checked
from voipgw.errors import ConfigurationError, ParseError


class L16:
    """One stream of one channel, at any rate from 8000 to 192000 samples a second."""

    name = "L16"

    def __init__(self, sample_rate_hz: int = 8000) -> None:
        if not 8000 <= sample_rate_hz <= 192000:
            raise ConfigurationError(f"codec L16 at {sample_rate_hz} Hz; 8000 to 192000 is possible")
        self.sample_rate_hz = self.clock_rate_hz = sample_rate_hz
        self._concealment = Concealment(sample_rate_hz)

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """Two octets for each of the int16[n] samples."""
        return checked(pcm).astype(">i2").tobytes()

    def decode(self, payload: bytes) -> npt.NDArray[np.int16]:
        """One sample for each two octets; the first ones after a loss fade over from what concealed it."""
        if len(payload) % 2:
            raise ParseError(f"an L16 payload has an even number of octets, not {len(payload)}")
        return self._concealment.received(np.frombuffer(payload, ">i2").astype(np.int16))

    def conceal(self, n: int) -> npt.NDArray[np.int16]:
        """int16[n] samples in the place of lost audio."""
        return self._concealment.conceal(n)
