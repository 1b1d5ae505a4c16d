"""The machine that pairs legs: it hunts the routes of a decision, bridges media, and releases both sides whatever happens.

A call owns the leg that brought it and at most one outgoing leg at a time. It is driven by events of its legs and returns
steps: effects of a leg for the edge that drives that leg, and reports of what became of the call, for records and metrics.
Local ringback follows one rule (RFC 3960 section 3.2): while the far side sends no media, the near leg makes ringback of its
own; the first early media replaces it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import attrs

from voipgw.b2bua.leg import Effect, Leg
from voipgw.call.events import Answered, CallEvent, Digit, Progress, Released, Updated
from voipgw.call.model import PCMA, PCMU, CallRequest, Media, Refusal, ReleasedBy, Route
from voipgw.causes import Cause
from voipgw.errors import VoipGwError
from voipgw.media.plane import MediaPlane, StreamStatistics

_E = TypeVar("_E")

DEFAULT_OFFER = Media(codecs=(PCMU, PCMA), telephone_event=True)  #: when the calling side made no offer


class Decision(Protocol):
    """What the route plan said of a call."""

    @property
    def routes(self) -> Sequence[Route]:
        """Attempts, in order; empty when refused."""
        ...

    @property
    def refusal(self) -> Refusal | None:
        """Why there is no attempt."""
        ...

    def next_after(self, route: Route, released: Released, *, rang: bool = False) -> Route | None:
        """Which attempt follows the failed one, by the class of its cause; None when the failure is final.

        ``rang`` when the far side was ringing before it failed.
        """
        ...


class Legs(Protocol):
    """Who makes the leg that a route asks for."""

    def open(self, route: Route, request: CallRequest) -> Leg:
        """A fresh leg for an attempt.

        Raises:
            VoipGwError: the target is not there, busy or out of resources; the attempt then failed with that error's cause.
        """
        ...


@attrs.frozen
class LegEffects:
    """Effects of one leg, for the edge that drives it."""

    leg: Leg
    effects: list[Effect]


@attrs.frozen
class AttemptBegan:
    """An outgoing leg was made and told to call."""

    route: Route
    leg: Leg


@attrs.frozen
class AttemptFailed:
    """An attempt ended before its answer; ``final`` when no other route is tried after it."""

    route: Route
    released: Released
    final: bool


@attrs.frozen
class CallRinging:
    """The far side was reached: the first progress of the call."""

    status: int


@attrs.frozen
class CallAnswered:
    """Both sides are joined."""

    route: Route
    answered: Answered


@attrs.frozen
class LegReport:
    """What a leg's media did, at its end."""

    name: str
    statistics: StreamStatistics | None


@attrs.frozen
class CallOver:
    """The last report of a call."""

    released: Released
    by: ReleasedBy
    legs: tuple[LegReport, ...]


Report = AttemptBegan | AttemptFailed | CallRinging | CallAnswered | CallOver
Step = LegEffects | AttemptBegan | AttemptFailed | CallRinging | CallAnswered | CallOver


class CallState(enum.Enum):
    """How far a call is."""

    NEW = "new"
    TRYING = "trying"
    RINGING = "ringing"
    TALKING = "talking"
    OVER = "over"


