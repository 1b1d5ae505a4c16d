from __future__ import annotations

import asyncio

import numpy as np

from voipgw.entropy import SeededEntropy
from voipgw.lab.clock import run_virtual
from voipgw.lab.compare import compare
from voipgw.lab.host import Host
from voipgw.lab.network import Link, Network
from voipgw.lab.voice import Voice

PLAIN = np.random.default_rng(3).normal(0, 2000, 8000).astype(np.int16)


def test_what_one_voice_says_the_other_hears_and_nothing_is_missing() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wires = Network(loop, SeededEntropy(1), Link(delay_s=0.01, jitter_s=0.05))
        one, other = Host(wires, "10.0.0.1"), Host(wires, "10.0.0.2")
        near = Voice(SeededEntropy(2), lambda receive: one.open_datagram(("10.0.0.1", 4000), receive))
        far = Voice(SeededEntropy(3), lambda receive: other.open_datagram(("10.0.0.2", 4000), receive))
        near.start(("10.0.0.2", 4000), 0)
        far.start(("10.0.0.1", 4000), 8)
        await asyncio.gather(near.say(PLAIN), far.say(PLAIN[::-1].copy()))
        await asyncio.sleep(0.2)
        assert compare(PLAIN, far.heard()).passes()
        assert compare(PLAIN[::-1].copy(), near.heard()).passes()
        assert near.packets_sent - 5 < far.packets_received <= near.packets_sent
        near.close()
        far.close()

    run_virtual(main)


def test_a_lost_packet_leaves_a_hole_in_what_was_heard() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wires = Network(loop, SeededEntropy(5), Link(loss=0.1))
        one, other = Host(wires, "10.0.0.1"), Host(wires, "10.0.0.2")
        near = Voice(SeededEntropy(2), lambda receive: one.open_datagram(("10.0.0.1", 4000), receive))
        far = Voice(SeededEntropy(3), lambda receive: other.open_datagram(("10.0.0.2", 4000), receive))
        near.start(("10.0.0.2", 4000), 0)
        await near.say(PLAIN)
        assert not compare(PLAIN, far.heard()).passes()
        near.close()
        far.close()

    run_virtual(main)
