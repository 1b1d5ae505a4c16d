"""The kit passes our simulated card, in virtual and in real time, and finds drivers that break its rules."""

from __future__ import annotations

import asyncio

import pytest

from voipgw.drivers.audio import MemoryAudio
from voipgw.drivers.sim import LoopPhysics, SimCard, SimFxsPort
from voipgw.entropy import SeededEntropy
from voipgw.lab.clock import run_virtual
from voipgw.pstn.driver import FxsPort
from voipgw.pstn.line import Feed
from voipgw.testing.driver_kit import Hands, check_driver


def hands_of(card: SimCard):
    def hands(port: FxsPort) -> Hands:
        return card.telephone(port.number)

    return hands


@pytest.mark.parametrize("bounce_ms", [0.0, 3.0, 15.0])
def test_the_simulated_card_conforms(bounce_ms: float) -> None:
    async def main() -> None:
        card = SimCard(3, entropy=SeededEntropy(1), audio=MemoryAudio, physics=LoopPhysics(bounce_ms=bounce_ms))
        await check_driver(card, hands_of(card))

    run_virtual(main)


def test_the_simulated_card_conforms_in_real_time() -> None:
    async def main() -> None:
        card = SimCard(1, entropy=SeededEntropy(1))
        await check_driver(card, hands_of(card))

    asyncio.run(main())


class DeafToFeed(SimFxsPort):
    @property
    def current(self) -> bool:
        return self._contact and self.feed is Feed.NORMAL


def test_a_port_that_loses_the_loop_on_reversal_is_found() -> None:
    async def main() -> None:
        card = SimCard(1, entropy=SeededEntropy(1), audio=MemoryAudio)
        for port in card.fxs_ports:
            port.__class__ = DeafToFeed
        with pytest.raises(AssertionError, match="battery was reversed"):
            await check_driver(card, hands_of(card))

    run_virtual(main)