class Call:
    """One call through the gateway: a leg in, a decision, attempts, a leg out."""

    __slots__ = ("_decision", "_joined", "_legs", "_plane", "_route", "called", "caller", "request", "state")

    def __init__(
        self, request: CallRequest, caller: Leg, decision: Decision, legs: Legs, plane: MediaPlane | None
    ) -> None:
        self.request = request
        self.caller = caller
        self.called: Leg | None = None
        self.state = CallState.NEW
        self._decision = decision
        self._legs = legs
        self._plane = plane
        self._route: Route | None = None
        self._joined = False

    @property
    def route(self) -> Route | None:
        """The attempt that runs or that was answered."""
        return self._route

    def start(self, now: float) -> list[Step]:
        """Refuse the call, or begin its first attempt."""
        steps: list[Step] = []
        refusal = self._decision.refusal
        if refusal is not None or not self._decision.routes:
            cause = refusal.cause if refusal else Cause.NO_ROUTE_TO_DESTINATION
            status = refusal.sip_status if refusal else None
            self._finish(
                Released(cause, status, refusal.rule if refusal else "no route"), ReleasedBy.GATEWAY, now, steps
            )
        else:
            self._attempt(self._decision.routes[0], now, steps)
        return steps

    def receive(self, leg: Leg, event: CallEvent, now: float) -> list[Step]:
        """An event of one of the legs; one of a leg that the call has already parted from changes nothing."""
        steps: list[Step] = []
        if self.state is not CallState.OVER and (leg is self.caller or leg is self.called):
            self._take(leg, event, now, steps)
        return steps

    def release(self, released: Released, now: float, by: ReleasedBy = ReleasedBy.GATEWAY) -> list[Step]:
        """End the call for a reason of the gateway's own (drain, a ceiling, an operator)."""
        steps: list[Step] = []
        if self.state is not CallState.OVER:
            self._finish(released, by, now, steps)
        return steps

    def _take(self, leg: Leg, event: CallEvent, now: float, steps: list[Step]) -> None:
        from_caller = leg is self.caller
        if isinstance(event, Released):
            if from_caller:
                self._finish(event, ReleasedBy.CALLING, now, steps, spare=leg)
            elif self.state is CallState.TALKING:
                self._finish(event, ReleasedBy.CALLED, now, steps, spare=leg)
            else:
                self._attempt_failed(event, now, steps)
        elif isinstance(event, Progress):
            if not from_caller and self.state is not CallState.TALKING:
                self._progress(event, now, steps)
        elif isinstance(event, Answered):
            if not from_caller and self.state is not CallState.TALKING:
                self._answered(event, now, steps)
        else:
            other = self.called if from_caller else self.caller
            if other is not None:
                self._pass_on(other, event, now, steps)

    def _pass_on(self, other: Leg, event: CallEvent, now: float, steps: list[Step]) -> None:
        if isinstance(event, Digit):
            self._tell(other, other.digit(event, now), now, steps)
        elif isinstance(event, Updated):
            self._tell(other, other.update(event, now), now, steps)

    def _attempt(self, route: Route, now: float, steps: list[Step]) -> None:
        self._route = route
        self.state = CallState.TRYING
        leg: Leg | None = None
        try:
            leg = self._legs.open(route, self.request)
            self.called = leg
            steps.append(AttemptBegan(route, leg))
            effects = leg.originate(self.request, route, self.request.media or DEFAULT_OFFER, now)
        except VoipGwError as error:
            if leg is not None:
                steps.append(LegEffects(leg, leg.release(Released(error.q850_cause), now)))
            self._attempt_failed(Released(error.q850_cause, error.sip_status, str(error), responded=False), now, steps)
            return
        self._tell(leg, effects, now, steps)

    def _attempt_failed(self, released: Released, now: float, steps: list[Step]) -> None:
        route = self._route
        assert route is not None
        self.called, self._joined = None, False
        following = self._decision.next_after(route, released, rang=self.state is CallState.RINGING)
        steps.append(AttemptFailed(route, released, following is None))
        if following is None:
            self._finish(released, ReleasedBy.CALLED if released.responded else ReleasedBy.GATEWAY, now, steps)
        else:
            self._attempt(following, now, steps)

    def _progress(self, event: Progress, now: float, steps: list[Step]) -> None:
        first = self.state is not CallState.RINGING
        self.state = CallState.RINGING
        if first:
            steps.append(CallRinging(event.status))
        if not self._shown(self.caller.progress, event, now, steps):
            return
        if event.media is not None:
            self._join()

    def _answered(self, event: Answered, now: float, steps: list[Step]) -> None:
        route = self._route
        assert route is not None
        self.state = CallState.TALKING
        if not self._shown(self.caller.answer, event, now, steps):
            return
        self._join()
        steps.append(CallAnswered(route, event))

    def _shown(self, tell: Callable[[_E, float], list[Effect]], event: _E, now: float, steps: list[Step]) -> bool:
        """Show an event to the calling side; what it cannot follow (no common codec) ends the call with that cause."""
        try:
            effects = tell(event, now)
        except VoipGwError as error:
            self._finish(Released(error.q850_cause, error.sip_status, str(error)), ReleasedBy.GATEWAY, now, steps)
            return False
        self._tell(self.caller, effects, now, steps)
        return self.state is not CallState.OVER

    def _join(self) -> None:
        one, other = self.caller.stream, self.called.stream if self.called is not None else None
        if self._plane is not None and one is not None and other is not None and not self._joined:
            self._plane.bridge(one, other)
            self._joined = True

    def _tell(self, leg: Leg, effects: list[Effect], now: float, steps: list[Step]) -> None:
        """Sort what a leg returned: its own effects go out first, its call events are taken here and now."""
        events = [effect for effect in effects if isinstance(effect, CallEvent)]
        steps.append(
            LegEffects(leg, [effect for effect in effects if not isinstance(effect, CallEvent)] if events else effects)
        )
        for event in events:
            if self.state is not CallState.OVER and (leg is self.caller or leg is self.called):
                self._take(leg, event, now, steps)

    def _finish(
        self, released: Released, by: ReleasedBy, now: float, steps: list[Step], spare: Leg | None = None
    ) -> None:
        """End both legs; ``spare`` ended by itself."""
        self.state = CallState.OVER
        reports = []
        for leg in (self.caller, self.called):
            if leg is None:
                continue
            stream = leg.stream
            if leg is not spare:
                steps.append(
                    LegEffects(
                        leg, [effect for effect in leg.release(released, now) if not isinstance(effect, CallEvent)]
                    )
                )
            reports.append(LegReport(leg.name, stream.statistics() if stream is not None else None))
        steps.append(CallOver(released, by, tuple(reports)))
