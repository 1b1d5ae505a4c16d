"""A whole gateway: endpoint, media, lines, plan, records and metrics, put together and taken apart again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any

import attrs

from voipgw.b2bua.call import Decision as CallDecision
from voipgw.b2bua.isdn_leg import IsdnLeg
from voipgw.b2bua.joint_leg import JointLeg
from voipgw.b2bua.leg import Leg
from voipgw.b2bua.sip_leg import SipLeg
from voipgw.call.events import CallEvent, Released
from voipgw.call.model import TargetKind
from voipgw.causes import Cause
from voipgw.errors import ConfigurationError, TransportError, VoipGwError
from voipgw.gateway.access import Access
from voipgw.gateway.apps import App, AppCalls
from voipgw.gateway.capture import Capture
from voipgw.gateway.config import GatewayConfig, Listen
from voipgw.gateway.exchange import Edge, Exchange
from voipgw.gateway.joins import Connection, Joins
from voipgw.gateway.legs import LegFactory
from voipgw.gateway.lines import Lines
from voipgw.gateway.observation import Observation
from voipgw.gateway.platform import Platform, SystemPlatform
from voipgw.gateway.registrar import RegistrarService, UserRoutes
from voipgw.gateway.registrations import Registrations
from voipgw.gateway.spans import SpanCard, Spans
from voipgw.media.engine import MediaEngine
from voipgw.net.endpoint import Endpoint
from voipgw.net.framings import Origins
from voipgw.net.settings import EndpointSettings
from voipgw.net.tls import TlsContexts
from voipgw.pstn.driver import Driver
from voipgw.routing import CompiledPlan, Decision, Plan
from voipgw.sip.bindings import Bindings
from voipgw.sip.effects import Arrival, Effect, TransactionUser
from voipgw.sip.message import Request
from voipgw.sip.session_events import EXTENSIONS
from voipgw.stores.registrations import MemoryRegistrations, SqliteRegistrations

log = logging.getLogger(__name__)

ALLOW = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "PRACK", "UPDATE")
GOODBYE_S = 4.0  #: how long the answers to our last BYEs are waited for


class Gateway:
    """One gateway in one process. ``async with Gateway(config, plan) as gateway`` opens it; leaving the block closes it."""

    def __init__(
        self,
        config: GatewayConfig,
        plan: Plan,
        *,
        cards: Sequence[Driver] = (),
        spans: Sequence[SpanCard] = (),
        apps: Mapping[str, App] | None = None,
        platform: Platform | None = None,
    ) -> None:
        """Check everything that can be checked before anything is opened.

        Raises:
            ConfigurationError: the plan has mistakes, or a certificate; the message names file and line.
        """
        self.config = config
        self.plan = plan.compile()
        self.cards = tuple(cards)
        self.span_cards = tuple(spans)
        self.apps = dict(apps or {})
        self._tls = TlsContexts(config.tls)
        self._check(config, self.plan)
        self._platform = platform

    async def __aenter__(self) -> Gateway:
        async with contextlib.AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.exchange.refusing:  # who has drained it has also waited for the goodbyes
            await self.drain(0.0)
        await self._stack.aclose()

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        platform = self._platform or SystemPlatform(asyncio.get_running_loop())
        entropy, config = platform.entropy, self.config
        self._capture: Capture | None = None
        self.observation = await stack.enter_async_context(Observation(config, platform.clock))
        self.media = None
        if config.media.mode != "none" or self.cards or self.span_cards:
            self.media = platform.open_media(config.media, self._media_events)
            stack.callback(platform.close_media, self.media)
            self._try_media_host(self.media)
        plane = self.media
        self.endpoint = Endpoint(
            accept=self._accept,
            events=self._call_event,
            settings=EndpointSettings(
                allow=_allowed(config),
                supported=EXTENSIONS,
                agent=config.user_agent,
                origins=Origins(config.origins),
                nameservers=config.nameservers,
            ),
            entropy=entropy,
            network=platform.network,
            tls=self._tls,
            resolver=platform.resolver,
        )
        stack.push_async_callback(self.endpoint.close)
        self._listening = [await self._listen(where) for where in config.listen]
        self.lines = Lines(
            plane,
            self.plan,
            country=config.country,
            inter_digit_s=config.inter_digit_s,
            clock=platform.clock,
            entropy=entropy,
            loop=asyncio.get_running_loop(),
        )
        registry = self.observation.registry
        self.registrations = Registrations(
            self.endpoint, entropy, registry, config.user_agent, changed=self._registration_changed
        )
        self._access = Access(config, self.plan, entropy, self.registrations)
        self.registrar = self._open_registrar(config, platform, stack)
        self._legs = LegFactory(config, self.plan, self.endpoint, plane, self.lines, self.apps, entropy, self.registrar)
        self._legs.registrations = self.registrations
        self._joins = Joins(plane, config, entropy, self.observation)
        self.spans = self._legs.spans = Spans(self.plan, entropy, asyncio.get_running_loop())
        self.exchange = Exchange(
            plan=self.plan,
            clock=platform.clock,
            edges=self,
            legs=self._legs,
            plane=plane,
            listeners=[
                *self.observation.listeners(plane),
                self._joins,
                *([AppCalls(self.apps, plane)] if plane is not None else []),
            ],
            max_calls=config.max_calls,
            transfers=config.transfers,
            expand=self._expand if self.registrar is not None else None,
        )
        self._joins.exchange = self.exchange
        if config.media.capture is not None:
            self._capture = Capture(config.media.capture, platform.clock, self.media, asyncio.get_running_loop())
            stack.callback(self._capture.close)
            self.endpoint.observers.append(self._capture)
        await self.lines.start(self.cards, self.exchange)
        stack.push_async_callback(self.lines.close)
        stack.push_async_callback(self.spans.close)
        await self.spans.start(self.span_cards, plane, self.exchange)
        self.observation.gauges(
            lambda: float(len(self.exchange.calls)), self.endpoint.counters, lambda: float(self.endpoint.transactions)
        )
        self.registrations.reload(self.plan.trunks, self._legs.credentials)

    def _open_registrar(
        self, config: GatewayConfig, platform: Platform, stack: contextlib.AsyncExitStack
    ) -> RegistrarService | None:
        if config.registrar is None:
            return None
        bindings: Bindings = MemoryRegistrations()
        if config.registrar.db is not None:
            kept = SqliteRegistrations(config.registrar.db, platform.clock, platform.entropy.token())
            stack.callback(kept.close)
            bindings = kept
        service = RegistrarService(
            config.registrar, bindings, self._access, platform.entropy, self.observation.registry, config.user_agent
        )
        self.endpoint.reschedule(service)  # what a file holds from before runs out too
        return service

    def _check(self, config: GatewayConfig, plan: CompiledPlan) -> None:
        """What only the gateway can know of a plan: its applications and its users."""
        if config.registrar is not None and not config.users:
            raise ConfigurationError(
                "--users: a registrar without users registers nobody; a file with one or more is needed"
            )
        for compiled in plan.rules:
            for attempt in compiled.attempts:
                name = attempt.target.name
                if attempt.target.kind is TargetKind.USER and config.registrar is None:
                    raise ConfigurationError(
                        f"{compiled.rule.place}: user({name!r}) is reached by its registration, and this gateway is no registrar"
                    )
                if attempt.target.kind is TargetKind.USER and name and name not in config.users:
                    raise ConfigurationError(f"{compiled.rule.place}: user({name!r}) is no user of this gateway")
                if attempt.target.kind is TargetKind.APP and attempt.target.name not in self.apps:
                    have = ", ".join(sorted(self.apps)) or "none"
                    raise ConfigurationError(
                        f"{compiled.rule.place}: {attempt.target} is no application of this gateway; it has {have}"
                    )

    async def _listen(self, where: Listen) -> Listen:
        try:
            listener = await self.endpoint.listen(where.transport, where.host, where.port)
        except TransportError as error:
            raise TransportError(f"--listen: {error}") from error
        return attrs.evolve(where, port=listener.port)

    def _try_media_host(self, media: MediaEngine) -> None:
        """Open and close a pair of ports there, so that a wrong address is found now and not by the first call."""
        host = self.config.media.host
        if host:
            try:
                media.open_rtp(host).close()
            except VoipGwError as error:
                raise ConfigurationError(f"--media-host: {error}; an address of this machine would be right") from error

    @property
    def listening(self) -> list[str]:
        """Where SIP is listened for, as ``TRANSPORT:HOST:PORT`` with the real ports."""
        return [str(listen) for listen in self._listening]

    async def run(self) -> int:
        """Run until cancelled; for programs whose session has nothing else to do."""
        await asyncio.Event().wait()
        return 0

    def edge_of(self, leg: Leg) -> Edge:
        """The edge that drives ``leg``."""
        if isinstance(leg, IsdnLeg):
            return self.spans
        if isinstance(leg, JointLeg):
            return self._joins
        return self.endpoint if isinstance(leg, SipLeg) else self.lines  # type: ignore[return-value]

    def reload(self, config: GatewayConfig, plan: Plan) -> None:
        """Take another plan, other users, trusted networks and certificates; live calls and connections keep what they began with.

        The file of call records is opened again, so that one that was moved away is let go.

        Raises:
            ConfigurationError: something in them is wrong; nothing has changed then.
        """
        compiled = plan.compile()
        if (config.registrar is None) != (self.config.registrar is None):
            raise ConfigurationError("whether a gateway is a registrar is decided when it starts")
        self._check(config, compiled)
        prepared = TlsContexts(config.tls)
        self.observation.reopen()
        self._legs.reload(compiled)
        self._tls.take(prepared)
        self._access.reload(config, compiled)
        self.lines.reload(compiled)
        self.spans.reload(compiled)
        self.plan = self.exchange.plan = compiled
        self.registrations.reload(compiled.trunks, self._legs.credentials)

    def connect(self, first: str, second: str, *, name: str = "connect") -> Connection:
        """Call ``first``, then ``second``, and join them; both numbers go by the plan, from the source ``app:NAME``.

        Raises:
            ConfigurationError: with media that passes us by there is nothing to join.
        """
        return self._joins.connect(first, second, name)

    def _expand(self, decision: Decision, now: float) -> CallDecision:
        assert self.registrar is not None
        return UserRoutes(decision, self.registrar, now)

    def _registration_changed(self, trunk: str) -> None:
        self._legs.forget(trunk)
        self._access.forget()

    async def drain(self, seconds: float, at_once: asyncio.Event | None = None) -> None:
        """Take no more calls, let those in progress go on for ``seconds``, then release them and wait for their goodbyes.

        ``at_once`` set cuts the waiting short.
        """
        self.exchange.refusing = self.endpoint.draining = True
        leaving = asyncio.ensure_future(self.registrations.stop())
        if self.exchange.calls:
            log.info("no more calls are taken; %d in progress may go on for %g s", len(self.exchange.calls), seconds)
        await _first_of(self.exchange.idle(), at_once, seconds)
        released = Released(Cause.NETWORK_OUT_OF_ORDER, None, "the gateway is being stopped")
        goodbyes = bool(self.exchange.calls) or self.endpoint.dialogs > 0
        self.exchange.release_all(released, self.endpoint.now())
        if goodbyes:
            await _first_of(self.endpoint.quiet(), at_once, GOODBYE_S)
        await _first_of(_done(leaving), at_once, GOODBYE_S)

    def _accept(self, request: Request, arrival: Arrival, now: float) -> TransactionUser | list[Effect] | None:
        if request.method != "INVITE":
            return self.registrar if request.method == "REGISTER" else None
        source = self._access.source_of(request, arrival, now)
        if isinstance(source, list):
            return source
        return self._legs.incoming(request, arrival, source)

    def _call_event(self, leg: object, event: CallEvent, now: float) -> None:
        self.exchange.receive(leg, event, now)  # type: ignore[arg-type]

    def _media_events(self) -> None:
        assert self.media is not None
        now = self.endpoint.now()
        for event in self.media.take_events():
            if not self.lines.receive_media(event, now):
                self.exchange.receive_media(event, now)


def _allowed(config: GatewayConfig) -> tuple[str, ...]:
    """The methods that a gateway takes."""
    more = [("REFER", config.transfers), ("REGISTER", config.registrar is not None)]
    return (*ALLOW, *[method for method, there in more if there])


async def _done(task: asyncio.Future[None]) -> None:
    """Until ``task`` is over; it is not cancelled with whoever waits."""
    await asyncio.shield(task)


async def _first_of(waiting: Coroutine[Any, Any, object], at_once: asyncio.Event | None, seconds: float) -> None:
    """Wait for something, for an event, or for a time, whichever comes first."""
    tasks: set[asyncio.Task[object]] = {asyncio.create_task(waiting)}
    if at_once is not None:
        tasks.add(asyncio.create_task(at_once.wait()))
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
