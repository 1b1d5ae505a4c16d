"""Routing: decisions a second over a plan of 300 rules, building it, explaining a call, matching digits.

Workload: 300 rules over 4 trunks (prefixes of 2 to 7 digits, sources, windows), 100 lines, 2,000 calls drawn by a seed.
Run ``python benchmarks/bench_routing.py``; it prints one line per figure. Under pytest-benchmark each is a test.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable

from voipgw.call.model import CallRequest, Party, Source, SourceKind
from voipgw.routing import CompiledPlan, Plan, at, called, first, number_class, source

RULES, LINES, CALLS = 300, 100, 2000
NOON = dt.datetime(2026, 1, 5, 12, 0, tzinfo=dt.UTC)


def build() -> Plan:
    draw = random.Random(20260105)
    plan = Plan(country="gb", area="20")
    trunks = [f"carrier-{letter}" for letter in "abcd"]
    for index, name in enumerate(trunks):
        plan.trunk(name, f"sip:198.51.100.{index + 1}", trust=[f"198.51.100.{index + 1}/32"])
    for index in range(LINES):
        plan.line(index + 1, extension=str(201 + index), did=f"+4420794601{index:02d}")
    plan.route("emergency", when=number_class.emergency, to=first(*trunks))
    plan.route("world", when=called.prefix("+"), to=first(*trunks[:2]))
    prefixes = {
        "+" + draw.choice(("1", "44", "33", "212", "971")) + str(draw.randrange(10 ** draw.randrange(6)))
        for _ in range(RULES * 2)
    }
    hours = at("mon-fri", "08:00", "18:00", tz="Europe/London")
    for index, prefix in enumerate(sorted(prefixes)[: RULES - 2]):
        when = called.prefix(prefix)
        if index % 10 == 0:
            when &= hours
        elif index % 10 == 1:
            when &= source.line(1 + index % LINES)
        plan.route(f"rule {index}", when=when, to=first(*draw.sample(trunks, 2)))
    return plan


def calls() -> list[CallRequest]:
    draw = random.Random(7)
    found = []
    for index in range(CALLS):
        line = str(draw.randrange(1, LINES + 1))
        front, size = draw.choice(
            (("020794", 5), ("07400", 6), ("001212555", 4), ("00331426", 5), ("0021265", 7), ("0097150", 7))
        )
        number = (
            front + str(draw.randrange(10 ** (size - 1), 10**size))
            if draw.random() < 0.9
            else str(200 + int(line) % 90)
        )
        found.append(
            CallRequest(str(index), Source(SourceKind.LINE, line, trusted=True), number, Party(str(200 + int(line))))
        )
    return found


def best_of(run: Callable[[], object], times: int = 5) -> float:
    """CPU seconds of the fastest run."""
    found = []
    for _ in range(times):
        began = time.process_time()
        run()
        found.append(time.process_time() - began)
    return min(found)


def decide_all(plan: CompiledPlan, requests: list[CallRequest]) -> int:
    return sum(len(plan.decide(request, NOON).routes) for request in requests)


def main() -> None:
    plan = build().compile()
    requests = calls()
    routed = sum(bool(plan.decide(request, NOON).routes) for request in requests)
    spent = best_of(lambda: decide_all(plan, requests))
    print(
        f"decide, {RULES} rules, {LINES} lines: {CALLS / spent:,.0f} decisions/s ({1e6 * spent / CALLS:.1f} us; {routed} routed)"
    )
    print(f"build and compile {RULES} rules: {1e3 * best_of(lambda: build().compile(), 3):.0f} ms")
    explained = best_of(lambda: [plan.decide(request, NOON).explanation for request in requests[:50]], 3) / 50
    print(f"explain: {1e3 * explained:.2f} ms a call")
    print(f"digit map of a line: {1e3 * best_of(lambda: build().digit_map('line:1'), 3):.0f} ms with the plan")
    numbers = [request.called for request in requests[:200]]
    digit_map = plan.digit_map("line:1")
    first_pass = best_of(lambda: [digit_map.match(text[:size]) for text in numbers for size in range(len(text))], 1)
    print(f"digit map match: {1e6 * first_pass / sum(map(len, numbers)):.0f} us a digit, not asked before")


def test_decide(benchmark: Callable[..., object]) -> None:
    plan = build().compile()
    requests = calls()
    benchmark(decide_all, plan, requests)


if __name__ == "__main__":
    main()
