"""Call-progress tones heard: which of a country's tones sounds, by its frequencies and its cadence (ITU-T E.180)."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import attrs

from voipgw._native import progress as _progress
from voipgw.dsp.country_tables import country
from voipgw.dsp.samples import Pcm, check_pcm, check_rate
from voipgw.dsp.tones import Cadence, Country, ToneKind

_LONG_PAUSE_MS = 1000  # a pause from here on ends a group, which is heard as a whole
_PAUSE_HEARD_MS = 600  # of it
_MOST_RUNS = 11
_SHORT_MS = 150  # bursts shorter than this also occur in speech
# E.180's and the North American variants, a shade off, so that no other tone's frequency counts as a subset of them.
_SIT_HZ = ((914.0, 949.5, 985.0), (1371.0, 1399.5, 1429.0), (1777.0, 1799.5))

Part = tuple[tuple[float, ...], int]  # frequencies (none: a pause) and milliseconds


@attrs.frozen
class ProgressTone:
    """A call-progress tone that has been recognised."""

    kind: str  #: the value of a ``ToneKind``: "dial", "ringback", "busy", "congestion", "SIT", "stutter", ...
    start_s: float  #: begin of the sound by which it was recognised, in seconds of audio since the detector was made


def _parts(cadence: Cadence) -> tuple[Part, ...]:
    """The shortest cycle of what has an end; empty for a steady tone."""
    parts: list[Part] = [
        (tuple(sorted(part.frequencies_hz)), part.duration_ms) for part in cadence if part.duration_ms > 0
    ]
    for length in range(1, len(parts)):
        if len(parts) % length == 0 and parts == parts[:length] * (len(parts) // length):
            return tuple(parts[:length])
    return tuple(parts)


@attrs.frozen
class _Pattern:
    kind: ToneKind
    parts: tuple[Part, ...]  # begins after the long pause, where there is one
    grouped: bool  # ends with a pause that is long enough to be heard as one
    steady_hz: tuple[float, ...] = ()
    tail_hz: tuple[float, ...] = ()  # what a cadence passes into without end

    @property
    def longest_pause_ms(self) -> int:
        return max((ms for hz, ms in self.parts if not hz), default=0)


def _pattern(kind: ToneKind, cadence: Cadence) -> _Pattern:
    parts = _parts(cadence)
    if not parts:
        return _Pattern(kind, (), False, tuple(sorted(cadence[-1].frequencies_hz)))
    if kind is ToneKind.SIT:
        sounding = [ms for hz, ms in parts if hz]
        return _Pattern(kind, tuple(zip(_SIT_HZ, sounding, strict=True)), False)
    long = [index for index, (hz, ms) in enumerate(parts) if not hz and ms >= _LONG_PAUSE_MS]
    if not long:
        tail = tuple(sorted(cadence[-1].frequencies_hz)) if cadence[-1].duration_ms == 0 else ()
        return _Pattern(kind, parts, False, tail_hz=tail)
    turned = parts[long[-1] + 1 :] + parts[: long[-1] + 1]
    return _Pattern(kind, turned, True)


def _alike(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    """Whether a tone of ``two`` could be taken for one of ``one``."""
    return bool(one) == bool(two) and all(any(abs(a - b) <= 35 for b in one) for a in two)


def _could_be(wanted: Sequence[Part], sounds: Sequence[Part]) -> bool:
    """Whether runs of ``sounds`` pass for those ``wanted``, the detector's tolerance and its own error taken together."""
    return all(
        _alike(want, hz) and abs(want_ms - ms) <= max(40.0, 0.15 * want_ms) + 20
        for (want, want_ms), (hz, ms) in zip(wanted, sounds, strict=True)
    )


def _sequences(pattern: _Pattern, length: int, endless: bool) -> Iterable[list[Part]]:
    """Every stretch of ``length`` runs that ends with sound; of a group only what lies between its long pauses."""
    count = len(pattern.parts)
    group = pattern.parts[:-1] if pattern.grouped and not endless else pattern.parts
    if group is not pattern.parts or not endless:
        for start in range(len(group) - length + 1):
            yield list(group[start : start + length])
        return
    for start in range(count):
        stretch = [pattern.parts[(start + k) % count] for k in range(length)]
        if stretch[-1][0]:
            yield stretch


