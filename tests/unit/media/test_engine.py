from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from voipgw._native import g711
from voipgw.dsp import dtmf
from voipgw.errors import ConfigurationError, LocalProtocolError, NegotiationError, ResourceError
from voipgw.media.plane import DigitBegan, DigitHeard, MediaStarted, MediaStopped, PlaybackEnded, ToneSegment

_spec = importlib.util.spec_from_file_location("media_bench", Path(__file__).with_name("bench.py"))
bench = sys.modules.setdefault("media_bench", importlib.util.module_from_spec(_spec))
if not hasattr(bench, "Bench"):
    _spec.loader.exec_module(bench)
Bench, PCMU, PCMA, Codec, Direction = bench.Bench, bench.PCMU, bench.PCMA, bench.Codec, bench.Direction

NOISE = np.random.default_rng(7)


def noise(n: int = 160) -> bytes:
    return NOISE.integers(0, 256, n, dtype=np.uint8).tobytes()


def test_a_relay_is_bit_for_bit_and_leaves_at_once() -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    sent = [noise() for _ in range(50)]
    heard = []
    for payload in sent:
        one.send(payload)
        heard += b.heard()
        b.advance(0.02)
    assert [packet.payload for packet in heard] == sent
    assert {packet.destination for packet in heard} == {other.address}
    assert {packet.source for packet in heard} == {other.stream.local}
    assert len({packet.ssrc for packet in heard}) == 1
    assert heard[0].ssrc != one.ssrc
    assert {b.sequence - a.sequence & 0xFFFF for a, b in itertools.pairwise(heard)} == {1}
    assert {b.timestamp - a.timestamp & 0xFFFFFFFF for a, b in itertools.pairwise(heard)} == {160}


def test_a_gap_in_what_is_relayed_stays_a_gap() -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    one.send(noise())
    one.sequence += 2
    one.timestamp += 320
    one.send(noise())
    first, second = b.heard()
    assert second.sequence - first.sequence & 0xFFFF == 3
    assert second.timestamp - first.timestamp & 0xFFFFFFFF == 480


def test_an_extension_a_csrc_list_and_padding_are_not_passed_on() -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    plain = bench.rtp(b"", 7, 8)
    data = bytes([plain[0] | 0x20 | 0x10 | 2]) + plain[1:] + bytes(8) + b"\xbe\xde\x00\x01abcd" + b"sound" + b"\0\0\3"
    one.deliver(data)
    assert [packet.payload for packet in b.heard()] == [b"sound"]


def test_the_other_law_is_converted_by_table() -> None:
    b = Bench()
    one, other = b.peer(PCMU), b.peer(PCMA)
    b.engine.bridge(one.stream, other.stream)
    payload = bytes(range(256))
    one.send(payload)
    (heard,) = b.heard()
    assert heard.payload == g711.convert(g711.ULAW, payload)
    assert heard.payload_type == 8
    other.send(payload)
    assert b.heard()[0].payload == g711.convert(g711.ALAW, payload)


def test_a_codec_that_is_only_relayed_meets_its_like_alone() -> None:
    b = Bench()
    opus = Codec("opus", 48000, 2, payload_type=111)
    one, other, plain = b.peer(opus), b.peer(Codec("opus", 48000, 2, payload_type=96)), b.peer()
    b.engine.bridge(one.stream, other.stream)
    one.send(b"frame", advance=960)
    assert [(packet.payload, packet.payload_type) for packet in b.heard()] == [(b"frame", 96)]
    with pytest.raises(NegotiationError, match="opus to PCMU"):
        b.engine.bridge(one.stream, plain.stream)
    with pytest.raises(NegotiationError):
        one.stream.play(np.zeros(160, np.int16))


