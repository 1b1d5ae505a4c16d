"""The ear of a simulated telephone: which tone of its country it hears, or voice, or silence.

It is built on purpose without the detectors of ``voipgw.dsp``: those are what a gateway is made of, and a telephone that tests
a gateway must not share its mistakes. Each 20 ms the last 40 ms are fitted by least squares with the frequencies of each tone;
what is left over decides whether they are that tone. Bursts and pauses are then held against the cadences of the country.
"""

from __future__ import annotations

import math
from collections import deque

import attrs
import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]

FRAME = 160  #: samples a step, 20 ms
STEP_S = FRAME / 8000
SILENCE_DBM0 = -48.0  #: below this nothing is heard
SILENCE_S = 1.0  #: how long nothing is heard before that is silence
VOICE = "voice"
SILENCE = "silence"
_FULL_SCALE_DBM0 = 3.17
_EXPLAINED = 0.90  # share of the energy that a tone's own frequencies must hold
_TOLERANCE_S = 0.05  # of a burst and its pause together, and a tenth of them
_MARGIN_S = 0.025  # by which the best cadence must fit better than the next
_WINDOW = 2 * FRAME
_OTHER = -1
_SILENT = -2


@attrs.frozen
class ToneShape:
    """A tone as a telephone knows it: its parts in order, repeated; a part of 0 s goes on without end."""

    name: str  #: e.g. "dial-tone", "ringback"
    parts: tuple[tuple[tuple[float, ...], float], ...]  #: (frequencies in Hz, seconds); no frequency is silence


@attrs.frozen
class Sound:
    """Something that was heard."""

    kind: str  #: a tone's name, "voice" or "silence"
    start_s: float  #: seconds of sound since the ear was made
    end_s: float | None = None  #: None while it lasts


@attrs.frozen
class _Burst:
    label: int
    steps: int
    pause_steps: int = 0  # silence after it, as far as it went

    @property
    def on_s(self) -> float:
        return self.steps * STEP_S

    @property
    def off_s(self) -> float:
        return self.pause_steps * STEP_S


class _Band:
    """One set of frequencies and how much of a window it explains."""

    def __init__(self, frequencies: tuple[float, ...]) -> None:
        self.frequencies = frequencies
        phase = 2 * np.pi * np.outer(np.arange(_WINDOW) / 8000, frequencies)
        basis = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
        self._solve = np.linalg.pinv(basis)
        self._basis, _ = np.linalg.qr(basis)

    def share(self, window: npt.NDArray[np.float64], energy: float) -> float:
        """Share of the energy inside the band; 0 when one of its frequencies is missing."""
        inside = self._basis.T @ window
        share = float(inside @ inside) / energy
        if share < _EXPLAINED or len(self.frequencies) == 1:
            return share
        parts = self._solve @ window
        n = len(self.frequencies)
        powers = parts[:n] ** 2 + parts[n:] ** 2
        return share if powers.min() > 0.02 * powers.max() else 0.0


def _near(measured_s: float, nominal_s: float) -> bool:
    return abs(measured_s - nominal_s) <= 0.045 + 0.12 * nominal_s


class _Known:
    """A tone of the country, its frequencies replaced by numbers of bands."""

    def __init__(self, shape: ToneShape, bands: dict[tuple[float, ...], int]) -> None:
        self.name = shape.name
        parts = [(bands.get(frequencies, _SILENT), seconds) for frequencies, seconds in shape.parts]
        self.sequence = [label for label, _ in parts if label != _SILENT]
        self.labels = set(self.sequence)
        self.cyclic = len(self.labels) > 1 and all(label != _SILENT for label, _ in parts)
        self.longest_on_s = max(seconds for label, seconds in parts if label != _SILENT)
        self.beats: list[tuple[float, float]] = []  # on and off, of tones with one band
        for label, seconds in parts:
            if label != _SILENT:
                self.beats.append((seconds, 0.0))
            elif self.beats:
                self.beats[-1] = (self.beats[-1][0], self.beats[-1][1] + seconds)
        self.steady = any(on == 0 for on, _ in self.beats) or all(off == 0 for _, off in self.beats)
        self.beats = [(on, off) for on, off in self.beats if on > 0 and off > 0]
        self.longest_off_s = max((off for _, off in self.beats), default=0.0)

    def distance_s(self, bursts: list[_Burst]) -> float:
        """How far the latest bursts, with the pauses after them, are from this cadence, begun anywhere; seconds."""
        size = len(self.beats)
        if not size:
            return math.inf
        recent = bursts[-max(size, 2) :]
        return min(
            max(
                abs(burst.on_s - self.beats[(turn + n) % size][0]) + abs(burst.off_s - self.beats[(turn + n) % size][1])
                for n, burst in enumerate(recent)
            )
            for turn in range(size)
        )


