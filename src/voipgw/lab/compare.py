"""What was played against what was heard: delay by correlation, signal to error, gaps."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from voipgw.errors import ConfigurationError

Pcm = npt.NDArray[np.int16]
BLOCK = 80  #: samples of one block at 8000 Hz, 10 ms
QUIET = 50.0  #: RMS below which a block of the original says nothing, about -53 dBm0


@attrs.frozen
class Comparison:
    """How well a recording holds what was played, both at 8000 Hz."""

    delay_ms: float  #: where in the recording the original begins
    signal_to_error_db: float  #: power of the original over power of the difference, over the whole original
    longest_gap_ms: (
        float  #: longest run of 10 ms blocks that hold sound in the original and something else in the recording
    )
    missing_ms: float  #: how much of the original lies outside the recording

    def passes(self, *, signal_to_error_db: float = 30.0, longest_gap_ms: float = 20.0) -> bool:
        """Whether error and gaps stay within bounds and nothing is missing."""
        return (
            self.signal_to_error_db >= signal_to_error_db
            and self.longest_gap_ms <= longest_gap_ms
            and self.missing_ms <= longest_gap_ms
        )

    def __str__(self) -> str:
        return (
            f"signal to error {self.signal_to_error_db:.1f} dB, longest gap {self.longest_gap_ms:.0f} ms, "
            f"missing {self.missing_ms:.0f} ms, delay {self.delay_ms:.0f} ms"
        )


def compare(original: Pcm, recording: Pcm, rate_hz: int = 8000) -> Comparison:
    """Find ``original`` in ``recording`` (both int16[n] at ``rate_hz``) and say how they differ.

    Raises:
        ConfigurationError: one of them is empty or silent, so that there is nothing to compare.
    """
    if len(original) == 0 or float(np.abs(original).max()) == 0.0:
        raise ConfigurationError("nothing to compare: the original is empty or silent")
    if len(recording) == 0 or float(np.abs(recording).max()) == 0.0:
        raise ConfigurationError("nothing to compare: the recording is empty or silent")
    sent, heard = original.astype(np.float64), recording.astype(np.float64)
    size = 1 << (len(sent) + len(heard) - 1).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)
    at = int(np.argmax(correlation))
    delay = at - size if at > size // 2 else at
    aligned = np.zeros(len(sent))
    first, last = max(0, -delay), min(len(sent), len(heard) - delay)
    if last > first:
        aligned[first:last] = heard[first + delay : last + delay]
    error = aligned - sent
    ratio = 10 * np.log10(np.sum(sent**2) / max(float(np.sum(error**2)), 1e-9))
    loud = list(np.flatnonzero(_rms(sent) > QUIET))
    wrong = _rms(error) > 0.5 * _rms(sent)
    longest = run = 0
    previous = -2
    for index in loud:
        run = (run + 1 if index == previous + 1 else 1) if wrong[index] else 0
        longest, previous = max(longest, run), int(index)
    outside = len(sent) - max(0, last - first)
    to_ms = 1000.0 / rate_hz
    return Comparison(delay * to_ms, float(ratio), longest * BLOCK * to_ms, outside * to_ms)


def _rms(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    blocks = signal[: len(signal) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return np.sqrt(np.mean(blocks**2, axis=1))  # type: ignore[no-any-return]
