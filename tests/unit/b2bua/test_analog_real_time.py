"""Two simulated telephones talk through a whole gateway, its C engine and real time; the same classes as in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from voipgw.drivers.script import Outcome, parse_script, run_script
from voipgw.drivers.sim import SimCard
from voipgw.drivers.wav import read_wav, write_wav
from voipgw.entropy import SeededEntropy
from voipgw.gateway.config import GatewayConfig, Listen
from voipgw.gateway.gateway import Gateway
from voipgw.lab.compare import compare
from voipgw.routing import Plan

SCRIPT = """
1 off-hook
1 expect dial-tone within 3
1 dial 102
together
1 expect ringback within 5
2 expect ring within 3
2 expect caller-id 101 within 8
end
2 off-hook
together
2 record heard.wav 1.5
wait 0.2
1 play said.wav
1 expect answer within 1
end
2 on-hook
1 expect congestion within 5
1 on-hook
"""


def buzz(seconds: float) -> np.ndarray:
    t = np.arange(int(8000 * seconds)) / 8000
    pitch = 2 * np.pi * np.cumsum(110 + 40 * np.sin(2 * np.pi * 1.7 * t)) / 8000
    return np.rint(2500 * sum(np.cos(n * pitch) / n for n in range(1, 15))).clip(-32000, 32000).astype(np.int16)


def test_one_telephone_calls_another(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(Path("said.wav"), buzz(1.0))
    told: list[str] = []

    async def main() -> Outcome:
        plan = Plan(country="us", area="312")
        plan.line(1, extension="101")
        plan.line(2, extension="102")
        card = SimCard(2, entropy=SeededEntropy(4))
        config = GatewayConfig(listen=(Listen("udp", "127.0.0.1", 0),))
        async with Gateway(config, plan, cards=[card]):
            return await run_script(parse_script(SCRIPT, 2), card, told.append)

    outcome = asyncio.run(main())
    assert outcome.held, "\n".join(told)
    comparison = compare(read_wav(Path("said.wav")), read_wav(Path("heard.wav")))
    assert comparison.passes(), comparison