def _runs_needed(pattern: _Pattern, others: Sequence[_Pattern]) -> int:
    """The fewest runs (3, 5, ...) by which a repeating cadence differs from every other pattern."""
    rivals = [other for other in others if other.parts and other.parts != pattern.parts]
    step = 2 if any(not hz for hz, _ in pattern.parts) else 1
    fewest = 3 if max(ms for _, ms in pattern.parts) >= _SHORT_MS else 5
    for needed in range(fewest, _MOST_RUNS + 1, step):
        confused = any(
            _could_be(mine, theirs)
            for mine in _sequences(pattern, needed, endless=True)
            for rival in rivals
            for theirs in _sequences(rival, needed, endless=not rival.grouped)
        )
        if not confused:
            return needed
    return 5


def _steady_ms(hz: tuple[float, ...], patterns: Sequence[_Pattern]) -> int:
    """How long a tone must last to be steady: longer than the same sound lasts in any cadence."""
    longest = max((ms for p in patterns for part, ms in p.parts if part and _alike(hz, part)), default=0)
    return max(700, round(1.25 * longest) + 150)


def _add(
    plan: _progress.Plan, pattern: _Pattern, patterns: Sequence[_Pattern], sets: dict[tuple[float, ...], int]
) -> None:
    rearm_ms = round(1.5 * pattern.longest_pause_ms) + 700
    if not pattern.parts:
        plan.add_steady(sets[pattern.steady_hz], _steady_ms(pattern.steady_hz, patterns), rearm_ms)
        return
    numbered = [(sets[hz] if hz else _progress.SILENCE, ms) for hz, ms in pattern.parts]
    if pattern.kind is ToneKind.SIT:
        plan.add_cadence(numbered, needed=len(numbered), first_only=True, pause_ms=0, rearm_ms=2000, hides=0)
    elif pattern.grouped:
        needed = len(numbered) - 1
        pause_ms = _PAUSE_HEARD_MS
        plan.add_cadence(numbered, needed=needed, first_only=True, pause_ms=pause_ms, rearm_ms=rearm_ms, hides=0)
    else:
        needed = _runs_needed(pattern, patterns)
        hides = sum(
            1 << index for index, other in enumerate(patterns) if pattern.tail_hz and other.steady_hz == pattern.tail_hz
        )
        plan.add_cadence(numbered, needed=needed, first_only=False, pause_ms=0, rearm_ms=rearm_ms, hides=hides)


@functools.cache
def _plan(code: str) -> tuple[_progress.Plan, tuple[str, ...]]:
    """The plan of a country, and the kind of each of its patterns."""
    entry: Country = country(code)
    patterns = [_pattern(kind, cadence) for kind, cadence in entry.tones.items()]
    plan = _progress.Plan()
    wanted = {hz for p in patterns for hz in (*(part for part, _ in p.parts), p.steady_hz) if hz}
    sets = {hz: plan.add_set(hz) for hz in sorted(wanted)}
    for pattern in patterns:
        _add(plan, pattern, patterns, sets)
    return plan, tuple(pattern.kind.value for pattern in patterns)


class ProgressToneDetector:
    """Tells a country's call-progress tones apart on one channel; its limits stand in ``csrc/vg_progress.h``."""

    def __init__(self, country: str = "us", sample_rate_hz: int = 8000) -> None:
        """A detector at rest for the tones of ``country`` (ISO 3166-1 alpha-2).

        Raises:
            ValueError: a country that is not in the table, or a rate other than 8000 Hz.
        """
        check_rate(sample_rate_hz, "the call-progress detector")
        plan, self._kinds = _plan(country.lower())
        self._detector = _progress.Detector(plan)

    def process(self, pcm: Pcm) -> list[ProgressTone]:
        """Hear int16[n] at 8000 Hz, any n; the tones recognised meanwhile, each once for as long as it goes on.

        A steady tone is recognised when it has lasted longer than any cadence's (0.7 to 2 s), a cadence when it differs from
        all others: busy and congestion in their second or third burst, ringback 0.6 s after its first ring, SIT at its end.

        Raises:
            TypeError: not an int16 array.
            ValueError: not one-dimensional, or not contiguous.
        """
        return [
            ProgressTone(self._kinds[pattern], start / 8000)
            for pattern, start in self._detector.process(check_pcm(pcm))
        ]