def test_another_ssrc_is_believed_at_its_second_packet_and_our_stream_goes_on() -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    for _ in range(3):
        one.send(noise())
        b.advance(0.02)
    before = one.ssrc
    one.ssrc, one.sequence, one.timestamp = 99, 20000, 7
    one.send(noise())
    assert b.heard() == []
    b.advance(0.02)
    one.send(noise())
    (heard,) = b.heard()
    assert heard.marker
    assert one.stream.details().ssrc_changes == 1
    assert one.stream.details().rejected == {"ssrc": 1}
    assert heard.ssrc != before
    stray = bench.rtp(noise(), 5, 5, ssrc=77)
    one.deliver(stray)
    one.send(noise())
    assert len(b.heard()) == 1


def test_our_sequence_has_no_hole_when_sound_and_relay_take_turns() -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    heard = []
    for turn in range(4):
        for _ in range(5):
            one.send(noise())
            heard += b.advance(0.02)
        if turn % 2 == 0:
            other.stream.play(np.ones(800, np.int16))
        else:
            other.stream.stop_playing()
    mine = [packet for packet in heard if packet.destination == other.address]
    assert {b.sequence - a.sequence & 0xFFFF for a, b in itertools.pairwise(mine)} == {1}
    steps = {b.timestamp - a.timestamp & 0xFFFFFFFF for a, b in itertools.pairwise(mine)}
    assert max(steps) <= 320
    assert min(steps) >= 160


def test_what_is_played_mutes_the_bridge_towards_that_party_alone() -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    other.stream.play(np.full(1600, 1000, np.int16))
    one.send(b"\x11" * 160)
    other.send(b"\x22" * 160)
    heard = b.advance(0.19)
    to_one = [packet.payload for packet in heard if packet.destination == one.address]
    to_other = {packet.payload for packet in heard if packet.destination == other.address}
    assert to_one == [b"\x22" * 160]
    assert to_other == {g711.encode(g711.ULAW, np.full(160, 1000, np.int16))}
    assert PlaybackEnded(other.stream) in b.engine.take_events()
    b.advance(0.1)
    one.send(b"\x33" * 160)
    assert [packet.payload for packet in b.heard()] == [b"\x33" * 160]


def test_a_playback_that_was_replaced_is_not_reported_as_ended() -> None:
    b = Bench()
    one = b.peer()
    one.stream.play(np.ones(160, np.int16))
    one.stream.play(np.ones(320, np.int16))
    one.stream.stop_playing()
    b.advance(0.2)
    assert b.engine.take_events() == []
    one.stream.play(np.ones(320, np.int16))
    b.advance(0.2)
    assert b.engine.take_events() == [PlaybackEnded(one.stream)]


def test_a_tone_has_its_frequency_level_and_cadence() -> None:
    b = Bench()
    line = b.line()
    line.play_tones([ToneSegment((440.0,), 100, -13.0), ToneSegment((), 100)])
    octets = b"".join(b.frame(line, b"\xff" * 160) for _ in range(20))
    pcm = bench.decoded(octets)
    on = pcm[100:700].astype(float)  # without its ramps
    assert 10 * np.log10(np.mean(on**2) / (32767**2 / 2)) + 3.14 == pytest.approx(-13.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(on))
    assert np.argmax(spectrum) * 8000 / 600 == 440
    assert np.all(np.abs(pcm[810:1590]) <= 8)
    assert np.any(np.abs(pcm[1610:2400]) > 1000)


def test_a_line_frame_leaves_as_a_packet_at_once_and_late_frames_are_no_gap() -> None:
    b = Bench()
    peer, line = b.peer(PCMA), b.line("PCMA")
    b.engine.bridge(peer.stream, line)
    sent, heard = [], []
    for count in (1, 1, 0, 0, 0, 4, 1):
        for _ in range(count):
            sent.append(noise())
            b.frame(line, sent[-1])
        heard += b.advance(0.02)
    assert [packet.payload for packet in heard] == sent
    assert {b.timestamp - a.timestamp & 0xFFFFFFFF for a, b in itertools.pairwise(heard)} == {160}


def test_frames_of_another_size_are_packed_to_the_ptime() -> None:
    b = Bench()
    peer, line = b.peer(), b.line(frame_samples=64)
    b.engine.bridge(peer.stream, line)
    sent = [noise(64) for _ in range(25)]
    for frame in sent:
        b.frame(line, frame)
    heard = b.heard()
    assert {len(packet.payload) for packet in heard} == {160}
    assert b"".join(packet.payload for packet in heard) == b"".join(sent)


