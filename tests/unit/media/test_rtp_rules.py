"""What an RTP leg believes, counts and reports, in virtual time."""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
from pathlib import Path

import pytest

from voipgw.media.plane import MediaStarted
from voipgw.rtp import rtcp

_spec = importlib.util.spec_from_file_location("media_bench", Path(__file__).with_name("bench.py"))
bench = sys.modules.setdefault("media_bench", importlib.util.module_from_spec(_spec))
if not hasattr(bench, "Bench"):
    _spec.loader.exec_module(bench)
Bench, PCMU, Direction = bench.Bench, bench.PCMU, bench.Direction

SOUND = b"\x55" * 160


def pair(b: Bench, **options: object) -> tuple[bench.Peer, bench.Peer]:
    one, other = b.peer(**options), b.peer()
    b.engine.bridge(one.stream, other.stream)
    return one, other


def test_a_strangers_packet_is_counted_and_heard_by_nobody() -> None:
    b = Bench()
    one, _ = pair(b)
    for i in range(10):
        one.deliver(bench.rtp(SOUND, i, 160 * i), ("203.0.113.9", 4000))
    assert b.heard() == []
    assert one.stream.details().rejected == {"source": 10}
    assert one.stream.details().source == one.address


def test_another_port_of_the_same_address_is_learnt_after_four_packets_in_sequence() -> None:
    b = Bench()
    one, other = pair(b)
    moved = (one.address[0], 7000)
    heard = []
    for i in range(5):
        one.deliver(bench.rtp(SOUND, i, 160 * i), moved)
        heard.append(len(b.heard()))
    assert heard == [0, 0, 0, 1, 1]
    assert one.stream.details().latched == 1
    other.send(SOUND)
    assert b.heard()[0].destination == moved


def test_a_port_is_learnt_once_and_then_held_until_new_sdp() -> None:
    b = Bench()
    one, _ = pair(b)
    one.send(SOUND)
    b.heard()
    for i in range(10):
        one.deliver(bench.rtp(SOUND, i, 160 * i, ssrc=9), (one.address[0], 7000))
    assert b.heard() == []
    new = (one.address[0], 7000)
    one.stream.start(new, PCMU)
    one.deliver(bench.rtp(SOUND, 11, 160 * 11, ssrc=9), new)
    b.advance(0.1)
    one.deliver(bench.rtp(SOUND, 12, 160 * 12, ssrc=9), new)
    assert b.heard()
    assert one.stream.details().source == new


def test_interleaved_strangers_never_make_four_in_sequence() -> None:
    b = Bench()
    one, _ = pair(b)
    for i in range(20):
        one.deliver(bench.rtp(SOUND, i, 160 * i, ssrc=1), (one.address[0], 7000))
        one.deliver(bench.rtp(SOUND, i, 160 * i, ssrc=2), (one.address[0], 8000))
    assert b.heard() == []


def test_where_the_sdp_is_private_media_comes_from_where_signalling_came_from() -> None:
    b = Bench()
    one, other = pair(b)
    one.stream.start(("192.168.1.5", 4000), PCMU, signalling="203.0.113.7")
    for i in range(4):
        one.deliver(bench.rtp(SOUND, i, 160 * i), ("192.168.1.5", 4000))
    assert b.heard() == []
    for i in range(4):
        one.deliver(bench.rtp(SOUND, i, 160 * i), ("203.0.113.7", 31000))
    assert len(b.heard()) == 1
    other.send(SOUND)
    assert b.heard()[0].destination == ("203.0.113.7", 31000)


@pytest.mark.parametrize(
    ("latch", "source", "learnt"),
    [
        ("sdp", ("192.168.1.5", 5000), True),
        ("sdp", ("203.0.113.7", 5000), False),
        ("signalling", ("203.0.113.7", 5000), True),
        ("signalling", ("192.168.1.5", 5000), False),
        ("any", ("8.8.8.8", 5000), True),
    ],
)
def test_the_policy_says_which_address_may_be_learnt(latch: str, source: tuple[str, int], learnt: bool) -> None:
    b = Bench(latch=latch)
    one, _ = pair(b)
    one.stream.start(("192.168.1.5", 4000), PCMU, signalling="203.0.113.7")
    for i in range(4):
        one.deliver(bench.rtp(SOUND, i, 160 * i), source)
    assert len(b.heard()) == int(learnt)


