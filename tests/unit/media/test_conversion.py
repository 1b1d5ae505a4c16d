"""Bridges between codecs: every pair, packets of any length, loss, digits, lines, recordings."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipgw import codecs
from voipgw.dsp import dtmf
from voipgw.media.plane import DigitHeard, PlaybackEnded

_spec = importlib.util.spec_from_file_location("media_bench", Path(__file__).with_name("bench.py"))
bench = sys.modules.setdefault("media_bench", importlib.util.module_from_spec(_spec))
if not hasattr(bench, "Bench"):
    _spec.loader.exec_module(bench)
Bench, Codec = bench.Bench, bench.Codec

NAMES = [name for name in codecs.ENCODINGS if not name.startswith("AAL2-")]
FORMATS = {
    **{name: Codec(name, e.clock_rate_hz, 1, 96 if e.payload_type is None else e.payload_type)
       for name, e in codecs.ENCODINGS.items()},
    "L16/16000": Codec("L16", 16000, 1, 97),
}  # fmt: skip


def coder(name: str) -> codecs.Codec:
    return codecs.create(name)


def packets(name: str, pcm8: np.ndarray, ptime_ms: int = 20) -> list[bytes]:
    """The payloads of int16[n] samples at 8000 Hz; doubled in rate by repetition of a band-limited spectrum."""
    codec = coder(name)
    pcm = pcm8
    if codec.sample_rate_hz == 16000:
        pcm = np.round(np.fft.irfft(np.fft.rfft(pcm8), 2 * len(pcm8)) * 2).clip(-32768, 32767).astype(np.int16)
    step = codec.sample_rate_hz * ptime_ms // 1000
    return [codec.encode(pcm[at : at + step]) for at in range(0, len(pcm) // step * step, step)]


def purity(pcm: np.ndarray, frequency_hz: float, rate: int) -> float:
    """The part of the energy that a sine of that frequency explains."""
    x = pcm.astype(float)[len(pcm) // 4 :]
    t = np.arange(len(x)) / rate
    basis = np.stack([np.cos(2 * np.pi * frequency_hz * t), np.sin(2 * np.pi * frequency_hz * t)], 1)
    fit = basis @ np.linalg.lstsq(basis, x, rcond=None)[0]
    return float(np.sum(fit**2) / np.sum(x**2))


def ticks(name: str, ms: int) -> int:
    return FORMATS[name].clock_rate_hz * ms // 1000


def run(one: str, other: str, pcm8: np.ndarray, sent_ms: int = 20, wanted_ms: int = 20) -> list:
    b = Bench()
    a, z = b.peer(FORMATS[one], ptime_ms=sent_ms), b.peer(FORMATS[other], ptime_ms=wanted_ms)
    b.engine.bridge(a.stream, z.stream)
    heard = []
    for payload in packets(one, pcm8, sent_ms):
        a.send(payload, advance=ticks(one, sent_ms))
        heard += b.heard()
        b.advance(sent_ms / 1000)
    assert a.stream.details().unbridgeable == 0
    return heard


@pytest.mark.parametrize("one", [*NAMES, "AAL2-G726-32", "L16/16000"])
@pytest.mark.parametrize("other", [*NAMES, "AAL2-G726-24", "L16/16000"])
def test_any_codec_is_converted_to_any_other(one: str, other: str) -> None:
    heard = run(one, other, bench.tone(700, 8000))
    assert len(heard) == 50
    assert {packet.payload_type for packet in heard} == {FORMATS[other].payload_type}
    assert {y.sequence - x.sequence & 0xFFFF for x, y in itertools.pairwise(heard)} == {1}
    assert {y.timestamp - x.timestamp & 0xFFFFFFFF for x, y in itertools.pairwise(heard)} == {ticks(other, 20)}
    codec = coder(other)
    pcm = codec.decode(b"".join(packet.payload for packet in heard))
    assert len(pcm) == codec.sample_rate_hz
    floor = 0.9 if {"G726-16", "GSM"} & {one, other} else 0.98
    assert purity(pcm, 700, codec.sample_rate_hz) > floor


@pytest.mark.parametrize("one", ["PCMU", "G722", "G726-24", "L16", "L16/16000"])
@pytest.mark.parametrize("other", ["PCMA", "G722", "G726-24", "L16", "L16/16000"])
@pytest.mark.parametrize(("sent_ms", "wanted_ms"), [(20, 40), (30, 20), (20, 30), (60, 10)])
def test_packets_get_the_length_that_their_receiver_asked_for(
    one: str, other: str, sent_ms: int, wanted_ms: int
) -> None:
    if one == "L16/16000" and sent_ms > 40:
        return  # such a packet is over 1500 octets
    heard = run(one, other, bench.tone(600, 9600), sent_ms, wanted_ms)
    codec = coder(other)
    assert {len(codec.decode(packet.payload)) for packet in heard} == {codec.sample_rate_hz * wanted_ms // 1000}
    assert {y.timestamp - x.timestamp & 0xFFFFFFFF for x, y in itertools.pairwise(heard)} == {ticks(other, wanted_ms)}
    pcm = coder(other).decode(b"".join(packet.payload for packet in heard))
    assert purity(pcm, 600, codec.sample_rate_hz) > 0.98


@pytest.mark.parametrize("name", ["G722", "G726-32", "GSM", "L16"])
def test_the_same_codec_on_both_sides_is_relayed_bit_for_bit_whatever_the_packets(name: str) -> None:
    payloads = packets(name, bench.tone(600, 9600))
    assert [p.payload for p in run(name, name, bench.tone(600, 9600))] == payloads
    repacked = run(name, name, bench.tone(600, 9600), 20, 40)
    assert b"".join(p.payload for p in repacked) == b"".join(payloads)


@pytest.mark.parametrize("other", ["PCMA", "G722", "G726-32", "GSM"])
def test_what_was_lost_before_a_conversion_is_a_gap_after_it(other: str) -> None:
    b = Bench()
    a, z = b.peer(FORMATS["G726-40"]), b.peer(FORMATS[other])
    b.engine.bridge(a.stream, z.stream)
    heard = []
    for number, payload in enumerate(packets("G726-40", bench.tone(600, 3200))):
        if number in {7, 8}:
            a.sequence += 1
            a.timestamp += 160
        else:
            a.send(payload, advance=160)
        heard += b.heard()
        b.advance(0.02)
    steps = [y.sequence - x.sequence & 0xFFFF for x, y in itertools.pairwise(heard)]
    assert steps == [1] * 6 + [3] + [1] * 10
    assert heard[7].timestamp - heard[6].timestamp & 0xFFFFFFFF == 3 * 160


@pytest.mark.parametrize("name", ["G722", "G726-32", "L16/16000"])
def test_a_telephone_on_a_line_hears_and_is_heard_in_any_codec(name: str) -> None:
    b = Bench()
    line, far = b.line("PCMA"), b.peer(FORMATS[name])
    b.engine.bridge(line, far.stream)
    said = coder("PCMA").encode(bench.tone(900, 8000))
    to_line, from_line = [], []
    for number, payload in enumerate(packets(name, bench.tone(500, 8000))):
        far.send(payload, advance=ticks(name, 20))
        to_line.append(b.frame(line, said[160 * number : 160 * (number + 1)]))
        from_line += b.advance(0.02)
    heard = coder("PCMA").decode(b"".join(to_line))[2000:]
    assert purity(heard, 500, 8000) > 0.98
    codec = coder(name)
    pcm = codec.decode(b"".join(packet.payload for packet in from_line))
    assert len(pcm) == codec.sample_rate_hz
    assert purity(pcm, 900, codec.sample_rate_hz) > 0.98


@pytest.mark.parametrize("name", ["G722", "G726-24", "L16"])
def test_loss_is_concealed_where_a_jitter_buffer_is_in_the_path(name: str) -> None:
    b = Bench()
    line, far = b.line(), b.peer(FORMATS[name])
    b.engine.bridge(line, far.stream)
    frames = []
    for number, payload in enumerate(packets(name, bench.tone(500, 8000))):
        if number % 10 == 9:
            far.sequence += 1
            far.timestamp += ticks(name, 20)
        else:
            far.send(payload, advance=ticks(name, 20))
        frames.append(b.frame(line, b"\xff" * 160))
        b.advance(0.02)
    assert 500 <= far.stream.statistics().concealed_samples <= 1000
    heard = coder("PCMU").decode(b"".join(frames)).astype(float)[2000:]
    powers = [float(np.mean(heard[at : at + 160] ** 2)) for at in range(0, len(heard) - 160, 160)]
    assert min(powers) > np.median(powers) / 10


@pytest.mark.parametrize("name", ["G722", "G726-32", "L16/16000"])
def test_a_digit_in_coded_sound_is_heard_and_goes_on_as_events(name: str) -> None:
    b = Bench()
    far, plain = b.peer(FORMATS[name]), b.peer(bench.PCMU, telephone_event=101)
    far.stream.detect_digits(True)
    b.engine.bridge(far.stream, plain.stream)
    sound = np.concatenate([np.zeros(1600, np.int16), dtmf("5", on_ms=120, off_ms=200)])
    sent = []
    for payload in packets(name, sound):
        far.send(payload, advance=ticks(name, 20))
        sent += b.heard() + b.advance(0.02)
    digits = [event for event in b.engine.take_events() if isinstance(event, DigitHeard)]
    assert [digit.symbol for digit in digits] == ["5"]
    assert any(packet.payload_type == 101 for packet in sent)


@pytest.mark.parametrize("name", ["G722", "G726-32", "L16", "L16/16000"])
def test_what_is_played_and_dialled_is_made_in_the_codec(name: str) -> None:
    b = Bench()
    far = b.peer(FORMATS[name])
    far.stream.play(bench.tone(440, 8000))
    heard = b.advance(1.2)
    codec = coder(name)
    pcm = codec.decode(b"".join(packet.payload for packet in heard))
    assert len(pcm) >= codec.sample_rate_hz
    assert purity(pcm[: codec.sample_rate_hz], 440, codec.sample_rate_hz) > 0.99
    assert any(isinstance(event, PlaybackEnded) for event in b.engine.take_events())
    far.stream.send_digit("7", 100)
    pcm = codec.decode(b"".join(packet.payload for packet in b.advance(0.3)))
    spectrum = np.abs(np.fft.rfft(pcm[: codec.sample_rate_hz // 10]))
    assert set(np.argsort(spectrum)[-2:]) == {85, 121}  # 852 and 1209 Hz in bins of 10 Hz


def test_gsm_has_packets_of_20_40_or_60_ms() -> None:
    """Whatever its receiver asks for: a GSM frame is 20 ms."""
    heard = run("PCMU", "GSM", bench.tone(600, 9600), 20, 30)
    assert {len(packet.payload) for packet in heard} == {66}
    assert {y.timestamp - x.timestamp & 0xFFFFFFFF for x, y in itertools.pairwise(heard)} == {320}
    assert {len(packet.payload) for packet in run("GSM", "GSM", bench.tone(600, 9600), 20, 60)} == {99}


@pytest.mark.parametrize("name", ["G722", "G726-32", "GSM"])
def test_legs_behind_jitter_buffers_are_converted_too(name: str) -> None:
    b = Bench(media_legs=True)
    a, z = b.peer(FORMATS["PCMU"]), b.peer(FORMATS[name])
    b.engine.bridge(a.stream, z.stream)
    there, back = [], []
    for one, other in zip(packets("PCMU", bench.tone(500, 8000)), packets(name, bench.tone(800, 8000)), strict=True):
        a.send(one)
        z.send(other, advance=160)
        for packet in b.heard() + b.advance(0.02):
            (there if packet.destination == z.address else back).append(packet.payload)
    codec = coder(name)
    pcm = codec.decode(b"".join(there))
    assert purity(pcm[codec.sample_rate_hz // 5 :], 500, codec.sample_rate_hz) > 0.98
    assert purity(coder("PCMU").decode(b"".join(back))[1600:], 800, 8000) > 0.98


def test_another_codec_in_mid_call_is_taken_up_without_a_hole() -> None:
    b = Bench()
    a, z = b.peer(FORMATS["PCMU"]), b.peer(FORMATS["PCMU"])
    b.engine.bridge(a.stream, z.stream)
    heard = []
    for payload in packets("PCMU", bench.tone(500, 1600)):
        a.send(payload)
        heard += b.heard() + b.advance(0.02)
    for name in ("G722", "G726-32", "PCMA"):
        z.stream.start(z.address, FORMATS[name])
        for payload in packets("PCMU", bench.tone(500, 1600)):
            a.send(payload)
            heard += b.heard() + b.advance(0.02)
    assert [packet.payload_type for packet in heard] == [0] * 10 + [9] * 10 + [96] * 10 + [8] * 10
    assert {y.sequence - x.sequence & 0xFFFF for x, y in itertools.pairwise(heard)} == {1}


def test_a_recording_hears_coded_legs(tmp_path: Path) -> None:
    b = Bench()
    a, z = b.peer(FORMATS["G722"]), b.peer(FORMATS["G722"])
    b.engine.bridge(a.stream, z.stream)
    b.engine.record(a.stream, z.stream, tmp_path / "call.wav")
    for payload in packets("G722", bench.tone(500, 8000)):
        a.send(payload, advance=160)
        b.advance(0.02)
        b.engine.take_events()
    a.stream.close()
    z.stream.close()
    b.engine.take_events()
    b.engine.close()
    octets = (tmp_path / "call.wav").read_bytes()[44:]
    left = np.frombuffer(octets[: len(octets) // 4 * 4], "<i2").reshape(-1, 2)[:, 0]
    assert purity(left[800:7000], 500, 8000) > 0.98


@settings(max_examples=60, deadline=None)
@given(
    one=st.sampled_from(sorted(FORMATS)),
    other=st.sampled_from(sorted(FORMATS)),
    payloads=st.lists(st.binary(max_size=1488), max_size=6),
    steps=st.lists(st.integers(-2000, 4000), min_size=6, max_size=6),
    ptimes=st.tuples(st.integers(5, 60), st.integers(5, 60)),
)
def test_payloads_of_any_length_and_content_leave_the_engine_alive(
    one: str, other: str, payloads: list[bytes], steps: list[int], ptimes: tuple[int, int]
) -> None:
    b = Bench()
    a, z = b.peer(FORMATS[one], ptime_ms=ptimes[0]), b.peer(FORMATS[other], ptime_ms=ptimes[1])
    line = b.line()
    a.stream.detect_digits(True)
    for partner in (z.stream, line):
        b.engine.bridge(a.stream, partner)
        for payload, step in zip(payloads, steps, strict=False):
            a.send(payload, advance=step)
            for packet in b.heard() + b.advance(0.02):
                assert len(packet.payload) <= 1488
            b.frame(line, b"\xff" * 160)
