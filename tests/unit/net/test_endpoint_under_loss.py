"""Endpoints on the lab's wires: loss, duplication and reordering in virtual time, the same each time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.lab.clock import run_virtual
from voipgw.lab.host import Host
from voipgw.lab.network import Frame, Link, Network
from voipgw.net.endpoint import Endpoint
from voipgw.net.settings import EndpointSettings
from voipgw.sip.effects import CancelRequest, SendRequest

REQUESTS = 40


def run(party: Any, seed: int, link: Link, method: str, answers: tuple[int, ...] = (180, 486)) -> tuple[Any, ...]:
    """Requests from one endpoint to another; returns callers, callees, both endpoints and all that passed."""

    async def main() -> tuple[Any, ...]:
        loop = asyncio.get_running_loop()
        network = Network(loop, SeededEntropy(seed), link)
        frames: list[Frame] = []
        network.watch(frames.append)
        callees: list[Any] = []

        def accept(request: Any, arrival: Any, now: float) -> Any:
            callees.append(party(answers=answers))
            return callees[-1]

        ends = [
            Endpoint(accept=accept, network=Host(network, host), entropy=SeededEntropy(f"{seed} {host}"))
            for host in ("192.0.2.1", "192.0.2.2")
        ]
        for end, host in zip(ends, ("192.0.2.1", "192.0.2.2"), strict=True):
            await end.listen("udp", host, 5060)
        callers = [party("sip:b@192.0.2.2") for _ in range(REQUESTS)]
        for number, caller in enumerate(callers):
            request = caller.request(method, call_id=f"{number}@lab")
            ends[0].perform(caller, [SendRequest(request, caller)])
        await asyncio.gather(*(caller.wait_long() for caller in callers))
        await asyncio.sleep(70)  # virtual: every transaction comes to its end
        left = [end.transactions for end in ends]
        counters = [end.counters for end in ends]
        for end in ends:
            await end.close()
        return callers, callees, left, counters, frames

    result, _, _ = run_virtual(main)
    return result


@pytest.fixture
def patient(party: Any) -> Any:
    class Patient(party):  # type: ignore[misc]
        async def wait_long(self) -> None:
            await self.done.wait()

    return Patient


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize(
    "link",
    [Link(), Link(loss=0.1, duplicate=0.1, jitter_s=0.02), Link(loss=0.35, duplicate=0.2, jitter_s=0.6)],
    ids=str,
)
def test_each_request_is_delivered_once_and_answered_once(method: str, link: Link, patient: Any) -> None:
    callers, callees, left, counters, frames = run(patient, 7, link, method)
    final = "486 INVITE" if method == "INVITE" else "200 OPTIONS"
    failed = sum(bool(caller.errors) for caller in callers)
    assert failed <= (REQUESTS // 4 if link.loss > 0.2 else 0)
    for caller in callers:
        assert caller.seen.count(final) == (0 if caller.errors else 1)
    assert all(callee.seen.count(method) == 1 for callee in callees)
    assert len(callees) <= REQUESTS
    assert left == [0, 0]
    assert not counters[0].malformed and not counters[1].malformed
    if not link.loss:
        assert not counters[0].retransmissions_sent and len(frames) == REQUESTS * (4 if method == "INVITE" else 2)


def test_the_same_seed_gives_the_same_trace(patient: Any) -> None:
    link = Link(loss=0.3, duplicate=0.2, jitter_s=0.2)
    one, other, third = (run(patient, seed, link, "INVITE")[4] for seed in (1, 1, 2))
    assert one == other
    assert one != third


def test_a_dead_peer_costs_32_seconds_and_seven_datagrams(patient: Any) -> None:
    callers, callees, _, counters, frames = run(patient, 1, Link(down=True), "INVITE")
    assert callees == [] and all(len(caller.errors) == 1 for caller in callers)
    assert len(frames) == 7 * REQUESTS and frames[-1].time == pytest.approx(31.5)
    assert counters[0].timeouts == REQUESTS


def test_a_cancel_lost_many_times_still_ends_the_call(patient: Any) -> None:
    async def main() -> tuple[Any, ...]:
        loop = asyncio.get_running_loop()
        network = Network(loop, SeededEntropy(5), Link(loss=0.4))
        callee, caller = patient(answers=(180,)), patient("sip:b@192.0.2.2")
        server = Endpoint(accept=lambda request, arrival, now: callee, network=Host(network, "192.0.2.2"))
        client = Endpoint(
            accept=lambda request, arrival, now: None,
            network=Host(network, "192.0.2.1"),
            entropy=SeededEntropy(1),
            settings=EndpointSettings(),
        )
        await server.listen("udp", "192.0.2.2", 5060)
        await client.listen("udp", "192.0.2.1", 5060)
        invite = caller.request("INVITE")
        client.perform(caller, [SendRequest(invite, caller), CancelRequest(invite)])
        await caller.wait_long()
        await client.close()
        await server.close()
        return caller, callee

    (caller, callee), _, _ = run_virtual(main)
    assert callee.seen == ["INVITE", "cancelled"]
    assert caller.seen[-1] == "487 INVITE"