def test_ipv6_peers_are_told_apart_by_all_of_their_address() -> None:
    b = Bench()
    one, _ = pair(b)
    one.stream.start(("2001:db8::5", 4000), PCMU)
    one.deliver(bench.rtp(SOUND, 1, 160), ("2001:db8::6", 4000))
    assert b.heard() == []
    one.deliver(bench.rtp(SOUND, 2, 320), ("2001:db8:0::5", 4000))
    assert len(b.heard()) == 1


def test_each_reason_is_counted_by_its_name() -> None:
    b = Bench()
    one, _ = pair(b)
    one.send(SOUND)
    one.deliver(b"\x80\x00\x00")
    one.deliver(b"\x40" + bench.rtp(SOUND, 1, 1)[1:])
    one.deliver(bench.rtp(b"", 1, 1)[:1].replace(b"\x80", b"\xa0") + bench.rtp(b"\x00" * 4, 1, 1)[1:])
    one.deliver(bench.rtp(SOUND, one.sequence, one.timestamp, ssrc=one.ssrc, pt=99))
    one.deliver(bench.rtp(SOUND, one.sequence + 20000, one.timestamp, ssrc=one.ssrc))
    one.deliver(bench.rtp(b"\0" * 1600, one.sequence, one.timestamp, ssrc=one.ssrc))
    one.deliver(b"\x80\xc8\x00\xff" + bytes(20), rtcp=True)
    assert one.stream.details().rejected == {
        "truncated": 1, "malformed": 2, "payload type": 1, "sequence": 1, "oversized": 1, "rtcp": 1,
    }  # fmt: skip
    assert one.stream.statistics().packets_rejected == 7
    assert one.stream.statistics().packets_received == 1


def test_packets_before_the_start_and_while_nothing_is_to_be_received_are_counted() -> None:
    b = Bench()
    stream = b.engine.open_rtp("192.0.2.1")
    peer = bench.Peer(b, stream, ("198.51.100.9", 4000), PCMU)
    peer.send(SOUND)
    stream.start(peer.address, PCMU, direction=Direction.SENDONLY)
    peer.send(SOUND)
    assert stream.details().rejected == {"not started": 1, "direction": 1}


def test_a_flood_is_policed_recovers_and_costs_its_neighbour_nothing() -> None:
    b = Bench(max_packets_s=300)
    one, other = pair(b)
    quiet, friend = pair(b)
    passed = calm = 0
    for _ in range(100):  # two seconds at ten times the rate
        for _ in range(10):
            one.send(SOUND)
        quiet.send(SOUND)
        heard = b.advance(0.02)
        passed += sum(packet.destination == other.address for packet in heard)
        calm += sum(packet.destination == friend.address for packet in heard)
    assert 600 <= passed <= 760
    assert calm == 100
    b.advance(1.0)
    recovered = 0
    for _ in range(50):
        one.send(SOUND)
        recovered += len(b.advance(0.02))
    assert recovered == 50


def test_a_second_of_packets_at_once_after_an_outage_is_no_flood() -> None:
    b = Bench(max_packets_s=300)
    one, _ = pair(b)
    one.send(SOUND)
    b.advance(1.0)
    for _ in range(50):
        one.send(SOUND)
    assert len(b.heard()) == 50


def test_loss_counts_gaps_and_subtracts_duplicates() -> None:
    b = Bench()
    one, _ = pair(b)
    for sequence in (10, 11, 14, 13, 13, 20):  # expected 11, received 6
        one.deliver(bench.rtp(SOUND, sequence, 160 * sequence))
    statistics = one.stream.statistics()
    assert (statistics.packets_received, statistics.packets_lost) == (6, 5)
    assert statistics.octets_received == 960


