"""The main job: a telephone on an FXS port talks to a SIP trunk, both ways, over real sockets.

    python examples/demo.py [--out DIR]

A gateway is built from a simulated line card, a route plan and a SIP endpoint. The telephone dials by sound; the first carrier
has no capacity and the second one answers; speech is compared at both ends; the carrier calls back and the telephone rings,
shows the number and answers. Exit status 0 when everything held, 1 when anything did not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import attrs
import demo_report
import numpy as np
import numpy.typing as npt
from far_end import read_wav, write_wav

from voipgw.drivers.sim import SimCard
from voipgw.drivers.telephone import SimTelephone
from voipgw.entropy import SystemEntropy
from voipgw.gateway import Gateway, GatewayConfig, Listen, MediaSettings
from voipgw.gateway.config import parse_network
from voipgw.lab.compare import Comparison, compare
from voipgw.routing import Plan, called, first, number_class

SOUNDS = Path(__file__).parent / "sounds"
DIALLED = "12125550147"  #: what the telephone dials: a long-distance number of its country
OURS = "+13125550100"  #: the telephone's own number
THEIRS = "+12125550147"

Pcm = npt.NDArray[np.int16]
Say = Callable[[str], None]


def plan_for(carrier_a: str, carrier_b: str, trust: str) -> Plan:
    """The route plan: one telephone, two carriers, numbers of North America."""
    plan = Plan(country="us", area="312")
    plan.trunk("carrier-a", carrier_a)
    plan.trunk("carrier-b", carrier_b, trust=[trust])
    plan.line(1, extension="101", did=OURS)
    plan.route("emergency", when=number_class.emergency, to=first("carrier-a", "carrier-b"))
    plan.route("long distance", when=called.prefix("+1"), to=first("carrier-a", "carrier-b"))
    return plan


class Far(Protocol):
    """The far end, in this process or in another."""

    async def take_call(self, say: str, hear: str) -> dict[str, Any]:
        """Answer the next call and talk."""
        ...

    async def place_call(self, uri: str, calling: str, say: str, hear: str) -> dict[str, Any]:
        """Call and talk."""
        ...


@attrs.define
class Stage:
    """What the two calls are played with."""

    gateway: Gateway
    telephone: SimTelephone
    far: Far
    out: Path
    say: Say
    checks: list[tuple[str, bool, str]] = attrs.field(factory=list)

    def check(self, what: str, held: bool, found: str) -> None:
        """Note whether something held."""
        self.checks.append((what, held, found))
        self.say(f"{'ok  ' if held else 'FAIL'} {what}: {found}")


async def two_calls(stage: Stage) -> None:
    """The telephone calls the carrier; the carrier calls back."""
    await call_out(stage)
    await asyncio.sleep(0.5)
    await call_back(stage)
    await asyncio.sleep(0.5)


async def call_out(stage: Stage) -> None:
    """Off-hook, dial by sound, fail over, early media, talk, hang up."""
    hear = stage.out / "carrier-heard-1.wav"
    there = stage.far.take_call(say=str(SOUNDS / "carrier.wav"), hear=str(hear))
    facts, heard = await together(there, caller(stage))
    stage.check(
        "the number was normalised", facts.get("called") == THEIRS, f"carrier B was called as {facts.get('called')}"
    )
    stage.check("the caller's own number was shown", facts.get("calling") == OURS, str(facts.get("calling")))
    stage.check(
        "on-hook became BYE with its cause", facts.get("how") == "bye" and 16 in facts["causes"], str(facts["causes"])
    )
    compared(stage, "telephone to carrier", SOUNDS / "telephone.wav", read_wav(hear))
    compared(stage, "carrier to telephone", SOUNDS / "carrier.wav", heard)


async def caller(stage: Stage) -> Pcm:
    """What the person at the telephone does in the first call; returns what was heard."""
    telephone = stage.telephone
    telephone.off_hook()
    await telephone.expect("dial-tone", within=3)
    stage.say("the telephone on port 1 is off-hook and hears dial tone")
    await telephone.dial(DIALLED)
    stage.say(f"it has dialled {DIALLED} by sound")
    await telephone.expect("ringback", within=8)
    stage.say("it hears the far end ring")
    recording = telephone.record()
    await telephone.expect("answer", within=10)
    stage.say("answered; both sides speak")
    await telephone.play(read_wav(SOUNDS / "telephone.wav"))
    await asyncio.sleep(1.0)
    heard = recording.stop()
    write_wav(stage.out / "telephone-heard-1.wav", heard)
    telephone.on_hook()
    return heard


async def call_back(stage: Stage) -> None:
    """Ringing with its cadence, caller ID between the rings, answer, talk, hang up."""
    address = stage.gateway.listening[0].partition(":")[2]
    hear = stage.out / "carrier-heard-2.wav"
    there = stage.far.place_call(
        uri=f"sip:{OURS}@{address}", calling=THEIRS, say=str(SOUNDS / "callback.wav"), hear=str(hear)
    )
    facts, heard = await together(there, answerer(stage))
    stage.check("on-hook became BYE", facts.get("how") == "bye", str(facts.get("how")))
    compared(stage, "telephone to carrier", SOUNDS / "reply.wav", read_wav(hear))
    compared(stage, "carrier to telephone", SOUNDS / "callback.wav", heard)


async def answerer(stage: Stage) -> Pcm:
    """What the person at the telephone does in the second call; returns what was heard."""
    telephone = stage.telephone
    await telephone.expect_ring(within=5)
    stage.say("the carrier calls back; the telephone rings")
    shown = await telephone.expect_caller_id(THEIRS.removeprefix("+1"), within=6)
    first_pause = len(telephone.rings) == 1 and telephone.rings[0].end is not None
    stage.check("caller ID came between the first and the second ring", first_pause, f"{shown.number} {shown.name}")
    await telephone.expect_ring(within=6, cadence=(2.0, 4.0))
    rang = ", ".join(f"{seconds:.2f}" for seconds in telephone.cadence[:2])
    stage.check("the bell rang in its country's cadence", True, f"{rang} s")
    recording = telephone.record()
    telephone.off_hook()
    stage.say("it is answered; both sides speak")
    await asyncio.sleep(0.3)
    await telephone.play(read_wav(SOUNDS / "reply.wav"))
    await asyncio.sleep(2.0)
    heard = recording.stop()
    write_wav(stage.out / "telephone-heard-2.wav", heard)
    telephone.on_hook()
    return heard


async def together(
    there: Coroutine[Any, Any, dict[str, Any]], here: Coroutine[Any, Any, Pcm]
) -> tuple[dict[str, Any], Pcm]:
    """Both ends at once; the first failure ends both and is the one that is told."""
    far, near = asyncio.create_task(there), asyncio.create_task(here)
    await asyncio.wait({far, near}, return_when=asyncio.FIRST_EXCEPTION)
    if not (far.done() and near.done()):
        (near if far.done() else far).cancel()
        (far if far.done() else near).result()
    return far.result(), near.result()


def compared(stage: Stage, direction: str, said: Path, heard: Pcm) -> Comparison:
    """Compare what was played with what was heard, and note whether it held."""
    result = compare(read_wav(said), heard)
    stage.check(f"speech {direction}", result.passes(), str(result))
    return result


class RemoteFarEnd:
    """The far end in a process of its own, by lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def take_call(self, say: str, hear: str) -> dict[str, Any]:
        """Answer the next call and talk."""
        return await self._do("take_call", say=say, hear=hear)

    async def place_call(self, uri: str, calling: str, say: str, hear: str) -> dict[str, Any]:
        """Call and talk."""
        return await self._do("place_call", uri=uri, calling=calling, say=say, hear=hear)

    async def line(self) -> dict[str, Any]:
        """The next line that it says."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the far end has ended before its time")
        found: dict[str, Any] = json.loads(line)
        return found

    async def _do(self, what: str, **arguments: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        result = await self.line()
        if "error" in result:
            raise RuntimeError(f"the far end: {result['error']}")
        return result


async def run(out: Path) -> int:
    """Play both calls over real sockets and show what came of them."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("far_end.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        stack.push_async_callback(ended, process)
        far = RemoteFarEnd(process)
        carriers = await far.line()
        say(f"the far end runs as process {process.pid}: carrier A {carriers['a']}, carrier B {carriers['b']}")
        card = SimCard(1, entropy=SystemEntropy())
        config = GatewayConfig(
            listen=(Listen("udp", "127.0.0.1", 0),),
            trust=(parse_network("127.0.0.1"),),
            media=MediaSettings(record=out, capture=out / "demo.pcap"),
            cdr=out / "calls.jsonl",
        )
        plan = plan_for(carriers["a"], carriers["b"], "127.0.0.1")
        gateway = await stack.enter_async_context(Gateway(config, plan, cards=[card]))
        names = {
            uri.removeprefix("sip:"): name for name, uri in (("carrier A", carriers["a"]), ("carrier B", carriers["b"]))
        }
        ladder = demo_report.Ladder(gateway, names)
        say(f"the gateway listens on {', '.join(gateway.listening)}; one telephone on FXS port 1")
        stage = Stage(gateway, card.telephone(1), far, out, say)
        await two_calls(stage)
        finished = list(gateway.observation.records.finished)
    demo_report.show(out, finished, ladder)
    failed = [what for what, held, _ in stage.checks if not held]
    verdict = f"FAILED: {'; '.join(failed)}" if failed else f"all {len(stage.checks)} checks held"
    print(f"\nThe demo {'took' if not failed else 'ran'} {time.monotonic() - began:.0f} s; {verdict}.")
    return 1 if failed else 0


async def ended(process: asyncio.subprocess.Process) -> None:
    """Let the far end finish by itself: it ends with its input."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), 5)
    except TimeoutError:
        process.kill()
        await process.wait()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("demo-out"), help="where recordings, records, capture and picture go"
    )
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        if old.suffix in {".wav", ".pcap", ".png", ".svg", ".jsonl", ".open"}:
            old.unlink()
    try:
        return asyncio.run(run(out))
    except (Exception, asyncio.CancelledError) as error:
        print(f"FAILED: {error or type(error).__name__}")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
