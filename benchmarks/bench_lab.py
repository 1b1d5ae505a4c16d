"""The lab: virtual seconds for each second of the processor.

Workloads: the demo's two calls (one telephone, two carriers, speech both ways, a recording and a capture); N calls of a minute
through a relaying gateway, whose peers are Python on the same processor; and a gateway in which nothing happens for an hour.
Run ``python benchmarks/bench_lab.py``; it prints one line per figure. Under pytest-benchmark the first is a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

from voipgw.gateway import GatewayConfig, Listen
from voipgw.gateway.config import parse_network
from voipgw.lab import Lab, Run, run
from voipgw.routing import Plan, anything, first

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

GATEWAY, CALLER, CALLEE = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def demo(seed: int = 1) -> Run[list[str]]:
    from demo_lab import main

    with contextlib.redirect_stdout(io.StringIO()):
        return run(main, seed)


async def relayed(lab: Lab, calls: int) -> None:
    caller, callee = await lab.peer("caller", CALLER), await lab.peer("callee", CALLEE)
    plan = Plan()
    plan.trunk("out", callee.uri)
    plan.route("onward", when=anything, to=first("out"))
    listen = (Listen("udp", GATEWAY, 5060),)
    await lab.gateway(GatewayConfig(listen=listen, trust=(parse_network(CALLER),)), plan)
    for number in range(calls):
        out = caller.call(f"sip:{number}@{GATEWAY}")
        (await callee.next_call()).answer()
        await out.until_answered()
    await asyncio.sleep(60)


async def idle(lab: Lab) -> None:
    await lab.gateway(GatewayConfig(listen=(Listen("udp", GATEWAY, 5060),)), Plan(), cards=[lab.card(1)])
    await asyncio.sleep(3600)


def main() -> None:
    demo()  # what is loaded and worked out once
    print(f"the demo's two calls: {max(demo(seed).speed for seed in range(3)):.0f} virtual s/s")
    for calls in (1, 10):
        done = run(lambda lab, calls=calls: relayed(lab, calls))
        print(f"{calls} calls relayed: {done.speed:.0f} virtual s/s, {done.lines / done.cpu_s:,.0f} trace lines/s")
    print(f"an idle gateway with one telephone on the hook: {run(idle).speed:,.0f} virtual s/s")


def test_demo(benchmark: Callable[..., object]) -> None:
    benchmark(demo)


if __name__ == "__main__":
    main()