def test_sequence_numbers_wrap() -> None:
    b = Bench()
    one, _ = pair(b)
    for i in range(10):
        one.deliver(bench.rtp(SOUND, 65530 + i, 160 * i))
    assert one.stream.statistics().packets_lost == 0
    assert {y.sequence - x.sequence & 0xFFFF for x, y in itertools.pairwise(b.heard())} == {1}


def test_jitter_is_that_of_rfc3550_appendix_a8() -> None:
    b = Bench()
    one, _ = pair(b)
    one.send(SOUND)
    b.advance(0.020)
    one.send(SOUND)
    assert one.stream.statistics().jitter_ms == 0
    b.advance(0.030)
    one.send(SOUND)  # 10 ms late: |D| = 80, J = 80 / 16 = 5
    assert one.stream.statistics().jitter_ms == pytest.approx(5 / 8, abs=0.001)
    b.advance(0.010)
    one.send(SOUND)  # in time again: |D| = 80, J = 5 + (80 - 5) / 16 = 9.6875
    assert one.stream.statistics().jitter_ms == pytest.approx(9.6875 / 8, abs=0.001)


def reports(b: Bench, seconds: float) -> list[tuple[float, bytes, tuple[str, int]]]:
    found = []
    end = b.clock.now + seconds
    while b.clock.now < end:
        b.clock.now = min(end, b.engine.next_deadline())
        b.engine.step(b.clock.now)
        found += [(b.clock.now, packet.data, packet.destination) for packet in b.engine.take_output() if packet.rtcp]
    return found


def test_rtcp_comes_at_the_interval_of_rfc3550_and_to_the_next_port() -> None:
    b = Bench()
    one = b.peer()
    found = reports(b, 200.0)
    assert {destination for _, _, destination in found} == {(one.address[0], one.address[1] + 1)}
    first = found[0][0] - 100
    assert 2.5 * 0.5 / 1.21828 <= first <= 2.5 * 1.5 / 1.21828
    gaps = [y[0] - x[0] for x, y in itertools.pairwise(found)]
    assert all(5 * 0.5 / 1.21828 <= gap <= 5 * 1.5 / 1.21828 for gap in gaps)
    assert len(set(gaps)) > 10


def test_a_report_says_what_was_received_and_sent() -> None:
    b = Bench()
    one, other = pair(b)
    for i in range(250):
        if i % 10 != 3:
            one.deliver(bench.rtp(SOUND, i, 160 * i))
        other.send(SOUND)
        b.advance(0.02)
    found = reports(b, 6.0)
    compound = rtcp.parse_compound(next(data for _, data, to in found if to[0] == one.address[0]))
    sender, description = compound[0], compound[1]
    assert isinstance(sender, rtcp.SenderReport)
    assert isinstance(description, rtcp.SourceDescription)
    assert description.cname
    (block,) = sender.reports
    assert block.ssrc == 0x1234
    assert block.packets_lost == 25
    assert block.highest_sequence == 249
    assert sender.packets == one.stream.statistics().packets_sent
    assert sender.octets == one.stream.statistics().octets_sent


def test_the_round_trip_is_read_from_the_peers_report() -> None:
    b = Bench()
    one, other = pair(b)
    other.send(SOUND)
    sent = next(item for item in reports(b, 10.0) if item[2][0] == one.address[0])
    report = rtcp.parse_compound(sent[1])[0]
    assert isinstance(report, rtcp.SenderReport)
    assert one.stream.statistics().round_trip_ms is None
    held_s = b.clock.now + 0.5 - sent[0]
    b.clock.now += 0.58
    block = rtcp.ReportBlock(report.ssrc, 0, 3, 77, 80, report.ntp >> 16 & 0xFFFFFFFF, round(held_s * 65536))
    one.deliver(
        rtcp.build_compound([rtcp.ReceiverReport(one.ssrc, (block,)), rtcp.SourceDescription(())]),
        (one.address[0], one.address[1] + 1),
        rtcp=True,
    )
    assert one.stream.statistics().round_trip_ms == pytest.approx(80, abs=0.1)
    details = one.stream.details()
    assert (details.remote_lost, details.remote_jitter_ms) == (3, 10.0)


