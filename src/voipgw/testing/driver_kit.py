"""What every ``voipgw.pstn.driver.Driver`` must do, as checks that its tests call: of ours, and of other people's.

The kit needs hands: an object that lifts, hangs up and listens at the far end of each port, a simulated telephone or a real
one with a relay. Each check is a coroutine that raises AssertionError with what it expected and what it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from voipgw.errors import DriverError
from voipgw.pstn.driver import Driver, FxsPort
from voipgw.pstn.line import Feed, LineEvent, LineEventKind

CLOSED, OPENED, TRIP = LineEventKind.LOOP_CLOSED, LineEventKind.LOOP_OPENED, LineEventKind.RING_TRIP


class Hands(Protocol):
    """What the kit can do at the far end of a port."""

    def off_hook(self) -> None:
        """Lift the handset."""
        ...

    def on_hook(self) -> None:
        """Put it down."""
        ...


class Bench:
    """A started driver and everything its ports have reported."""

    def __init__(self, driver: Driver, hands: Callable[[FxsPort], Hands]) -> None:
        self.driver = driver
        self.hands = hands
        self.seen: list[tuple[FxsPort, LineEvent]] = []
        self._news = asyncio.Event()

    def deliver(self, port: FxsPort, event: LineEvent) -> None:
        """What the driver is started with."""
        self.seen.append((port, event))
        self._news.set()

    async def settle(self, seconds: float = 0.3) -> None:
        """Let bounces pass."""
        await asyncio.sleep(seconds)

    async def wait_for(self, port: FxsPort, kind: LineEventKind, within_s: float = 1.0) -> LineEvent:
        """The next event of this kind on ``port`` that has not been taken by an earlier wait; events before it are dropped."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while True:
            for index, (whose, event) in enumerate(self.seen):
                if whose is port and event.kind is kind:
                    del self.seen[: index + 1]
                    return event
            self._news.clear()
            assert loop.time() < deadline, (
                f"port {port.number} did not report {kind.value!r}; it reported {self._kinds(port)}"
            )
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                continue

    def final(self, port: FxsPort) -> LineEventKind | None:
        """The last loop event of ``port``."""
        loop = [event.kind for whose, event in self.seen if whose is port and event.kind in (CLOSED, OPENED)]
        return loop[-1] if loop else None

    def _kinds(self, port: FxsPort) -> str:
        return ", ".join(repr(event.kind.value) for whose, event in self.seen if whose is port) or "nothing"


async def ports_are_numbered_and_described(bench: Bench) -> None:
    """Numbers are unique and begin at 1 or above; law and frame size are ones that the media engine knows."""
    numbers = [port.number for port in bench.driver.fxs_ports]
    assert numbers, "the board has no FXS port"
    assert len(set(numbers)) == len(numbers) and min(numbers) >= 1, f"port numbers {numbers}"
    for port in bench.driver.fxs_ports:
        assert port.law in ("PCMU", "PCMA"), f"port {port.number} has law {port.law!r}"
        assert port.frame_samples > 0 and port.frame_samples % 8 == 0, (
            f"port {port.number}: {port.frame_samples} samples"
        )


async def a_second_start_is_refused(bench: Bench) -> None:
    """A board in use cannot be started again."""
    try:
        await bench.driver.start(bench.deliver)
    except DriverError:
        return
    raise AssertionError("a second start was accepted")


async def the_hook_is_reported_with_its_time(bench: Bench) -> None:
    """Lifting and hanging up are reported on the right port, with a time between before and after, in order."""
    loop = asyncio.get_running_loop()
    for port in bench.driver.fxs_ports:
        before = loop.time()
        bench.hands(port).off_hook()
        event = await bench.wait_for(port, CLOSED)
        assert before - 0.001 <= event.at <= loop.time() + 0.001, (
            f"reported at {event.at}, it was {before} to {loop.time()}"
        )
        await bench.settle()
        assert bench.final(port) in (CLOSED, None), "the loop did not stay closed"
        bench.hands(port).on_hook()
        await bench.wait_for(port, OPENED)
        await bench.settle()
        assert bench.final(port) in (OPENED, None), "the loop did not stay open"
        strangers = [whose.number for whose, _ in bench.seen if whose is not port]
        assert not strangers, f"ports {strangers} reported what happened on {port.number}"
        bench.seen.clear()


