"""A recording: the two parties' sound from the engine's ring into a stereo WAV file."""

from __future__ import annotations

import struct
from typing import BinaryIO

from voipgw._native import core

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
RATE_HZ = 8000
RING_S = 4  #: seconds that may wait before sound is lost


def wav_header(data_octets: int, *, channels: int = 2, rate_hz: int = RATE_HZ) -> bytes:
    """The 44 octets before 16-bit linear samples of a RIFF/WAVE file."""
    block = 2 * channels
    return _HEADER.pack(
        b"RIFF", 36 + data_octets, b"WAVE", b"fmt ", 16, 1, channels, rate_hz, rate_hz * block, block, 16, b"data",
        data_octets,
    )  # fmt: skip


class Recorder:
    """Drains one engine record into ``file``, which must be seekable and opened for binary writing.

    The header is written first and completed at the end, so that a file whose writer was killed can still be read by
    players that take the size from the file.
    """

    __slots__ = ("_file", "_octets", "failed", "record")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._octets = 0
        self.failed: OSError | None = None  #: why nothing more is written, e.g. a full disk
        self.record = core.Record(RING_S * RATE_HZ)
        self._write(wav_header(0))

    @property
    def lost_frames(self) -> int:
        """Frames (125 us of both parties) that were not recorded because the ring was full."""
        return self.record.lost

    def drain(self) -> None:
        """Write what waits; a disk that refuses ends the recording, not the call."""
        while len(frames := self.record.read()):
            self._octets += frames.nbytes
            self._write(frames.astype("<i2", copy=False).tobytes())

    def finish(self) -> None:
        """Write what waits, complete the header, close the file."""
        self.drain()
        try:
            if self.failed is None:
                self._file.seek(0)
                self._file.write(wav_header(self._octets))
        except OSError as error:
            self.failed = error
        finally:
            self._close()

    def _write(self, octets: bytes) -> None:
        if self.failed is not None:
            return
        try:
            self._file.write(octets)
        except OSError as error:
            self.failed = error

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.failed = self.failed or error
