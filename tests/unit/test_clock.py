from __future__ import annotations

import datetime as dt

from voipgw.clock import SystemClock, rfc3339


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    east = dt.timezone(dt.timedelta(hours=2))
    assert rfc3339(dt.datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=east)) == "2026-01-02T01:04:05.678Z"
    assert rfc3339(dt.datetime(2026, 1, 2, tzinfo=dt.UTC)) == "2026-01-02T00:00:00.000Z"


def test_the_systems_clock_moves_forward_and_knows_utc() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.utc().utcoffset() == dt.timedelta(0)
