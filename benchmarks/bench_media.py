"""The media engine on real sockets: CPU microseconds a relayed packet, beside a bare relay of the same run.

    python benchmarks/bench_media.py [--calls 250] [--seconds 5] [--runs 5] [WORKLOAD ...]

Workloads: ``relay`` (PCMU to PCMU), ``flood`` (the same with packets always waiting), ``convert`` (PCMU to PCMA), ``g722``
(PCMU to G.722 and back), ``media`` (PCMU to PCMA through jitter buffers and players' clocks), ``player`` (a tone to every leg
while Python computes without yielding), ``bare`` (one socket, recvfrom and sendto), ``memory``. Packets have 172 octets and
come every 20 ms. The load is
made by ``media_load.c`` on processor 0, the engine runs on processor 1. One JSON object a workload; figures are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from voipgw.call.model import PCMA, PCMU, Codec
from voipgw.media.engine import MediaSettings
from voipgw.media.plane import ToneSegment
from voipgw.net.media_io import start_engine
from voipgw.net.media_ports import UdpMediaPorts

FIRST_PORT = 20000
PEER_PORT = 40000
WARM_S = 2.0


def build(directory: Path) -> Path:
    program = directory / "media_load"
    source = Path(__file__).with_name("media_load.c")
    subprocess.run([shutil.which("cc") or "gcc", "-O2", "-o", str(program), str(source)], check=True)
    return program


def load(program: Path, mode: str, pid: int, plan: list[str], seconds: float) -> dict[str, float]:
    arguments = [str(program), mode, str(pid), str(WARM_S), str(seconds)]
    if os.cpu_count() != 1:
        arguments = ["taskset", "-c", "0", *arguments]
    done = subprocess.run(arguments, input="\n".join(plan), text=True, capture_output=True, check=True)
    return json.loads(done.stdout)


def bare(program: Path, calls: int, seconds: float) -> dict[str, float]:
    with subprocess.Popen(
        ["taskset", "-c", "1", str(program), "bare", str(FIRST_PORT)], stdout=subprocess.PIPE, text=True
    ) as relay:
        assert relay.stdout is not None
        relay.stdout.readline()
        plan = [f"{PEER_PORT + leg} {FIRST_PORT} 0" for leg in range(2 * calls)]
        try:
            return load(program, "paced", relay.pid, plan, seconds)
        finally:
            relay.kill()


def memory_kb() -> float:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    raise RuntimeError("no Pss")


class Calls:
    """An engine with bridged pairs of RTP streams; leg i talks with the load's leg i."""

    def __init__(self, calls: int, kind: str, *, first: int = 0, plane: Calls | None = None) -> None:
        media = kind == "media"
        if plane is None:
            self.ports = UdpMediaPorts(FIRST_PORT, PEER_PORT - 1, drain_s=0.0)
            self.engine = start_engine(
                self.ports, MediaSettings(max_packets_s=0, media_legs=media, max_streams=max(4096, 2 * calls))
            )
        else:
            self.ports, self.engine = plane.ports, plane.engine
        self.streams = []
        plain = PCMU if kind in {"relay", "flood", "player"} else PCMA
        second = Codec("G722", payload_type=9) if kind == "g722" else plain
        self.plan = []
        for leg in range(first, first + 2 * calls):
            stream = self.engine.open_rtp("127.0.0.1")
            codec = second if leg % 2 else PCMU
            stream.start(("127.0.0.1", PEER_PORT + leg), codec)
            if media:
                stream.detect_digits(True)
            self.streams.append(stream)
            self.plan.append(f"{PEER_PORT + leg} {stream.local[1]} {codec.payload_type}")
        for leg in range(0, 2 * calls, 2):
            self.engine.bridge(self.streams[leg], self.streams[leg + 1])

    def rejected(self) -> int:
        return sum(stream.statistics().packets_rejected for stream in self.streams)


def relayed(program: Path, kind: str, calls: int, seconds: float) -> dict[str, float]:
    made = Calls(calls, kind)
    before = made.engine.thread_counters()
    result = load(program, "flood" if kind == "flood" else "paced", os.getpid(), made.plan, seconds)
    after = made.engine.thread_counters()
    result["packets_per_wakeup"] = (after["packets_in"] - before["packets_in"]) / (after["wakeups"] - before["wakeups"])
    result["send_errors"] = after["send_errors"]
    result["rejected"] = made.rejected()
    made.engine.close()
    return result


def player(program: Path, calls: int, seconds: float) -> dict[str, float]:
    """Every leg hears a tone; Python computes for 200 ms at a time without a call that would let others run."""
    made = Calls(calls, "player")
    for stream in made.streams:
        stream.play_tones([ToneSegment((425.0,), 0)])
    stop = threading.Event()
    sys.setswitchinterval(1.0)

    def compute() -> None:
        while not stop.is_set():
            end = time.monotonic() + 0.2
            while time.monotonic() < end:
                pass

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        result = load(program, "paced", os.getpid(), made.plan, seconds)
    finally:
        stop.set()
        thread.join()
        made.engine.close()
    return {key: value for key, value in result.items() if key.startswith("step") or key in {"legs", "received"}}


def memory(kind: str, calls: int) -> dict[str, float]:
    """Proportional set size of a process with ``calls`` open calls less the same with ten, a call; run in a fresh process."""
    made = Calls(10, kind)
    time.sleep(0.2)
    before = memory_kb()
    more = Calls(calls, kind, first=20, plane=made)
    time.sleep(0.5)
    figure = (memory_kb() - before) / calls
    assert len(more.streams) == 2 * calls
    made.engine.close()
    return {"kb_per_call": figure}


def in_fresh_process(kind: str, calls: int) -> dict[str, float]:
    code = f"import bench_media, json; print(json.dumps(bench_media.memory({kind!r}, {calls})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, text=True, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path[1:]))},
    )  # fmt: skip
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=250)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "workloads", nargs="*", default=["bare", "relay", "flood", "convert", "g722", "media", "player", "memory"]
    )
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        program = build(Path(directory))
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {1})
        for workload in options.workloads:
            runs = []
            for _ in range(1 if workload == "memory" else options.runs):
                if workload == "bare":
                    runs.append(bare(program, options.calls, options.seconds))
                elif workload == "memory":
                    figures = [in_fresh_process(kind, max(500, options.calls)) for kind in ("relay", "media")]
                    runs.append({"relay": figures[0]["kb_per_call"], "media": figures[1]["kb_per_call"]})
                elif workload == "player":
                    runs.append(player(program, options.calls, options.seconds))
                else:
                    runs.append(relayed(program, workload, options.calls, options.seconds))
            median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            print(json.dumps({"workload": workload, "runs": len(runs), **median}), flush=True)


if __name__ == "__main__":
    main()
