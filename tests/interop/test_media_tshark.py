"""The engine's packets and figures beside tshark's, for the same capture."""

from __future__ import annotations

import datetime as dt
import os
import random
import re
import shutil
import statistics
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from voipgw.call.model import PCMU
from voipgw.entropy import SeededEntropy
from voipgw.media.engine import MediaSettings, SteppedEngine
from voipgw.media.stream import EngineRtpStream
from voipgw.trace.pcap import PcapWriter

pytestmark = pytest.mark.peer
FAR = ("198.51.100.1", 4000)


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> dt.datetime:
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=self.now)


class Pair:
    rtp_fd = rtcp_fd = -1

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address

    def close(self) -> None:
        pass


class Ports:
    port = 10000

    def open_pair(self, host: str) -> Pair:
        self.port += 2
        return Pair((host, self.port))


@pytest.fixture
def tshark() -> str:
    program = shutil.which("tshark")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing")
        pytest.skip("tshark is not installed")
    return program


def run(tshark: str, pcap: Path, *arguments: str) -> str:
    decode = [item for port in (4000, 10002, 10004) for item in ("-d", f"udp.port=={port},rtp")]
    decode += [item for port in (4001, 10003, 10005) for item in ("-d", f"udp.port=={port},rtcp")]
    done = subprocess.run([tshark, "-r", str(pcap), *decode, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def impaired(seed: int) -> list[tuple[float, int]]:
    """Arrival time and sequence number of a stream with jitter and loss; some packets overtake others.

    The ends are in order: tshark takes the last packet for the newest.
    """
    draw = random.Random(seed)
    packets = []
    for i in range(1000):
        if not 5 < i < 990:
            packets.append((0.02 * i, i))
        elif draw.random() > 0.03:
            late = draw.expovariate(1 / 0.004) + (0.05 if draw.random() < 0.01 else 0.0)
            packets.append((0.02 * i + late, i))
    return sorted(packets)


def call(pcap: Path, seed: int) -> tuple[EngineRtpStream, list[float]]:
    clock = Clock()
    engine = SteppedEngine(Ports(), SeededEntropy(seed), clock, MediaSettings())
    stream, other = engine.open_rtp("192.0.2.1"), engine.open_rtp("192.0.2.1")
    stream.start(FAR, PCMU, telephone_event=101)
    other.start(("198.51.100.2", 4000), PCMU, telephone_event=101)
    engine.bridge(stream, other)
    engine.start_capture()
    jitter = []
    for at, sequence in impaired(seed):
        now = 1000 + round(at, 6)
        while engine.next_deadline() <= now:
            clock.now = engine.next_deadline()
            engine.step(clock.now)
        clock.now = now
        header = struct.pack("!BBHII", 0x80, 0, 60000 + sequence & 0xFFFF, 160 * sequence, 0xABCDEF)
        engine.deliver_packet(stream, header + bytes(160), FAR, now)
        engine.take_output()
        jitter.append(stream.statistics().jitter_ms)
    other.send_digit("5", 100)
    other.play(np.ones(1600, np.int16))
    for _ in range(30):
        clock.now += 0.02
        engine.step(clock.now)
    stream.close()
    other.close()
    with PcapWriter(pcap) as writer:
        for packet in engine.take_capture():
            ends = (packet.local, packet.remote) if packet.outgoing else (packet.remote, packet.local)
            writer.udp(packet.at_us / 1e6, *ends, packet.data)
    return stream, jitter


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loss_and_jitter_are_those_that_tshark_finds(tshark: str, tmp_path: Path, seed: int) -> None:
    stream, jitter = call(tmp_path / "call.pcap", seed)
    table = run(tshark, tmp_path / "call.pcap", "-q", "-z", "rtp,streams")
    (line,) = [line for line in table.splitlines() if " 198.51.100.1 " in line and "0x00ABCDEF" in line]
    lost = int(re.search(r"(-?\d+) \(-?[\d.]+%\)", line)[1])  # type: ignore[index]
    assert stream.statistics().packets_lost == lost
    low, mean, high = (float(text) for text in line.split("%)")[1].split()[3:6])
    assert statistics.fmean(jitter) == pytest.approx(mean, abs=0.1)
    assert max(jitter) == pytest.approx(high, abs=0.1)
    assert min(jitter[1:]) == pytest.approx(low, abs=0.1)


def test_tshark_has_no_complaint_about_what_we_send(tshark: str, tmp_path: Path) -> None:
    call(tmp_path / "call.pcap", 4)
    complaints = run(
        tshark,
        tmp_path / "call.pcap",
        "-Y",
        "_ws.malformed || _ws.expert.severity == error || _ws.expert.severity == warning",
    )
    assert complaints == ""
    kinds = run(tshark, tmp_path / "call.pcap", "-Y", "rtcp", "-T", "fields", "-e", "rtcp.pt")
    seen = {part for row in kinds.split() for part in row.split(",")}
    assert {"200", "202", "203"} <= seen
    digits = run(
        tshark, tmp_path / "call.pcap", "-Y", "rtpevent", "-d", "rtp.pt==101,rtpevent", "-T", "fields",
        "-e", "rtpevent.event_id",
    )  # fmt: skip
    assert set(digits.split()) <= {"5"}
