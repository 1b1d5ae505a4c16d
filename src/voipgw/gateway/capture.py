"""A capture of all that a gateway says and hears: signalling as its endpoint shows it, media as its engine copies it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from voipgw.clock import Clock
from voipgw.errors import ConfigurationError
from voipgw.media.engine import MediaEngine
from voipgw.net.counters import SipTrace
from voipgw.trace.pcap import PcapWriter

DRAIN_S = 0.1  #: how often packets are fetched from the engine
_HELD = tuple[float, str, tuple[str, int], tuple[str, int], bytes]


class Capture:
    """Writes a pcap in order of time: packets are held back for one drain and sorted."""

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
        self._engine = engine
        self._loop = loop
        self._held: list[_HELD] = []
        if engine is not None:
            engine.start_capture()
        self._timer = loop.call_later(DRAIN_S, self._drain)

    def observe(self, message: SipTrace) -> None:
        """A SIP message of the endpoint."""
        ends = (message.local, message.remote) if message.direction == "out" else (message.remote, message.local)
        self._held.append((message.time, message.transport, *ends, message.data))

    def _drain(self) -> None:
        self._write(self._loop.time() - DRAIN_S)
        self._timer = self._loop.call_later(DRAIN_S, self._drain)

    def _write(self, until: float) -> None:
        if self._engine is not None:
            for packet in self._engine.take_capture():
                ends = (packet.local, packet.remote) if packet.outgoing else (packet.remote, packet.local)
                self._held.append((packet.at_us * 1e-6, "udp", *ends, packet.data))
        self._held.sort(key=lambda held: held[0])
        count = 0
        for time, transport, source, destination, data in self._held:
            if time > until:
                break
            write = self._writer.udp if transport == "udp" else self._writer.tcp
            write(time, source, destination, data)
            count += 1
        del self._held[:count]

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._timer.cancel()
        self._write(float("inf"))
        self._writer.close()
