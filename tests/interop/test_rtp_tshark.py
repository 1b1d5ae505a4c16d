"""Our packets and our statistics, as tshark reads and counts them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from voipgw.rtp import Packet
from voipgw.rtp.rtcp import (
    Bye,
    Chunk,
    ReceiverReport,
    ReportBlock,
    Sdes,
    SenderReport,
    SourceDescription,
    build_compound,
)
from voipgw.rtp.session import SourceStatistics
from voipgw.rtp.telephone_event import EventSender
from voipgw.trace.pcap import PcapWriter

pytestmark = pytest.mark.peer
SOURCE, SINK = ("127.0.0.1", 4000), ("127.0.0.2", 5000)


def tshark(*arguments: str) -> str:
    program = shutil.which("tshark")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is not installed")
        pytest.skip("tshark is not installed")
    command = [program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_loss_and_jitter_are_those_of_tshark(tmp_path: Path) -> None:
    chance = random.Random(7)
    capture = tmp_path / "lossy.pcap"
    statistics = SourceStatistics(0x1234, 65500, probation=0)
    jitters = []
    with capture.open("wb") as file:
        writer = PcapWriter(file)
        for index in range(500):
            if chance.random() < 0.05 and index:
                continue
            arrival_us = 1_000_000 + 20_000 * index + chance.randrange(0, 15_000)
            packet = Packet(0, (65500 + index) % 65536, 160 * index, 0x1234, b"\xff" * 160)
            writer.udp(arrival_us / 1e6, SOURCE, SINK, bytes(packet))
            statistics.receive(packet.sequence, packet.timestamp, arrival_us * 8 // 1000)
            jitters.append(statistics.jitter_ticks / 8)
    line = next(
        line
        for line in tshark("-q", "-r", str(capture), "-d", "udp.port==4000,rtp", "-z", "rtp,streams").splitlines()
        if "0x00001234" in line
    )
    fields = line.split()
    assert int(fields[fields.index("g711U") + 1]) == statistics.received
    lost = fields[fields.index("g711U") + 2 :][:2]
    assert lost == [str(statistics.lost), f"({100 * statistics.lost / statistics.expected:.1f}%)"]
    mean_jitter, max_jitter = (
        (float(fields[i]) for i in (-3, -2)) if fields[-1] == "X" else (float(fields[-2]), float(fields[-1]))
    )
    assert max_jitter == pytest.approx(max(jitters), abs=0.3)
    assert mean_jitter == pytest.approx(sum(jitters) / len(jitters), abs=0.3)


def test_reports_and_events_decode_without_a_complaint(tmp_path: Path) -> None:
    capture = tmp_path / "control.pcap"
    block = ReportBlock(0x5678, 25, 3, 70000, 77, 0x11223344, 65536)
    compounds = [
        (
            SenderReport(1, 0x0123456789ABCDEF, 160, 10, 1600, (block,)),
            SourceDescription((Chunk(1, ((Sdes.CNAME, b"a@b"),)),)),
        ),
        (ReceiverReport(1, (block,)), Bye((1,), b"over")),
    ]
    sender = EventSender(0.0, 8000)
    sender.send(5, 100, 0.0)
    with capture.open("wb") as file:
        writer = PcapWriter(file)
        for index, compound in enumerate(compounds):
            writer.udp(1.0 + index, (SOURCE[0], 4001), (SINK[0], 5001), build_compound(compound))
        number = 0
        while sender.busy:
            now = sender.next_deadline()
            for effect in sender.handle_deadline(now):
                packet = Packet(101, number, effect.timestamp, 9, effect.payload, effect.marker)
                writer.udp(3.0 + now, SOURCE, SINK, bytes(packet))
                number += 1
    decode = [
        "-r",
        str(capture),
        "-d",
        "udp.port==4000,rtp",
        "-d",
        "udp.port==4001,rtcp",
        "-o",
        "rtpevent.event_payload_type_value:101",
    ]
    assert tshark(*decode, "-Y", "_ws.malformed || _ws.expert.severity >= 0x600000") == ""
    reports = tshark(
        *decode, "-Y", "rtcp", "-T", "fields", "-e", "rtcp.pt", "-e", "rtcp.ssrc.cum_nr", "-e", "rtcp.sdes.text"
    )
    assert [row.split("\t") for row in reports.splitlines()] == [["200,202", "3", "a@b"], ["201,203", "3", "over"]]
    events = tshark(
        *decode,
        "-Y",
        "rtpevent",
        "-T",
        "fields",
        "-e",
        "rtpevent.event_id",
        "-e",
        "rtpevent.duration",
        "-e",
        "rtpevent.end_of_event",
    )
    rows = [row.split("\t") for row in events.splitlines()]
    assert [row[1] for row in rows] == ["160", "320", "480", "640", "800", "800", "800"]
    assert {row[0] for row in rows} == {"5"}
    assert [row[2] for row in rows] == ["0"] * 4 + ["1"] * 3
