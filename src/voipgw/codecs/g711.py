"""G.711: PCMU and PCMA, an octet a sample (ITU-T G.711; RFC 3551 section 4.5.14), over ``vg_g711``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voipgw._native import g711
from voipgw.codecs.concealment import Concealment, checked
from voipgw.errors import ConfigurationError

_LAWS = {"PCMU": g711.ULAW, "PCMA": g711.ALAW}


class G711:
    """One stream in mu-law (``PCMU``) or A-law (``PCMA``)."""

    sample_rate_hz = 8000
    clock_rate_hz = 8000

    def __init__(self, name: str) -> None:
        if name not in _LAWS:
            raise ConfigurationError(f"G.711 is PCMU or PCMA, not {name!r}")
        self.name = name
        self._law = _LAWS[name]
        self._concealment = Concealment(8000)

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """One octet for each of the int16[n] samples."""
        return g711.encode(self._law, checked(pcm))

    def decode(self, payload: bytes) -> npt.NDArray[np.int16]:
        """One sample for each octet; the first ones after a loss fade over from what concealed it."""
        return self._concealment.received(g711.decode(self._law, payload))

    def conceal(self, n: int) -> npt.NDArray[np.int16]:
        """int16[n] samples in the place of lost audio, in the manner of G.711 Appendix I."""
        return self._concealment.conceal(n)
