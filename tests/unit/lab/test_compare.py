from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from voipgw._native import g711
from voipgw.errors import ConfigurationError
from voipgw.lab.compare import compare


def speech_like(seconds: float = 3.0) -> npt.NDArray[np.int16]:
    random = np.random.default_rng(7)
    n = int(seconds * 8000)
    envelope = np.repeat(random.uniform(0.05, 1.0, n // 400 + 1), 400)[:n]
    return (random.normal(0, 3000, n) * envelope).astype(np.int16)


def quantised(pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    return g711.decode(g711.ULAW, g711.encode(g711.ULAW, pcm))


def test_g711_alone_passes_and_its_delay_is_found() -> None:
    sent = speech_like()
    heard = np.concatenate([np.zeros(1234, np.int16), quantised(sent), np.zeros(500, np.int16)])
    result = compare(sent, heard)
    assert result.delay_ms == pytest.approx(1234 / 8)
    assert 35 < result.signal_to_error_db < 42
    assert result.longest_gap_ms == 0
    assert result.passes()


def test_one_lost_packet_is_a_gap_of_20_ms_and_two_fail() -> None:
    sent = speech_like()
    for packets, gap in ((1, 20), (2, 40)):
        heard = quantised(sent)
        heard[8000 : 8000 + 160 * packets] = 0
        assert compare(sent, heard).longest_gap_ms == gap
        assert not compare(sent, heard).passes(), "one packet costs the signal to error"


def test_a_slip_by_one_sample_is_heard() -> None:
    sent = speech_like()
    heard = np.delete(quantised(sent), 12000)
    assert not compare(sent, heard).passes()


def test_a_missing_end_is_reported() -> None:
    sent = speech_like()
    assert compare(sent, quantised(sent)[:-800]).missing_ms == pytest.approx(100)


def test_silence_cannot_be_compared() -> None:
    with pytest.raises(ConfigurationError, match="recording is empty or silent"):
        compare(speech_like(), np.zeros(8000, np.int16))
    with pytest.raises(ConfigurationError, match="original is empty or silent"):
        compare(np.zeros(0, np.int16), speech_like())
