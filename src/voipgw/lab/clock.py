"""An asyncio event loop on a virtual clock: when nothing is left to do now, time jumps to the next timer."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

EPOCH = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)  #: the calendar's moment at virtual second 0: a Monday morning


class Stalled(RuntimeError):
    """Every task waits and no timer is set: in virtual time nothing would ever happen again."""


class _Jump(selectors.BaseSelector):
    """A selector without descriptors: to wait for a timeout is to move the clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.limit = math.inf
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, fd, events, data)
        self._keys[fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stalled(f"at virtual second {self.now:.3f} every task waits and no timer is set")
        if timeout > 0:
            self.now += timeout
            if self.now > self.limit:
                raise TimeoutError(f"the virtual clock passed its limit of {self.limit:g} s")
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._keys.clear()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose ``time`` starts at 0 and moves only when everything that can run has run.

    It has no descriptors and no threads: sockets come from ``voipgw.lab.network``, and what would leave the process raises.
    """

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jump.now

    def limit(self, seconds: float) -> None:
        """Raise TimeoutError out of ``run`` when virtual time passes ``seconds``."""
        self._jump.limit = seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> NoReturn:  # type: ignore[override]
        """Not in virtual time: a thread would not know the clock."""
        raise RuntimeError(
            f"{getattr(func, '__name__', func)} would run in a thread, which a virtual clock cannot wait for"
        )


class LabClock:
    """The ``voipgw.clock.Clock`` of a virtual loop: its calendar starts at ``EPOCH`` and can be set elsewhere."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: dt.datetime = EPOCH) -> None:
        self._loop = loop
        self._start = start

    def monotonic(self) -> float:
        """The loop's virtual seconds."""
        return self._loop.time()

    def utc(self) -> dt.datetime:
        """The calendar's start plus the virtual seconds."""
        return self._start + dt.timedelta(seconds=self._loop.time())


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]], *, limit_s: float = 7 * 86400.0) -> tuple[T, float, float]:
    """Run a coroutine on a fresh virtual loop.

    Returns its result, the virtual seconds that passed, and the real ones.

    Raises:
        Stalled: every task waits and no timer is set.
        TimeoutError: virtual time passed ``limit_s``.
    """
    began = time.perf_counter()
    loops: list[VirtualLoop] = []

    def factory() -> VirtualLoop:
        loop = VirtualLoop()
        loop.limit(limit_s)
        loops.append(loop)
        return loop

    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(main())
    return result, loops[0].time(), time.perf_counter() - began
