"""What a lab script is given: gateways, peers, lines and wires on one virtual clock, from one seed.

    async def main(lab):
        carrier = await lab.peer("carrier", "10.0.0.2")
        plan = Plan()
        plan.trunk("carrier", carrier.uri)
        ...
        gateway = await lab.gateway(GatewayConfig(listen=(Listen("udp", "10.0.0.1", 5060),)), plan)

Everything that draws random values has a source of its own, named after it, so that one more peer changes nothing for the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TextIO, TypeVar

import attrs

from voipgw.drivers.audio import MemoryAudio
from voipgw.drivers.sim import LoopPhysics, SimCard
from voipgw.entropy import SeededEntropy
from voipgw.errors import ConfigurationError, LocalProtocolError
from voipgw.gateway.apps import App
from voipgw.gateway.config import GatewayConfig
from voipgw.gateway.gateway import Gateway
from voipgw.lab.clock import LabClock, run_virtual
from voipgw.lab.host import Host
from voipgw.lab.network import Link, Network
from voipgw.lab.peer import Peer
from voipgw.lab.platform import LabPlatform
from voipgw.lab.resolver import LabResolver
from voipgw.lab.trace import LineTracer, Trace
from voipgw.media.plane import AudioPort
from voipgw.pstn.driver import Driver
from voipgw.routing import Plan

T = TypeVar("T")


class InternalError(Exception):
    """Something inside a gateway or a peer raised during a run; the run fails, whatever its script found."""


class Lab:
    """One run. ``async with Lab(seed) as lab`` inside a virtual loop; what it has opened it closes again, newest first."""

    def __init__(self, seed: int | str = 0, *, link: Link | None = None, trace_file: TextIO | None = None) -> None:
        """``link`` is how every wire is until it is set otherwise; ``trace_file`` gets each line of the trace."""
        self.seed = seed
        self.loop = asyncio.get_running_loop()
        self.clock = LabClock(self.loop)
        self.trace = Trace(self.loop.time, trace_file)
        self.entropy = self.entropy_of("script")  #: for the script's own choices
        self.network = Network(self.loop, self.entropy_of("network"), link, source=self.entropy_of)
        self.gateways: list[Gateway] = []
        self.peers: list[Peer] = []
        self._names: dict[str, tuple[str, ...]] = {}
        self._resolver = LabResolver(self._names)
        self._taken: list[str] = []
        self._cards = 0
        self._errors: list[str] = []
        self._stack = contextlib.AsyncExitStack()
        self.network.watch(self.trace.frame)

    async def __aenter__(self) -> Lab:
        self.loop.set_exception_handler(self._failed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._stack.aclose()
        finally:
            self.loop.set_exception_handler(None)
        if error is None:
            self._look_for_errors()

    # -- what a script asks for

    def entropy_of(self, name: str) -> SeededEntropy:
        """A source of random values of its own: the same for the same seed and name, whatever else there is."""
        return SeededEntropy(f"{self.seed} {name}")

    def name(self, host: str, *addresses: str) -> None:
        """Let the host name ``host`` mean ``addresses``; every other name is unknown."""
        self._names[host.lower()] = addresses

    def card(
        self,
        ports: int,
        *,
        country: str = "us",
        law: str = "PCMU",
        physics: LoopPhysics | None = None,
        clock_ppm: float = 0.0,
    ) -> SimCard:
        """A card of ``ports`` FXS ports with a telephone on each, for ``gateway``."""
        self._cards += 1
        return SimCard(
            ports, entropy=self.entropy_of(f"card {self._cards}"), law=law, country=country, audio=MemoryAudio,
            physics=physics, clock_ppm=clock_ppm,
        )  # fmt: skip

    async def gateway(
        self,
        config: GatewayConfig,
        plan: Plan,
        *,
        cards: Sequence[Driver] = (),
        apps: Mapping[str, App] | None = None,
        name: str = "gateway",
    ) -> Gateway:
        """A gateway on a host of its own, whose addresses are those of its listeners; open until the run ends, or ``close``.

        Raises:
            ConfigurationError: as ``Gateway``; metrics over HTTP are not served here (read ``gateway.observation.registry``).
        """
        self._claim(name)
        if config.metrics is not None:
            raise ConfigurationError(
                "metrics are not served over HTTP in the lab; leave them out and read gateway.observation.registry"
            )
        hosts = [listen.host for listen in config.listen] + ([config.media.host] if config.media.host else [])
        host = Host(self.network, *dict.fromkeys(hosts))
        ports = [port for card in cards for port in card.fxs_ports]
        lines: dict[AudioPort, str] = {port: f"{name}:{number}" for number, port in enumerate(ports, 1)}

        def sound(port: AudioPort, said: bytes, heard: bytes) -> None:
            self.trace.add("sound", lines[port], f"{said.hex()} {heard.hex()}", keep=False)

        platform = LabPlatform(
            host, self.clock, self.entropy_of(f"gateway {name}"), self.loop, resolver=self._resolver, sound=sound
        )
        gateway = Gateway(config, plan, cards=cards, apps=apps, platform=platform)
        await self._stack.enter_async_context(self._recorded(name, gateway))
        gateway.lines.watchers.append(LineTracer(self.trace, name))
        self.gateways.append(gateway)
        return gateway

    async def peer(self, name: str, host: str, *, port: int = 5060, transport: str = "udp") -> Peer:
        """Somebody who speaks SIP at ``host``; open until the run ends."""
        self._claim(name)
        peer = Peer(
            Host(self.network, host), host, self.entropy_of(f"peer {name}"), port=port, transport=transport,
            resolver=self._resolver,
        )  # fmt: skip
        await self._stack.enter_async_context(peer)
        self.peers.append(peer)
        return peer

    def directory(self) -> Path:
        """A fresh directory, for recordings and the like, that goes with the run."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="voipgw-lab-")))

    async def open(self, context: contextlib.AbstractAsyncContextManager[T]) -> T:
        """Enter a context that is left when the run ends, before whatever was opened earlier."""
        return await self._stack.enter_async_context(context)

    # -- inside

    def _claim(self, name: str) -> None:
        if name in self._taken:
            raise LocalProtocolError(
                f"there is a {name!r} in this lab already; names tell the sources of random values apart"
            )
        self._taken.append(name)

    @contextlib.asynccontextmanager
    async def _recorded(self, name: str, gateway: Gateway) -> AsyncIterator[Gateway]:
        """The gateway, open; when it is closed its records go into the trace."""
        async with gateway:
            yield gateway
        for finished in gateway.observation.records.finished:
            self.trace.add("call", name, finished.record.to_json())

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        found = f"{type(error).__name__}: {error}" if error is not None else context["message"]
        self._errors.append(f"at virtual second {loop.time():.3f}: {found}")
        loop.default_exception_handler(context)

    def _look_for_errors(self) -> None:
        endpoints = [gateway.endpoint for gateway in self.gateways] + [peer.endpoint for peer in self.peers]
        count = sum(endpoint.counters.dropped["internal error"] for endpoint in endpoints)
        if count:
            self._errors.append(f"{count} internal errors of SIP endpoints, which are logged")
        if self._errors:
            raise InternalError("; ".join(self._errors[:3]))


