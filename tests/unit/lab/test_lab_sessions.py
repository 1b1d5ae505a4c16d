"""Session timers and reliable provisionals through a whole gateway, where both sides, one side, or nobody knows them."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from voipgw.gateway import Gateway, GatewayConfig, Listen, MediaSettings
from voipgw.gateway.config import parse_network
from voipgw.lab import Lab, Link, run
from voipgw.lab.peer import Peer
from voipgw.routing import Plan, anything, first
from voipgw.sip.reliable import Reliability
from voipgw.sip.session_timer import TimerSettings

OFF, ON = TimerSettings(0), TimerSettings()
GATEWAY, CALLER, CALLEE = "10.0.0.1", "10.0.0.2", "10.0.0.3"


@attrs.frozen
class Scene:
    """caller -- gateway -- callee."""

    gateway: Gateway
    caller: Peer
    callee: Peer

    @classmethod
    async def set_up(cls, lab: Lab, mode: str = "none", timer: TimerSettings = ON) -> Scene:
        caller, callee = await lab.peer("caller", CALLER), await lab.peer("callee", CALLEE)
        plan = Plan()
        plan.trunk("out", callee.uri)
        plan.route("onward", when=anything, to=first("out"))
        config = GatewayConfig(
            listen=(Listen("udp", GATEWAY, 5060),),
            trust=(parse_network(CALLER),),
            media=MediaSettings(mode=mode),
            timer=timer,
        )
        return cls(await lab.gateway(config, plan), caller, callee)

    @property
    def uri(self) -> str:
        return f"sip:5551000@{GATEWAY}:5060"

    def left(self) -> tuple[int, int, int]:
        endpoint = self.gateway.endpoint
        return len(self.gateway.exchange.calls), endpoint.dialogs, endpoint.transactions


@pytest.mark.parametrize(("theirs", "far"), [(ON, ON), (ON, OFF), (OFF, ON), (OFF, OFF)])
@pytest.mark.parametrize("mode", ["none", "relay"])
def test_a_call_of_three_hours_is_refreshed_on_both_sides(theirs: TimerSettings, far: TimerSettings, mode: str) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab, mode)
        scene.caller.timer, scene.callee.timer = theirs, far
        out = scene.caller.call(scene.uri)
        come = await scene.callee.next_call()
        come.ring()
        come.answer()
        await out.until_answered()
        out.voice.close()  # nobody says anything for three hours
        come.voice.close()
        await asyncio.sleep(3 * 3600)
        assert not out.over and not come.over
        refreshed = [session.timer.expires_s for session in (out.session, come.session)]
        assert refreshed == [1800, 1800]
        out.hang_up()
        await come.until_over()
        await asyncio.sleep(70)
        assert scene.left() == (0, 0, 0)

    run(main, 1)


@pytest.mark.parametrize("silent", ["caller", "callee"])
def test_a_peer_that_disappears_in_mid_call_ends_it_on_both_sides(silent: str) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab)
        out = scene.caller.call(scene.uri)
        come = await scene.callee.next_call()
        come.answer()
        await out.until_answered()
        out.voice.close()
        come.voice.close()
        await asyncio.sleep(60)
        gone, left = (scene.caller, come) if silent == "caller" else (scene.callee, out)
        gone.silent = True
        await left.until_over(within=1800)
        await asyncio.sleep(70)
        assert scene.left()[0] == 0
        (record,) = [call.record for call in scene.gateway.observation.records.finished]
        # The caller was to refresh, and hangs up by itself since nothing answers; the callee's refreshes are ours to send.
        assert record.cause == (16 if silent == "caller" else 102)

    run(main, 2)


@pytest.mark.parametrize("mode", ["none", "relay"])
@pytest.mark.parametrize(
    ("near", "far"),
    [(near, far) for near in Reliability for far in Reliability if near is not far or near is Reliability.SUPPORTED],
)
def test_early_media_reaches_the_caller_whoever_knows_reliable_provisionals(
    near: Reliability, far: Reliability, mode: str
) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab, mode)
        scene.caller.reliable, scene.callee.reliable = near, far
        out = scene.caller.call(scene.uri)
        come = await scene.callee.next_call()
        come.ring()
        await asyncio.sleep(0.5)
        come.progress()
        await asyncio.sleep(0.5)
        assert 180 in out.provisionals and 183 in out.provisionals and out.agreement is not None
        await asyncio.sleep(3)
        come.answer()
        await out.until_answered()
        out.hang_up()
        await come.until_over()
        await asyncio.sleep(70)
        assert scene.left() == (0, 0, 0)

    run(main, 3)


@pytest.mark.parametrize("seed", range(12))
def test_reliable_provisionals_over_a_lossy_wire_leave_nothing_behind(seed: int) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab, "relay" if seed % 2 else "none")
        scene.caller.reliable = list(Reliability)[seed % 3]
        scene.callee.reliable = list(Reliability)[seed // 3 % 3]
        out = scene.caller.call(scene.uri)
        come = await scene.callee.next_call(within=32)
        come.ring()
        await asyncio.sleep(lab.entropy.uniform())
        come.progress()
        await asyncio.sleep(2 * lab.entropy.uniform())
        if seed % 4 == 3:
            out.hang_up()
        elif not come.over:
            come.answer()
            await out.until_answered(within=32)
            out.hang_up()
        await come.until_over(within=70)
        await asyncio.sleep(110)
        assert scene.left() == (0, 0, 0)

    run(main, seed, link=Link(delay_s=0.02, jitter_s=0.08, loss=0.15, duplicate=0.1))
