"""A capture of all that a gateway says and hears: signalling as its endpoint shows it, media as its engine copies it."""

from __future__ import annotations

import asyncio
import logging
import math
from pathlib import Path

from voipgw.clock import Clock
from voipgw.errors import ConfigurationError
from voipgw.media.engine import MediaEngine
from voipgw.net.counters import SipTrace
from voipgw.srtp.sdes import masked
from voipgw.trace.pcap import PcapWriter

DRAIN_S = 0.1  #: how often packets are fetched from the engine
_FOREVER_US = 2**62
_HELD = tuple[float, str, tuple[str, int], tuple[str, int], bytes]

log = logging.getLogger(__name__)


class Capture:
    """Writes a pcap in order of time: SIP messages are held back for one drain; the engine makes the records of media."""

    def __init__(self, path: Path, clock: Clock, engine: MediaEngine | None, loop: asyncio.AbstractEventLoop) -> None:
        """Open the file and begin.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        epoch = clock.utc().timestamp() - clock.monotonic()
        try:
            self._writer = PcapWriter(path, epoch=epoch)
        except OSError as error:
            raise ConfigurationError(f"--capture: cannot write {path}: {error.strerror}") from error
        self._epoch_us = round(epoch * 1e6)
        self._engine = engine
        self._loop = loop
        self._held: list[_HELD] = []
        if engine is not None:
            engine.start_capture()
        self._timer = loop.call_later(DRAIN_S, self._drain)

    def observe(self, message: SipTrace) -> None:
        """A SIP message of the endpoint; SRTP keys in it are crossed out."""
        ends = (message.local, message.remote) if message.direction == "out" else (message.remote, message.local)
        self._held.append((message.time, message.transport, *ends, masked(message.data)))

    def _drain(self) -> None:
        self._write(self._loop.time() - DRAIN_S)
        self._timer = self._loop.call_later(DRAIN_S, self._drain)

    def _write(self, until: float) -> None:
        self._held.sort(key=lambda held: held[0])
        count = 0
        for time, transport, source, destination, data in self._held:
            if time > until:
                break
            self._media(time)
            write = self._writer.udp if transport == "udp" else self._writer.tcp
            write(time, source, destination, data)
            count += 1
        del self._held[:count]
        self._media(until)

    def _media(self, until: float) -> None:
        if self._engine is not None:
            until_us = _FOREVER_US if until == math.inf else round(until * 1e6)
            self._writer.records(self._engine.take_capture_records(until_us, self._epoch_us))

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._timer.cancel()
        self._write(math.inf)
        self._writer.close()
        if self._engine is not None and self._engine.capture_lost:
            log.warning("%d packets of media are missing in the capture", self._engine.capture_lost)