class Ear:
    """Hears int16 samples frame by frame. ``current`` is what is heard now, ``sounds`` what was, ended ones included."""

    def __init__(self, shapes: tuple[ToneShape, ...]) -> None:
        sets = dict.fromkeys(f for shape in shapes for f, _ in shape.parts if f)
        labels = {frequencies: index for index, frequencies in enumerate(sets)}
        self._bands = [_Band(frequencies) for frequencies in sets]
        self._known = [_Known(shape, labels) for shape in shapes]
        self._owners = {
            label: [tone for tone in self._known if label in tone.labels] for label in range(len(self._bands))
        }
        self.sounds: deque[Sound] = deque(maxlen=200)
        self.current = SILENCE  #: kind of sound; a cadenced tone goes on through its pauses
        self.elapsed_s = 0.0
        self.silent_s = 0.0  #: since the last sound
        self._forget()

    def _forget(self) -> None:
        self._before = np.zeros(FRAME, np.int16)
        self._bursts: deque[_Burst] = deque(maxlen=16)
        self._run: tuple[int, int] = (_SILENT, 0)  # label and steps of what lasts now
        self._odd_steps = 0  # in a row, that no band explains
        self._voiced: deque[bool] = deque(
            maxlen=25
        )  # the last half second: too long unexplained for the edge of a burst

    def restart(self) -> None:
        """The handset was lifted: what was heard before has nothing to do with what comes."""
        self._begin(SILENCE)
        self.silent_s = 0.0
        self.sounds.clear()
        self._forget()

    def hear(self, pcm: Pcm | None) -> None:
        """One frame of 160 samples; None for silence."""
        label = self._label(pcm)
        self.elapsed_s += STEP_S
        self._odd_steps = self._odd_steps + 1 if label == _OTHER else 0
        self._voiced.append(self._odd_steps > 3)
        self.silent_s = self.silent_s + STEP_S if label == _SILENT else 0.0
        self._follow(label)
        kind = self._decide(label)
        if kind != self.current:
            self._begin(kind)

    def _begin(self, kind: str) -> None:
        if self.sounds and self.sounds[-1].end_s is None:
            self.sounds[-1] = attrs.evolve(self.sounds[-1], end_s=self.elapsed_s)
        self.current = kind
        self.sounds.append(Sound(kind, self.elapsed_s))

    def _label(self, pcm: Pcm | None) -> int:
        """The band that explains the last 40 ms, or silence, or something else."""
        if pcm is None:
            pcm = np.zeros(FRAME, np.int16)
        window = np.concatenate([self._before, pcm]).astype(np.float64)
        self._before = pcm
        latest = float(window[FRAME:] @ window[FRAME:]) / FRAME
        if latest <= 0 or 10 * math.log10(latest / (32767**2 / 2)) + _FULL_SCALE_DBM0 < SILENCE_DBM0:
            return _SILENT
        energy = float(window @ window)
        shares = [band.share(window, energy) for band in self._bands]
        if not shares or max(shares) < _EXPLAINED:
            return _OTHER
        # of two bands that explain it alike, the one with fewer frequencies: more of them always explain a little more
        return max(range(len(shares)), key=lambda n: shares[n] - 0.01 * len(self._bands[n].frequencies))

    def _follow(self, label: int) -> None:
        """Keep bursts and the pauses between them; one odd step at an edge belongs to the burst beside it."""
        running, steps = self._run
        if label == running:
            self._run = (label, steps + 1)
        elif self._odd_steps == 1 and running >= 0:
            self._run = (running, steps + 1)  # the edge of a burst
        elif label >= 0 and running >= 0 and steps <= 2:
            self._run = (label, steps + 1)  # a window half empty looked like another tone
        else:
            self._close_run(running, steps)
            # the window saw the first step of a burst half empty, and called it something else
            first = running == _OTHER and steps == 1 and label >= 0
            self._run = (label, 2 if first else 1)
        if self._run[0] == _SILENT and self._bursts:
            self._bursts[-1] = attrs.evolve(self._bursts[-1], pause_steps=self._run[1])

    def _close_run(self, running: int, steps: int) -> None:
        if running >= 0 and steps == 1:  # the fading edge of a burst may look like another tone's
            if self._bursts and self._bursts[-1].pause_steps == 0:
                self._bursts[-1] = attrs.evolve(self._bursts[-1], steps=self._bursts[-1].steps + 1)
        elif running >= 0:
            self._bursts.append(_Burst(running, steps))
        elif running == _OTHER and steps > 3:
            self._bursts.clear()

    def _decide(self, label: int) -> str:
        if label >= 0:
            return self._tone(label) or self.current
        if label == _OTHER:
            return VOICE if sum(self._voiced) >= 4 else self.current
        going_on = next((tone for tone in self._known if tone.name == self.current), None)
        ended = self._ended()
        if ended is not None:
            return ended
        patience_s = 0.5 if going_on is None or not going_on.longest_off_s else 0.1 + 1.15 * going_on.longest_off_s
        return SILENCE if self.silent_s > patience_s else self.current

    def _tone(self, label: int) -> str | None:
        """What a burst that still sounds is, or None while that is open."""
        owners = self._owners[label]
        on_s = self._run[1] * STEP_S
        for tone in owners:
            if len(tone.labels) > 1 and on_s >= 0.1 and self._in_sequence(tone, label):
                return tone.name
        longest = max(tone.longest_on_s for tone in owners)
        if on_s > max(0.4, 1.15 * longest + 0.1):
            steady = [tone for tone in owners if tone.steady]
            steady.sort(key=lambda tone: bool(tone.beats))
            if not steady:
                return VOICE  # no tone of this country lasts that long
            if len(owners) > 1:
                return steady[0].name
        if len(owners) == 1 and len(owners[0].labels) == 1 and on_s >= 0.1:
            return owners[0].name if on_s >= 0.3 or (owners[0].beats and on_s > 0.8 * owners[0].beats[0][0]) else None
        return self._by_cadence(label, owners)

    def _by_cadence(self, label: int, owners: list[_Known]) -> str | None:
        """The tone whose cadence fits the bursts up to this one clearly better than any other."""
        bursts: list[_Burst] = []
        for burst in reversed(self._bursts):
            if burst.label != label:
                break
            bursts.insert(0, burst)
        if not bursts:
            return None
        fits = sorted((tone.distance_s(bursts), tone.name) for tone in owners)
        beat_s = bursts[-1].on_s + bursts[-1].off_s
        margin_s = _MARGIN_S if len(bursts) > 1 else 2 * _MARGIN_S
        if fits[0][0] > _TOLERANCE_S + 0.1 * beat_s or (len(fits) > 1 and fits[1][0] - fits[0][0] < margin_s):
            return None
        return fits[0][1]

    def _in_sequence(self, tone: _Known, label: int) -> bool:
        """Whether the last bursts and this one are the parts of a tone of several bands, as the special information tones."""
        length = len(tone.sequence)
        recent = list(self._bursts)[-length + 1 :]
        if any(burst.pause_steps > 1 for burst in recent):
            return False
        order = [burst.label for burst in recent] + [label]
        turns = range(length) if tone.cyclic else range(1)
        return any(order == tone.sequence[turn:] + tone.sequence[:turn] for turn in turns)

    def _ended(self) -> str | None:
        """What a burst that has ended was, where its length and the pause so far leave only one tone."""
        if not self._bursts or self._run[1] < 2:
            return None
        burst = self._bursts[-1]
        if burst.on_s < 0.8:
            return None
        left = [
            tone
            for tone in self._owners[burst.label]
            if any(_near(burst.on_s, on) and burst.off_s <= 0.1 + 1.15 * off for on, off in tone.beats)
        ]
        return left[0].name if len(left) == 1 else None
