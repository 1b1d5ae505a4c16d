"""The call record: what became of a call, in the form that integrators read, and the builder that a call feeds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import cast

import attrs

from voipgw.b2bua.call import AttemptBegan, AttemptFailed, CallAnswered, CallOver, CallRinging, LegEffects, Step
from voipgw.call.model import CallRequest, ReleasedBy
from voipgw.causes import Cause
from voipgw.clock import Clock, rfc3339
from voipgw.errors import ParseError
from voipgw.media.plane import StreamStatistics

Json = dict[str, object]
_to_json = json.JSONEncoder(separators=(",", ":")).encode  # made once: ``json.dumps`` makes one a call
Mos = Callable[[StreamStatistics], float | None]  #: an estimate of the mean opinion score, 1 to 4.5


@attrs.frozen
class Attempt:
    """One target that was tried."""

    target: str
    cause: int  #: Q.850; 16 for the one that answered
    sip_status: int | None  #: 200 for the one that answered, None while nothing came


@attrs.frozen
class LegMedia:
    """What one leg's media did."""

    codec: str
    packets_sent: int
    packets_received: int
    packets_lost: int
    jitter_ms: float
    mos: float | None  #: estimated, 1 to 4.5; None where nothing was received or the codec is not known


def _media_fields(leg: LegMedia) -> Json:
    return {
        "codec": leg.codec,
        "packets_sent": leg.packets_sent,
        "packets_received": leg.packets_received,
        "packets_lost": leg.packets_lost,
        "jitter_ms": leg.jitter_ms,
        "mos": leg.mos,
    }


