"""What ``voipgw diff`` does: replay calls that were made through two plans, and say which decisions would change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

import attrs

from voipgw.call.model import CallRequest, Party
from voipgw.errors import ConfigurationError, ParseError
from voipgw.routing.compiled import CompiledPlan
from voipgw.routing.decision import Decision
from voipgw.routing.explain import parse_source


@attrs.frozen
class Difference:
    """A call that two plans would treat in different ways."""

    call_id: str
    source: str
    called: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.call_id} {self.source} {self.called}: {self.before} => {self.after}"


def differences(
    before: CompiledPlan, after: CompiledPlan, records: Iterable[Mapping[str, object]]
) -> Iterator[Difference]:
    """The decisions that differ, for call records (``call_id, start, source, calling, called``) in their order.

    A source that only one of the plans knows is a difference too.

    Raises:
        ParseError: a record lacks one of these or has it wrong; the message says which record, counted from 1.
    """
    for number, record in enumerate(records, 1):
        texts = [_text(record, name, number) for name in ("call_id", "start", "source", "calling", "called")]
        call_id, start, source, calling, called = texts
        try:
            moment = dt.datetime.fromisoformat(start)
        except ValueError:
            raise ParseError(f"record {number}: found the start {start!r}; right would be an RFC 3339 time") from None
        if moment.tzinfo is None:
            raise ParseError(
                f"record {number}: found the start {start!r} without a zone; right would be an RFC 3339 time"
            )
        outcomes = [_outcome(plan, call_id, source, calling, called, moment) for plan in (before, after)]
        if outcomes[0] != outcomes[1]:
            yield Difference(call_id, source, called, *outcomes)


def _text(record: Mapping[str, object], name: str, number: int) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise ParseError(f"record {number}: found {name} {value!r}; right would be text")
    return value


def _outcome(plan: CompiledPlan, call_id: str, source: str, calling: str, called: str, moment: dt.datetime) -> str:
    try:
        found = parse_source(source, plan)
    except ConfigurationError:
        return f"no source {source}"
    return outcome(plan.decide(CallRequest(call_id, found, called, Party(calling)), moment))


def outcome(decision: Decision) -> str:
    """A decision in one line: what is tried with which numbers, or the refusal."""
    if decision.refusal is not None:
        return f"refused {int(decision.refusal.cause)} ({decision.refusal.rule})"
    return ", ".join(
        f"{route.target} called {route.called} calling {route.calling.number or 'nobody'}" for route in decision.routes
    )
