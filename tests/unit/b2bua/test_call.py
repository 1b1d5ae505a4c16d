"""The call machine with legs that only write down what they are told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from voipgw.b2bua.call import AttemptBegan, AttemptFailed, Call, CallAnswered, CallOver, CallRinging, CallState, Step
from voipgw.call.events import Answered, Digit, Progress, Released, Updated
from voipgw.call.model import (
    PCMU,
    CallRequest,
    Direction,
    Media,
    Refusal,
    ReleasedBy,
    Route,
    Source,
    SourceKind,
    Target,
    TargetKind,
)
from voipgw.causes import Cause
from voipgw.errors import NegotiationError, ResourceError
from voipgw.media.plane import StreamStatistics

REQUEST = CallRequest("call-1", Source(SourceKind.LINE, "1"), "5551234")
FIRST = Route(Target(TargetKind.TRUNK, "a"), "+15551234")
SECOND = Route(Target(TargetKind.TRUNK, "b"), "+15551234")
MEDIA = Media((PCMU,))


class FakeStream:
    def __init__(self, name: str) -> None:
        self.name = name

    def statistics(self) -> StreamStatistics:
        return StreamStatistics(codec="PCMU", packets_sent=7)


class FakeLeg:
    def __init__(self, name: str) -> None:
        self.name = name
        self.stream: Any = None
        self.told: list[tuple[str, Any]] = []
        self.reply: list[Any] = []
        self.raises: dict[str, Exception] = {}

    def _note(self, what: str, value: Any) -> list[object]:
        if what in self.raises:
            raise self.raises[what]
        self.told.append((what, value))
        reply, self.reply = self.reply, []
        return reply

    def originate(self, request: CallRequest, route: Route, offer: Media, now: float) -> list[object]:
        self.stream = FakeStream(self.name)
        return self._note("originate", offer)

    def progress(self, event: Progress, now: float) -> list[object]:
        if event.media:
            self.stream = FakeStream(self.name)
        return self._note("progress", event)

    def answer(self, event: Answered, now: float) -> list[object]:
        self.stream = self.stream or FakeStream(self.name)
        return self._note("answer", event)

    def update(self, event: Updated, now: float) -> list[object]:
        return self._note("update", event)

    def digit(self, event: Digit, now: float) -> list[object]:
        return self._note("digit", event)

    def release(self, event: Released, now: float) -> list[object]:
        return self._note("release", event)

    def receive_media(self, event: Any, now: float) -> list[object]:
        return []

    def next_deadline(self) -> float:
        return math.inf

    def handle_deadline(self, now: float) -> list[object]:
        return []


class FakePlane:
    def __init__(self) -> None:
        self.bridges: list[tuple[str, str]] = []

    def bridge(self, one: Any, other: Any) -> None:
        self.bridges.append((one.name, other.name))


class Plan:
    """Takes the next route unless the cause is busy."""

    def __init__(self, *routes: Route, refusal: Refusal | None = None) -> None:
        self.routes: Sequence[Route] = routes
        self.refusal = refusal

    def next_after(self, route: Route, released: Released, *, rang: bool = False) -> Route | None:
        at = self.routes.index(route) + 1
        if rang and released.cause is Cause.NO_ANSWER:
            return None
        return self.routes[at] if at < len(self.routes) and released.cause is not Cause.USER_BUSY else None


class Factory:
    def __init__(self, **legs: FakeLeg | Exception) -> None:
        self.legs = legs

    def open(self, route: Route, request: CallRequest) -> FakeLeg:
        leg = self.legs[route.target.name]
        if isinstance(leg, Exception):
            raise leg
        return leg


class Rig:
    def __init__(self, decision: Plan | None = None, **legs: FakeLeg | Exception) -> None:
        self.a = FakeLeg("line:1")
        self.b: Any = legs.get("a") or FakeLeg("trunk:a")
        self.c: Any = legs.get("b") or FakeLeg("trunk:b")
        self.plane = FakePlane()
        self.call = Call(REQUEST, self.a, decision or Plan(FIRST, SECOND), Factory(a=self.b, b=self.c), self.plane)  # type: ignore[arg-type]

    def reports(self, steps: list[Step]) -> list[str]:
        return [type(step).__name__ for step in steps if type(step).__name__ != "LegEffects"]


def over(steps: list[Step]) -> CallOver:
    (last,) = [step for step in steps if isinstance(step, CallOver)]
    return last


def test_a_refused_call_ends_the_leg_that_brought_it_with_the_rules_cause() -> None:
    rig = Rig(Plan(refusal=Refusal(Cause.CALL_REJECTED, "no premium numbers")))
    steps = rig.call.start(0.0)
    assert rig.a.told == [("release", Released(Cause.CALL_REJECTED, None, "no premium numbers"))]
    assert over(steps).by is ReleasedBy.GATEWAY
    assert rig.call.state is CallState.OVER


def test_an_answered_call_is_bridged_once_and_reported() -> None:
    rig = Rig()
    assert rig.reports(rig.call.start(0.0)) == ["AttemptBegan"]
    assert rig.b.told[0][0] == "originate"
    assert rig.reports(rig.call.receive(rig.b, Progress(183, MEDIA), 1.0)) == ["CallRinging"]
    assert rig.plane.bridges == [("line:1", "trunk:a")]
    assert rig.reports(rig.call.receive(rig.b, Answered(MEDIA), 2.0)) == ["CallAnswered"]
    assert rig.plane.bridges == [("line:1", "trunk:a")]
    assert rig.call.state is CallState.TALKING


def test_ringing_without_media_is_not_bridged() -> None:
    rig = Rig()
    rig.call.start(0.0)
    rig.call.receive(rig.b, Progress(180), 1.0)
    assert rig.a.told == [("progress", Progress(180))]
    assert rig.plane.bridges == []


def test_a_failed_attempt_is_followed_by_the_next_route() -> None:
    rig = Rig()
    rig.call.start(0.0)
    steps = rig.call.receive(rig.b, Released.from_status(503), 1.0)
    assert rig.reports(steps) == ["AttemptFailed", "AttemptBegan"]
    assert rig.call.called is rig.c
    assert rig.a.told == []


def test_the_plan_is_told_that_the_far_side_was_ringing() -> None:
    rig = Rig()
    rig.call.start(0.0)
    rig.call.receive(rig.b, Progress(180), 1.0)
    rig.call.receive(rig.b, Released(Cause.NO_ANSWER), 2.0)
    assert rig.call.state is CallState.OVER
    assert rig.c.told == []


def test_a_final_cause_ends_the_call_and_passes_its_status() -> None:
    rig = Rig()
    rig.call.start(0.0)
    steps = rig.call.receive(rig.b, Released.from_status(486), 1.0)
    (failed,) = [step for step in steps if isinstance(step, AttemptFailed)]
    assert failed.final
    assert rig.a.told[-1] == ("release", Released(Cause.USER_BUSY, 486))
    assert rig.c.told == []


def test_a_target_that_is_not_there_counts_as_a_failed_attempt() -> None:
    rig = Rig(a=ResourceError("no port free"))
    steps = rig.call.start(0.0)
    assert rig.reports(steps) == ["AttemptFailed", "AttemptBegan"]
    (failed,) = [step for step in steps if isinstance(step, AttemptFailed)]
    assert failed.released.text == "no port free"
    assert not failed.released.responded


def test_a_leg_that_cannot_make_its_offer_is_released_before_the_next_is_tried() -> None:
    leg = FakeLeg("trunk:a")
    leg.raises["originate"] = NegotiationError("nothing to offer")
    rig = Rig(a=leg)
    rig.call.start(0.0)
    assert [what for what, _ in leg.told] == ["release"]
    assert rig.call.called is rig.c


def test_an_answer_that_the_caller_cannot_follow_releases_both() -> None:
    rig = Rig()
    rig.a.raises["answer"] = NegotiationError("no codec in common")
    rig.call.start(0.0)
    steps = rig.call.receive(rig.b, Answered(MEDIA), 1.0)
    assert over(steps).released.sip_status == 488
    assert rig.b.told[-1][0] == "release"
    assert rig.a.told[-1][0] == "release"
    assert not any(isinstance(step, CallAnswered) for step in steps)


@pytest.mark.parametrize("state", ["trying", "ringing", "talking"])
def test_the_caller_may_leave_in_every_state_and_the_other_leg_is_released(state: str) -> None:
    rig = Rig()
    rig.call.start(0.0)
    if state != "trying":
        rig.call.receive(rig.b, Progress(180), 1.0)
    if state == "talking":
        rig.call.receive(rig.b, Answered(MEDIA), 2.0)
    steps = rig.call.receive(rig.a, Released(Cause.NORMAL_CALL_CLEARING), 3.0)
    assert rig.b.told[-1][0] == "release"
    assert ("release", Released(Cause.NORMAL_CALL_CLEARING)) not in rig.a.told
    assert over(steps).by is ReleasedBy.CALLING


def test_after_an_answer_a_failure_of_the_far_side_never_takes_another_route() -> None:
    rig = Rig()
    rig.call.start(0.0)
    rig.call.receive(rig.b, Answered(MEDIA), 1.0)
    steps = rig.call.receive(rig.b, Released(Cause.TEMPORARY_FAILURE), 2.0)
    assert over(steps).by is ReleasedBy.CALLED
    assert rig.c.told == []
    assert [leg.name for leg in over(steps).legs] == ["line:1", "trunk:a"]


def test_digits_and_updates_cross_over() -> None:
    rig = Rig()
    rig.call.start(0.0)
    rig.call.receive(rig.b, Answered(MEDIA), 1.0)
    rig.call.receive(rig.a, Digit("5"), 2.0)
    rig.call.receive(rig.b, Updated(Media((PCMU,), direction=Direction.SENDONLY)), 3.0)
    assert rig.b.told[-1] == ("digit", Digit("5"))
    assert rig.a.told[-1][0] == "update"


def test_events_of_a_leg_that_the_call_has_parted_from_change_nothing() -> None:
    rig = Rig()
    rig.call.start(0.0)
    rig.call.receive(rig.b, Released.from_status(503), 1.0)
    assert rig.call.receive(rig.b, Answered(MEDIA), 2.0) == []
    assert rig.call.state is CallState.TRYING


def test_a_leg_that_answers_at_once_is_taken_in_the_same_step() -> None:
    leg = FakeLeg("trunk:a")
    leg.reply = [Progress(180), Answered(MEDIA)]
    rig = Rig(a=leg)
    steps = rig.call.start(0.0)
    assert rig.reports(steps) == [AttemptBegan.__name__, CallRinging.__name__, CallAnswered.__name__]


def test_a_release_by_the_gateway_ends_both_legs_once() -> None:
    rig = Rig()
    rig.call.start(0.0)
    rig.call.receive(rig.b, Answered(MEDIA), 1.0)
    assert over(rig.call.release(Released(Cause.PREEMPTION), 2.0)).by is ReleasedBy.GATEWAY
    assert rig.call.release(Released(Cause.PREEMPTION), 3.0) == []
    assert [what for what, _ in rig.a.told].count("release") == 1
