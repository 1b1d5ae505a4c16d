"""Sound to be played: WAV octets to int16 at 8000 Hz, cadences to what the engine takes."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence

import numpy as np

from voipgw._native import core
from voipgw.errors import ConfigurationError
from voipgw.media.plane import Pcm, ToneSegment

RATE_HZ = 8000
MAX_SEGMENTS = 64
MAX_FREQUENCIES = 4


def pcm_from_wav(octets: bytes, name: str = "WAV") -> Pcm:
    """The samples of a WAV file's octets: int16[n] at 8000 Hz.

    ``name`` is what messages call it.

    Raises:
        ConfigurationError: not a WAV file of 16-bit linear PCM, one channel, 8000 Hz; the message names what was found.
    """
    try:
        with wave.open(io.BytesIO(octets)) as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ConfigurationError(f"{name}: {error or 'ends early'}; a WAV file of 16-bit PCM is right") from None
    wrong = []
    if rate != RATE_HZ:
        wrong.append(f"{rate} Hz")
    if width != 2:
        wrong.append(f"{8 * width} bits")
    if channels != 1:
        wrong.append(f"{channels} channels")
    if wrong:
        raise ConfigurationError(f"{name} has {', '.join(wrong)}; 8000 Hz, 16 bits, 1 channel is right")
    return np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16)


def tones_of(cadence: Sequence[ToneSegment]) -> object:
    """The engine's copy of a cadence.

    Raises:
        ConfigurationError: no segment or more than 64, more than four frequencies, or one outside 1 to 4000 Hz.
    """
    if not 1 <= len(cadence) <= MAX_SEGMENTS:
        raise ConfigurationError(f"a cadence of {len(cadence)} segments; 1 to {MAX_SEGMENTS} is right")
    segments = []
    for segment in cadence:
        frequencies = list(segment.frequencies_hz)
        if len(frequencies) > MAX_FREQUENCIES or any(not 1 <= f < RATE_HZ / 2 for f in frequencies):
            raise ConfigurationError(
                f"{frequencies} Hz; up to {MAX_FREQUENCIES} frequencies from 1 to 4000 Hz are right"
            )
        if segment.duration_ms < 0:
            raise ConfigurationError(f"{segment.duration_ms} ms; 0 (without end) or more is right")
        padded = frequencies + [0.0] * (MAX_FREQUENCIES - len(frequencies))
        segments.append((padded, segment.level_dbm0, segment.duration_ms))
    return core.copy_tones(segments)
