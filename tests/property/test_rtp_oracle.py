"""The engine's C arithmetic and formats against their plain reference in ``voipgw.rtp``."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from voipgw._native._vg import ffi, lib
from voipgw.errors import ParseError
from voipgw.rtp import Extension, Packet
from voipgw.rtp.rtcp import (
    Bye,
    Chunk,
    ReceiverReport,
    ReportBlock,
    Sdes,
    SenderReport,
    SourceDescription,
    build_compound,
    parse_compound,
)
from voipgw.rtp.session import SourceStatistics, round_trip_s
from voipgw.rtp.telephone_event import TelephoneEvent

u8, u16, u32, u64 = (st.integers(0, (1 << n) - 1) for n in (8, 16, 32, 64))
words = st.integers(0, 3).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
packets = st.builds(
    Packet,
    st.integers(0, 127),
    u16,
    u32,
    u32,
    st.binary(max_size=20),
    st.booleans(),
    st.lists(u32, max_size=3).map(tuple),
    st.none() | st.builds(Extension, u16, words),
    u8,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just(1), st.integers(-400, 400)),  # in order, a little late or early
        st.tuples(st.integers(-90, 2000), st.integers(-400, 400)),  # gaps, duplicates, reordering
        st.tuples(st.integers(-60000, 60000), st.just(0)),  # wild jumps
    ),
    max_size=60,
)


@given(st.one_of(packets.map(bytes), st.binary(max_size=40), st.binary(max_size=30).map(lambda b: b"\xb5" + b)))
def test_both_accept_the_same_packets_and_find_the_same_payload(data: bytes) -> None:
    header: Any = ffi.new("vg_rtp_header *")
    status = lib.vg_rtp_parse(ffi.from_buffer(data), len(data), header)
    try:
        packet = Packet.parse(data)
    except ParseError:
        assert status != lib.VG_OK
        return
    assert status == lib.VG_OK
    assert (header.payload_type, bool(header.marker), header.sequence) == (
        packet.payload_type,
        packet.marker,
        packet.sequence,
    )
    assert (header.timestamp, header.ssrc) == (packet.timestamp, packet.ssrc)
    assert data[header.payload.at : header.payload.at + header.payload.length] == packet.payload


@given(u16, u32, u32, steps)
def test_both_count_loss_and_jitter_alike(
    first: int, timestamp: int, arrival: int, moves: list[tuple[int, int]]
) -> None:
    source: Any = ffi.new("vg_rtp_source *")
    lib.vg_rtp_source_reset(source, 7, first)
    reference = SourceStatistics(7, first, probation=0)
    sequence = first
    for move, late in [(0, 0), *moves]:
        sequence = (sequence + move) % 65536
        timestamp = (timestamp + 160 * move) & 0xFFFFFFFF
        arrival = (arrival + 160 * move) & 0xFFFFFFFF
        accepted = lib.vg_rtp_source_update(source, sequence) == lib.VG_OK
        if accepted:
            lib.vg_rtp_source_jitter(source, arrival + late & 0xFFFFFFFF, timestamp)
        assert reference.receive(sequence, timestamp, arrival + late & 0xFFFFFFFF) == accepted
        assert source.received == reference.received
        assert lib.vg_rtp_source_expected(source) == reference.expected
        assert lib.vg_rtp_source_lost(source) == reference.lost
        assert source.jitter_q4 >> 4 == reference.jitter_ticks
        if sequence % 5 == 0:
            assert lib.vg_rtp_source_fraction(source) == reference.report(0.0).fraction_lost


@given(
    u32,
    st.booleans(),
    u64,
    u32,
    u32,
    u32,
    st.none() | st.builds(ReportBlock, u32, u8, st.integers(-(1 << 23), (1 << 23) - 1), u32, u32, u32, u32),
    st.booleans(),
)
def test_reports_of_either_are_read_by_the_other(
    ssrc: int, sender: bool, ntp: int, timestamp: int, count: int, octets: int, block: ReportBlock | None, bye: bool
) -> None:
    blocks = () if block is None else (block,)
    first = SenderReport(ssrc, ntp, timestamp, count, octets, blocks) if sender else ReceiverReport(ssrc, blocks)
    compound = (first, SourceDescription((Chunk(ssrc, ((Sdes.CNAME, b"abc"),)),)), *([Bye((ssrc,))] if bye else []))
    data = build_compound(compound)
    report: Any = ffi.new("vg_rtcp_report *")
    about = block.ssrc if block else 0
    assert lib.vg_rtcp_parse(ffi.from_buffer(data), len(data), about, report) == lib.VG_OK
    assert (report.ssrc, bool(report.is_sender), bool(report.bye)) == (ssrc, sender, bye)
    if sender:
        assert (report.ntp, report.timestamp, report.packets, report.octets) == (ntp, timestamp, count, octets)
    assert bool(report.has_block) == (block is not None)
    if block is not None:
        got = report.block
        assert (got.fraction, got.lost, got.highest) == (
            block.fraction_lost,
            block.packets_lost,
            block.highest_sequence,
        )
        assert (got.jitter, got.last_sr, got.delay_since_sr) == (
            block.jitter_ticks,
            block.last_sr,
            block.delay_since_last_sr,
        )
    out: Any = ffi.new("uint8_t[]", lib.VG_RTCP_MAX_OCTETS)
    written = ffi.buffer(out, lib.vg_rtcp_write(out, report, b"abc", 3))[:]
    assert parse_compound(written) == compound


@given(u32, u32, u64)
@example(1, 0, 0)
@example(1, 65, 0)
@example(1, 64, 0)
def test_both_compute_the_same_round_trip(last_sr: int, delay: int, ntp: int) -> None:
    block = ReportBlock(1, 0, 0, 0, 0, last_sr, delay)
    report: Any = ffi.new("vg_rtcp_block *", {"last_sr": last_sr, "delay_since_sr": delay})
    us = lib.vg_rtcp_round_trip_us(report, ntp)
    reference = round_trip_s(block, ntp)
    assert (us < 0) == (reference is None)
    if reference is not None:
        assert abs(us - reference * 1e6) <= 1


@given(st.binary(min_size=4, max_size=4))
def test_both_read_an_event_alike(data: bytes) -> None:
    event: Any = ffi.new("vg_rtp_event *")
    assert lib.vg_rtp_event_parse(ffi.from_buffer(data), 4, event) == lib.VG_OK
    reference = TelephoneEvent.parse(data)
    assert (event.event, bool(event.end), -event.volume, event.duration) == (
        reference.event,
        reference.end,
        reference.volume_dbm0,
        reference.duration_ticks,
    )
