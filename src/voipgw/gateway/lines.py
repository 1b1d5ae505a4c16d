"""The analog lines of a gateway: their cards, their machines and the timers of both."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Protocol

import attrs

from voipgw.b2bua.analog_country import CountryLine
from voipgw.b2bua.analog_leg import AnalogLeg, AnalogLine, LineSettings, Raised, Reported
from voipgw.b2bua.leg import Effect, Leg
from voipgw.call.events import CallEvent
from voipgw.call.model import CallRequest, Party, Route, Source, SourceKind
from voipgw.clock import Clock
from voipgw.entropy import Entropy
from voipgw.errors import ConfigurationError, DriverError
from voipgw.media.plane import MediaEvent, MediaPlane, Stream
from voipgw.net.deadlines import Deadlines
from voipgw.pstn.dialling import DigitMap
from voipgw.pstn.driver import Driver, FxsPort
from voipgw.pstn.line import LineEvent
from voipgw.routing.compiled import CompiledPlan

log = logging.getLogger(__name__)


class CallEvents(Protocol):
    """Who hears of call events: the exchange."""

    def receive(self, leg: Leg, event: CallEvent, now: float) -> None:
        """An event of a leg."""
        ...


class LineWatcher(Protocol):
    """Who wants to see what happens on lines, for ladders and logs."""

    def line_event(self, line: str, event: LineEvent, now: float) -> None:
        """A port saw something."""
        ...

    def media_event(self, line: str, event: MediaEvent, now: float) -> None:
        """Something happened in a line's sound."""
        ...


class _Timer:
    """A line among the deadlines."""

    __slots__ = ("line", "scheduled")

    def __init__(self, line: AnalogLine) -> None:
        self.line = line
        self.scheduled = math.inf

    def next_deadline(self) -> float:
        return self.line.next_deadline()


class Lines:
    """Drives every line: one timer for all of them, no task."""

    def __init__(
        self,
        plane: MediaPlane | None,
        plan: CompiledPlan,
        *,
        country: str,
        inter_digit_s: float | None,
        clock: Clock,
        entropy: Entropy,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.watchers: list[LineWatcher] = []
        self.lines: dict[str, AnalogLine] = {}
        self._plane = plane
        self._plan = plan
        self._country = country
        self._inter_digit_s = inter_digit_s
        self._clock = clock
        self._entropy = entropy
        self._loop = loop
        self._cards: tuple[Driver, ...] = ()
        self._by_port: dict[FxsPort, AnalogLine] = {}
        self._timers: dict[AnalogLine, _Timer] = {}
        self._streams: dict[Stream, AnalogLine] = {}
        self._deadlines = Deadlines(self._wake)
        self._timer: asyncio.TimerHandle | None = None
        self._calls: CallEvents | None = None

    async def start(self, cards: Sequence[Driver], calls: CallEvents) -> None:
        """Open the cards; port numbers run on from card to card and are the names of the lines.

        Raises:
            ConfigurationError: the plan names a line that no card has, or the country is unknown.
            DriverError: a card cannot be opened.
        """
        self._calls = calls
        if cards and self._plane is not None:
            self._make_lines(cards, self._plane)
        missing = [name for name in self._plan.lines if name not in self.lines]
        if missing:
            have = f"the cards have {len(self.lines)}" if self.lines else "there is no card"
            raise ConfigurationError(f"{self._plan.lines[missing[0]].place}: line {missing[0]} is on no card; {have}")
        for card in cards:
            await card.start(self._line_event)
            self._cards = (*self._cards, card)
        for line in self.lines.values():
            self._after(line, line.start(self._loop.time()))

    def _make_lines(self, cards: Sequence[Driver], plane: MediaPlane) -> None:
        try:
            country = CountryLine(self._country)
        except ValueError as error:
            raise ConfigurationError(f"country {self._country!r}: {error}") from error
        fxs = country.config
        if self._inter_digit_s is not None:
            fxs = attrs.evolve(fxs, inter_digit_short_s=self._inter_digit_s)
        ports = [port for card in cards for port in card.fxs_ports]
        for number, port in enumerate(ports, 1):
            name = str(number)
            line = AnalogLine(
                LineSettings(name, party=self._party(name), config=fxs), port, plane,
                country=country, entropy=self._entropy, clock=self._clock, digit_map=self._digit_map(name),
            )  # fmt: skip
            self.lines[name] = self._by_port[port] = line
            self._timers[line] = _Timer(line)

    def _party(self, name: str) -> Party:
        planned = self._plan.lines.get(name)
        return Party(planned.extension, planned.display_name) if planned is not None else Party()

    def _digit_map(self, name: str) -> DigitMap:
        return self._plan.digit_map(Source(SourceKind.LINE, name, trusted=True))

    def reload(self, plan: CompiledPlan) -> None:
        """Another plan: numbers that are dialled from now on are complete by it."""
        self._plan = plan
        for name, line in self.lines.items():
            line.machine.digit_map = self._digit_map(name)

    def open(self, name: str, request: CallRequest, route: Route) -> AnalogLeg:
        """A leg on the line of that name.

        Raises:
            DriverError: there is no such line.
        """
        line = self.lines.get(name)
        if line is None:
            raise DriverError(f"line {name} is on no card")
        return line.open_leg()

    def perform(self, leg: Leg, effects: list[Effect]) -> None:
        """What a leg of a line returned: its events go to the exchange; then the line's timers are looked at."""
        now = self._loop.time()
        for effect in effects:
            if isinstance(effect, CallEvent) and self._calls is not None:
                self._calls.receive(leg, effect, now)
        if isinstance(leg, AnalogLeg):
            self._reschedule(leg.line)

    def receive_media(self, event: MediaEvent, now: float) -> bool:
        """An event of a stream; False when the stream is no line's."""
        line = self._streams.get(event.stream)
        if line is None:
            return False
        for watcher in self.watchers:
            watcher.media_event(line.settings.name, event, now)
        self._after(line, line.receive_media(event, now))
        return True

    async def close(self) -> None:
        """Give the cards back."""
        if self._timer is not None:
            self._timer.cancel()
        self._deadlines.clear()
        for line in self.lines.values():
            line.close()
        for card in self._cards:
            await card.close()
        self._cards = ()

    def _line_event(self, port: FxsPort, event: LineEvent) -> None:
        line = self._by_port[port]
        now = self._loop.time()
        for watcher in self.watchers:
            watcher.line_event(line.settings.name, event, now)
        self._after(line, line.receive(event, now))

    def _after(self, line: AnalogLine, reports: list[Reported]) -> None:
        now = self._loop.time()
        for report in reports:
            if isinstance(report, Raised):
                if self._calls is not None:
                    self._calls.receive(report.leg, report.event, now)
            else:
                log.info("line %s: %s", line.settings.name, report)
        self._reschedule(line)

    def _reschedule(self, line: AnalogLine) -> None:
        stream = line.stream
        if stream is not None and stream not in self._streams:
            self._streams = {other: owner for other, owner in self._streams.items() if owner is not line}
            self._streams[stream] = line
        self._deadlines.set(self._timers[line], line.next_deadline())

    def _wake(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when < math.inf:
            self._timer = self._loop.call_at(when, self._time_is_up)

    def _time_is_up(self) -> None:
        now = max(self._loop.time(), self._deadlines.earliest())
        self._timer = None
        while (timer := self._deadlines.pop_due(now)) is not None:
            assert isinstance(timer, _Timer)
            self._after(timer.line, timer.line.handle_deadline(now))
        self._wake(self._deadlines.earliest())
