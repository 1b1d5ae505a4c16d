"""Ringing: the cadence of a country or a distinctive one, and the moment at which caller ID is sent around it."""

from __future__ import annotations

import enum
import math

import attrs

from voipgw.pstn.effects import LineAction, SendCallerId, SetFeed, SetRing, StopSound
from voipgw.pstn.line import Feed


def _phases(phases: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    return tuple((float(on), float(off)) for on, off in phases)


@attrs.frozen
class RingCadence:
    """Seconds of ringing and of silence, in turn, repeated until answered, e.g. ``((2.0, 4.0),)`` for North America."""

    phases: tuple[tuple[float, float], ...] = attrs.field(converter=_phases, default=((2.0, 4.0),))

    @phases.validator
    def _check(
        self, attribute: attrs.Attribute[tuple[tuple[float, float], ...]], value: tuple[tuple[float, float], ...]
    ) -> None:
        if not value or any(on <= 0 or off <= 0 for on, off in value):
            raise ValueError(f"a ring cadence needs pairs of positive seconds (on, off), not {value!r}")

    @property
    def longest_pause(self) -> int:
        """Index of the phase whose silence is the longest, where caller ID finds room."""
        return max(range(len(self.phases)), key=lambda index: self.phases[index][1])


#: Distinctive ringing as central offices know it (Telcordia GR-506 section 14.3), by the names that Alert-Info uses.
DISTINCTIVE_RINGS: dict[str, RingCadence] = {
    "bellcore-dr1": RingCadence(((2.0, 4.0),)),
    "bellcore-dr2": RingCadence(((0.8, 0.4), (0.8, 4.0))),
    "bellcore-dr3": RingCadence(((0.4, 0.2), (0.4, 0.2), (0.8, 4.0))),
    "bellcore-dr4": RingCadence(((0.3, 0.2), (1.0, 0.2), (0.3, 4.0))),
}


class CallerIdMoment(enum.Enum):
    """When a country sends caller ID to an on-hook telephone."""

    NEVER = "never"
    AFTER_FIRST_RING = "after first ring"  #: in the first long silence (Telcordia GR-30)
    BEFORE_RING = "before ring"  #: after an alert, ahead of all ringing (ETSI EN 300 659-1 section 6.1.2; BT SIN 227)


@attrs.frozen
class CallerIdTiming:
    """Where caller ID stands in the ringing; seconds. Alerting tones (DT-AS) and the data itself are the sender's samples."""

    moment: CallerIdMoment = CallerIdMoment.AFTER_FIRST_RING
    reversal: bool = False  #: before ring: the polarity is reversed first, and stays so
    ring_pulse_s: float = 0.0  #: before ring: a short ring alerts first (RP-AS, 0.2 to 0.3 s); 0 for none
    delay_s: float = 0.5  #: from the end of the ring or alert to the first sample
    guard_s: float = 0.25  #: from the last sample to ringing, at least
    limit_s: float = attrs.field(default=6.0, validator=attrs.validators.gt(0))  #: ringing waits for the data no longer


class _Step(enum.Enum):
    OFF = enum.auto()
    ALERT = enum.auto()  # ring pulse sounds
    WAIT = enum.auto()  # silence up to ``_at``
    ON = enum.auto()  # ringing up to ``_at``


class Ringer:
    """Rings one telephone, with caller ID at its moment; a machine of its own inside that of the line."""

    __slots__ = ("_at", "_cadence", "_data_at", "_data_until", "_pending", "_phase", "_step", "_timing")

    def __init__(self, timing: CallerIdTiming) -> None:
        self._timing = timing
        self._cadence = RingCadence()
        self._step = _Step.OFF
        self._at = math.inf  # when the step ends
        self._phase = 0  # of the cadence, that rings next or now
        self._pending = False  # caller ID is still to be sent
        self._data_at = math.inf  # when to begin it
        self._data_until = math.inf  # while it is being sent: when to stop waiting for its end

    @property
    def sounding(self) -> bool:
        """Whether ringing voltage is on."""
        return self._step in (_Step.ON, _Step.ALERT)

    def start(self, cadence: RingCadence, caller_id: bool, now: float) -> list[LineAction]:
        """Begin to ring, or to send what comes before ringing."""
        self._cadence, self._phase = cadence, 0
        self._data_at = self._data_until = math.inf
        timing = self._timing
        self._pending = caller_id and timing.moment is not CallerIdMoment.NEVER
        if not self._pending or timing.moment is CallerIdMoment.AFTER_FIRST_RING:
            return self._ring(now)
        actions: list[LineAction] = [SetFeed(Feed.REVERSED)] if timing.reversal else []
        if timing.ring_pulse_s > 0:
            self._step, self._at = _Step.ALERT, now + timing.ring_pulse_s
            return [*actions, SetRing(True)]
        self._await_data(now, -math.inf)
        return actions

    def stop(self) -> list[LineAction]:
        """Leave off, wherever it stands."""
        actions: list[LineAction] = [SetRing(False)] if self.sounding else []
        if self._data_until != math.inf:
            actions.append(StopSound())
        self._step, self._at = _Step.OFF, math.inf
        self._data_at = self._data_until = math.inf
        self._pending = False
        return actions

    def caller_id_sent(self, now: float) -> None:
        """The last sample of caller ID has been played."""
        if self._data_until != math.inf:
            self._data_until = math.inf
            self._at = max(self._at, now + self._timing.guard_s)

    def next_deadline(self) -> float:
        """When ``handle_deadline`` is wanted; ``math.inf`` for never."""
        if self._data_until != math.inf:
            return self._data_until
        return min(self._at, self._data_at)

    def handle_deadline(self, due: float) -> list[LineAction]:
        """The one step that is due at ``due``."""
        if self._data_until <= due:
            self.caller_id_sent(due)
            return [StopSound()]
        if self._data_at <= due:
            self._data_at, self._data_until, self._pending = math.inf, due + self._timing.limit_s, False
            return [SendCallerId()]
        if self._step is _Step.ALERT:
            self._await_data(due, -math.inf)
            return [SetRing(False)]
        if self._step is _Step.WAIT:
            return self._ring(due)
        _, off_s = self._cadence.phases[self._phase]
        if self._pending and self._phase == self._cadence.longest_pause:
            self._await_data(due, due + off_s)
        else:
            self._step, self._at = _Step.WAIT, due + off_s
        self._phase = (self._phase + 1) % len(self._cadence.phases)
        return [SetRing(False)]

    def _ring(self, now: float) -> list[LineAction]:
        self._step, self._at = _Step.ON, now + self._cadence.phases[self._phase][0]
        return [SetRing(True)]

    def _await_data(self, now: float, ring_at: float) -> None:
        """Silence with caller ID in it; ringing begins, or goes on, at ``ring_at`` or as soon after it as the data allows."""
        self._step, self._at, self._data_at = (
            _Step.WAIT,
            max(ring_at, now + self._timing.delay_s),
            now + self._timing.delay_s,
        )
