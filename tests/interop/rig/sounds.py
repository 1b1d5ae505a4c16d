"""Sounds that are sent, and what is found in those that were received; with NumPy alone and none of our own detectors."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]
RATE = 8000
SPEECH = Path(__file__).parents[3] / "examples" / "sounds"
ROWS, COLUMNS, KEYS = (697, 770, 852, 941), (1209, 1336, 1477, 1633), "123A456B789C*0#D"


def tone(hz: float, seconds: float, amplitude: int = 8000) -> Pcm:
    """A sine."""
    return np.round(amplitude * np.sin(2 * np.pi * hz / RATE * np.arange(int(seconds * RATE)))).astype(np.int16)


def write(path: Path, pcm: Pcm, rate: int = RATE) -> Path:
    """A mono WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def read(path: Path) -> npt.NDArray[np.int16]:
    """int16[channels, n] of a WAV of 16 bits at 8000 Hz."""
    with wave.open(str(path), "rb") as file:
        assert (file.getsampwidth(), file.getframerate()) == (2, RATE), path
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels()).T


def read_at(path: Path) -> tuple[Pcm, int]:
    """int16[n] of a mono WAV of 16 bits, and its rate."""
    with wave.open(str(path), "rb") as file:
        assert (file.getsampwidth(), file.getnchannels()) == (2, 1), path
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


def ulaw(pcm: Pcm) -> bytes:
    """mu-law octets of the samples (ITU-T G.711 table 2a), worked out from the segments and not by our codec."""
    magnitude = np.minimum(np.abs(pcm.astype(np.int32)), 32635) + 132
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (segment + 3)) & 15
    sign = np.where(pcm < 0, 0x80, 0)
    return bytes((~(sign | segment << 4 | mantissa) & 0xFF).astype(np.uint8))


def from_ulaw(octets: bytes) -> Pcm:
    """The samples of mu-law octets."""
    code = ~np.frombuffer(octets, np.uint8).astype(np.int32) & 0xFF
    magnitude = (((code & 15) << 3) + 132 << (code >> 4 & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def from_alaw(octets: bytes) -> Pcm:
    """The samples of A-law octets (ITU-T G.711 table 1a)."""
    code = np.frombuffer(octets, np.uint8).astype(np.int32) ^ 0x55
    segment, step = code >> 4 & 7, (code & 15) << 4
    magnitude = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def power_at(block: npt.NDArray[np.float64], hz: float) -> float:
    """The part of a block's power that a sine of ``hz`` explains, 0 to 1."""
    angle = 2 * np.pi * hz / RATE * np.arange(len(block))
    basis = np.stack([np.cos(angle), np.sin(angle)])
    weights, *_ = np.linalg.lstsq(basis.T, block, rcond=None)
    return float(np.sum((weights @ basis) ** 2) / max(float(np.sum(block**2)), 1e-9))


def purity(pcm: Pcm, hz: float) -> float:
    """How purely ``pcm`` is a sine of ``hz`` where it sounds at all: the median over blocks of 50 ms; 0 when it never sounds."""
    blocks = pcm[: len(pcm) // 400 * 400].astype(np.float64).reshape(-1, 400)
    loud = [block for block in blocks if np.sqrt(np.mean(block**2)) > 100][1:-1]
    return float(np.median([power_at(block, hz) for block in loud])) if loud else 0.0


def seconds_of(pcm: Pcm, hz: float) -> float:
    """For how long a sine of ``hz`` is heard and little else."""
    blocks = pcm[: len(pcm) // 400 * 400].astype(np.float64).reshape(-1, 400)
    return 0.05 * sum(np.sqrt(np.mean(block**2)) > 100 and power_at(block, hz) > 0.9 for block in blocks)


def likeness(said: Pcm, heard: Pcm) -> float:
    """The correlation, -1 to 1, of what was said with that part of ``heard`` that is most like it; all of ``said`` has to be there."""
    if len(heard) < len(said):
        return 0.0
    size = 1 << (len(said) + len(heard)).bit_length()
    one, other = said.astype(np.float64), heard.astype(np.float64)
    products = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size)), size)[
        : len(heard) - len(said) + 1
    ]
    energy = np.concatenate([[0.0], np.cumsum(other**2)])
    energies = energy[len(said) :] - energy[: len(heard) - len(said) + 1]
    at = int(np.argmax(products))
    return float(products[at] / max(float(np.sqrt(energies[at] * np.sum(one**2))), 1e-9))


def key_runs(pcm: Pcm, step: int = 40) -> list[tuple[str, float]]:
    """The keys whose two tones are heard, each with its length in milliseconds; in steps of ``step`` samples, of 20 ms each."""
    found: list[tuple[str, float]] = []
    last = ""
    for at in range(0, len(pcm) - 160, step):
        block = pcm[at : at + 160].astype(np.float64)
        key = ""
        if np.sqrt(np.mean(block**2)) > 200:
            row = max(ROWS, key=lambda hz: power_at(block, hz))
            column = max(COLUMNS, key=lambda hz: power_at(block, hz))
            shares = power_at(block, row), power_at(block, column)
            if sum(shares) > 0.8 and min(shares) > 0.15:
                key = KEYS[4 * ROWS.index(row) + COLUMNS.index(column)]
        if key and key == last:
            found[-1] = (key, found[-1][1] + 1000 * step / RATE)
        elif key:
            found.append((key, 20.0))
        last = key
    return found


def keys(pcm: Pcm) -> str:
    """The keys that are heard for at least 40 ms (ITU-T Q.24)."""
    return "".join(key for key, ms in key_runs(pcm) if ms >= 40)
