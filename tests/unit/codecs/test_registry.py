"""Codecs by name: what every one of them owes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import voipgw
from voipgw.codecs import ENCODINGS, available, create
from voipgw.errors import ConfigurationError, LocalProtocolError, ParseError

T = np.arange(8000)
SPEECHLIKE = (6000 * np.sin(2 * np.pi * 140 * T / 8000) + 2000 * np.sin(2 * np.pi * 420 * T / 8000)).astype(np.int16)


def snr_db(wanted: np.ndarray, got: np.ndarray) -> float:
    error = wanted.astype(float) - got
    return float(10 * np.log10(np.sum(wanted.astype(float) ** 2) / np.sum(error**2)))


@pytest.mark.parametrize(
    ("name", "octets", "sample_rate_hz", "clock_rate_hz"),
    [
        ("PCMU", 160, 8000, 8000),
        ("pcma", 160, 8000, 8000),
        ("L16", 320, 8000, 8000),
        ("L16/16000", 320, 16000, 16000),
        ("G722", 80, 16000, 8000),
        ("g722/8000", 80, 16000, 8000),
        ("G726-16", 40, 8000, 8000),
        ("G726-24", 60, 8000, 8000),
        ("G726-32", 80, 8000, 8000),
        ("AAL2-G726-40", 100, 8000, 8000),
        ("GSM", 33, 8000, 8000),
    ],
)
def test_a_codec_is_made_by_its_name(name: str, octets: int, sample_rate_hz: int, clock_rate_hz: int) -> None:
    codec = voipgw.codecs.create(name)
    assert codec.name == name.partition("/")[0].upper()
    assert codec.sample_rate_hz == sample_rate_hz
    assert codec.clock_rate_hz == clock_rate_hz
    payload = codec.encode(SPEECHLIKE[:160])
    assert isinstance(payload, bytes)
    assert len(payload) == octets
    pcm = codec.decode(payload)
    assert pcm.dtype == np.int16
    assert pcm.shape == (160,)


@pytest.mark.parametrize("name", available())
def test_any_number_of_samples_is_taken_and_whole_equals_parts(name: str) -> None:
    whole, parts = create(name), create(name)
    cuts = [0, 1, 2, 160, 161, 500, 500, 8000]
    octets = [parts.encode(SPEECHLIKE[a:b]) for a, b in itertools.pairwise(cuts)]
    assert b"".join(octets) == whole.encode(SPEECHLIKE)
    payload = b"".join(octets)
    step = 7 * len(create(name).encode(np.zeros(ENCODINGS[name].frame_samples, np.int16)))  # whole frames
    decoded = [parts.decode(payload[at : at + step]) for at in range(0, len(payload), step)]
    assert np.array_equal(np.concatenate(decoded), whole.decode(payload))
    assert create(name).encode(np.zeros(0, np.int16)) == b""
    assert create(name).decode(b"").shape == (0,)


@pytest.mark.parametrize(
    ("name", "floor_db"),
    [
        ("PCMU", 36),
        ("PCMA", 36),
        ("L16", 200),
        ("G726-16", 8),
        ("G726-24", 15),
        ("G726-32", 22),
        ("G726-40", 28),
        ("GSM", 12),
    ],
)
def test_sound_survives(name: str, floor_db: float) -> None:
    codec = create(name)
    got = codec.decode(codec.encode(SPEECHLIKE))
    assert np.array_equal(got, SPEECHLIKE) or snr_db(SPEECHLIKE, got) > floor_db


def test_l16_is_most_significant_octet_first() -> None:
    assert create("L16").encode(np.array([0x0102, -2], np.int16)) == b"\x01\x02\xff\xfe"
    with pytest.raises(ParseError):
        create("L16").decode(b"\x01")


@pytest.mark.parametrize("name", ["G729", "", "opus", "L16/x", "L16/1", "PCMU/16000", "G722/16000", "G726-31"])
def test_an_unknown_codec_is_refused_and_the_message_helps(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"available: PCMU, PCMA, G722|8000|clock rate|16000 samples"):
        create(name)


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize("wrong", [np.zeros(4), np.zeros((2, 2), np.int16), np.zeros(4, np.int32)])
def test_only_int16_samples_in_one_dimension_are_encoded(name: str, wrong: np.ndarray) -> None:
    with pytest.raises(LocalProtocolError, match="int16"):
        create(name).encode(wrong)


@pytest.mark.parametrize("name", available())
def test_a_view_with_strides_is_encoded_like_its_copy(name: str) -> None:
    assert create(name).encode(SPEECHLIKE[::2]) == create(name).encode(SPEECHLIKE[::2].copy())
