"""Call-progress tones: what each country's exchange sounds like (ITU-T E.180 Supplement 2), and a generator for it."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import attrs

from voipgw._native import tones as _tones
from voipgw.dsp.samples import Pcm, check_pcm


@attrs.frozen
class ToneSegment:
    """A part of a cadence: up to four frequencies for a time; no frequency is silence."""

    frequencies_hz: tuple[float, ...]
    duration_ms: int = 0  #: 0: without end
    level_dbm0: float = -13.0  #: of each frequency

    def __attrs_post_init__(self) -> None:
        """Raises ValueError for more than four frequencies, one that is not positive, or a negative duration."""
        if len(self.frequencies_hz) > 4:
            raise ValueError(f"a segment has at most four frequencies, not {len(self.frequencies_hz)}")
        if not all(math.isfinite(hz) and hz > 0 for hz in self.frequencies_hz):
            raise ValueError(f"frequencies must be positive, not {self.frequencies_hz}")
        if self.duration_ms < 0:
            raise ValueError(f"duration_ms must be 0 or more, not {self.duration_ms}")


Cadence = tuple[ToneSegment, ...]


class ToneKind(enum.Enum):
    """What a tone tells the caller (ITU-T E.182)."""

    DIAL = "dial"
    STUTTER = "stutter"  #: special dial tone: messages wait, or a service is active
    RINGBACK = "ringback"
    BUSY = "busy"
    CONGESTION = "congestion"  #: also reorder, fast busy
    SIT = "SIT"  #: special information tone: three rising tones
    CALL_WAITING = "call-waiting"
    HOWLER = "howler"  #: the receiver was left off-hook


class CallerIdStandard(enum.Enum):
    """How a caller's number is coded on the line."""

    BELLCORE = "bellcore"  #: Bell 202, SDMF or MDMF (Telcordia GR-30)
    ETSI = "etsi"  #: V.23, the messages of EN 300 659-3
    BT = "bt"  #: V.23, the messages of SIN 227
    DTMF = "dtmf"  #: DTMF digits (EN 300 659-3 annex B and national forms)


class CallerIdTiming(enum.Enum):
    """When it is sent to an on-hook telephone."""

    AFTER_FIRST_RING = "after-first-ring"  #: in the first long silence of the ringing
    BEFORE_RING = "before-ring"  #: before any ringing, after an alert


class CallerIdAlert(enum.Enum):
    """What announces it."""

    RING = "ring"  #: the first ring itself
    POLARITY_REVERSAL = "polarity-reversal"
    POLARITY_REVERSAL_DT_AS = "polarity-reversal-dt-as"  #: reversal, then 2130 + 2750 Hz (EN 300 659-1 section 6.1.2)
    RING_PULSE = "ring-pulse"  #: a short ring of 200 to 300 ms (RP-AS)


@attrs.frozen
class CallerIdMethod:
    """A country's usual way to show the caller's number."""

    standard: CallerIdStandard
    timing: CallerIdTiming = CallerIdTiming.AFTER_FIRST_RING
    alert: CallerIdAlert = CallerIdAlert.RING


@attrs.frozen
class Country:
    """One country's tones and ringing."""

    code: str  #: ISO 3166-1 alpha-2, lower case
    name: str
    tones: dict[ToneKind, Cadence]  #: every cadence repeats; one whose last segment has no end stays there
    ring_ms: tuple[int, ...]  #: ringing voltage: on, off, on, off ... and again
    caller_id: CallerIdMethod | None  #: None: none in general use

    def tone(self, kind: ToneKind | str) -> Cadence:
        """The cadence of ``kind`` (a ``ToneKind`` or its value).

        Raises:
            ValueError: there is no such kind.
        """
        return self.tones[ToneKind(kind)]


def silence(duration_ms: int) -> ToneSegment:
    """A pause."""
    return ToneSegment((), duration_ms)


class ToneGenerator:
    """Plays a cadence, any number of samples at a time, without clicks and with phases that run on."""

    def __init__(self, cadence: Sequence[ToneSegment], *, repeat: bool = True, sample_rate_hz: int = 8000) -> None:
        """A cadence of 1 to 32 segments, over and over (``repeat``) or once.

        Raises:
            ValueError: no segment or too many, a frequency above half the rate, a level above full scale (3.14 dBm0).
        """
        if not 8000 <= sample_rate_hz <= 192000:
            raise ValueError(f"sample_rate_hz must lie between 8000 and 192000, not {sample_rate_hz!r}")
        segments = [(part.frequencies_hz, part.level_dbm0, part.duration_ms) for part in cadence]
        self._generator = _tones.Generator(segments, repeat, sample_rate_hz)

    def make(self, samples: int) -> Pcm:
        """The next int16[samples]; zeros once a cadence that does not repeat has ended."""
        if samples < 0:
            raise ValueError(f"samples must be 0 or more, not {samples}")
        return self._generator.make(samples)

    @property
    def done(self) -> bool:
        """Whether it has been played to its end."""
        return self._generator.done()


def mix_add(into: Pcm, other: Pcm) -> None:
    """Add ``other`` to ``into`` in place, sample by sample, held at the limits of 16 bits; both int16[n].

    Raises:
        TypeError: not int16 arrays.
        ValueError: of different lengths, or not contiguous.
    """
    check_pcm(into)
    check_pcm(other, shape=(len(into),))
    _tones.mix_add(into, other)


def cadence_ms(cadence: Sequence[ToneSegment]) -> int:
    """Length of one turn of a cadence in ms; 0 when it has no end."""
    return 0 if any(part.duration_ms == 0 for part in cadence) else sum(part.duration_ms for part in cadence)
