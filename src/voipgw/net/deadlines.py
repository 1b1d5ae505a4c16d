"""One timer structure for every machine of an endpoint: a heap that is put right only when it is looked at."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Protocol


class Timed(Protocol):
    """What can be scheduled. ``scheduled`` belongs to the structure alone; it starts as ``math.inf``."""

    scheduled: float

    def next_deadline(self) -> float:
        """When it wants to be called; ``math.inf`` for never."""
        ...


class Deadlines:
    """Deadlines of many machines.

    A deadline that moves later or goes away costs nothing now: its old entry stays, and when that comes up the machine is
    asked again. So a transaction that is answered in time puts one entry into the heap and takes one out.
    """

    __slots__ = ("_heap", "_serial", "_wake")

    def __init__(self, wake: Callable[[float], None]) -> None:
        """``wake(when)`` is called whenever a deadline becomes the earliest of all."""
        self._heap: list[tuple[float, int, Timed]] = []
        self._serial = 0
        self._wake = wake

    def set(self, item: Timed, when: float) -> None:
        """``item`` wants to be called at ``when``; an earlier entry of it stands in for it."""
        if when >= item.scheduled:
            return
        item.scheduled = when
        self._serial += 1
        heap = self._heap
        heapq.heappush(heap, (when, self._serial, item))
        if heap[0][2] is item:
            self._wake(when)

    def pop_due(self, now: float) -> Timed | None:
        """The next machine whose deadline has come, or None. Ask again until None comes."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            when, _, item = heapq.heappop(heap)
            if when != item.scheduled:
                continue  # it was moved earlier since, and that entry has done its work
            item.scheduled = math.inf
            wanted = item.next_deadline()
            if wanted <= now:
                return item
            if wanted != math.inf:
                item.scheduled = wanted
                self._serial += 1
                heapq.heappush(heap, (wanted, self._serial, item))
        return None

    def earliest(self) -> float:
        """When ``pop_due`` should be called next; ``math.inf`` when nothing is scheduled."""
        return self._heap[0][0] if self._heap else math.inf

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()

    def __len__(self) -> int:
        return len(self._heap)
