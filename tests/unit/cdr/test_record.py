"""The call record and its builder."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, cast

import pytest

from voipgw.b2bua.call import AttemptBegan, AttemptFailed, CallAnswered, CallOver, CallRinging, LegReport, Step
from voipgw.b2bua.leg import Leg
from voipgw.call.events import Answered, Released
from voipgw.call.model import CallRequest, Party, ReleasedBy, Route, Source, SourceKind, Target, TargetKind
from voipgw.causes import Cause
from voipgw.cdr import CallRecord, OpenRecord
from voipgw.cdr.record import recovered
from voipgw.errors import ParseError
from voipgw.media.plane import StreamStatistics

START = dt.datetime(2026, 1, 2, 3, 4, 5, 678000, dt.UTC)
REQUEST = CallRequest("c1", Source(SourceKind.LINE, "1"), "0301234", Party("+4930101"))
LEG = cast(Leg, None)
A, B = (Route(Target(TargetKind.TRUNK, name), "+49301234") for name in ("carrier-a", "carrier-b"))
SPOKEN = StreamStatistics("PCMU", 500, 80000, 490, 78400, 10, jitter_ms=1.23456)


class HandClock:
    """A clock that is set by hand; its calendar may be set back."""

    now = 50.0
    calendar = START

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> dt.datetime:
        return self.calendar


def played(*steps: tuple[float, Step], clock: HandClock | None = None) -> CallRecord:
    clock = clock or HandClock()
    record = OpenRecord(REQUEST, clock, mos=lambda statistics: 4.2)
    for after_s, step in steps:
        record.receive(step, 50.0 + after_s)
    assert record.over
    return record.record()


def fields(record: CallRecord) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(record.to_json()))


def test_an_answered_call_after_a_failed_attempt() -> None:
    record = played(
        (0.0, AttemptBegan(A, LEG)),
        (0.1, AttemptFailed(A, Released.from_status(503), False)),
        (0.1, AttemptBegan(B, LEG)),
        (0.5, CallRinging(180)),
        (2.0, CallAnswered(B, Answered())),
        (
            14.5,
            CallOver(
                Released(Cause.NORMAL_CALL_CLEARING),
                ReleasedBy.CALLED,
                (LegReport("line:1", None), LegReport("t", SPOKEN)),
            ),
        ),
    )
    assert fields(record) == {
        "call_id": "c1",
        "start": "2026-01-02T03:04:05.678Z",
        "answer": "2026-01-02T03:04:07.678Z",
        "end": "2026-01-02T03:04:20.178Z",
        "source": "line:1",
        "calling": "+4930101",
        "called": "0301234",
        "duration_s": 12.5,
        "cause": 16,
        "sip_status": 200,
        "attempts": [
            {"target": "trunk:carrier-a", "cause": 41, "sip_status": 503},
            {"target": "trunk:carrier-b", "cause": 16, "sip_status": 200},
        ],
        "media": [
            {
                "codec": "PCMU",
                "packets_sent": 500,
                "packets_received": 490,
                "packets_lost": 10,
                "jitter_ms": 1.235,
                "mos": 4.2,
            }
        ],
    }
    assert list(fields(record)) == (
        "call_id start answer end source calling called duration_s cause sip_status attempts media".split()
    )
    assert CallRecord.from_json(record.to_json()) == record


def test_a_refused_call_has_no_attempt_and_no_duration() -> None:
    record = played((0.0, CallOver(Released(Cause.UNALLOCATED_NUMBER), ReleasedBy.GATEWAY, ())))
    assert (record.answer, record.duration_s, record.cause, record.sip_status) == (None, 0.0, 1, 404)
    assert (record.attempts, record.media) == ((), ())


def test_a_call_abandoned_while_it_rings_names_the_target_that_rang() -> None:
    record = played(
        (0.0, AttemptBegan(A, LEG)),
        (1.0, CallRinging(180)),
        (9.0, CallOver(Released(Cause.NORMAL_CALL_CLEARING), ReleasedBy.CALLING, ())),
    )
    assert (record.cause, record.sip_status, record.duration_s) == (16, 487, 0.0)
    assert [(a.target, a.cause, a.sip_status) for a in record.attempts] == [("trunk:carrier-a", 16, 487)]


def test_a_busy_number_keeps_its_cause_and_status() -> None:
    busy = Released.from_status(486)
    record = played(
        (0.0, AttemptBegan(A, LEG)),
        (1.0, AttemptFailed(A, busy, True)),
        (1.0, CallOver(busy, ReleasedBy.CALLED, ())),
    )
    assert (record.cause, record.sip_status, len(record.attempts)) == (17, 486, 1)


def test_a_calendar_that_is_set_back_never_shortens_a_call() -> None:
    clock = HandClock()
    clock.calendar = START
    record = OpenRecord(REQUEST, clock)
    clock.calendar = START - dt.timedelta(days=1)
    record.receive(AttemptBegan(A, LEG), 50.0)
    record.receive(CallAnswered(A, Answered()), 51.0)
    record.receive(CallOver(Released(Cause.NORMAL_CALL_CLEARING), ReleasedBy.CALLING, ()), 60.0)
    done = record.record()
    assert done.end is not None
    assert (done.duration_s, done.end) == (9.0, START + dt.timedelta(seconds=10))


def test_nothing_after_the_end_changes_a_record() -> None:
    over = CallOver(Released(Cause.USER_BUSY), ReleasedBy.CALLED, ())
    record = OpenRecord(REQUEST, HandClock())
    assert (record.answered, record.over, record.record().end) == (False, False, None)
    record.receive(over, 51.0)
    before = record.record()
    record.receive(AttemptBegan(A, LEG), 52.0)
    record.receive(over, 53.0)
    assert record.record() == before


def test_a_recovered_call_ended_when_it_was_last_known_to_run() -> None:
    open_record = OpenRecord(REQUEST, HandClock())
    open_record.receive(AttemptBegan(A, LEG), 50.0)
    open_record.receive(CallAnswered(A, Answered()), 51.0)
    done = recovered(open_record.record(), START + dt.timedelta(seconds=31))
    assert (done.duration_s, done.cause, done.sip_status, done.recovered) == (30.0, 41, 200, True)
    assert fields(done)["recovered"] is True
    assert CallRecord.from_json(done.to_json()) == done
    assert recovered(open_record.record(), START).duration_s == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"call_id":1}',
        "\xff",
        "[" * 100000,
        '{"call_id":"a","start":null}',
        '{"call_id":"a","start":"x"}',
    ],
)
def test_what_is_no_record_is_a_parse_error(text: str) -> None:
    with pytest.raises(ParseError):
        CallRecord.from_json(text)
