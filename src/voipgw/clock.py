"""Where time comes from. Machines get it as an argument; whoever drives them asks a Clock."""

from __future__ import annotations

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Two readings: one that only ever moves forward, and the calendar's."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    def utc(self) -> dt.datetime:
        """The moment on the calendar, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clocks; ``monotonic`` is the one asyncio and the media engine use (CLOCK_MONOTONIC)."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def utc(self) -> dt.datetime:
        """The system's UTC time."""
        return dt.datetime.now(dt.UTC)


def rfc3339(moment: dt.datetime) -> str:
    """``moment`` as RFC 3339 text in UTC with milliseconds, e.g. ``2026-01-02T03:04:05.678Z``."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