def test_a_card_that_is_late_and_catches_up_loses_nothing() -> None:
    b = Bench()
    peer, line = b.peer(), b.line()
    b.engine.bridge(peer.stream, line)
    sent, got = [], []
    for tick in range(120):
        sent.append(noise())
        peer.send(sent[-1])
        if not 40 <= tick < 65:  # the card sleeps for 500 ms
            got.append(b.frame(line, b"\xff" * 160))
        if tick == 65:
            got += [b.frame(line, b"\xff" * 160) for _ in range(25)]
        b.advance(0.02)
    stream = b"".join(got)
    assert stream.startswith(b"\xff" * 480)
    assert stream[480:] == b"".join(sent)[: len(stream) - 480]
    details = line.details()
    assert (details.dropped_samples, details.inserted_samples) == (0, 0)
    assert peer.stream.statistics().packets_late == 0


def test_jitter_and_reordering_within_the_depth_are_not_heard() -> None:
    b = Bench()
    peer, line = b.peer(), b.line()
    b.engine.bridge(peer.stream, line)
    random = np.random.default_rng(3)
    sent = [noise() for _ in range(200)]
    arrivals = sorted((0.02 * i + (random.uniform(0, 0.05) if i else 0.0), i) for i in range(200))
    got, at = [], 0
    for tick in range(200):
        while at < 200 and arrivals[at][0] <= 0.02 * tick:
            i = arrivals[at][1]
            peer.deliver(bench.rtp(sent[i], i, 160 * i))
            at += 1
        got.append(b.frame(line, b"\xff" * 160))
        b.advance(0.02)
    stream = b"".join(got)
    assert stream[480:] == b"".join(sent)[: len(stream) - 480]


def test_a_lost_packet_is_concealed_with_a_fade_and_counted() -> None:
    b = Bench()
    peer, line = b.peer(), b.line()
    b.engine.bridge(peer.stream, line)
    voice = g711.encode(g711.ULAW, bench.tone(400, 160 * 20))
    got = []
    for i in range(20):
        if i not in (10,):
            peer.deliver(bench.rtp(voice[160 * i : 160 * i + 160], i, 160 * i))
        got.append(b.frame(line, b"\xff" * 160))
        b.advance(0.02)
    pcm = bench.decoded(b"".join(got)).astype(float)
    good, lost = pcm[480 + 1440 : 480 + 1600], pcm[480 + 1600 : 480 + 1760]
    assert 0.3 < np.sqrt(np.mean(lost**2)) / np.sqrt(np.mean(good**2)) < 1.0
    statistics = peer.stream.statistics()
    assert statistics.concealed_samples == 160
    assert statistics.packets_lost == 1


def test_two_telephones_hear_each_other() -> None:
    b = Bench()
    one, other = b.line("PCMU"), b.line("PCMA")
    b.engine.bridge(one, other)
    voice = bench.tone(700, 1600)
    said, heard = g711.encode(g711.ULAW, voice), b""
    for i in range(10):
        b.frame(one, said[160 * i : 160 * i + 160])
        heard += b.frame(other, b"\xd5" * 160)
    assert heard[160:] == g711.convert(g711.ULAW, said)[: len(heard) - 160]


def test_an_rfc4733_digit_is_one_digit_however_its_packets_come() -> None:
    b = Bench()
    one, other = b.peer(telephone_event=101), b.peer(telephone_event=97)
    b.engine.bridge(one.stream, other.stream)
    one.stream.detect_digits(True)
    packets = [(bytes([5, 10, *(160 * (i + 1)).to_bytes(2, "big")]), i == 0) for i in range(5)]
    packets += [(bytes([5, 0x80 | 10, *(800).to_bytes(2, "big")]), False)] * 3
    for payload, marker in packets:
        one.send(payload, pt=101, marker=marker, advance=0)
        b.advance(0.02)
    one.deliver(bench.rtp(packets[2][0], one.sequence - 6, one.timestamp, ssrc=one.ssrc, pt=101))
    events = [e for e in b.engine.take_events() if not isinstance(e, MediaStarted)]
    assert events == [
        DigitBegan(one.stream, "5"),
        DigitHeard(one.stream, "5", 100, in_band=False, passed_on=True),
    ]


