from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from voipgw.drivers.wav import read_wav, write_wav
from voipgw.errors import ConfigurationError


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    pcm = np.array([0, 1, -1, 32767, -32768], np.int16)
    write_wav(tmp_path / "a.wav", pcm)
    assert np.array_equal(read_wav(tmp_path / "a.wav"), pcm)


@pytest.mark.parametrize(
    ("rate", "width", "channels", "found"),
    [(16000, 2, 1, "16000 Hz, 16 bits, 1 channel;"), (8000, 1, 1, "8 bits"), (8000, 2, 2, "2 channels")],
)
def test_another_form_is_refused_with_what_was_found_and_what_would_be_right(
    tmp_path: Path, rate: int, width: int, channels: int, found: str
) -> None:
    with wave.open(str(tmp_path / "b.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(64))
    with pytest.raises(ConfigurationError, match=found) as error:
        read_wav(tmp_path / "b.wav")
    assert "8000 Hz, 16 bits, 1 channel would be right" in str(error.value)


@pytest.mark.parametrize("octets", [b"", b"RIFF", b"not a wave file at all, just text that goes on for a while"])
def test_what_is_no_wav_is_refused(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "c.wav").write_bytes(octets)
    with pytest.raises(ConfigurationError, match="is no WAV"):
        read_wav(tmp_path / "c.wav")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.wav: No such file"):
        read_wav(tmp_path / "none.wav")
