"""Concealment of lost audio by repeating pitch periods, in the manner of ITU-T G.711 Appendix I.

The last 5 to 15 ms that look most like what came before them are repeated, with more periods of the past as the loss grows
longer, at full level for 10 ms and then fading to silence at 60 ms; the received samples after it are faded over. Unlike the
appendix, which delays all audio by 3.75 ms to smooth the seam at the beginning as well, nothing is delayed: a repeated
period goes on where the last one ended (mirroring the past there measured worse than leaving the seam).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voipgw.errors import LocalProtocolError

_Pcm = npt.NDArray[np.int16]
_Float = npt.NDArray[np.float64]

_FULL_S = 0.010  # at full level
_SILENT_S = 0.060  # from here on nothing
_PERIODS = 3


def checked(pcm: _Pcm) -> _Pcm:
    """``pcm`` as a contiguous array.

    Raises:
        LocalProtocolError: it is not a one-dimensional array of int16.
    """
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise LocalProtocolError(f"samples are int16[n], not {pcm.dtype}{list(pcm.shape)}")
    return np.ascontiguousarray(pcm)


class Concealment:
    """The past of one stream, and what can be made of it."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._step = sample_rate_hz // 100  # 10 ms
        self._shortest, self._longest = sample_rate_hz // 200, 3 * sample_rate_hz // 200
        self._window = sample_rate_hz // 50
        self._history: _Float = np.zeros((_PERIODS + 1) * self._longest + self._window)
        self._lost = 0  # samples concealed since the last received one
        self._past: _Float = self._history  # the history as the loss began
        self._pitch = self._longest
        self._wave: _Float = np.zeros(0)  # what is repeated
        self._at = 0  # next sample of it
        self._periods = 0

    def received(self, pcm: _Pcm) -> _Pcm:
        """Remember int16[n] decoded samples; the first ones after a loss are faded over and returned so."""
        if self._lost and len(pcm):
            overlap = self._pitch // 4 + 2 * self._step * min(self._lost // self._step, 5) // 5
            overlap = min(overlap, self._step, len(pcm))
            fade = (np.arange(overlap) + 1) / (overlap + 1)
            pcm = pcm.copy()
            pcm[:overlap] = np.rint(pcm[:overlap] * fade + self._synthesise(overlap) * (1 - fade))
            self._lost = 0
        self._remember(pcm)
        return pcm

    def conceal(self, n: int) -> _Pcm:
        """int16[n] samples in the place of lost ones."""
        if n <= 0:
            return np.zeros(0, np.int16)
        if self._lost == 0:
            self._begin()
        wave = self._synthesise(n)
        self._lost += n
        pcm = np.rint(np.clip(wave, -32768, 32767)).astype(np.int16)
        self._remember(pcm)
        return pcm

    def _remember(self, pcm: _Pcm) -> None:
        size = len(self._history)
        if len(pcm) >= size:
            self._history = pcm[-size:].astype(np.float64)
        elif len(pcm):
            self._history = np.concatenate((self._history[len(pcm) :], pcm))

    def _begin(self) -> None:
        self._past = self._history
        self._pitch = self._find_pitch()
        self._periods = 1
        self._wave, self._at = self._periodic(1), 0

    def _find_pitch(self) -> int:
        """The lag whose past resembles the last 20 ms most: the highest normalised correlation."""
        recent = self._past[-self._window :]
        before = self._past[-self._window - self._longest : -self._shortest]
        correlation = np.correlate(before, recent, "valid")  # lags from the longest to the shortest
        squares = np.concatenate(([0.0], np.cumsum(before * before)))
        energy = squares[self._window :] - squares[: -self._window]
        score = correlation / np.sqrt(np.maximum(energy, 1.0 * self._window))
        return self._longest - int(np.argmax(score))

    def _periodic(self, periods: int) -> _Float:
        """The last periods of the past, the end prepared so that their repetition has no seam."""
        length, quarter = periods * self._pitch, self._pitch // 4
        wave = self._past[-length:].copy()
        fade = (np.arange(quarter) + 1) / (quarter + 1)
        wave[-quarter:] = wave[-quarter:] * (1 - fade) + self._past[-length - quarter : -length] * fade
        return wave

    def _synthesise(self, n: int) -> _Float:
        """The next ``n`` samples, faded by the time since the loss began."""
        parts, made = [], 0
        while made < n:
            position = self._lost + made
            if position >= self._step * 6:  # silent from here on
                parts.append(np.zeros(n - made))
                break
            boundary = self._step * min(self._periods, _PERIODS)
            if position == boundary and self._periods < _PERIODS:
                parts.append(self._lengthen(min(self._pitch // 4, n - made)))
            elif position < boundary:
                parts.append(self._take(min(n - made, boundary - position)))
            else:
                parts.append(self._take(min(n - made, 6 * self._step - position)))
            made += len(parts[-1])
        moments = (self._lost + np.arange(n)) / (100 * self._step)
        level = np.clip((_SILENT_S - moments) / (_SILENT_S - _FULL_S), 0.0, 1.0)
        return np.concatenate(parts) * level

    def _take(self, count: int) -> _Float:
        found = np.take(self._wave, np.arange(self._at, self._at + count), mode="wrap")
        self._at = (self._at + count) % len(self._wave)
        return found

    def _lengthen(self, overlap: int) -> _Float:
        """Go over to a wave of one period more, in phase; returns the ``overlap`` samples of the passage."""
        phase = self._at % self._pitch
        before = self._take(overlap)
        self._periods += 1
        self._wave, self._at = self._periodic(self._periods), phase
        fade = (np.arange(overlap) + 1) / (overlap + 1)
        return before * (1 - fade) + self._take(overlap) * fade