def test_rfc4733_packets_are_passed_on_with_the_other_sides_payload_type() -> None:
    b = Bench()
    one, other = b.peer(telephone_event=101), b.peer(telephone_event=97)
    b.engine.bridge(one.stream, other.stream)
    one.send(noise())
    payload = bytes([11, 10, 0, 160])
    one.send(payload, pt=101, marker=True, advance=160)
    one.send(noise())
    sound, event, after = b.heard()
    assert (event.payload, event.payload_type, event.marker) == (payload, 97, True)
    assert [event.sequence - sound.sequence, after.sequence - sound.sequence] == [1, 2]
    assert event.timestamp - sound.timestamp & 0xFFFFFFFF == 160


def test_a_digit_that_loses_its_end_packets_ends_all_the_same() -> None:
    b = Bench()
    one = b.peer(telephone_event=101)
    one.stream.detect_digits(True)
    one.send(bytes([9, 10, 0, 160]), pt=101, marker=True, advance=0)
    b.advance(0.5)
    assert b.engine.take_events()[1:] == [
        DigitBegan(one.stream, "9"),
        DigitHeard(one.stream, "9", 20, in_band=False),
    ]


def test_a_sent_digit_is_three_ends_and_a_growing_duration() -> None:
    b = Bench()
    one = b.peer(telephone_event=101)
    one.stream.send_digit("#", 100)
    one.stream.send_digit("1", 60)
    heard = b.advance(0.6)
    assert {packet.payload_type for packet in heard} == {101}
    first = [packet for packet in heard if packet.payload[0] == 11]
    assert [int.from_bytes(packet.payload[2:], "big") for packet in first] == [160, 320, 480, 640, 800, 800, 800]
    assert [bool(packet.payload[1] & 0x80) for packet in first] == [False] * 4 + [True] * 3
    assert [packet.marker for packet in first] == [True] + [False] * 6
    assert len({packet.timestamp for packet in first}) == 1
    second = [packet for packet in heard if packet.payload[0] == 1]
    assert second[0].timestamp - first[0].timestamp & 0xFFFFFFFF >= 800
    assert [packet.sequence - heard[0].sequence & 0xFFFF for packet in heard] == list(range(len(heard)))


def test_a_digit_sent_during_a_relay_leaves_the_relay_in_order() -> None:
    b = Bench()
    one, other = b.peer(), b.peer(telephone_event=101)
    b.engine.bridge(one.stream, other.stream)
    heard = []
    for i in range(20):
        one.send(noise())
        if i == 5:
            other.stream.send_digit("2", 80)
        heard += b.advance(0.02)
    assert {y.sequence - x.sequence & 0xFFFF for x, y in itertools.pairwise(heard)} == {1}
    digits = [packet for packet in heard if packet.payload_type == 101]
    assert len(digits) == 6


def test_a_digit_without_telephone_event_is_sound_that_the_detector_hears() -> None:
    b = Bench()
    line, peer = b.line(), b.peer()
    peer.stream.send_digit("7", 80)
    peer.stream.send_digit("7", 80)
    heard = b.advance(1.0)
    line.detect_digits(True)
    sound = b"".join(packet.payload for packet in heard)
    sound += b"\xff" * (-len(sound) % 160 + 1600)
    for at in range(0, len(sound), 160):
        b.frame(line, sound[at : at + 160])
    digits = [event for event in b.engine.take_events() if isinstance(event, DigitHeard)]
    assert [event.symbol for event in digits] == ["7", "7"]
    assert all(event.in_band and abs(event.duration_ms - 80) < 10 for event in digits)


