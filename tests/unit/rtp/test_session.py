"""Statistics of a source (RFC 3550 appendices A.1, A.3, A.7, A.8)."""

from __future__ import annotations

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.rtp.rtcp import ReportBlock
from voipgw.rtp.session import SourceStatistics, round_trip_s, rtcp_interval_s


def source(first: int = 1000, probation: int = 0) -> SourceStatistics:
    return SourceStatistics(7, first, probation)


def receive(statistics: SourceStatistics, *sequences: int) -> list[bool]:
    return [statistics.receive(sequence % 65536, 160 * sequence, 160 * sequence) for sequence in sequences]


def test_a_source_is_believed_after_two_packets_in_order() -> None:
    s = source(probation=2)
    assert not s.valid
    assert receive(s, 1000, 1005, 1006, 1007) == [False, False, True, True]
    assert s.valid
    assert (s.received, s.expected, s.lost) == (2, 2, 0)


@pytest.mark.parametrize("first", [0, 1, 65535, 65530])
def test_sequence_numbers_extend_over_the_wrap(first: int) -> None:
    s = source(first)
    receive(s, *range(first, first + 20))
    assert (s.received, s.expected, s.lost) == (20, 20, 0)
    assert s.highest_sequence == first + 19


def test_losses_and_duplicates_are_counted() -> None:
    s = source(10)
    receive(s, 10, 11, 14, 15)
    assert s.lost == 2
    receive(s, 15, 15, 15)
    assert s.lost == -1


def test_a_late_packet_makes_up_for_its_loss() -> None:
    s = source(65534)
    receive(s, 65534, 65537, 65535, 65536)
    assert (s.lost, s.highest_sequence) == (0, 65537)


def test_one_stray_packet_far_away_is_not_counted_and_two_restart_the_source() -> None:
    s = source(100)
    receive(s, 100, 101)
    assert receive(s, 20000) == [False]
    assert receive(s, 102) == [True]
    assert (s.received, s.lost) == (3, 0)
    assert receive(s, 30000, 30001, 30002) == [False, True, True]
    assert (s.received, s.lost, s.highest_sequence) == (2, 0, 30002)
    receive(s, 30004)
    assert s.lost == 1
    assert receive(s, 100, 101) == [False, True]
    assert s.lost == 1


def test_jitter_is_the_smoothed_difference_of_transit_times() -> None:
    s = source(0)
    even = [s.receive(n, 160 * n, 160 * n + 5000) for n in range(200)]
    assert all(even)
    assert s.jitter_ticks == 0
    jitter = 0.0
    for n in range(200, 600):
        s.receive(n, 160 * n, 160 * n + 5000 + 80 * (n % 2))
        jitter += (80 * (n > 200) - jitter) / 16
    assert s.jitter_ticks == pytest.approx(jitter, abs=1)
    assert s.jitter_ticks == pytest.approx(80, abs=1)


def test_jitter_is_right_where_timestamps_wrap() -> None:
    s = source(0)
    for n in range(50):
        s.receive(n, (0xFFFFF000 + 160 * n) & 0xFFFFFFFF, 160 * n)
    assert s.jitter_ticks == 0


def test_a_report_tells_the_loss_since_the_last_one() -> None:
    s = source(1)
    receive(s, 1, 2, 4)
    s.sender_report(0x0000_1234_5678_0000, 10.0)
    first = s.report(10.5)
    assert (first.fraction_lost, first.packets_lost, first.highest_sequence) == (64, 1, 4)
    assert (first.last_sr, first.delay_since_last_sr) == (0x12345678, 0x8000)
    receive(s, 5, 6)
    second = s.report(11.0)
    assert (second.fraction_lost, second.packets_lost) == (0, 1)
    receive(s, 6, 6)
    assert s.report(12.0).fraction_lost == 0


def test_the_round_trip_is_what_is_left_after_the_peers_delay() -> None:
    block = ReportBlock(1, 0, 0, 0, 0, 0xB705_2000, 0x0005_4000)
    assert round_trip_s(block, 0xB710_8000 << 16) == pytest.approx(6.125)  # the example of section 6.4.1
    assert round_trip_s(ReportBlock(1, 0, 0, 0, 0), 5) is None
    assert round_trip_s(block, 0xB705_2000 << 16) is None
    assert round_trip_s(block, (0xB705_2000 + 0x0005_4000 - 1) << 16) == 0.0


def test_rtcp_intervals_keep_the_minimum_and_grow_with_the_session() -> None:
    entropy = SeededEntropy(1)

    def interval(members: int, initial: bool = False) -> float:
        return rtcp_interval_s(
            members=members,
            senders=2,
            bandwidth_octets_per_s=400.0,
            we_sent=False,
            average_octets=120.0,
            initial=initial,
            entropy=entropy,
        )

    assert all(2.5 / 1.21828 <= interval(2) <= 7.5 / 1.21828 for _ in range(100))
    assert all(1.25 / 1.21828 <= interval(2, True) <= 3.75 / 1.21828 for _ in range(100))
    assert interval(1000) > 100
