"""Levels in dBm0, and whether a line carries voice, a tone or silence."""

from __future__ import annotations

import enum
import math

import attrs
import numpy as np
import numpy.typing as npt

from voipgw.dsp.samples import Pcm, check_pcm, check_rate

FULL_SCALE_SINE_DBM0 = 3.14  #: G.711 A-law; in mu-law it is 3.17
_REFERENCE = 32767.0**2 / 2  # mean square of a full-scale sine
_FRAME = 160
_WINDOW = 25  # frames: half a second
_ORDER = 8  # of the linear prediction: four sines are predicted without a remainder
_LEAST_DBM0 = -45.0
_ABOVE_NOISE_DB = 9.0
_HIGHEST_NOISE_DBM0 = -40.0
_NOISE_RISE_DB = 0.02  # a frame

_Floats = npt.NDArray[np.float64]


def level_dbm0(pcm: Pcm) -> float:
    """Level of int16[n] samples over their whole length, in dBm0; ``-inf`` for digital silence or no samples.

    Raises:
        TypeError: not an int16 array.
        ValueError: not one-dimensional, or not contiguous.
    """
    check_pcm(pcm)
    mean = float(np.mean(np.square(pcm, dtype=np.float64))) if len(pcm) else 0.0
    return 10 * math.log10(mean / _REFERENCE) + FULL_SCALE_SINE_DBM0 if mean > 0 else -math.inf


class ActivityKind(enum.Enum):
    """What a line carries."""

    SILENCE = "silence"
    VOICE = "voice"  #: speech, and music too
    TONE = "tone"  #: steady sines, cadenced or not


@attrs.frozen
class Activity:
    """The line carries something else from now on."""

    kind: ActivityKind
    start_s: float  #: when it began, in seconds of audio since the detector was made
    level_dbm0: float  #: of the loudest frame of 20 ms in the half second that decided


def _levels(frames: _Floats) -> _Floats:
    """float64[n] level in dBm0 of each of the float64[n, 160] frames."""
    levels: _Floats = (
        10 * np.log10(np.maximum(np.mean(np.square(frames), axis=1), 1e-9) / _REFERENCE) + FULL_SCALE_SINE_DBM0
    )
    return levels


def _remainders(frames: _Floats) -> _Floats:
    """float64[n] what a linear prediction leaves of each frame, in dB below the frame (covariance method)."""
    past = np.stack([frames[:, _ORDER - i : _FRAME - i] for i in range(_ORDER + 1)], axis=1)
    products = past @ past.transpose(0, 2, 1)
    energy = products[:, 0, 0]
    inner = products[:, 1:, 1:]
    ridge = (1e-6 * energy + 1.0)[:, None, None] * np.eye(_ORDER)
    weights = np.linalg.solve(inner + ridge, products[:, 1:, :1])[..., 0]
    rest = energy - 2 * np.sum(weights * products[:, 0, 1:], axis=1)
    rest += np.einsum("ni,nij,nj->n", weights, inner, weights)
    remainders: _Floats = 10 * np.log10(np.maximum(rest, 1.0) / np.maximum(energy, 1.0))
    return remainders


_TONAL_SHARE = {
    ActivityKind.SILENCE: 0.32,
    ActivityKind.VOICE: 0.6,
    ActivityKind.TONE: 0.15,
}  # of active frames, by what was


class ActivityDetector:
    """Tells voice, tones and silence apart, on half seconds of 20 ms frames.

    A frame is active 9 dB above the noise floor and above -45 dBm0; it is tonal when a linear prediction of order 8 leaves
    less than -29 dB of it, or less than -20 dB while its level stands still. Half a second with eight active frames is a
    tone when a third of them are tonal (after voice: three in five, after a tone: one in seven), else voice; one without any
    is silence. Left out: telling speech from
    music, and tones in noise less than 25 dB below them (they count as voice).
    """

    def __init__(self, sample_rate_hz: int = 8000) -> None:
        """A detector that takes the line to be silent.

        Raises:
            ValueError: a rate other than 8000 Hz.
        """
        check_rate(sample_rate_hz, "the activity detector")
        self.kind = ActivityKind.SILENCE  #: what the line carries now
        self._rest = np.zeros(0, np.int16)
        self._frames = 0
        self._noise_dbm0 = -60.0
        self._last_dbm0 = -200.0
        self._recent: list[tuple[bool, bool, float]] = []  # active, tonal, level of the last half second's frames

    def process(self, pcm: Pcm) -> list[Activity]:
        """Hear int16[n] at 8000 Hz, any n; each change of what the line carries, in order.

        Raises:
            TypeError: not an int16 array.
            ValueError: not one-dimensional, or not contiguous.
        """
        samples = np.concatenate([self._rest, check_pcm(pcm)])
        whole = len(samples) // _FRAME
        self._rest = samples[whole * _FRAME :]
        if not whole:
            return []
        frames = samples[: whole * _FRAME].astype(np.float64).reshape(whole, _FRAME)
        levels, remainders = _levels(frames), _remainders(frames)
        found = (self._hear(float(level), float(rest)) for level, rest in zip(levels, remainders, strict=True))
        return [activity for activity in found if activity is not None]

    def _hear(self, level: float, remainder: float) -> Activity | None:
        self._noise_dbm0 = min(level, self._noise_dbm0 + _NOISE_RISE_DB, _HIGHEST_NOISE_DBM0)
        active = level > max(_LEAST_DBM0, self._noise_dbm0 + _ABOVE_NOISE_DB)
        steady = abs(level - self._last_dbm0) < 0.5
        tonal = active and (remainder < -29.0 or (remainder < -20.0 and steady))
        self._last_dbm0 = level
        self._frames += 1
        self._recent = [*self._recent[-_WINDOW + 1 :], (active, tonal, level)]
        kind = self._decide()
        if kind is None or kind is self.kind:
            return None
        self.kind = kind
        ago = len(self._recent)
        if kind is not ActivityKind.SILENCE:
            ago -= next(n for n, (was_active, _, _) in enumerate(self._recent) if was_active)
        return Activity(kind, (self._frames - ago) * _FRAME / 8000, max(one for _, _, one in self._recent))

    def _decide(self) -> ActivityKind | None:
        """What the last half second was; None when it was neither one thing nor the other."""
        active = sum(was_active for was_active, _, _ in self._recent)
        if active == 0:
            return ActivityKind.SILENCE if len(self._recent) == _WINDOW else None
        if active < 8 or len(self._recent) < 12:
            return None
        tonal = sum(was_tonal for _, was_tonal, _ in self._recent)
        share = tonal / active
        return ActivityKind.TONE if share > _TONAL_SHARE[self.kind] else ActivityKind.VOICE
