"""Two simulated telephones talk through a whole gateway and its C engine on a virtual clock, repeatably."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voipgw.drivers.script import Outcome, parse_script, run_script
from voipgw.drivers.sim import LoopPhysics
from voipgw.drivers.wav import read_wav, write_wav
from voipgw.gateway.config import GatewayConfig, Listen
from voipgw.lab import Lab
from voipgw.lab import run as run_lab
from voipgw.lab.compare import compare
from voipgw.routing import Plan

SCRIPT = """
1 off-hook
1 expect dial-tone within 3
1 pulse 102
together
1 expect ringback within 5
2 expect ring within 3
2 expect caller-id 101 within 8
end
wait 3.1
2 off-hook
together
2 record heard.wav 1.5
wait 0.2
1 play said.wav
1 expect answer within 1
end
2 flash
2 on-hook
1 expect congestion within 5
1 expect howler within 25
1 expect silence within 70
2 off-hook
2 expect dial-tone
2 dial 101
2 expect busy
2 on-hook
1 on-hook
wait 1.2
2 off-hook
2 dial 101
1 expect ring
"""


def play(seed: int) -> tuple[Outcome, list[str], str, float]:
    """The outcome, what was told, the trace's hash, and how much faster than real time it went."""
    told: list[str] = []

    async def main(lab: Lab) -> Outcome:
        plan = Plan(country="us", area="312")
        plan.line(1, extension="101")
        plan.line(2, extension="102")
        card = lab.card(2, physics=LoopPhysics(noise_dbm0=-65))
        await lab.gateway(GatewayConfig(listen=(Listen("udp", "10.0.0.1", 5060),)), plan, cards=[card])
        return await run_script(parse_script(SCRIPT, 2), card, told.append)

    run = run_lab(main, seed)
    return run.result, told, run.hash, run.speed


def test_the_same_seed_gives_the_same_afternoon(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    t = np.arange(8000) / 8000
    pitch = 2 * np.pi * np.cumsum(110 + 40 * np.sin(2 * np.pi * 1.7 * t)) / 8000
    said = np.rint(2500 * sum(np.cos(n * pitch) / n for n in range(1, 15))).astype(np.int16)
    write_wav(Path("said.wav"), said)
    outcome, told, trace, speed = play(7)
    assert outcome.held, "\n".join(told)
    heard = read_wav(Path("heard.wav"))
    assert compare(said, heard).passes(), compare(said, heard)
    again, told_again, trace_again, _ = play(7)
    assert (again, told_again, trace_again) == (outcome, told, trace)
    assert np.array_equal(read_wav(Path("heard.wav")), heard)
    assert speed > 20, f"only {speed:.0f} times real time"