def test_a_peers_sender_report_is_answered_with_its_time_and_our_delay() -> None:
    b = Bench()
    one, _ = pair(b)
    one.send(SOUND)
    ntp = 0x1122334455667788
    sr = rtcp.SenderReport(one.ssrc, ntp, 0, 1, 160)
    one.deliver(rtcp.build_compound([sr, rtcp.SourceDescription(())]), (one.address[0], 4001), rtcp=True)
    at = b.clock.now
    sent = next(item for item in reports(b, 10.0) if item[2][0] == one.address[0])
    (block,) = rtcp.parse_compound(sent[1])[0].reports
    assert block.last_sr == 0x33445566
    assert block.delay_since_last_sr / 65536 == pytest.approx(sent[0] - at, abs=0.001)


def test_rtcp_on_the_rtp_port_is_told_apart_by_its_type() -> None:
    b = Bench()
    one, _ = pair(b)
    one.deliver(rtcp.build_compound([rtcp.ReceiverReport(7), rtcp.SourceDescription(())]))
    assert one.stream.details().rtcp_received == 1
    assert b.heard() == []


def test_a_strangers_rtcp_is_not_believed() -> None:
    b = Bench()
    one, _ = pair(b)
    one.send(SOUND)
    b.engine.take_output()
    data = rtcp.build_compound([rtcp.ReceiverReport(7), rtcp.SourceDescription(())])
    one.deliver(data, ("203.0.113.1", 4001), rtcp=True)
    assert one.stream.details().rejected == {"source": 1}
    assert all(to[0] != "203.0.113.1" for _, _, to in reports(b, 20))


def test_a_closed_stream_says_goodbye() -> None:
    b = Bench()
    one = b.peer()
    one.stream.close()
    (packet,) = b.engine.take_output()
    kinds = [type(part) for part in rtcp.parse_compound(packet.data)]
    assert kinds == [rtcp.ReceiverReport, rtcp.SourceDescription, rtcp.Bye]


def test_a_new_answer_keeps_ssrc_sequence_and_time() -> None:
    b = Bench()
    one, other = pair(b)
    one.send(SOUND)
    b.advance(0.02)
    other.stream.start(("198.51.100.77", 6000), bench.PCMA)
    one.send(SOUND)
    after = b.heard()[-1]
    assert after.payload_type == 8
    assert after.destination == ("198.51.100.77", 6000)
    one.send(SOUND)
    assert b.heard()[0].sequence - after.sequence & 0xFFFF == 1


def test_hold_with_an_unspecified_address_sends_nothing() -> None:
    b = Bench()
    one, other = pair(b)
    other.stream.start(("0.0.0.0", 6000), PCMU)
    one.send(SOUND)
    assert b.heard() == []


@pytest.mark.parametrize("seed", range(20))
def test_garbage_is_counted_and_harms_nobody(seed: int) -> None:
    b = Bench()
    one, other = pair(b, telephone_event=101)
    line = b.line()
    friend = b.peer()
    b.engine.bridge(line, friend.stream)
    one.stream.detect_digits(True)
    draw = random.Random(seed)
    for _ in range(500):
        data = bytearray(draw.randbytes(draw.choice([0, 1, 3, 11, 12, 13, 16, 172, 400, 1499, 1501])))
        if data and draw.random() < 0.8:
            data[0] = draw.choice([0x80, 0x80, 0x90, 0xA0, 0xBF])
        if len(data) > 1 and draw.random() < 0.8:
            data[1] = draw.choice([0, 0x80, 101, 0xE5, 13, 200, 201, 203])
        if len(data) > 11 and draw.random() < 0.7:
            data[8:12] = one.ssrc.to_bytes(4, "big")
        victim = draw.choice([one, other, friend])
        victim.deliver(bytes(data), rtcp=draw.random() < 0.3)
        b.frame(line, draw.randbytes(160))
        if draw.random() < 0.2:
            b.advance(0.01)
    b.engine.take_events()
    clean, last = b.peer(), b.peer()
    b.engine.bridge(clean.stream, last.stream)
    clean.send(SOUND)
    assert b.heard()[-1].payload == SOUND
    assert MediaStarted(clean.stream) in b.engine.take_events()
