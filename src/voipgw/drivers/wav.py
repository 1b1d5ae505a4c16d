"""Sound files of telephones: WAV with 16-bit samples at 8000 Hz on one channel, and a clear word about any other."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voipgw.errors import ConfigurationError

Pcm = npt.NDArray[np.int16]


def read_wav(path: Path) -> Pcm:
    """The int16[n] samples of a WAV file.

    Raises:
        ConfigurationError: no WAV, or another rate, width or number of channels than 8000 Hz, 16 bits, one channel.
    """
    try:
        with wave.open(str(path), "rb") as file:
            rate, bits, channels = file.getframerate(), 8 * file.getsampwidth(), file.getnchannels()
            octets = file.readframes(file.getnframes()) if (rate, bits, channels) == (8000, 16, 1) else b""
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from None
    except (wave.Error, EOFError) as error:
        raise ConfigurationError(f"{path} is no WAV of PCM samples ({error}); {_right(path)}") from None
    if (rate, bits, channels) != (8000, 16, 1):
        sound = f"{rate} Hz, {bits} bits, {channels} channel{'s' if channels != 1 else ''}"
        raise ConfigurationError(f"{path} has {sound}; {_right(path)}")
    return np.frombuffer(octets[: len(octets) // 2 * 2], "<i2").astype(np.int16)


def write_wav(path: Path, pcm: Pcm) -> None:
    """Write int16[n] samples at 8000 Hz.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("wb") as octets, wave.open(octets, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm.astype("<i2").tobytes())


def _right(path: Path) -> str:
    return f"8000 Hz, 16 bits, 1 channel would be right: sox {path.name} -r 8000 -b 16 -c 1 right.wav"
