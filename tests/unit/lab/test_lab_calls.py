"""Calls through a whole gateway when the world is unkind: whatever happens, nothing is left, and there is one record each."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from voipgw.cdr.record import CallRecord
from voipgw.drivers.telephone import SimTelephone
from voipgw.gateway import Gateway, GatewayConfig, Listen, MediaSettings
from voipgw.gateway.config import parse_network
from voipgw.lab import Lab, Link, run
from voipgw.lab.peer import Peer, PeerCall, PeerError
from voipgw.routing import Plan, anything, called, first

SEEDS = range(25)
GATEWAY, CALLER, CALLEE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
LONGEST_TRANSACTION_S = 70.0  #: after this everything that a call left behind has come to its end


@attrs.frozen
class TrunkScene:
    """caller -- gateway -- callee."""

    lab: Lab
    gateway: Gateway
    caller: Peer
    callee: Peer

    @classmethod
    async def set_up(cls, lab: Lab, *, mode: str = "relay", media: MediaSettings | None = None) -> TrunkScene:
        caller, callee = await lab.peer("caller", CALLER), await lab.peer("callee", CALLEE)
        plan = Plan()
        plan.trunk("out", callee.uri)
        plan.route("onward", when=anything, to=first("out"))
        config = GatewayConfig(
            listen=(Listen("udp", GATEWAY, 5060),),
            trust=(parse_network(CALLER),),
            media=media or MediaSettings(mode=mode),
        )
        return cls(lab, await lab.gateway(config, plan), caller, callee)

    @property
    def uri(self) -> str:
        return f"sip:5551000@{GATEWAY}:5060"

    async def records(self) -> list[CallRecord]:
        return await finished(self.gateway)


@attrs.frozen
class PhoneScene:
    """telephone -- gateway -- carrier."""

    lab: Lab
    gateway: Gateway
    telephone: SimTelephone
    carrier: Peer

    @classmethod
    async def set_up(cls, lab: Lab) -> PhoneScene:
        carrier = await lab.peer("carrier", CALLEE)
        plan = Plan(country="us", area="312")
        plan.trunk("carrier", carrier.uri, trust=[CALLEE])
        plan.line(1, extension="101", did="+13125550100")
        plan.route("long distance", when=called.prefix("+1"), to=first("carrier"))
        card = lab.card(1)
        config = GatewayConfig(listen=(Listen("udp", GATEWAY, 5060),))
        return cls(lab, await lab.gateway(config, plan, cards=[card]), card.telephone(1), carrier)

    @property
    def uri(self) -> str:
        return f"sip:+13125550100@{GATEWAY}:5060"

    async def records(self) -> list[CallRecord]:
        return await finished(self.gateway)


async def finished(gateway: Gateway) -> list[CallRecord]:
    """The records of all calls, after everything has come to its end and nothing is left."""
    await asyncio.sleep(LONGEST_TRANSACTION_S)
    assert gateway.exchange.calls == []
    assert gateway.endpoint.dialogs == 0
    assert gateway.endpoint.transactions == 0
    assert all(line.idle for line in gateway.lines.lines.values())
    if gateway.media is not None:
        assert gateway.media.open_streams == 0
    return [call.record for call in gateway.observation.records.finished]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_is_set_up_and_torn_down_over_lossy_disorderly_links(seed: int) -> None:
    link = Link(delay_s=0.02, jitter_s=0.08, loss=0.2, duplicate=0.1)

    async def main(lab: Lab) -> list[CallRecord]:
        scene = await TrunkScene.set_up(lab, mode="none")
        out = scene.caller.call(scene.uri)
        come = await scene.callee.next_call(within=32)
        come.ring()
        await asyncio.sleep(1)
        come.answer()
        await out.until_answered(within=32)
        await asyncio.sleep(2)
        first, other = (out, come) if seed % 2 else (come, out)
        first.hang_up()
        await other.until_over(within=32)
        return await scene.records()

    records = run(main, seed, link=link).result
    assert len(records) == 1
    assert records[0].answer is not None
    assert records[0].cause == 16


@pytest.mark.parametrize("seed", SEEDS)
def test_a_caller_who_gives_up_over_a_lossy_link_leaves_nothing_behind(seed: int) -> None:
    link = Link(delay_s=0.02, jitter_s=0.3, loss=0.25, duplicate=0.2)

    async def main(lab: Lab) -> list[CallRecord]:
        scene = await TrunkScene.set_up(lab)
        out = scene.caller.call(scene.uri)
        await asyncio.sleep(0.1 + 3 * lab.entropy.uniform())
        out.hang_up()  # sometimes before anything has arrived anywhere
        try:
            come = await scene.callee.next_call(within=40)
        except PeerError:
            return await scene.records()
        if not come.over:
            come.ring()
            if lab.entropy.uniform() < 0.5 and not come.over:
                come.answer()  # crosses the CANCEL
        try:
            await come.until_over(within=70)
        except PeerError:  # every provisional was lost: nobody could tell it, and it gives up by itself
            come.refuse(480)
        return await scene.records()

    records = run(main, seed, link=link).result
    assert len(records) == 1
    assert records[0].end is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_both_hang_up_at_the_same_moment(seed: int) -> None:
    async def main(lab: Lab) -> list[CallRecord]:
        lab.network.set_link(CALLER, GATEWAY, Link(delay_s=0.005, jitter_s=0.02, loss=0.1))
        scene = await TrunkScene.set_up(lab)
        out, come = await talking(scene)
        together = [(lab.entropy.uniform() * 0.03, call) for call in (out, come)]
        for delay, call in together:
            lab.loop.call_later(delay, call.hang_up)
        return await scene.records()

    records = run(main, seed).result
    assert len(records) == 1
    assert records[0].cause == 16


async def talking(scene: TrunkScene) -> tuple[PeerCall, PeerCall]:
    """Both ends of a call that has been answered."""
    out = scene.caller.call(scene.uri)
    come = await scene.callee.next_call()
    come.answer()
    await out.until_answered(within=32)
    await asyncio.sleep(1)
    return out, come


def test_a_call_outlives_an_outage_and_is_heard_again_after_it() -> None:
    async def main(lab: Lab) -> tuple[list[int], list[CallRecord]]:
        scene = await TrunkScene.set_up(lab)
        out, come = await talking(scene)
        heard = [come.voice.packets_received]
        lab.network.outage(CALLER, GATEWAY, 5.0)
        for _ in range(2):
            await asyncio.sleep(5)
            heard.append(come.voice.packets_received)
        out.hang_up()
        await come.until_over()
        return heard, await scene.records()

    (before, during, after), records = run(main).result
    assert during - before <= 1
    assert 245 <= after - during <= 251
    assert len(records) == 1
    assert records[0].duration_s == pytest.approx(11, abs=0.1)


def test_a_hang_up_in_an_outage_arrives_after_it() -> None:
    async def main(lab: Lab) -> tuple[float, list[CallRecord]]:
        scene = await TrunkScene.set_up(lab)
        out, come = await talking(scene)
        lab.network.outage(CALLER, GATEWAY, 10.0)
        began = lab.loop.time()
        out.hang_up()
        await come.until_over(within=20)
        return lab.loop.time() - began, await scene.records()

    took, records = run(main).result
    assert 10 < took < 15
    assert [record.cause for record in records] == [16]


def test_a_callee_who_vanishes_for_good_leaves_nothing_behind_when_the_caller_hangs_up() -> None:
    async def main(lab: Lab) -> list[CallRecord]:
        scene = await TrunkScene.set_up(lab)
        out, _ = await talking(scene)
        lab.network.outage(GATEWAY, CALLEE, 3600.0)
        await asyncio.sleep(1)
        out.hang_up()
        return await scene.records()

    assert [record.cause for record in run(main).result] == [16]


@pytest.mark.parametrize("silence", ["carrier", "network"])
def test_a_carrier_that_never_answers_is_given_up_and_the_caller_is_told(silence: str) -> None:
    async def main(lab: Lab) -> tuple[int | None, float, list[CallRecord]]:
        scene = await TrunkScene.set_up(lab)
        if silence == "carrier":
            scene.callee.silent = True
        else:
            lab.network.outage(GATEWAY, CALLEE, 600)
        began = lab.loop.time()
        out = scene.caller.call(scene.uri)
        await out.until_over(within=60)
        return out.status, lab.loop.time() - began, await scene.records()

    status, took, records = run(main).result
    assert status in (408, 503, 504)
    assert took <= 32.5
    assert len(records) == 1
    assert records[0].answer is None
    assert [attempt.target for attempt in records[0].attempts] == ["trunk:out"]


def test_a_carrier_that_rings_for_ever_is_cancelled_when_the_caller_gives_up() -> None:
    async def main(lab: Lab) -> tuple[str | None, list[CallRecord]]:
        scene = await TrunkScene.set_up(lab)
        out = scene.caller.call(scene.uri)
        come = await scene.callee.next_call()
        come.ring()
        await asyncio.sleep(20)
        out.hang_up()
        await come.until_over()
        return come.ended_by_peer.how.value if come.ended_by_peer else None, await scene.records()

    how, records = run(main).result
    assert how == "cancelled"
    assert len(records) == 1
    assert records[0].answer is None


def test_an_hour_long_call_without_media_here_costs_next_to_nothing() -> None:
    async def main(lab: Lab) -> list[CallRecord]:
        scene = await TrunkScene.set_up(lab, mode="none")
        out, come = await talking(scene)
        out.voice.close()  # the ends may talk past us as long as they like; here nothing passes
        come.voice.close()
        await asyncio.sleep(3600)
        out.hang_up()
        await come.until_over()
        return await scene.records()

    done = run(main)
    assert [record.duration_s for record in done.result] == [pytest.approx(3601, abs=0.1)]
    assert done.virtual_s > 3600
    assert done.speed > 1000  # of the processor's seconds


def test_a_telephone_that_hangs_up_while_the_far_end_rings_cancels_the_call() -> None:
    async def main(lab: Lab) -> tuple[str | None, list[CallRecord], bool]:
        scene = await PhoneScene.set_up(lab)
        phone = scene.telephone
        phone.off_hook()
        await phone.expect("dial-tone")
        await phone.dial("12125550147")
        come = await scene.carrier.next_call()
        come.ring()
        await phone.expect("ringback")
        phone.on_hook()
        await come.until_over()
        records = await scene.records()
        phone.off_hook()
        await phone.expect("dial-tone")  # and the next call works
        phone.on_hook()
        await asyncio.sleep(2)
        return (
            come.ended_by_peer.how.value if come.ended_by_peer else None,
            records,
            scene.gateway.lines.lines["1"].idle,
        )

    how, records, idle = run(main).result
    assert how == "cancelled"
    assert len(records) == 1
    assert records[0].answer is None
    assert idle


def test_a_caller_who_gives_up_while_the_telephone_rings_stops_the_bell() -> None:
    async def main(lab: Lab) -> tuple[bool, bool, list[CallRecord]]:
        scene = await PhoneScene.set_up(lab)
        out = scene.carrier.call(scene.uri, calling="+12125550147")
        await scene.telephone.expect_ring(within=5)
        before = scene.telephone.being_rung
        await asyncio.sleep(6.5)  # amid the second ring
        out.hang_up()
        await asyncio.sleep(0.1)
        ringing = scene.telephone.rings[-1].end is None
        return before, ringing, await scene.records()

    before, ringing, records = run(main).result
    assert before
    assert not ringing
    assert len(records) == 1
    assert records[0].answer is None


def test_a_telephone_nobody_lifts_stops_ringing_in_the_end() -> None:
    async def main(lab: Lab) -> tuple[int | None, list[CallRecord]]:
        scene = await PhoneScene.set_up(lab)
        out = scene.carrier.call(scene.uri)
        await out.until_over(within=400)
        return out.status, await scene.records()

    status, records = run(main).result
    assert status in (408, 480)
    assert len(records) == 1


def test_the_telephone_and_the_carrier_hang_up_at_the_same_moment() -> None:
    async def main(lab: Lab) -> list[CallRecord]:
        scene = await PhoneScene.set_up(lab)
        out = scene.carrier.call(scene.uri)
        await scene.telephone.expect_ring(within=5)
        scene.telephone.off_hook()
        await out.until_answered()
        await asyncio.sleep(2)
        scene.telephone.on_hook()
        await asyncio.sleep(lab.entropy.uniform())
        if not out.over:
            out.hang_up()
        return await scene.records()

    for seed in range(6):
        records = run(main, seed).result
        assert len(records) == 1
        assert records[0].cause == 16


@pytest.mark.parametrize(("hurried", "waits_s"), [(True, 0.0), (False, 4.0)])
def test_goodbyes_that_nobody_answers_are_waited_for_once_and_not_at_all_when_told_so(
    hurried: bool, waits_s: float
) -> None:
    async def main(lab: Lab) -> float:
        scene = await TrunkScene.set_up(lab)
        out = scene.caller.call(scene.uri)
        call = await scene.callee.next_call()
        call.answer()
        await out.until_answered()
        scene.caller.silent = scene.callee.silent = True
        began, at_once = lab.loop.time(), asyncio.Event()
        if hurried:
            at_once.set()
        await scene.gateway.drain(0.0, at_once)
        assert not scene.gateway.exchange.calls
        await scene.gateway.__aexit__(None, None, None)
        return lab.loop.time() - began

    assert run(main, 1).result == pytest.approx(waits_s, abs=0.05)
