from __future__ import annotations

import asyncio

import pytest

from voipgw.lab.clock import EPOCH, LabClock, Stalled, run_virtual


def test_a_virtual_day_passes_at_once_and_exactly() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        clock = LabClock(loop)
        seen = [loop.time()]
        await asyncio.sleep(86400)
        seen.append(clock.monotonic())
        assert (clock.utc() - EPOCH).days == 1
        return seen

    seen, virtual, real = run_virtual(main)
    assert seen == [0.0, pytest.approx(86400)]
    assert virtual == pytest.approx(86400)
    assert real < virtual


def test_timers_fire_in_order_of_their_time() -> None:
    order: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, order.append, "second")
        loop.call_later(0.01, order.append, "first")
        loop.call_at(loop.time() + 0.03, order.append, "third")
        await asyncio.sleep(0.1)

    run_virtual(main)
    assert order == ["first", "second", "third"]


def test_waiting_for_what_never_comes_is_said_and_not_waited_for() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stalled, match="no timer is set"):
        run_virtual(main)


def test_a_thread_is_refused() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, print)

    with pytest.raises(RuntimeError, match="would run in a thread"):
        run_virtual(main)


def test_the_limit_ends_a_run_that_goes_on_for_ever() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(TimeoutError, match="limit of 60 s"):
        run_virtual(main, limit_s=60)
