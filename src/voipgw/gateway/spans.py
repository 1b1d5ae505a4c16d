"""The spans of a gateway: their drivers, their machines and their legs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

import attrs

from voipgw.b2bua.isdn_leg import IsdnLeg, IsdnSpan, SpanRaised, SpanSettings
from voipgw.b2bua.leg import Effect, Leg
from voipgw.call.events import CallEvent
from voipgw.call.model import CallRequest, Route, Source, SourceKind, TargetKind
from voipgw.drivers.span_runner import SpanRunner
from voipgw.entropy import Entropy
from voipgw.errors import ConfigurationError, DriverError
from voipgw.media.plane import MediaPlane
from voipgw.pstn.driver import SpanDriver
from voipgw.pstn.isdn.span import Span
from voipgw.routing.compiled import CompiledPlan

log = logging.getLogger(__name__)


@attrs.frozen
class SpanCard:
    """A span as a program describes it."""

    settings: SpanSettings
    span: Span = attrs.field(repr=False)
    driver: SpanDriver = attrs.field(repr=False)


class Calls(Protocol):
    """Who hears of call events: the exchange."""

    def receive(self, leg: Leg, event: CallEvent, now: float) -> None:
        """An event of a leg."""
        ...

    def watch(self, leg: Leg) -> None:
        """A leg may have a new stream."""
        ...


class Spans:
    """Drives every span; each has one timer, none a task."""

    def __init__(self, plan: CompiledPlan, entropy: Entropy, loop: asyncio.AbstractEventLoop) -> None:
        self.spans: dict[str, IsdnSpan] = {}
        self._plan = plan
        self._entropy = entropy
        self._loop = loop
        self._runners: dict[IsdnSpan, SpanRunner] = {}
        self._calls: Calls | None = None

    async def start(self, cards: Sequence[SpanCard], plane: MediaPlane | None, calls: Calls) -> None:
        """Open the spans and bring their data links up.

        Raises:
            ConfigurationError: the plan names a span that there is not.
            DriverError: a span cannot be opened.
        """
        self._calls = calls
        names = {card.settings.name for card in cards}
        for compiled in self._plan.rules:
            for attempt in compiled.attempts:
                if attempt.target.kind is TargetKind.SPAN and attempt.target.name not in names:
                    have = ", ".join(sorted(names)) or "none"
                    raise ConfigurationError(
                        f"{compiled.rule.place}: {attempt.target} is no span of this gateway; it has {have}"
                    )
        for card in cards:
            assert plane is not None
            name = card.settings.name
            ours = IsdnSpan(
                card.settings, card.span, card.driver, plane,
                entropy=self._entropy, digit_map=self._plan.digit_map(Source(SourceKind.SPAN, name, trusted=True)),
            )  # fmt: skip
            runner = SpanRunner(ours, card.driver, lambda effect, name=name: self._deliver(name, effect))  # type: ignore[misc]
            await runner.start()
            self.spans[name] = ours
            self._runners[ours] = runner

    def reload(self, plan: CompiledPlan) -> None:
        """Another plan: numbers that come digit by digit from now on are complete by it."""
        self._plan = plan
        for name, span in self.spans.items():
            span.digit_map = plan.digit_map(Source(SourceKind.SPAN, name, trusted=True))

    def open(self, name: str, request: CallRequest, route: Route) -> IsdnLeg:
        """A leg on the span of that name.

        Raises:
            DriverError: there is no such span.
        """
        span = self.spans.get(name)
        if span is None:
            raise DriverError(f"there is no span {name}")
        return span.open_leg()

    def perform(self, leg: Leg, effects: list[Effect]) -> None:
        """What a leg of a span returned: its events go to the exchange, frames to the driver."""
        assert isinstance(leg, IsdnLeg)
        frames: list[Effect] = []
        for effect in effects:
            if isinstance(effect, CallEvent):
                self._event(leg, effect)
            else:
                frames.append(effect)
        runner = self._runners.get(leg.span)
        if runner is not None:
            runner.perform(frames)

    async def close(self) -> None:
        """Give the spans back."""
        for runner in self._runners.values():
            await runner.close()
        self._runners.clear()

    def _deliver(self, name: str, effect: object) -> None:
        if isinstance(effect, SpanRaised):
            self._event(effect.leg, effect.event)
        else:
            log.info("span %s: %s", name, effect)

    def _event(self, leg: IsdnLeg, event: CallEvent) -> None:
        if self._calls is not None:
            self._calls.watch(leg)
            self._calls.receive(leg, event, self._loop.time())
