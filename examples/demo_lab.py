"""The two calls of demo.py in the lab: the same gateway, telephone and far end, on a virtual clock with virtual wires.

    voipgw lab examples/demo_lab.py --seed 1

Nothing leaves the process, nothing waits, and the same seed gives the same trace, byte for byte.
"""

from __future__ import annotations

from demo import Stage, plan_for, two_calls
from far_end import FarEnd

from voipgw.gateway import GatewayConfig, Listen, MediaSettings
from voipgw.gateway.config import parse_network
from voipgw.lab import Lab
from voipgw.lab.host import Host

GATEWAY, CARRIERS = "10.0.0.1", "10.0.0.2"


async def main(lab: Lab) -> list[str]:
    """Play both calls; returns what was checked. Raises AssertionError with what did not hold."""
    out = lab.directory()
    host = Host(lab.network, CARRIERS)
    far = await lab.open(FarEnd(host, CARRIERS, lab.entropy_of("far end"), (5060, 5062)))
    card = lab.card(1)
    config = GatewayConfig(
        listen=(Listen("udp", GATEWAY, 5060),),
        trust=(parse_network(CARRIERS),),
        media=MediaSettings(record=out, capture=out / "demo.pcap"),
        cdr=out / "calls.jsonl",
    )
    gateway = await lab.gateway(config, plan_for(far.a.uri, far.b.uri, CARRIERS), cards=[card])
    stage = Stage(gateway, card.telephone(1), far, out, lambda text: print(f"{lab.loop.time():6.1f} s  {text}"))
    await two_calls(stage)
    failed = [f"{what}: {found}" for what, held, found in stage.checks if not held]
    assert not failed, "; ".join(failed)
    assert not gateway.exchange.calls
    return [what for what, _, _ in stage.checks]
