"""Captured packets as records of a pcap file."""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path

import pytest

from voipgw._native import core
from voipgw.trace.capture import read_packets
from voipgw.trace.pcap import PcapWriter, internet_checksum

_spec = importlib.util.spec_from_file_location("media_bench", Path(__file__).with_name("bench.py"))
bench = sys.modules.setdefault("media_bench", importlib.util.module_from_spec(_spec))
if not hasattr(bench, "Bench"):
    _spec.loader.exec_module(bench)
Bench = bench.Bench

V4 = (("192.0.2.1", 4000), ("198.51.100.7", 65535))
V6 = (("2001:db8::1", 4000), ("2001:db8::2", 1024))


@pytest.mark.parametrize(("source", "destination"), [V4, V6])
@pytest.mark.parametrize("payload", [b"", b"a", b"ab", bytes(range(256)) * 5])
def test_a_record_is_read_as_what_was_captured(
    source: core.Address, destination: core.Address, payload: bytes, tmp_path: Path
) -> None:
    with PcapWriter(tmp_path / "one.pcap") as writer:
        writer.records(core.pcap_record(1_700_000_000_250_000, source, destination, payload))
    [packet] = read_packets(tmp_path / "one.pcap")
    assert (packet.source, packet.destination, packet.payload) == (source, destination, payload)
    assert packet.time == pytest.approx(1_700_000_000.25)


@pytest.mark.parametrize("payload", [b"", b"a", bytes(range(256)) * 5])
def test_the_checksums_of_a_record_add_up_to_zero(payload: bytes) -> None:
    four = core.pcap_record(0, *V4, payload)[16:]
    assert internet_checksum(four[:20]) == 0
    assert internet_checksum(four[12:20] + struct.pack("!HH", 17, len(four) - 20) + four[20:]) == 0
    six = core.pcap_record(0, *V6, payload)[16:]
    assert internet_checksum(six[8:40] + struct.pack("!IHH", len(six) - 40, 0, 17) + six[40:]) == 0


def test_records_are_taken_up_to_a_moment_and_once(tmp_path: Path) -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    b.engine.start_capture()
    assert b.engine.take_capture_records(2**62) == b""
    for index in range(2000):
        one.send(bytes([index % 256]) * 160)
        b.clock.now += 0.02
    b.heard()
    with PcapWriter(tmp_path / "all.pcap") as writer:
        writer.records(b.engine.take_capture_records(2**62))
    packets = list(read_packets(tmp_path / "all.pcap"))
    assert len(packets) == 4000
    assert [packet.time for packet in packets] == sorted(packet.time for packet in packets)
    assert b.engine.take_capture_records(2**62) == b""
    assert b.engine.capture_lost == 0
