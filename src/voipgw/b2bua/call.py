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

from voipgw.b2bua.leg import Effect, Leg, Transferor
from voipgw.call.events import Answered, CallEvent, Digit, Progress, Released, TransferAsked, Updated
from voipgw.call.model import PCMA, PCMU, CallRequest, Media, Party, Refusal, ReleasedBy, Route, Source, SourceKind
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


class Transfer:
    """A transfer that is under way: who asked, who is kept, and the leg that is being called. Mutable, owned by its call."""

    __slots__ = ("asker", "decision", "gone", "kept", "leg", "rang", "request", "route")

    def __init__(self, asker: Leg, kept: Leg, request: CallRequest, decision: Decision) -> None:
        self.asker = asker
        self.kept = kept
        self.request = request
        self.decision = decision
        self.route = decision.routes[0]
        self.leg: Leg | None = None
        self.gone = False  #: who asked has hung up meanwhile
        self.rang = False


Decide = Callable[[CallRequest], Decision]


class Call:
    """One call through the gateway: a leg in, a decision, attempts, a leg out.

    ``decide`` asks the route plan again, for a transfer that a leg asks for; without it transfers are declined.
    """

    __slots__ = ("_decide", "_decision", "_joined", "_legs", "_plane", "_route", "_transfer", "called", "caller", "request",
                 "state")  # fmt: skip

    def __init__(
        self,
        request: CallRequest,
        caller: Leg,
        decision: Decision,
        legs: Legs,
        plane: MediaPlane | None,
        decide: Decide | None = None,
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
        self._decide = decide
        self._transfer: Transfer | None = None

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
            text, contacts = (refusal.rule, refusal.contacts) if refusal else ("no route", ())
            released = Released(cause, status, text, contacts=contacts)
            self._finish(released, ReleasedBy.GATEWAY, now, steps)
        else:
            self._attempt(self._decision.routes[0], now, steps)
        return steps

    def receive(self, leg: Leg, event: CallEvent, now: float) -> list[Step]:
        """An event of one of the legs; one of a leg that the call has already parted from changes nothing."""
        steps: list[Step] = []
        if self.state is not CallState.OVER and self._has(leg):
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
        transfer = self._transfer
        if isinstance(event, TransferAsked):
            self._transfer_asked(leg, event, now, steps)
        elif transfer is not None and leg is transfer.leg:
            self._transfer_goes_on(transfer, event, now, steps)
        elif transfer is not None and leg is transfer.asker and isinstance(event, Released):
            transfer.gone = True  # the other party waits for the outcome
        elif isinstance(event, Released):
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

    def _has(self, leg: Leg) -> bool:
        transfer = self._transfer
        if transfer is not None and (leg is transfer.leg or (transfer.gone and leg is transfer.asker)):
            return leg is transfer.leg
        return leg is self.caller or leg is self.called

    # Transfers.

    def _transfer_asked(self, asker: Leg, event: TransferAsked, now: float, steps: list[Step]) -> None:
        """Ask the plan for the new place, with the rights of who asks, and call it; the call goes on meanwhile."""
        kept = self.called if asker is self.caller else self.caller
        route = self._route
        talking = self.state is CallState.TALKING and kept is not None and kept.stream is not None
        if self._decide is None or self._transfer is not None or route is None or kept is None or not talking:
            self._tell_asker(asker, 603, now, steps)
            return
        request = attrs.evolve(self.request, called=event.called, domain=event.domain, headers=(), media=None,
                               hops=self.request.hops - 1)  # fmt: skip
        if asker is not self.caller:
            source = Source(SourceKind(route.target.kind.value), route.target.name)
            request = attrs.evolve(request, source=source, calling=Party(route.called))
        decision = self._decide(request)
        if decision.refusal is not None or not decision.routes:
            refusal = decision.refusal
            status = Released(refusal.cause, refusal.sip_status).status if refusal is not None else 404
            self._tell_asker(asker, status, now, steps)
            return
        self._transfer = Transfer(asker, kept, request, decision)
        self._tell_asker(asker, 100, now, steps)
        self._transfer_attempt(self._transfer, now, steps)

    def _transfer_attempt(self, transfer: Transfer, now: float, steps: list[Step]) -> None:
        leg: Leg | None = None
        transfer.rang = False
        try:
            leg = transfer.leg = self._legs.open(transfer.route, transfer.request)
            steps.append(AttemptBegan(transfer.route, leg))
            effects = leg.originate(transfer.request, transfer.route, DEFAULT_OFFER, now)
        except VoipGwError as error:
            if leg is not None:
                steps.append(LegEffects(leg, leg.release(Released(error.q850_cause), now)))
            released = Released(error.q850_cause, error.sip_status, str(error), responded=False)
            self._transfer_failed(transfer, released, now, steps)
            return
        self._tell(leg, effects, now, steps)

    def _transfer_goes_on(self, transfer: Transfer, event: CallEvent, now: float, steps: list[Step]) -> None:
        leg = transfer.leg
        if isinstance(event, Progress) and not transfer.rang:
            transfer.rang = True
            self._tell_asker(transfer.asker, event.status, now, steps)
        elif isinstance(event, Released):
            self._transfer_failed(transfer, event, now, steps)
        elif isinstance(event, Answered) and leg is not None:
            self._transferred(transfer, leg, now, steps)

    def _transfer_failed(self, transfer: Transfer, released: Released, now: float, steps: list[Step]) -> None:
        """The next route, or back to the call as it was; where who asked has hung up meanwhile, the call is over."""
        following = transfer.decision.next_after(transfer.route, released, rang=transfer.rang)
        steps.append(AttemptFailed(transfer.route, released, following is None))
        transfer.leg = None
        if following is not None:
            transfer.route = following
            self._transfer_attempt(transfer, now, steps)
            return
        self._transfer = None
        if transfer.gone:
            self._finish(released, ReleasedBy.GATEWAY, now, steps, spare=transfer.asker)
        else:
            self._tell_asker(transfer.asker, released.status if released.status >= 300 else 503, now, steps)

    def _transferred(self, transfer: Transfer, leg: Leg, now: float, steps: list[Step]) -> None:
        """The new party has answered: it takes the place of who asked, whose leg is told and ended."""
        asker, kept = transfer.asker, transfer.kept
        self._transfer = None
        if not transfer.gone:
            self._tell_asker(asker, 200, now, steps)
        if asker is self.caller:
            self.caller = leg
        else:
            self.called, self._route = leg, transfer.route
        self._joined = False
        if not transfer.gone:
            if asker.stream is not None and self._plane is not None:
                self._plane.unbridge(asker.stream)
            steps.append(LegEffects(asker, asker.release(Released(Cause.NORMAL_CALL_CLEARING), now)))
        self._join()
        self._tell(kept, kept.update(Updated(Media()), now), now, steps)  # out of the hold that who asked had put it on

    def _tell_asker(self, asker: Leg, status: int, now: float, steps: list[Step]) -> None:
        if isinstance(asker, Transferor):
            steps.append(LegEffects(asker, asker.transfer_progress(status, now)))

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
            if self.state is not CallState.OVER and self._has(leg):
                self._take(leg, event, now, steps)

    def _finish(
        self, released: Released, by: ReleasedBy, now: float, steps: list[Step], spare: Leg | None = None
    ) -> None:
        """End both legs; ``spare`` ended by itself."""
        self.state = CallState.OVER
        reports = []
        transfer, self._transfer = self._transfer, None
        gone = transfer.asker if transfer is not None and transfer.gone else None
        for leg in (self.caller, self.called, transfer.leg if transfer is not None else None):
            if leg is None:
                continue
            stream = leg.stream
            if leg is not spare and leg is not gone:
                steps.append(
                    LegEffects(
                        leg, [effect for effect in leg.release(released, now) if not isinstance(effect, CallEvent)]
                    )
                )
            reports.append(LegReport(leg.name, stream.statistics() if stream is not None else None))
        steps.append(CallOver(released, by, tuple(reports)))
