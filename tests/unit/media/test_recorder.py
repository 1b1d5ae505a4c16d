from __future__ import annotations

import importlib.util
import io
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from voipgw.entropy import SeededEntropy
from voipgw.errors import ConfigurationError
from voipgw.media.engine import SteppedEngine
from voipgw.media.player import pcm_from_wav
from voipgw.media.recorder import Recorder, wav_header

_spec = importlib.util.spec_from_file_location("media_bench", Path(__file__).with_name("bench.py"))
bench = sys.modules.setdefault("media_bench", importlib.util.module_from_spec(_spec))
if not hasattr(bench, "Bench"):
    _spec.loader.exec_module(bench)
Bench, PCMU = bench.Bench, bench.PCMU
LOUD = bytes([0x80]) * 160


def frames_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def test_both_parties_are_recorded_at_the_same_time_on_their_own_side(tmp_path: Path) -> None:
    b = Bench()
    one, line = b.peer(), b.line()
    b.engine.bridge(one.stream, line)
    b.engine.record(one.stream, line, tmp_path / "call.wav")
    for i in range(100):  # both speak from 1.0 to 1.5 s
        speaks = 50 <= i < 75
        one.send(LOUD if speaks else b"\xff" * 160)
        b.frame(line, LOUD if speaks else b"\xff" * 160)
        b.advance(0.02)
        b.engine.take_events()
    one.stream.close()
    line.close()
    b.engine.take_events()
    frames = frames_of(tmp_path / "call.wav")
    assert len(frames) == pytest.approx(16000, abs=200)
    for side in (0, 1):
        where = np.flatnonzero(np.abs(frames[:, side].astype(int)) > 1000)
        assert len(where) == 25 * 160
        assert where[0] == pytest.approx(8000, abs=200)
    starts = [np.flatnonzero(frames[:, side])[0] for side in (0, 1)]
    assert abs(starts[0] - starts[1]) <= 160


def test_a_party_that_pauses_leaves_silence_of_that_length(tmp_path: Path) -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    b.engine.record(one.stream, other.stream, tmp_path / "call.wav")
    for i in range(100):
        if not 25 <= i < 75:
            one.send(LOUD)
        b.advance(0.02)
        b.engine.take_events()
    b.engine.close()
    left = frames_of(tmp_path / "call.wav")[:, 0]
    silent = np.flatnonzero(left == 0)
    assert len(silent) == pytest.approx(8000, abs=200)
    assert silent[-1] - silent[0] == pytest.approx(8000, abs=350)


def test_a_reader_that_sleeps_loses_the_newest_and_counts_it(tmp_path: Path) -> None:
    b = Bench()
    one, other = b.peer(), b.peer()
    b.engine.bridge(one.stream, other.stream)
    b.engine.record(one.stream, other.stream, tmp_path / "call.wav")
    recorder = b.engine.recorders[0]
    for _ in range(1000):
        one.send(LOUD)
        b.advance(0.02)
    assert recorder.lost_frames > 0
    b.engine.take_events()
    one.send(LOUD)
    b.advance(0.02)
    b.engine.close()
    frames = frames_of(tmp_path / "call.wav")
    assert 4 * 8000 <= len(frames) <= 20 * 8000


class FullDisk(io.BytesIO):
    def write(self, octets: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(octets) > 1000:
            raise OSError(28, "No space left on device")
        return super().write(octets)


def test_a_full_disk_ends_the_recording_and_not_the_call() -> None:
    b = Bench()
    engine = SteppedEngine(b.ports, SeededEntropy(1), b.clock, b.engine.settings, open_file=lambda path: FullDisk())
    b.engine = engine
    one, other = b.peer(), b.peer()
    engine.bridge(one.stream, other.stream)
    engine.record(one.stream, other.stream, Path("nowhere"))
    recorder = engine.recorders[0]
    heard = []
    for _ in range(100):
        one.send(LOUD)
        heard += b.advance(0.02)
        engine.take_events()
    assert len(heard) == 100
    assert recorder.failed is not None
    engine.close()


def test_a_recording_without_a_way_to_open_files_is_refused() -> None:
    b = Bench()
    engine = SteppedEngine(b.ports, SeededEntropy(1), b.clock)
    one, other = engine.open_rtp("192.0.2.1"), engine.open_rtp("192.0.2.1")
    with pytest.raises(ConfigurationError, match="call.wav"):
        engine.record(one, other, Path("call.wav"))


def test_the_header_is_that_of_a_stereo_file_at_8000_hz() -> None:
    with wave.open(io.BytesIO(wav_header(8) + bytes(8))) as file:
        assert (file.getnframes(), file.getnchannels(), file.getframerate()) == (2, 2, 8000)


def test_an_empty_recording_is_a_valid_file() -> None:
    class Kept(io.BytesIO):
        def close(self) -> None:
            pass

    file = Kept()
    Recorder(file).finish()
    with wave.open(io.BytesIO(file.getvalue())) as read:
        assert read.getnframes() == 0


def wav(rate: int = 8000, width: int = 2, channels: int = 1, n: int = 100) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setframerate(rate)
        file.setsampwidth(width)
        file.setnchannels(channels)
        file.writeframes(bytes(n * width * channels))
    return out.getvalue()


def test_a_wav_becomes_samples() -> None:
    pcm = pcm_from_wav(wav())
    assert (pcm.dtype, pcm.shape) == (np.int16, (100,))


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (wav(rate=44100), "44100 Hz"),
        (wav(width=1), "8 bits"),
        (wav(channels=2), "2 channels"),
        (b"RIFF", "a.wav: "),
        (b"nothing at all", "RIFF"),
        (wav()[:30], "a.wav: "),
    ],
)
def test_a_wrong_wav_is_refused_with_what_was_found(octets: bytes, found: str) -> None:
    with pytest.raises(ConfigurationError, match=found) as error:
        pcm_from_wav(octets, "a.wav")
    assert "is right" in str(error.value)
