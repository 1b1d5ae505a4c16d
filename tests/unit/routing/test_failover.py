"""The table over causes, both ways of naming them, and a trunk's edits."""

from __future__ import annotations

import pytest

from voipgw.call.events import Released
from voipgw.causes import Cause
from voipgw.routing.failover import (
    ON_CAUSE,
    Action,
    CauseClass,
    action_for,
    class_of_status,
    classify,
    edit,
    failure_named,
)


@pytest.mark.parametrize(
    ("status", "action"),
    [(486, "final"), (603, "final"), (600, "final"), (607, "final"), (404, "final"), (403, "final"), (480, "final"),
     (484, "final"), (410, "final"), (487, "final"), (482, "final"), (503, "next"), (500, "next"), (502, "next"), (504, "next"),
     (513, "next"), (408, "next"), (488, "next"), (401, "next"), (407, "next"), (400, "next"), (302, "next")],
)  # fmt: skip
def test_sip_statuses(status: int, action: str) -> None:
    assert action_for(Released.from_status(status), {})[1].value == action


@pytest.mark.parametrize(
    ("cause", "action"),
    [(Cause.USER_BUSY, "final"), (Cause.CALL_REJECTED, "final"), (Cause.UNALLOCATED_NUMBER, "final"),
     (Cause.NO_ANSWER, "final"), (Cause.NORMAL_CALL_CLEARING, "final"), (Cause.OUTGOING_CALLS_BARRED_WITHIN_CUG, "final"),
     (Cause.NO_CIRCUIT_AVAILABLE, "next"), (Cause.SWITCHING_EQUIPMENT_CONGESTION, "next"),
     (Cause.DESTINATION_OUT_OF_ORDER, "next"), (Cause.NETWORK_OUT_OF_ORDER, "next"),
     (Cause.RECOVERY_ON_TIMER_EXPIRY, "next"), (Cause.INTERWORKING, "next")],
)  # fmt: skip
def test_q850_causes_of_lines_and_spans(cause: Cause, action: str) -> None:
    assert action_for(Released(cause), {})[1].value == action


def test_silence_takes_the_next_route_but_ringing_without_answer_does_not() -> None:
    silence = Released(Cause.RECOVERY_ON_TIMER_EXPIRY, 408, responded=False)
    assert classify(silence) is CauseClass.NO_RESPONSE
    assert ON_CAUSE[classify(silence)] is Action.NEXT
    assert classify(silence, rang=True) is CauseClass.NO_ANSWER
    assert ON_CAUSE[classify(Released.from_status(408), rang=True)] is Action.FINAL
    assert classify(Released(Cause.NETWORK_OUT_OF_ORDER, 503, responded=False)) is CauseClass.TRANSPORT


def test_every_class_every_status_and_every_cause_has_an_action() -> None:
    assert set(ON_CAUSE) == set(CauseClass)
    for status in range(300, 700):
        assert class_of_status(status) in ON_CAUSE
    for cause in Cause:
        for responded in (True, False):
            assert classify(Released(cause, responded=responded)) in ON_CAUSE


def test_the_nearest_edit_wins() -> None:
    edits = dict([edit("congestion", "final"), edit(503, "next"), edit(Cause.NO_CIRCUIT_AVAILABLE, "next")])
    assert action_for(Released.from_status(503), edits)[1] is Action.NEXT
    assert action_for(Released(Cause.NO_CIRCUIT_AVAILABLE), edits)[1] is Action.NEXT
    assert action_for(Released(Cause.SWITCHING_EQUIPMENT_CONGESTION), edits)[1] is Action.FINAL


@pytest.mark.parametrize("known", CauseClass, ids=lambda known: known.value)
def test_each_class_can_be_assumed_by_name(known: CauseClass) -> None:
    if known is CauseClass.CLEARED:
        return
    released, rang = failure_named(known.value)
    assert classify(released, rang=rang) is known


def test_failures_are_named_by_number_too() -> None:
    assert failure_named("503")[0].sip_status == 503
    assert failure_named("17")[0].cause is Cause.USER_BUSY
    assert failure_named("USER_BUSY")[0].cause is Cause.USER_BUSY
    for text in ("", "200", "999", "bizy", "-1"):
        with pytest.raises(ValueError, match="right would be"):
            failure_named(text)
