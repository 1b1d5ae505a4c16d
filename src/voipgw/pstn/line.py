"""A line as every driver shows it: hook, ring, feed and their events, in the port's own terms (an FXS port feeds a telephone)."""

from __future__ import annotations

import enum

import attrs


class Feed(enum.Enum):
    """The battery that an FXS port puts on the loop."""

    NORMAL = "normal"
    REVERSED = "reversed"  #: tip and ring exchanged: answer supervision
    OPEN = "open"  #: no battery: disconnect supervision, or a parked line


class LineEventKind(enum.Enum):
    """What a port can report."""

    LOOP_CLOSED = "loop closed"  #: raw: loop current flows (not debounced)
    LOOP_OPENED = "loop opened"  #: raw: it does not
    RING_TRIP = "ring trip"  #: the telephone answered while ringing voltage was on
    ALARM = "alarm"  #: the port or its card is out of service
    ALARM_CLEARED = "alarm cleared"


@attrs.frozen
class LineEvent:
    """Something a port saw."""

    kind: LineEventKind
    at: float  #: monotonic seconds at which the port saw it
