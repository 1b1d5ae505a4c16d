"""Two simulated telephones talk through a whole gateway and its C engine on a virtual clock, repeatably."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from voipgw.drivers.audio import MemoryAudio
from voipgw.drivers.script import Outcome, parse_script, run_script
from voipgw.drivers.sim import LoopPhysics, SimCard
from voipgw.drivers.wav import read_wav, write_wav
from voipgw.entropy import SeededEntropy
from voipgw.errors import ResourceError
from voipgw.gateway.config import GatewayConfig, Listen
from voipgw.gateway.gateway import Gateway
from voipgw.lab.clock import LabClock, run_virtual
from voipgw.lab.compare import compare
from voipgw.lab.host import Host
from voipgw.lab.network import Network
from voipgw.media.engine import MediaEngine, SteppedEngine
from voipgw.media.plane import PortPair
from voipgw.media.stream import EngineLineStream
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


class NoPorts:
    def open_pair(self, host: str) -> PortPair:
        raise ResourceError("no RTP here")


class SteppedLines(SteppedEngine):
    """The engine with its lines connected to cards that carry audio in memory."""

    def __init__(self, entropy: SeededEntropy, clock: LabClock, wake: Callable[[], None]) -> None:
        super().__init__(NoPorts(), entropy, clock)
        self._time = clock
        self._wake = wake

    def open_line(self, port: Any, *, law: str = "PCMU", frame_samples: int = 160) -> EngineLineStream:
        stream = super().open_line(port, law=law, frame_samples=frame_samples)

        def answer(frame: bytes) -> list[bytes]:
            if stream.closed:
                return []
            back = self.line_frame(stream, frame, self._time.monotonic())
            asyncio.get_running_loop().call_soon(self._wake)
            return [back]

        port.audio.connect(answer)
        return stream


class LabPlatform:
    def __init__(self, seed: int) -> None:
        loop = asyncio.get_running_loop()
        self.entropy = SeededEntropy(seed)
        self.clock = LabClock(loop)
        self.network = Host(Network(loop, self.entropy), "10.0.0.1")

    def open_media(self, settings: object, wake: Callable[[], None]) -> SteppedEngine:
        return SteppedLines(self.entropy, self.clock, wake)

    def close_media(self, engine: MediaEngine) -> None:
        engine.close()


def play(seed: int) -> tuple[Outcome, list[str], float]:
    told: list[str] = []

    async def main() -> Outcome:
        plan = Plan(country="us", area="312")
        plan.line(1, extension="101")
        plan.line(2, extension="102")
        card = SimCard(2, entropy=SeededEntropy(seed), audio=MemoryAudio, physics=LoopPhysics(noise_dbm0=-65))
        config = GatewayConfig(listen=(Listen("udp", "10.0.0.1", 5060),))
        async with Gateway(config, plan, cards=[card], platform=LabPlatform(seed)):
            return await run_script(parse_script(SCRIPT, 2), card, told.append)

    began = time.process_time()
    outcome, virtual_s, _ = run_virtual(main, limit_s=600)
    return outcome, told, virtual_s / (time.process_time() - began)


def test_the_same_seed_gives_the_same_afternoon(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    t = np.arange(8000) / 8000
    pitch = 2 * np.pi * np.cumsum(110 + 40 * np.sin(2 * np.pi * 1.7 * t)) / 8000
    said = np.rint(2500 * sum(np.cos(n * pitch) / n for n in range(1, 15))).astype(np.int16)
    write_wav(Path("said.wav"), said)
    outcome, told, speed = play(7)
    assert outcome.held, "\n".join(told)
    heard = read_wav(Path("heard.wav"))
    assert compare(said, heard).passes(), compare(said, heard)
    again, told_again, _ = play(7)
    assert (again, told_again) == (outcome, told)
    assert np.array_equal(read_wav(Path("heard.wav")), heard)
    assert speed > 20, f"only {speed:.0f} times real time"
