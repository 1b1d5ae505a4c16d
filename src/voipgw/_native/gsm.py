"""GSM full rate through ``vg_gsm``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

SAMPLES: int = lib.VG_GSM_SAMPLES
OCTETS: int = lib.VG_GSM_OCTETS


class Stream:
    """An encoder and a decoder, of whole frames."""

    def __init__(self) -> None:
        self._encoder: Any = ffi.new("vg_gsm_encoder *")
        self._decoder: Any = ffi.new("vg_gsm_decoder *")
        lib.vg_gsm_encoder_init(self._encoder)
        lib.vg_gsm_decoder_init(self._decoder)

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """Octets of contiguous int16[160 n] samples."""
        frames = len(pcm) // SAMPLES
        out = bytearray(frames * OCTETS)
        samples, octets = ffi.from_buffer("int16_t[]", pcm), ffi.from_buffer("uint8_t[]", out)
        for at in range(frames):
            lib.vg_gsm_encode(self._encoder, samples + SAMPLES * at, octets + OCTETS * at)
        return bytes(out)

    def decode(self, octets: bytes) -> npt.NDArray[np.int16] | None:
        """int16[160 n] samples of 33 n octets; None for a frame that has not GSM's signature."""
        frames = len(octets) // OCTETS
        out = np.empty(frames * SAMPLES, np.int16)
        source, samples = ffi.from_buffer("uint8_t[]", octets), ffi.from_buffer("int16_t[]", out)
        for at in range(frames):
            if lib.vg_gsm_decode(self._decoder, source + OCTETS * at, samples + SAMPLES * at) != lib.VG_OK:
                return None
        return out