@attrs.frozen
class CallRecord:
    """A call that is over; with ``end`` None, one that still runs."""

    call_id: str
    start: dt.datetime  #: when it came in, UTC
    answer: dt.datetime | None
    end: dt.datetime | None
    source: str
    calling: str
    called: str
    duration_s: float  #: from answer to end; 0 when it was not answered
    cause: int | None  #: Q.850
    sip_status: int | None  #: final status shown to the caller
    attempts: tuple[Attempt, ...] = ()
    media: tuple[LegMedia, ...] = ()  #: the calling leg first
    recovered: bool = False  #: completed after the process that carried the call was killed

    def to_json(self) -> str:
        """One JSON object without line ends; ``recovered`` only where it is true."""
        fields: Json = {
            "call_id": self.call_id,
            "start": rfc3339(self.start),
            "answer": None if self.answer is None else rfc3339(self.answer),
            "end": None if self.end is None else rfc3339(self.end),
            "source": self.source,
            "calling": self.calling,
            "called": self.called,
            "duration_s": self.duration_s,
            "cause": self.cause,
            "sip_status": self.sip_status,
            "attempts": [
                {"target": each.target, "cause": each.cause, "sip_status": each.sip_status} for each in self.attempts
            ],
            "media": [_media_fields(leg) for leg in self.media],
        }
        if self.recovered:
            fields["recovered"] = True
        return _to_json(fields)

    @classmethod
    def from_json(cls, text: str | bytes) -> CallRecord:
        """The record that ``to_json`` wrote; keys that it does not know are left.

        Raises:
            ParseError: the text is none.
        """
        try:
            fields = json.loads(text)
            return cls(
                call_id=_text(fields, "call_id"),
                start=_moment(fields, "start") or _missing("start"),
                answer=_moment(fields, "answer"),
                end=_moment(fields, "end"),
                source=_text(fields, "source"),
                calling=_text(fields, "calling"),
                called=_text(fields, "called"),
                duration_s=float(fields["duration_s"]),
                cause=_number(fields, "cause"),
                sip_status=_number(fields, "sip_status"),
                attempts=tuple(
                    [Attempt(_text(a, "target"), int(a["cause"]), _number(a, "sip_status")) for a in fields["attempts"]]
                ),
                media=tuple([_leg(leg) for leg in fields["media"]]),
                recovered=bool(fields.get("recovered", False)),
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ParseError(f"not a call record: {error}") from None


class OpenRecord:
    """The record of a call that runs: give it every step of the call, and take ``record`` when it is over.

    Times are the calendar's at the beginning plus what the monotonic clock has run since, so that a clock that is set in
    mid-call never makes a call end before it began.
    """

    __slots__ = ("_answer_s", "_attempts", "_cause", "_end_s", "_media", "_mos", "_pending", "_request", "_start",
                 "_start_s", "_status")  # fmt: skip

    def __init__(self, request: CallRequest, clock: Clock, mos: Mos | None = None) -> None:
        self._request = request
        self._start, self._start_s = clock.utc(), clock.monotonic()
        self._mos = mos
        self._answer_s: float | None = None
        self._end_s: float | None = None
        self._attempts: list[Attempt] = []
        self._pending: str | None = None  # target of the attempt under way
        self._media: tuple[LegMedia, ...] = ()
        self._cause: int | None = None
        self._status: int | None = None

    @property
    def answered(self) -> bool:
        """Whether both sides were joined."""
        return self._answer_s is not None

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self._end_s is not None

    def receive(self, step: Step, now: float) -> None:
        """Take a step of the call; what says nothing about it is passed over."""
        if isinstance(step, LegEffects | CallRinging) or self.over:
            return
        if isinstance(step, AttemptBegan):
            self.attempt_began(str(step.route.target))
        elif isinstance(step, AttemptFailed):
            if self._pending is None:  # no leg could be had for it
                self.attempt_began(str(step.route.target))
            self.attempt_failed(step.released.cause, step.released.status)
        elif isinstance(step, CallAnswered):
            self.answer(now)
        else:
            self._receive_over(step, now)

    def _receive_over(self, step: CallOver, now: float) -> None:
        abandoned = not self.answered and step.by is ReleasedBy.CALLING
        status = 487 if abandoned else step.released.status
        self.release(step.released.cause, status, now, [leg.statistics for leg in step.legs])

    def attempt_began(self, target: str) -> None:
        """A target is tried."""
        self._pending = target

    def attempt_failed(self, cause: int, sip_status: int | None) -> None:
        """The target under way failed."""
        self._attempts.append(Attempt(self._pending or "", int(cause), sip_status))
        self._pending = None

    def answer(self, now: float) -> None:
        """The target under way answered."""
        self._attempts.append(Attempt(self._pending or "", int(Cause.NORMAL_CALL_CLEARING), 200))
        self._pending = None
        self._answer_s = now

    def release(
        self, cause: int, sip_status: int | None, now: float, media: list[StreamStatistics | None] | None = None
    ) -> None:
        """The call is over. ``media`` are the counters of its legs, the calling one first; None for a leg without media."""
        if self._pending is not None:
            self.attempt_failed(cause, sip_status)
        self._end_s = now
        self._cause = int(cause)
        self._status = 200 if self.answered else sip_status
        self._media = tuple([self._leg(statistics) for statistics in media or () if statistics is not None])

    def _leg(self, statistics: StreamStatistics) -> LegMedia:
        return LegMedia(
            statistics.codec,
            statistics.packets_sent,
            statistics.packets_received,
            statistics.packets_lost,
            round(statistics.jitter_ms, 3),
            None if self._mos is None else self._mos(statistics),
        )

    def record(self) -> CallRecord:
        """The record as it stands; ``end`` is None until the call is over."""
        request = self._request
        answer_s, end_s = self._answer_s, self._end_s
        return CallRecord(
            call_id=request.call_id,
            start=self._start,
            answer=self._moment(answer_s),
            end=self._moment(end_s),
            source=str(request.source),
            calling=request.calling.number,
            called=request.called,
            duration_s=round(max(end_s - answer_s, 0.0), 3) if answer_s is not None and end_s is not None else 0.0,
            cause=self._cause,
            sip_status=200 if self.answered else self._status,
            attempts=tuple(self._attempts),
            media=self._media,
        )

    def _moment(self, now: float | None) -> dt.datetime | None:
        return None if now is None else self._start + dt.timedelta(seconds=max(now - self._start_s, 0.0))


def recovered(record: CallRecord, last_known: dt.datetime) -> CallRecord:
    """The record of a call whose process was killed, completed: it ended when it was last known to run."""
    began = record.answer or record.start
    end = max(last_known, began)
    duration_s = round((end - began).total_seconds(), 3) if record.answer is not None else 0.0
    return attrs.evolve(record, end=end, duration_s=duration_s, cause=int(Cause.TEMPORARY_FAILURE), recovered=True)


def _leg(fields: Mapping[str, object]) -> LegMedia:
    mos = fields["mos"]
    return LegMedia(
        codec=_text(fields, "codec"),
        packets_sent=_number(fields, "packets_sent") or 0,
        packets_received=_number(fields, "packets_received") or 0,
        packets_lost=_number(fields, "packets_lost") or 0,
        jitter_ms=float(cast(float, fields["jitter_ms"])),
        mos=None if mos is None else float(cast(float, mos)),
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def _number(fields: Mapping[str, object], name: str) -> int | None:
    value = fields[name]
    if value is not None and not isinstance(value, int):
        raise TypeError(f"{name} is not a number")
    return value


def _moment(fields: Mapping[str, object], name: str) -> dt.datetime | None:
    value = fields[name]
    if value is None:
        return None
    moment = dt.datetime.fromisoformat(_text(fields, name))
    if moment.tzinfo is None:
        raise TypeError(f"{name} has no time zone")
    return moment


def _missing(name: str) -> dt.datetime:
    raise TypeError(f"{name} is missing")
