"""Samples from 8000 to 16,000 Hz and back (``vg_resample``): flat to 3500 Hz, 60 dB down from 4500 Hz on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voipgw._native import resample
from voipgw.dsp.samples import check_pcm


class Resampler:
    """One stream from ``from_hz`` to ``to_hz``, of which one is 8000 and the other 16000; delays by 1.94 ms.

    Raises:
        ValueError: other rates.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        if (from_hz, to_hz) not in {(8000, 16000), (16000, 8000)}:
            raise ValueError(f"from {from_hz} to {to_hz} Hz; 8000 to 16000 and 16000 to 8000 are possible")
        self._stream = resample.Upsampler() if from_hz < to_hz else resample.Downsampler()

    def process(self, pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """int16[m] samples that follow the ones returned before, of int16[n], any n; an odd sample may wait.

        Raises:
            TypeError, ValueError: ``pcm`` is not a contiguous one-dimensional int16 array.
        """
        return self._stream.process(check_pcm(pcm))
