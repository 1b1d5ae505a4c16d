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
MAX_FREQUENCIES = 4
MAX_SEGMENT_MS = 500_000
MAX_DBM0 = 3.14


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


def tones_of(cadence: Sequence[ToneSegment], repeat: bool) -> object:
    """The engine's generator of a cadence.

    Raises:
        ConfigurationError: no segment or more than 32, more than four frequencies, one not between 0 and 4000 Hz, a level
            above +3.14 dBm0, or a negative duration.
    """
    if not 1 <= len(cadence) <= core.MAX_SEGMENTS:
        raise ConfigurationError(f"a cadence of {len(cadence)} segments; 1 to {core.MAX_SEGMENTS} is right")
    for segment in cadence:
        if len(segment.frequencies_hz) > MAX_FREQUENCIES or any(
            not 0 < f < RATE_HZ / 2 for f in segment.frequencies_hz
        ):
            raise ConfigurationError(
                f"{list(segment.frequencies_hz)} Hz; up to {MAX_FREQUENCIES} frequencies between 0 and 4000 Hz are right"
            )
        if not 0 <= segment.duration_ms <= MAX_SEGMENT_MS or not segment.level_dbm0 <= MAX_DBM0:
            raise ConfigurationError(
                f"{segment.level_dbm0} dBm0 for {segment.duration_ms} ms; up to {MAX_DBM0} dBm0, and 0 (without end) to "
                f"{MAX_SEGMENT_MS} ms are right"
            )
    return core.copy_tones([(s.frequencies_hz, s.level_dbm0, s.duration_ms) for s in cadence], repeat)