@attrs.frozen
class Run(Generic[T]):
    """What came of a run."""

    result: T  #: of the script
    virtual_s: float
    real_s: float  #: on the wall
    cpu_s: float  #: of the process
    lines: int  #: of the trace
    hash: str  #: of the trace

    @property
    def speed(self) -> float:
        """Virtual seconds for each second of the processor."""
        return self.virtual_s / max(self.cpu_s, 1e-9)


def run(
    main: Callable[[Lab], Coroutine[Any, Any, T]],
    seed: int | str = 0,
    *,
    link: Link | None = None,
    limit_s: float = 7 * 86400.0,
    trace_file: TextIO | None = None,
) -> Run[T]:
    """Run a script.

    Raises:
        InternalError: something inside raised, though the script saw nothing of it.
        Stalled: everything waits for ever.
        TimeoutError: virtual time passed ``limit_s``.
    """
    labs: list[Lab] = []

    async def script() -> T:
        async with Lab(seed, link=link, trace_file=trace_file) as lab:
            labs.append(lab)
            return await main(lab)

    began = time.process_time()
    result, virtual_s, real_s = run_virtual(script, limit_s=limit_s)
    trace = labs[0].trace
    return Run(result, virtual_s, real_s, time.process_time() - began, trace.count, trace.hash)