async def a_ringing_telephone_that_is_lifted_trips(bench: Bench) -> None:
    """Lifting under ringing voltage gives RING_TRIP; the loop then counts as closed until it opens."""
    for port in bench.driver.fxs_ports:
        port.ring(True)
        await bench.settle(0.5)
        assert not bench.seen, f"ringing alone made port {port.number} report {bench.seen}"
        bench.hands(port).off_hook()
        await bench.wait_for(port, TRIP)
        port.ring(False)
        await bench.settle()
        bench.hands(port).on_hook()
        await bench.wait_for(port, OPENED)
        await bench.settle()
        bench.seen.clear()


async def a_telephone_lifted_between_rings_closes_the_loop(bench: Bench) -> None:
    """In the pause of a cadence the loop itself tells."""
    port = bench.driver.fxs_ports[0]
    port.ring(True)
    await bench.settle()
    port.ring(False)
    await bench.settle()
    bench.hands(port).off_hook()
    await bench.wait_for(port, CLOSED)
    bench.hands(port).on_hook()
    await bench.settle()
    bench.seen.clear()


async def reversal_leaves_the_loop_as_it_is(bench: Bench) -> None:
    """A reversed battery drives the loop as well as a normal one."""
    port = bench.driver.fxs_ports[0]
    bench.hands(port).off_hook()
    await bench.wait_for(port, CLOSED)
    await bench.settle()
    bench.seen.clear()
    port.set_feed(Feed.REVERSED)
    await bench.settle()
    assert bench.final(port) is not OPENED, "the loop opened when the battery was reversed"
    port.set_feed(Feed.NORMAL)
    bench.hands(port).on_hook()
    await bench.wait_for(port, OPENED)
    await bench.settle()
    bench.seen.clear()


async def after_an_open_feed_the_loop_is_told_right(bench: Bench) -> None:
    """Whatever a port reports while it does not feed: once it feeds again, its reports end with the truth."""
    port = bench.driver.fxs_ports[0]
    bench.hands(port).off_hook()
    await bench.wait_for(port, CLOSED)
    await bench.settle()
    bench.seen.clear()
    port.set_feed(Feed.OPEN)
    await bench.settle()
    port.set_feed(Feed.NORMAL)
    await bench.settle()
    assert bench.final(port) is not OPENED, "the telephone is off-hook, the port says on-hook"
    port.set_feed(Feed.OPEN)
    await bench.settle()
    bench.hands(port).on_hook()
    port.set_feed(Feed.NORMAL)
    await bench.settle()
    assert bench.final(port) is OPENED, "the telephone was hung up while the feed was open; the port does not say so"
    bench.seen.clear()


async def repeated_commands_change_nothing(bench: Bench) -> None:
    """Ringing on twice, off twice and the same feed again are no events and no errors."""
    port = bench.driver.fxs_ports[0]
    for _ in range(2):
        port.ring(True)
    for _ in range(2):
        port.ring(False)
    for _ in range(2):
        port.set_feed(Feed.NORMAL)
    await bench.settle()
    assert not bench.seen, f"port {port.number} reported {bench.seen}"


async def nothing_is_reported_after_close(bench: Bench) -> None:
    """Closing twice is harmless; a closed board is silent. The last check: the board is gone after it."""
    await bench.driver.close()
    await bench.driver.close()
    bench.seen.clear()
    for port in bench.driver.fxs_ports:
        bench.hands(port).off_hook()
    await bench.settle()
    assert not bench.seen, "a closed board reported events"


#: Every check, in an order in which one bench can run them all; the last one closes the board.
CHECKS: tuple[Callable[[Bench], Awaitable[None]], ...] = (
    ports_are_numbered_and_described,
    a_second_start_is_refused,
    the_hook_is_reported_with_its_time,
    a_ringing_telephone_that_is_lifted_trips,
    a_telephone_lifted_between_rings_closes_the_loop,
    reversal_leaves_the_loop_as_it_is,
    after_an_open_feed_the_loop_is_told_right,
    repeated_commands_change_nothing,
    nothing_is_reported_after_close,
)


async def check_driver(driver: Driver, hands: Callable[[FxsPort], Hands]) -> None:
    """Start ``driver`` and run every check on it, with all its telephones on-hook; closes it."""
    bench = Bench(driver, hands)
    await driver.start(bench.deliver)
    try:
        for check in CHECKS:
            await check(bench)
    finally:
        await driver.close()
