"""What a gateway stands on: this machine, or the lab. Everything above is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from voipgw.clock import Clock, SystemClock
from voipgw.entropy import Entropy, SystemEntropy
from voipgw.gateway.config import MediaSettings
from voipgw.media.engine import MediaEngine
from voipgw.media.engine import MediaSettings as EngineSettings
from voipgw.net.dns import Resolver
from voipgw.net.media_io import start_engine
from voipgw.net.media_ports import UdpMediaPorts
from voipgw.net.network import Network, SystemNetwork


class Platform(Protocol):
    """Clock, random values, sockets and a media engine."""

    @property
    def clock(self) -> Clock:
        """Time; its monotonic seconds are those of the event loop."""
        ...

    @property
    def entropy(self) -> Entropy:
        """Random values."""
        ...

    @property
    def network(self) -> Network:
        """Sockets for SIP."""
        ...

    @property
    def resolver(self) -> Resolver | None:
        """Who finds the addresses of names; None for the system's."""
        ...

    def open_media(self, settings: MediaSettings, wake: Callable[[], None]) -> MediaEngine:
        """A media engine, running; ``wake`` is called in the loop when it has events.

        Raises:
            VoipGwError: it cannot be started.
        """
        ...

    def close_media(self, engine: MediaEngine) -> None:
        """Stop it and call ``wake`` no more."""
        ...


class SystemPlatform:
    """This machine."""

    def __init__(self, loop: asyncio.AbstractEventLoop, entropy: Entropy | None = None) -> None:
        self.clock: Clock = SystemClock()
        self.entropy: Entropy = entropy or SystemEntropy()
        self.network: Network = SystemNetwork(loop)
        self.resolver: Resolver | None = None
        self._loop = loop

    def open_media(self, settings: MediaSettings, wake: Callable[[], None]) -> MediaEngine:
        """The C engine with its thread."""
        ports = UdpMediaPorts(*settings.ports, entropy=self.entropy)
        engine = start_engine(ports, engine_settings(settings), entropy=self.entropy, clock=self.clock)
        self._loop.add_reader(engine.wake_fd, wake)
        return engine

    def close_media(self, engine: MediaEngine) -> None:
        """Stop it."""
        self._loop.remove_reader(engine.wake_fd)
        engine.close()


def engine_settings(settings: MediaSettings) -> EngineSettings:
    """What the configuration means for the engine."""
    return EngineSettings(media_timeout_s=settings.silence_limit_s)