def test_nothing_is_reported_where_digits_were_not_asked_for() -> None:
    b = Bench()
    one = b.peer(telephone_event=101)
    one.send(bytes([9, 0x8A, 0, 160]), pt=101, marker=True)
    assert b.engine.take_events() == [MediaStarted(one.stream)]


def test_media_that_stops_is_reported_once_and_not_on_hold() -> None:
    b = Bench(media_timeout_s=10.0)
    one, held = b.peer(), b.peer(direction=Direction.SENDONLY)
    one.send(noise())
    b.advance(9.9)
    assert b.engine.take_events() == [MediaStarted(one.stream)]
    b.advance(30.0)
    (event,) = b.engine.take_events()
    assert isinstance(event, MediaStopped)
    assert event.stream is one.stream
    assert event.silent_s == pytest.approx(10.0, abs=0.02)
    one.send(noise())
    assert b.engine.take_events() == [MediaStarted(one.stream)]
    assert held.stream.statistics().packets_received == 0


def test_a_full_pool_is_a_resource_error_and_a_closed_stream_makes_room() -> None:
    b = Bench(max_streams=2)
    one, _ = b.peer(), b.peer()
    with pytest.raises(ResourceError, match="all 2"):
        b.peer()
    one.stream.close()
    b.peer()
    assert len(b.ports.open) == 2


def test_close_while_bridged_parts_the_other_and_keeps_the_counters() -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    one.send(noise())
    assert one.stream.statistics().packets_received == 1
    one.stream.close()
    one.stream.close()
    assert one.stream.statistics().packets_received == 1
    b.engine.take_output()
    other.send(noise())
    assert b.heard() == []
    assert b.engine.open_streams == 1
    with pytest.raises(LocalProtocolError):
        b.engine.bridge(one.stream, other.stream)
    b.engine.close()
    assert b.ports.open == set()


def test_the_same_inputs_give_the_same_octets() -> None:
    def octets() -> list[bytes]:
        b = Bench(seed=5)
        one, other = b.peer(telephone_event=101), b.peer(PCMA)
        b.engine.bridge(one.stream, other.stream)
        out = []
        for i in range(400):
            one.send(bytes([i & 0xFF]) * 160)
            if i == 50:
                other.stream.play_tones([ToneSegment((425.0,), 200)], repeat=False)
            while b.engine.next_deadline() <= b.clock.now + 0.02:
                b.engine.step(b.engine.next_deadline())
            b.clock.now += 0.02
            out += [packet.data for packet in b.engine.take_output()]
        return out

    first, second = octets(), octets()
    assert len(first) > 400
    assert first == second


def test_what_cannot_be_played_is_named() -> None:
    b = Bench()
    one = b.peer()
    with pytest.raises(ConfigurationError, match="float64"):
        one.stream.play(np.zeros(10))
    with pytest.raises(ConfigurationError, match="frequencies"):
        one.stream.play_tones([ToneSegment((5000.0,), 10)])
    with pytest.raises(ConfigurationError, match="digit"):
        one.stream.send_digit("x")


