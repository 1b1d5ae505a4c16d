"""The restart procedure of ITU-T Q.931 section 5.5, as it is asked for: RESTART, T316, once more, given up."""

from __future__ import annotations

import math
from collections import deque

from voipgw.pstn.isdn.elements import ChannelIdentification, RestartIndicator
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.q931 import CallReference, Message
from voipgw.pstn.isdn.q931_tables import MessageType

INDICATED, ALL_INTERFACES = 0, 7


class RestartRequests:
    """Restarts that this side asks for, one at a time on the global call reference; each names one channel, or all."""

    def __init__(self, t316_s: float, *, map_slots: int) -> None:
        self._t316_s = t316_s
        self._waiting: deque[tuple[int, ...]] = deque()
        self._again = False
        self._link_up = True
        self._map_slots = map_slots
        self.current: tuple[int, ...] | None = None  #: channels being restarted; () is all of them
        self.deadline = math.inf

    def ask(self, channels: tuple[int, ...], now: float) -> list[Message]:
        """Restart ``channels``, () for all, when its turn comes."""
        if channels in self._waiting or channels == self.current:
            return []
        self._waiting.append(channels)
        return self._next(now) if self.current is None else []

    def acknowledged(self, message: Message, now: float) -> tuple[tuple[int, ...] | None, list[Message]]:
        """RESTART ACKNOWLEDGE: the channels it confirms, None when it answers nothing; and the next RESTART."""
        if self.current is None:
            return None, []
        info = message.find(ChannelIdentification)
        named = info.channels if info is not None else ()
        if self.current and named and not set(named) & set(self.current):
            return None, []
        done, self.current, self.deadline = self.current, None, math.inf
        return done, self._next(now)

    def expired(self, now: float) -> tuple[tuple[int, ...] | None, list[Message]]:
        """T316: ask once more; then the channels that were never confirmed, and the next RESTART."""
        if self.current is None:
            return None, []
        if not self._again:
            self._again = True
            self.deadline = now + self._t316_s
            return None, [self._message(self.current)]
        failed, self.current, self.deadline = self.current, None, math.inf
        return failed, self._next(now)

    def link_down(self) -> None:
        """The data link failed: what is asked for waits."""
        self._link_up = False
        self.deadline = math.inf

    def link_up(self, now: float) -> list[Message]:
        """The data link is back: what was not confirmed is asked for again."""
        self._link_up = True
        if self.current is not None:
            self._waiting.appendleft(self.current)
            self.current = None
        return self._next(now)

    def _next(self, now: float) -> list[Message]:
        if not self._waiting or not self._link_up:
            return []
        self.current = self._waiting.popleft()
        self._again = False
        self.deadline = now + self._t316_s
        return [self._message(self.current)]

    def _message(self, channels: tuple[int, ...]) -> Message:
        infos: list[Info] = [RestartIndicator(INDICATED if channels else ALL_INTERFACES)]
        if channels:
            several = len(channels) > 1
            infos.append(ChannelIdentification(channels, slot_map=several, map_slots=self._map_slots))
        return Message.create(MessageType.RESTART, CallReference(0), infos)
