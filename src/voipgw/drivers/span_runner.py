"""Runs a span machine on a driver: frames and timers in, frames out, everything else to its owner."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from voipgw.pstn.driver import SpanDriver
from voipgw.pstn.isdn.link import SendFrame


class SpanMachine(Protocol):
    """A span, or what has one; its effects are frames and whatever its owner understands."""

    def start(self, now: float) -> Sequence[object]:
        """Bring it up."""
        ...

    def stop(self, now: float) -> Sequence[object]:
        """Take it down."""
        ...

    def receive(self, octets: bytes, now: float) -> Sequence[object]:
        """A frame from the D-channel."""
        ...

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called; ``math.inf`` for never."""
        ...

    def handle_deadline(self, now: float) -> Sequence[object]:
        """Timers that are due."""
        ...


class SpanRunner:
    """One span. ``deliver`` gets every effect but frames, in the event loop's thread."""

    def __init__(self, span: SpanMachine, driver: SpanDriver, deliver: Callable[[object], None]) -> None:
        self.span = span
        self.driver = driver
        self._deliver = deliver
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The time that the machine lives by."""
        return self._running().time()

    async def start(self) -> None:
        """Open the driver and bring the data link up.

        Raises:
            DriverError: see ``SpanDriver.start``.
        """
        self._loop = asyncio.get_running_loop()
        await self.driver.start(self._frame)
        self.perform(self.span.start(self.now()))

    async def close(self) -> None:
        """End every call without a word, take the link down as far as that can be said, and close the driver."""
        if self._loop is not None:
            self.perform(self.span.stop(self.now()))
        if self._timer is not None:
            self._timer.cancel()
        await self.driver.close()

    def perform(self, effects: Sequence[object]) -> None:
        """Carry out what the machine asked for; to be given the effects of every command to it."""
        for effect in effects:
            if isinstance(effect, SendFrame):
                self.driver.send(effect.octets)
            else:
                self._deliver(effect)
        self._arm()

    def _frame(self, octets: bytes) -> None:
        self.perform(self.span.receive(octets, self.now()))

    def _arm(self) -> None:
        due = self.span.next_deadline()
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due != math.inf:
            self._timer = self._running().call_at(due, self._fired)

    def _fired(self) -> None:
        self._timer = None
        self.perform(self.span.handle_deadline(max(self.now(), self.span.next_deadline())))

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the span has not been started")
        return self._loop
