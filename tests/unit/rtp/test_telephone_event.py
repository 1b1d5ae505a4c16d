"""RFC 4733: digits as RTP events."""

from __future__ import annotations

import math

import pytest

from voipgw.errors import LocalProtocolError, ParseError
from voipgw.rtp import Packet
from voipgw.rtp.telephone_event import (
    EventBegan,
    EventEnded,
    EventReceiver,
    EventSender,
    SendEvent,
    TelephoneEvent,
    code_of,
    symbol_of,
)


def packet(
    code: int, timestamp: int, duration: int, end: bool = False, *, ssrc: int = 1, marker: bool = False
) -> Packet:
    return Packet(101, 0, timestamp, ssrc, bytes(TelephoneEvent(code, duration, end)), marker)


def sent(sender: EventSender) -> list[tuple[float, SendEvent]]:
    packets = []
    while (now := sender.next_deadline()) != math.inf:
        packets += [(now, effect) for effect in sender.handle_deadline(now)]
    return packets


def test_the_octets_of_an_event() -> None:
    assert bytes(TelephoneEvent(11, 800, True, -10)).hex() == "0b8a0320"
    assert TelephoneEvent.parse(bytes.fromhex("0b8a0320")) == TelephoneEvent(11, 800, True, -10)
    assert TelephoneEvent.parse(bytes.fromhex("014a0320")) == TelephoneEvent(1, 800, False, -10)  # R bit ignored


@pytest.mark.parametrize("payload", [b"", b"abc", b"abcde"])
def test_a_payload_is_a_multiple_of_four_octets(payload: bytes) -> None:
    with pytest.raises(ParseError):
        TelephoneEvent.parse(payload)


def test_codes_and_symbols() -> None:
    assert [code_of(s) for s in "0123456789*#ABCDd!"] == [*range(16), 15, 16]
    assert [symbol_of(c) for c in (0, 10, 15, 16, 17)] == ["0", "*", "D", "!", None]
    for wrong in ("x", "", "12"):
        with pytest.raises(LocalProtocolError):
            code_of(wrong)
    with pytest.raises(LocalProtocolError):
        bytes(TelephoneEvent(1, 70000))


def test_a_digit_is_sent_in_steps_with_one_timestamp_and_three_ends() -> None:
    sender = EventSender(0.0, 1000)
    sender.send(5, 70, now=0.5)
    assert sender.busy
    packets = sent(sender)
    assert not sender.busy
    assert [round(now - 0.5, 3) for now, _ in packets] == [0.02, 0.04, 0.06, 0.08, 0.1, 0.12]
    assert {p.timestamp for _, p in packets} == {1000 + 4000}
    assert [p.marker for _, p in packets] == [True, False, False, False, False, False]
    events = [TelephoneEvent.parse(p.payload) for _, p in packets]
    assert [(e.duration_ticks, e.end) for e in events] == [(160, False), (320, False), (480, False)] + [(560, True)] * 3
    assert {(e.event, e.volume_dbm0) for e in events} == {(5, -10)}


def test_digits_wait_for_each_other_with_a_pause() -> None:
    sender = EventSender(0.0, 0)
    sender.send(1, 100, now=0.0)
    sender.send(2, 100, now=0.0)
    starts = sorted({p.timestamp for _, p in sent(sender)})
    assert starts[0] == 0
    assert starts[1] >= 8 * (100 + 50)


def test_the_queue_of_digits_is_bounded() -> None:
    sender = EventSender(0.0, 0, limit=1)
    sender.send(1, 100, now=0.0)
    with pytest.raises(LocalProtocolError, match="wait already"):
        sender.send(1, 100, now=0.0)
    with pytest.raises(LocalProtocolError, match="0 ms"):
        EventSender(0.0, 0).send(1, 0, now=0.0)


def test_a_long_event_is_split_into_segments_without_an_end_between() -> None:
    sender = EventSender(0.0, 0)
    sender.send(3, 10_000, now=0.0)
    packets = [(p.timestamp, TelephoneEvent.parse(p.payload), p.marker) for _, p in sent(sender)]
    assert sorted({timestamp for timestamp, _, _ in packets}) == [0, 65440]
    assert [timestamp for timestamp, event, _ in packets if event.end] == [65440] * 3
    assert packets[-1][0] + packets[-1][1].duration_ticks == 80_000
    assert sum(marker for _, _, marker in packets) == 1
    receiver = EventReceiver()
    heard = []
    for timestamp, event, marker in packets:
        heard += receiver.receive(Packet(101, 0, timestamp, 1, bytes(event), marker), 0.0)
    assert heard == [EventBegan(3), EventEnded(3, 10_000)]


def test_each_digit_is_heard_once_whatever_is_doubled() -> None:
    receiver = EventReceiver()
    assert receiver.receive(packet(4, 800, 160), 0.0) == [EventBegan(4)]
    assert receiver.receive(packet(4, 800, 320), 0.02) == []
    assert receiver.receive(packet(4, 800, 480, True), 0.04) == [EventEnded(4, 60)]
    assert receiver.receive(packet(4, 800, 480, True), 0.05) == []
    assert receiver.receive(packet(4, 800, 320), 0.06) == []
    assert receiver.next_deadline() == math.inf
    assert receiver.receive(packet(4, 2400, 160), 0.2) == [EventBegan(4)]


def test_a_digit_known_by_its_end_only_is_heard() -> None:
    assert EventReceiver().receive(packet(4, 800, 480, True), 0.0) == [EventBegan(4), EventEnded(4, 60)]


def test_a_digit_that_lost_its_end_ends_with_the_next_or_by_time() -> None:
    receiver = EventReceiver()
    receiver.receive(packet(4, 800, 320), 0.0)
    assert receiver.receive(packet(5, 4000, 160), 0.1) == [EventEnded(4, 40), EventBegan(5)]
    assert receiver.handle_deadline(0.2) == []
    assert receiver.next_deadline() == pytest.approx(0.3)
    assert receiver.handle_deadline(0.31) == [EventEnded(5, 20)]
    assert receiver.receive(packet(5, 4000, 320, True), 0.32) == []


def test_packets_out_of_order_change_nothing() -> None:
    receiver = EventReceiver()
    receiver.receive(packet(4, 800, 480), 0.0)
    assert receiver.receive(packet(4, 800, 160), 0.0) == []
    assert receiver.receive(packet(9, 80, 160), 0.0) == []
    assert receiver.receive(packet(9, 800, 480), 0.0) == []
    assert receiver.receive(packet(4, 800, 480, True), 0.0) == [EventEnded(4, 60)]


def test_another_source_begins_anew_whatever_its_timestamps() -> None:
    receiver = EventReceiver()
    receiver.receive(packet(4, 0x70000000, 480, True), 0.0)
    assert receiver.receive(packet(4, 5, 160, ssrc=2), 0.1) == [EventBegan(4)]
    assert receiver.receive(packet(6, 5, 160, ssrc=3), 0.1) == [EventEnded(4, 20), EventBegan(6)]


def test_a_source_whose_timestamps_step_back_is_believed_after_a_while() -> None:
    receiver = EventReceiver()
    receiver.receive(packet(4, 0x70000000, 480, True), 0.0)
    assert receiver.receive(packet(4, 5, 160), 0.1) == []
    assert receiver.receive(packet(4, 5, 160), 3.0) == [EventBegan(4)]
