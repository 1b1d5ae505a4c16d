"""The media engine with its thread, on real sockets, and its events in an asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from voipgw._native import core
from voipgw.clock import Clock, SystemClock
from voipgw.entropy import Entropy, SystemEntropy
from voipgw.errors import ResourceError
from voipgw.media.engine import MediaEngine, MediaSettings, utc_offset_us
from voipgw.media.plane import MediaEvent, MediaPlane, MediaPorts


def open_recording(path: Path) -> BinaryIO:
    """A new file for a recording; directories are not made, a file that is there is replaced."""
    return path.open("wb")


def start_engine(
    ports: MediaPorts,
    settings: MediaSettings | None = None,
    *,
    entropy: Entropy | None = None,
    clock: Clock | None = None,
) -> MediaEngine:
    """An engine whose thread runs until ``close``; the thread moves packets without Python.

    Raises:
        ResourceError: the system gives no descriptor or no thread.
    """
    chosen = settings or MediaSettings()
    try:
        thread = core.ThreadedCore(realtime=chosen.realtime, **chosen.of_core(utc_offset_us(clock or SystemClock())))
    except OSError as error:
        raise ResourceError(f"no media engine: {error.strerror}") from None
    return MediaEngine(thread, ports, entropy or SystemEntropy(), chosen, open_file=open_recording)


class MediaReader:
    """Takes a plane's events in an event loop and gives each to ``deliver``, in the loop's thread."""

    def __init__(
        self, plane: MediaPlane, deliver: Callable[[MediaEvent], None], loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self._plane = plane
        self._deliver = deliver
        self._loop = loop or asyncio.get_running_loop()
        self._fd = plane.wake_fd
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self.read)

    def read(self) -> None:
        """Deliver what waits."""
        for event in self._plane.take_events():
            self._deliver(event)

    def close(self) -> None:
        """Deliver nothing more; call before the plane is closed."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._fd = -1
