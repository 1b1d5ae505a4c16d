"""A media plane for lines alone, in Python and without a thread: for tests of drivers and lines on any event loop.

It plays tones and samples, finds DTMF, and joins two lines, frame by frame as the card brings them. It has no RTP and keeps no
recordings; a gateway uses the engine in ``voipgw.media``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from voipgw import dsp
from voipgw._native import g711
from voipgw.errors import ResourceError
from voipgw.media.plane import (
    AudioPort,
    DigitBegan,
    DigitHeard,
    MediaEvent,
    PlaybackEnded,
    RtpStream,
    Stream,
    StreamStatistics,
    ToneSegment,
)

Pcm = npt.NDArray[np.int16]


class Connectable(Protocol):
    """Audio without a descriptor, as ``voipgw.drivers.audio.MemoryAudio``."""

    def connect(self, answer: Callable[[bytes], Sequence[bytes]] | None) -> None:
        """Whom to ask for the answer to each frame."""
        ...


class PythonLineStream:
    """One line's audio. ``heard`` keeps what the line said, int16, as frames."""

    def __init__(self, plane: LinePlane, audio: Connectable, law: str) -> None:
        self.heard: list[Pcm] = []
        self.closed = False
        self.peer: PythonLineStream | None = None
        self._plane = plane
        self._audio = audio
        self._name = law
        self._law = g711.ALAW if law == "PCMA" else g711.ULAW
        self._generator: dsp.ToneGenerator | None = None
        self._samples: Pcm = np.zeros(0, np.int16)
        self._repeated: Pcm | None = None
        self._ends = False  # what is being played ends by itself, and that is to be told
        self._detector: dsp.DtmfDetector | None = None
        self._sounding: str | None = None
        self._from_peer: deque[Pcm] = deque(maxlen=10)
        self._sent = self._received = 0
        audio.connect(self._frame)

    def play_tones(self, cadence: Sequence[ToneSegment], *, repeat: bool = True) -> None:
        """Play a cadence."""
        self.stop_playing()
        parts = [dsp.ToneSegment(part.frequencies_hz, part.duration_ms, part.level_dbm0) for part in cadence]
        self._generator = dsp.ToneGenerator(parts, repeat=repeat)
        self._ends = not repeat

    def play(self, pcm: Pcm, *, repeat: bool = False) -> None:
        """Play samples."""
        self.stop_playing()
        self._samples, self._repeated, self._ends = pcm, pcm if repeat else None, not repeat

    def stop_playing(self) -> None:
        """Silence the player."""
        self._generator, self._samples, self._repeated, self._ends = None, np.zeros(0, np.int16), None, False

    def detect_digits(self, on: bool) -> None:
        """Switch the DTMF receiver."""
        self._detector = dsp.DtmfDetector() if on else None
        self._sounding = None

    def send_digit(self, symbol: str, duration_ms: int = 100) -> None:
        """Play a digit's sound."""
        self.play(dsp.dtmf(symbol, on_ms=duration_ms, off_ms=40))

    def statistics(self) -> StreamStatistics:
        """Frames so far, as packets."""
        return StreamStatistics(self._name, self._sent, 160 * self._sent, self._received, 160 * self._received)

    def close(self) -> None:
        """Part from line and bridge."""
        if not self.closed:
            self.closed = True
            self._plane.unbridge(self)
            self._audio.connect(None)

    def _frame(self, octets: bytes) -> list[bytes]:
        pcm = g711.decode(self._law, octets)
        self._received += 1
        self.heard.append(pcm)
        if self._detector is not None:
            self._detect(self._detector, pcm)
        if self.peer is not None:
            self.peer._from_peer.append(pcm)
        self._sent += 1
        return [g711.encode(self._law, self._spoken(len(pcm)))]

    def _detect(self, detector: dsp.DtmfDetector, pcm: Pcm) -> None:
        ended = detector.process(pcm)
        for digit in ended:
            if self._sounding is None:
                self._plane.report(DigitBegan(self, digit.symbol))
            self._sounding = None
            self._plane.report(DigitHeard(self, digit.symbol, round(1000 * digit.duration_s), True))
        sounding = detector.sounding
        if sounding is not None and sounding != self._sounding:
            self._plane.report(DigitBegan(self, sounding))
        self._sounding = sounding

    def _spoken(self, length: int) -> Pcm:
        if self._generator is not None:
            pcm = self._generator.make(length)
            if self._ends and self._generator.done:
                self._ended()
            return pcm
        if len(self._samples):
            pcm, self._samples = self._samples[:length], self._samples[length:]
            if not len(self._samples):
                if self._repeated is not None:
                    self._samples = self._repeated
                else:
                    self._ended()
            return np.concatenate([pcm, np.zeros(length - len(pcm), np.int16)]) if len(pcm) < length else pcm
        return self._from_peer.popleft() if self._from_peer else np.zeros(length, np.int16)

    def _ended(self) -> None:
        self.stop_playing()
        self._plane.report(PlaybackEnded(self))


class LinePlane:
    """Streams over lines whose ports have an ``audio`` to connect to. ``wake`` is called when events begin to wait."""

    def __init__(self, wake: Callable[[], None], *, most_streams: int = 1000) -> None:
        self._wake = wake
        self._events: list[MediaEvent] = []
        self.streams: list[PythonLineStream] = []  #: every one ever opened
        self._most = most_streams

    @property
    def wake_fd(self) -> int:
        """-1: ``wake`` is called instead."""
        return -1

    def report(self, event: MediaEvent) -> None:
        """Keep an event for ``take_events``."""
        self._events.append(event)
        if len(self._events) == 1:
            self._wake()

    def take_events(self) -> list[MediaEvent]:
        """Everything since the last call."""
        events, self._events = self._events, []
        return events

    def open_line(self, port: AudioPort, *, law: str = "PCMU", frame_samples: int = 160) -> PythonLineStream:
        """A stream over ``port.audio``.

        Raises:
            ResourceError: ``most_streams`` are open.
            TypeError: the port has no audio that can be connected to.
        """
        audio = getattr(port, "audio", None)
        if audio is None or not hasattr(audio, "connect"):
            raise TypeError(f"{type(port).__name__} has no audio without a descriptor")
        if sum(not stream.closed for stream in self.streams) >= self._most:
            raise ResourceError(f"all {self._most} streams are in use")
        stream = PythonLineStream(self, audio, law)
        self.streams.append(stream)
        return stream

    def open_rtp(self, host: str) -> RtpStream:
        """Not here.

        Raises:
            ResourceError: always.
        """
        raise ResourceError("this plane has no RTP")

    def bridge(self, one: Stream, other: Stream) -> None:
        """Join two lines of this plane."""
        if not isinstance(one, PythonLineStream) or not isinstance(other, PythonLineStream):
            raise TypeError("only lines of this plane can be bridged")
        one.peer, other.peer = other, one

    def unbridge(self, stream: Stream) -> None:
        """Part a line from its peer."""
        if isinstance(stream, PythonLineStream) and stream.peer is not None:
            stream.peer.peer = None
            stream.peer = None

    def record(self, one: Stream, other: Stream, path: Path) -> None:
        """Not here.

        Raises:
            ResourceError: always.
        """
        raise ResourceError("this plane keeps no recordings")

    def close(self) -> None:
        """Close every stream."""
        for stream in self.streams:
            stream.close()