def dtmf_frames(symbol: str, on_ms: int, pad_ms: int = 200) -> list[bytes]:
    pcm = np.concatenate([np.zeros(160, np.int16), dtmf(symbol, on_ms=on_ms, off_ms=0), np.zeros(8 * pad_ms, np.int16)])
    octets = g711.encode(g711.ULAW, pcm[: len(pcm) // 160 * 160])
    return [octets[at : at + 160] for at in range(0, len(octets), 160)]


def test_a_digit_dialled_as_sound_goes_on_as_events_where_they_are_negotiated() -> None:
    b = Bench()
    line, trunk = b.line(), b.peer(telephone_event=101)
    b.engine.bridge(line, trunk.stream)
    line.detect_digits(True)
    heard = []
    for frame in dtmf_frames("8", 100):
        b.frame(line, frame)
        heard += b.advance(0.02)
    events = [packet for packet in heard if packet.payload_type == 101]
    assert {packet.payload[0] for packet in events} == {8}
    assert [bool(packet.payload[1] & 0x80) for packet in events][-3:] == [True] * 3
    assert 90 * 8 <= int.from_bytes(events[-1].payload[2:], "big") <= 130 * 8
    assert {y.sequence - x.sequence & 0xFFFF for x, y in itertools.pairwise(heard)} == {1}
    sound = [packet for packet in heard if packet.payload_type == 0]
    loud = sum(np.max(np.abs(bench.decoded(packet.payload).astype(int))) > 500 for packet in sound)
    assert loud <= 3  # what had left before the digit was certain
    assert all(y.timestamp - x.timestamp & 0xFFFFFFFF < 8000 for x, y in itertools.pairwise(sound))
    assert b.engine.take_events() == [
        DigitBegan(line, "8"),
        DigitHeard(line, "8", pytest.approx(100, abs=5), in_band=True, passed_on=True),
    ]


def test_sound_after_a_digit_goes_on_at_its_own_time() -> None:
    b = Bench()
    line, trunk = b.line(), b.peer(telephone_event=101)
    b.engine.bridge(line, trunk.stream)
    heard = []
    for i in range(30):
        if i == 10:
            trunk.stream.send_digit("1", 100)
        b.frame(line, noise())
        heard += b.advance(0.02)
    sound = [packet for packet in heard if packet.payload_type == 0]
    assert sound[-1].timestamp - sound[0].timestamp & 0xFFFFFFFF == 160 * 29
    assert len(sound) == 25  # 100 ms of it gave way to the digit


def test_a_digit_that_is_sounding_when_the_bridge_ends_is_ended() -> None:
    b = Bench()
    line, trunk = b.line(), b.peer(telephone_event=101)
    b.engine.bridge(line, trunk.stream)
    line.detect_digits(True)
    for frame in dtmf_frames("8", 300)[:6]:
        b.frame(line, frame)
        b.advance(0.02)
    b.engine.unbridge(line)
    heard = b.advance(0.2)
    assert [bool(packet.payload[1] & 0x80) for packet in heard] == [True] * 3


def test_a_new_ptime_takes_effect_between_two_packets() -> None:
    b = Bench()
    peer, line = b.peer(ptime_ms=30), b.line()
    b.engine.bridge(peer.stream, line)
    b.frame(line, noise())
    peer.stream.start(peer.address, PCMU, ptime_ms=10)
    b.frame(line, noise())
    assert [len(packet.payload) for packet in b.heard()] == [80, 80]


def test_a_stream_bridged_to_itself_is_an_echo() -> None:
    b = Bench()
    one, line = b.peer(telephone_event=101), b.line()
    b.engine.bridge(one.stream, one.stream)
    sent = [noise() for _ in range(20)]
    heard = []
    for payload in sent:
        one.send(payload)
        heard += b.advance(0.02)
    assert [(packet.payload, packet.destination) for packet in heard] == [(payload, one.address) for payload in sent]
    b.engine.bridge(line, line)
    back = b"".join(b.frame(line, payload) for payload in sent)
    assert back[160:] == b"".join(sent)[: len(back) - 160]
    one.stream.close()
    b.engine.unbridge(line)
    assert b.frame(line, sent[0]) == b"\xff" * 160


@pytest.mark.parametrize(("theirs", "ours"), [(20, 30), (30, 20), (10, 20), (20, 10)])
def test_packets_of_another_length_are_packed_anew(theirs: int, ours: int) -> None:
    b = Bench()
    one, other = b.peer(ptime_ms=theirs), b.peer(PCMA, ptime_ms=ours)
    b.engine.bridge(one.stream, other.stream)
    sent, heard = [], []
    for _ in range(60):
        sent.append(noise(8 * theirs))
        one.send(sent[-1])
        heard += b.advance(theirs / 1000)
    assert {len(packet.payload) for packet in heard} == {8 * ours}
    assert b"".join(packet.payload for packet in heard) == g711.convert(g711.ULAW, b"".join(sent))
    assert {y.sequence - x.sequence & 0xFFFF for x, y in itertools.pairwise(heard)} == {1}
    assert {y.timestamp - x.timestamp & 0xFFFFFFFF for x, y in itertools.pairwise(heard)} == {8 * ours}


def test_a_gap_stays_a_gap_when_packets_are_packed_anew() -> None:
    b = Bench()
    one, other = b.peer(ptime_ms=20), b.peer(ptime_ms=40)
    b.engine.bridge(one.stream, other.stream)
    heard = []
    for i in range(20):
        if i in (7, 8):
            one.sequence += 1
            one.timestamp += 160
        else:
            one.send(bytes([i]) * 160)
        heard += b.advance(0.02)
    start = heard[0].timestamp
    for packet in heard:
        for at in range(0, len(packet.payload), 160):
            assert packet.payload[at : at + 160] == bytes([((packet.timestamp - start & 0xFFFFFFFF) + at) // 160]) * 160
    assert {y.sequence - x.sequence & 0xFFFF for x, y in itertools.pairwise(heard)} == {1, 2}


def conversation(b: bench.Bench, packets: int, *, late_s: float = 0.0, sender_ppm: float = 0.0) -> bytes:
    """What a line hears of a sender whose packets are late by up to ``late_s``, evenly spread."""
    peer, line = b.peer(), b.line()
    b.engine.bridge(peer.stream, line)
    draw = np.random.default_rng(11)
    step = 0.02 * (1 - sender_ppm * 1e-6)
    arrivals = sorted((step * i + draw.uniform(0, late_s), i) for i in range(packets))
    heard, at = [], 0
    for tick in range(packets):
        while at < packets and arrivals[at][0] <= 0.02 * tick:
            i = arrivals[at][1]
            peer.deliver(bench.rtp(bytes([i % 200]) * 160, i, 160 * i))
            at += 1
        heard.append(b.frame(line, b"\xff" * 160))
        b.advance(0.02)
    b.last = peer.stream
    return b"".join(heard)


def test_a_fixed_depth_stays_what_it_was_set_to() -> None:
    b = Bench(jitter_depth_ms=40)
    heard = conversation(b, 1000, late_s=0.003)
    played = heard.lstrip(b"\xff")
    assert played == b"".join(bytes([i % 200]) * 160 for i in range(1000))[: len(played)]
    assert len(heard) - len(played) == 320 + 160  # the depth, and the frame in which the first packet came
    assert b.last.details().dropped_samples == 0


def test_an_adaptive_depth_falls_to_what_a_quiet_network_needs() -> None:
    b = Bench(jitter_adaptive=True)
    heard = conversation(b, 500)
    assert heard[-160:] == bytes([499 % 200]) * 160 or heard[-80:] == bytes([499 % 200]) * 80
    assert 400 <= b.last.details().dropped_samples <= 480
    assert b.last.statistics().concealed_samples == 0


def test_an_adaptive_depth_grows_when_packets_come_late() -> None:
    b = Bench(jitter_adaptive=True, jitter_depth_ms=60)
    conversation(b, 300, late_s=0.15)
    at_first = b.last.statistics().packets_late
    conversation(b, 3000, late_s=0.15)
    details = b.last.details()
    assert at_first > 30
    assert details.inserted_samples > 0 or details.resets > 0
    assert b.last.statistics().packets_late < 3000 * 0.05


def test_a_sender_whose_clock_is_fast_is_followed_only_when_far_apart() -> None:
    b = Bench()
    conversation(b, 5000, sender_ppm=200)  # 20 ms in 100 s
    assert b.last.details().dropped_samples == 0
    assert b.last.statistics().concealed_samples == 0


def test_a_card_that_lost_time_for_good_gets_back_to_the_depth() -> None:
    b = Bench()
    peer, line = b.peer(), b.line()
    b.engine.bridge(peer.stream, line)
    for i in range(400):
        peer.send(bytes([i % 200]) * 160)
        if not 50 <= i < 60:  # 200 ms that it never asks for
            last = b.frame(line, b"\xff" * 160)
        b.advance(0.02)
    assert peer.stream.details().dropped_samples == 1600
    assert last == bytes([(399 - 3) % 200]) * 160
