"""The one place that says what an array of samples must be, and what to do about it when it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]


def check_pcm(pcm: Any, *, shape: tuple[int | None, ...] = (None,)) -> Pcm:
    """``pcm`` itself when it is a C-contiguous int16 array of ``shape`` (None: any length, also 0).

    Raises:
        TypeError: not a NumPy array, or not of dtype int16 in the machine's byte order.
        ValueError: another number of dimensions, another number of channels, or not contiguous.
    """
    if not isinstance(pcm, np.ndarray):
        raise TypeError(f"samples must be a numpy array of int16, not {type(pcm).__name__}")
    if pcm.dtype != np.int16:
        hint = "; scale it to 16 bits first" if pcm.dtype.kind == "f" else ""
        raise TypeError(f"samples must have dtype int16, not {pcm.dtype}{hint}")
    if pcm.ndim != len(shape) or any(
        want is not None and have != want for have, want in zip(pcm.shape, shape, strict=True)
    ):
        wanted = ", ".join("n" if want is None else str(want) for want in shape)
        raise ValueError(f"samples must have shape [{wanted}], not {list(pcm.shape)}")
    if not pcm.flags.c_contiguous:
        raise ValueError("samples must be contiguous: pass numpy.ascontiguousarray(samples)")
    return pcm


def check_rate(sample_rate_hz: int, what: str) -> None:
    """8000 Hz, or a ValueError that names ``what``."""
    if sample_rate_hz != 8000:
        raise ValueError(f"{what} works at 8000 Hz, not {sample_rate_hz!r}: resample the audio first")
