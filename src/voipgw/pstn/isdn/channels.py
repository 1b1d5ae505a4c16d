"""The B-channels of a span: which are free, taken, or out of service. Each end begins at its own end, so that they seldom meet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class ChannelPool(Generic[T]):
    """Channels and their holders."""

    def __init__(self, channels: Iterable[int], *, descending: bool = False) -> None:
        self._order = sorted(channels, reverse=descending)
        self._holders: dict[int, T] = {}
        self._blocked: set[int] = set()

    def __contains__(self, channel: int) -> bool:
        return channel in self._order

    @property
    def channels(self) -> tuple[int, ...]:
        """All of them, in the order in which they are chosen."""
        return tuple(self._order)

    @property
    def idle(self) -> frozenset[int]:
        """Those that a call can have."""
        return frozenset(n for n in self._order if self.is_free(n))

    def is_free(self, channel: int) -> bool:
        """Whether a call can have it."""
        return channel in self._order and channel not in self._holders and channel not in self._blocked

    def holder(self, channel: int) -> T | None:
        """Whose it is."""
        return self._holders.get(channel)

    def choose(self, holder: T) -> int | None:
        """The first free channel, taken for ``holder``; None when all are in use."""
        for channel in self._order:
            if self.take(channel, holder):
                return channel
        return None

    def take(self, channel: int, holder: T) -> bool:
        """Take a channel for ``holder``; False when it is not free."""
        if not self.is_free(channel):
            return False
        self._holders[channel] = holder
        return True

    def give_up(self, channel: int | None, holder: T) -> None:
        """Give a channel back, if it is still ``holder``'s."""
        if channel is not None and self._holders.get(channel) is holder:
            del self._holders[channel]

    def block(self, channel: int) -> None:
        """Put it out of service for new calls."""
        self._blocked.add(channel)

    def unblock(self, channel: int) -> None:
        """Put it into service."""
        self._blocked.discard(channel)
