"""G.711 through ``vg_g711``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

ULAW: int = lib.VG_LAW_ULAW
ALAW: int = lib.VG_LAW_ALAW


def encode(law: int, pcm: npt.NDArray[np.int16]) -> bytes:
    """Octets of the contiguous int16[n] samples in ``law`` (``ULAW`` or ``ALAW``)."""
    out = bytearray(len(pcm))
    lib.vg_g711_encode(law, ffi.from_buffer("int16_t[]", pcm), len(pcm), ffi.from_buffer("uint8_t[]", out))
    return bytes(out)


def decode(law: int, octets: bytes) -> npt.NDArray[np.int16]:
    """int16[n] samples of the octets in ``law``."""
    out = np.empty(len(octets), np.int16)
    lib.vg_g711_decode(law, ffi.from_buffer(octets), len(octets), ffi.from_buffer("int16_t[]", out))
    return out


def convert(law: int, octets: bytes) -> bytes:
    """The octets of the other law; ``law`` is that of the input."""
    out = bytearray(len(octets))
    lib.vg_g711_convert(law, ffi.from_buffer(octets), len(octets), ffi.from_buffer("uint8_t[]", out))
    return bytes(out)
