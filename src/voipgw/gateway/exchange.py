"""Every call of a gateway: from the leg that brings one, through the plan's decision, to its last report."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from voipgw.b2bua.call import AttemptBegan, Call, CallOver, LegEffects, Legs, Report, Step
from voipgw.b2bua.call import Decision as CallDecision
from voipgw.b2bua.leg import Effect, Leg
from voipgw.call.events import CallEvent, Offered, Released
from voipgw.call.model import CallRequest
from voipgw.causes import Cause
from voipgw.clock import Clock
from voipgw.media.plane import MediaEvent, MediaPlane, Stream
from voipgw.routing.compiled import CompiledPlan
from voipgw.routing.decision import Decision

log = logging.getLogger(__name__)


Expand = Callable[[Decision, float], CallDecision]


class Edge(Protocol):
    """Who drives the machines of one world: the SIP endpoint, or the lines."""

    def perform(self, user: Leg, effects: list[Effect]) -> None:
        """Perform a leg's effects and look at its deadline; call events come back through ``Exchange.receive``."""
        ...


class Edges(Protocol):
    """Finds the edge of a leg."""

    def edge_of(self, leg: Leg) -> Edge:
        """The edge that drives ``leg``."""
        ...


class CallListener(Protocol):
    """Hears what becomes of each call: records, metrics, traces."""

    def offered(self, call: Call, decision: Decision, now: float) -> None:
        """A call came in and was decided."""
        ...

    def reported(self, call: Call, report: Report, now: float) -> None:
        """Something became of it; ``CallOver`` is the last."""
        ...

    def heard(self, call: Call, event: MediaEvent, now: float) -> None:
        """Something happened on a stream of one of its legs; the leg has heard of it before."""
        ...


class Exchange:
    """The calls in progress. Everything happens in the loop's thread, in the order in which it is reported."""

    def __init__(
        self,
        *,
        plan: CompiledPlan,
        clock: Clock,
        edges: Edges,
        legs: Legs,
        plane: MediaPlane | None,
        listeners: Sequence[CallListener],
        max_calls: int,
        transfers: bool = False,
        expand: Expand | None = None,
    ) -> None:
        """``expand`` makes of the plan's decision what the call tries: each registration of a user, for instance."""
        self.plan = plan
        self.max_calls = max_calls
        self._transfers = transfers  # legs may ask for them; the plan decides each with the rights of who asks
        self.refusing = False  #: new calls get 503
        self._clock = clock
        self._edges = edges
        self._legs = legs
        self._expand = expand
        self._plane = plane
        self._listeners = tuple(listeners)
        self._calls: dict[Leg, Call] = {}
        self._live: dict[Call, list[Leg]] = {}  #: with every leg that each has had
        self._streams: dict[Stream, Leg] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def calls(self) -> list[Call]:
        """The calls in progress, oldest first."""
        return list(self._live)

    async def idle(self) -> None:
        """Until no call is in progress."""
        await self._idle.wait()

    def receive(self, leg: Leg, event: CallEvent, now: float) -> None:
        """A call event that an edge got from one of its legs."""
        if isinstance(event, Offered):
            self._offered(leg, event.request, now)
            return
        call = self._calls.get(leg)
        if call is not None:
            self._take(call, call.receive(leg, event, now), now)

    def receive_media(self, event: MediaEvent, now: float) -> None:
        """Something that happened on a stream: its leg hears of it."""
        leg = self._streams.get(event.stream)
        if leg is None:
            return
        self._edges.edge_of(leg).perform(leg, leg.receive_media(event, now))
        call = self._calls.get(leg)
        if call is not None:
            for listener in self._listeners:
                listener.heard(call, event, now)

    def watch(self, leg: Leg) -> None:
        """Remember whose stream a leg's is; called whenever it may have a new one."""
        stream = leg.stream
        if stream is not None:
            self._streams[stream] = leg

    def forget(self, leg: Leg) -> None:
        """A leg is over."""
        stream = leg.stream
        if stream is not None and self._streams.get(stream) is leg:
            del self._streams[stream]

    def release(self, call: Call, released: Released, now: float) -> None:
        """End one call."""
        self._take(call, call.release(released, now), now)

    def release_all(self, released: Released, now: float) -> None:
        """End every call."""
        for call in self.calls:
            self._take(call, call.release(released, now), now)

    def _offered(self, leg: Leg, request: CallRequest, now: float) -> None:
        if self.refusing or len(self._live) >= self.max_calls:
            text = "draining" if self.refusing else f"{len(self._live)} calls are in progress, no more are taken"
            released = Released(Cause.SWITCHING_EQUIPMENT_CONGESTION, 503, text, retry_after_s=5)
            self._edges.edge_of(leg).perform(leg, leg.release(released, now))
            return
        decision = self.plan.decide(request, self._clock.utc())
        decide = self._decide if self._transfers else None
        tried = decision if self._expand is None else self._expand(decision, now)
        call = Call(request, leg, tried, self._legs, self._plane, decide)
        self._calls[leg] = call
        self._live[call] = [leg]
        self._idle.clear()
        for listener in self._listeners:
            listener.offered(call, decision, now)
        self._take(call, call.start(now), now)

    def _decide(self, request: CallRequest) -> CallDecision:
        decision = self.plan.decide(request, self._clock.utc())
        return decision if self._expand is None else self._expand(decision, self._clock.monotonic())

    def _take(self, call: Call, steps: list[Step], now: float) -> None:
        for step in steps:
            if isinstance(step, LegEffects):
                self._edges.edge_of(step.leg).perform(step.leg, step.effects)
                self.watch(step.leg)
                continue
            if isinstance(step, AttemptBegan):
                self._calls[step.leg] = call
                self._live[call].append(step.leg)
            elif isinstance(step, CallOver):
                self._over(call)
            for listener in self._listeners:
                listener.reported(call, step, now)

    def _over(self, call: Call) -> None:
        for leg in self._live.pop(call, ()):
            self._calls.pop(leg, None)
            self.forget(leg)
        if not self._live:
            self._idle.set()
