"""RTP, RTCP and telephone-event octets: round trips, and garbage raises ParseError and nothing else."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from voipgw.errors import ParseError
from voipgw.rtp import Extension, Packet
from voipgw.rtp.rtcp import (
    App,
    Bye,
    Chunk,
    Other,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    build_compound,
    parse_compound,
)
from voipgw.rtp.telephone_event import EventBegan, EventEnded, EventReceiver, EventSender, TelephoneEvent

u8, u16, u32, u64 = (st.integers(0, (1 << n) - 1) for n in (8, 16, 32, 64))
words = st.integers(0, 5).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
packets = st.builds(
    Packet,
    st.integers(0, 127),
    u16,
    u32,
    u32,
    st.binary(max_size=200),
    st.booleans(),
    st.lists(u32, max_size=15).map(tuple),
    st.none() | st.builds(Extension, u16, words),
    u8,
)
blocks = st.builds(ReportBlock, u32, u8, st.integers(-(1 << 23), (1 << 23) - 1), u32, u32, u32, u32)
reports = st.lists(blocks, max_size=3).map(tuple)
items = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=4).map(tuple)
first = st.builds(SenderReport, u32, u64, u32, u32, u32, reports, words) | st.builds(
    ReceiverReport, u32, reports, words
)
rest = st.one_of(
    st.builds(SourceDescription, st.lists(st.builds(Chunk, u32, items), max_size=4).map(tuple)),
    st.builds(Bye, st.lists(u32, max_size=4).map(tuple), st.none() | st.binary(max_size=255)),
    st.builds(App, u32, st.binary(min_size=4, max_size=4), st.integers(0, 31), words),
    st.builds(Other, st.integers(205, 255), st.integers(0, 31), words),
)


@given(packets)
def test_a_packet_comes_back(packet: Packet) -> None:
    assert Packet.parse(bytes(packet)) == packet


@given(st.binary(max_size=100))
@example(b"\x80" + bytes(11))
def test_garbage_is_a_packet_or_a_parse_error(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        packet = Packet.parse(data)
        assert Packet.parse(bytes(packet)) == packet


@given(first, st.lists(rest, max_size=3))
def test_a_compound_comes_back(report: ReceiverReport, others: list[Bye]) -> None:
    compound = (report, *others)
    assert parse_compound(build_compound(compound)) == compound


@given(first, st.lists(rest, max_size=2), st.data())
def test_damaged_compounds_are_parsed_or_refused(
    report: ReceiverReport, others: list[Bye], data: st.DataObject
) -> None:
    octets = bytearray(build_compound((report, *others)))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(u8)
    with contextlib.suppress(ParseError):
        parse_compound(bytes(octets[: data.draw(st.integers(0, len(octets)))]), reduced_size=True)


@given(st.binary(max_size=20))
def test_garbage_is_an_event_or_a_parse_error(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        TelephoneEvent.parse(data)


@given(
    st.lists(st.tuples(st.integers(0, 16), st.integers(40, 300)), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_every_digit_is_heard_once_in_order_with_a_third_of_the_packets_lost(digits, random) -> None:
    """One of the three ends is never lost here; all others may be, and any may be doubled."""
    sender = EventSender(0.0, random.getrandbits(32))
    for code, duration_ms in digits:
        sender.send(code, duration_ms, 0.0)
    receiver, heard, ends = EventReceiver(), [], 0
    while sender.busy:
        now = sender.next_deadline()
        for effect in sender.handle_deadline(now):
            ends = ends + 1 if TelephoneEvent.parse(effect.payload).end else 0
            if ends % 3 != 2 and random.random() < 0.33:
                continue
            for _ in range(random.choice([1, 1, 2])):
                packet = Packet(101, 0, effect.timestamp, 1, effect.payload, effect.marker)
                heard += receiver.receive(packet, now)
    assert heard == [e for code, ms in digits for e in (EventBegan(code), EventEnded(code, ms))]
