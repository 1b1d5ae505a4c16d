"""Two spans back to back in virtual time, over a D-channel that loses, repeats and delays frames as a seed says."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable

from voipgw.pstn.isdn.call_effects import CallEnded, CallTimers, Clearing, NumberTimeout, Received
from voipgw.pstn.isdn.link import LinkTiming, SendFrame, Side
from voipgw.pstn.isdn.span import CallArrived, CallReport, Span, SpanEffect
from voipgw.pstn.isdn.switch_tables import SWITCHES, SwitchProfile


class SpanWire:
    """``network`` and ``user`` on one wire; ``deliver(span, effect)`` sees every effect that is not a frame."""

    def __init__(
        self,
        seed: int = 0,
        *,
        profile: SwitchProfile = SWITCHES["euroisdn"],
        loss: float = 0.0,
        repeat: float = 0.0,
        late: float = 0.0,
        link_timing: LinkTiming | None = None,
        call_timers: CallTimers | None = None,
    ) -> None:
        self.now = 0.0
        self.network = Span(Side.NETWORK, profile, link_timing=link_timing, call_timers=call_timers)
        self.user = Span(Side.USER, profile, link_timing=link_timing, call_timers=call_timers)
        self.spans = (self.network, self.user)
        self.loss, self.repeat, self.late = loss, repeat, late
        self.cut = False  #: nothing passes at all
        self.frames: list[tuple[float, Side, bytes]] = []  #: what was sent, by whom, lost or not
        self.keep_frames = True
        self.seen: list[tuple[Span, SpanEffect]] = []
        self.deliver: Callable[[Span, SpanEffect], None] = lambda span, effect: self.seen.append((span, effect))
        self._random = random.Random(seed)
        self._flying: list[tuple[float, int, Span, bytes]] = []
        self._count = 0

    def start(self) -> None:
        """Bring both ends up."""
        for span in self.spans:
            self.take(span, span.start(self.now))
        self.run(1.0)

    def other(self, span: Span) -> Span:
        """The far end."""
        return self.user if span is self.network else self.network

    def take(self, span: Span, effects: list[SpanEffect]) -> None:
        """Carry out what ``span`` asked for."""
        for effect in effects:
            if isinstance(effect, SendFrame):
                self._send(span, effect.octets)
            else:
                self.deliver(span, effect)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while True:
            due = min(self.network.next_deadline(), self.user.next_deadline())
            due = min(due, self._flying[0][0] if self._flying else math.inf)
            if due > until:
                self.now = until
                return
            self.now = max(self.now, due)
            if self._flying and self._flying[0][0] <= self.now:
                _, _, span, octets = heapq.heappop(self._flying)
                self.take(span, span.receive(octets, self.now))
                continue
            for span in self.spans:
                if span.next_deadline() <= self.now:
                    self.take(span, span.handle_deadline(self.now))

    def arrivals(self) -> list[CallArrived]:
        """Calls that arrived and were not asked for yet."""
        found = [effect for _, effect in self.seen if isinstance(effect, CallArrived)]
        self.seen = [item for item in self.seen if not isinstance(item[1], CallArrived)]
        return found

    def reports(self, span: Span) -> list[Received | NumberTimeout | Clearing | CallEnded]:
        """What happened to calls of ``span`` since it was asked last."""
        found = [effect.effect for owner, effect in self.seen if owner is span and isinstance(effect, CallReport)]
        self.seen = [item for item in self.seen if item[0] is not span or not isinstance(item[1], CallReport)]
        return found

    def _send(self, span: Span, octets: bytes) -> None:
        if self.keep_frames:
            self.frames.append((self.now, span.side, octets))
        copies = 2 if self.repeat and self._random.random() < self.repeat else 1
        for _ in range(copies):
            if self.cut or (self.loss and self._random.random() < self.loss):
                continue
            delay = 0.004
            if self.late and self._random.random() < self.late:
                delay += self._random.uniform(0.001, 0.020)
            self._count += 1
            heapq.heappush(self._flying, (self.now + delay, self._count, self.other(span), octets))
