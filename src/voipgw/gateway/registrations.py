"""The registrations that a gateway keeps at its trunks: one machine each, driven by the endpoint; their state for whoever asks."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence

from voipgw.entropy import Entropy
from voipgw.errors import TransportError
from voipgw.metrics.counters import Registry
from voipgw.net.dns import Target
from voipgw.net.endpoint import Endpoint
from voipgw.routing.plan import Trunk
from voipgw.sip.auth import Credentials
from voipgw.sip.effects import Arrival, Effect
from voipgw.sip.message import Request, Response
from voipgw.sip.registration import (
    Registration,
    RegistrationChanged,
    RegistrationSettings,
    RegistrationState,
    RegistrationStatus,
)
from voipgw.sip.transport import bracketed, destination_of_uri
from voipgw.sip.uri import Uri

log = logging.getLogger(__name__)

_NAME_RETRY_S = 30.0  #: until the name of a registrar is looked up again
_STATES = tuple(state.value for state in RegistrationState if state is not RegistrationState.IDLE)


class _Kept:
    """One trunk's registration: the transaction user around the machine."""

    def __init__(self, owner: Registrations, trunk: Trunk, registration: Registration | None = None) -> None:
        self.owner = owner
        self.trunk = trunk
        self.registration: Registration | None = registration
        self.addresses: frozenset[str] = frozenset()
        self.dropped = False

    @property
    def status(self) -> RegistrationStatus:
        return self.registration.status if self.registration is not None else RegistrationStatus()

    def take(self, effects: list[Effect]) -> list[Effect]:
        """Changes go to the owner, the rest to the endpoint."""
        changed = [effect for effect in effects if isinstance(effect, RegistrationChanged)]
        for change in changed:
            self.owner.changed(self, change.status)
        return [effect for effect in effects if not isinstance(effect, RegistrationChanged)] if changed else effects

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        return self.take(self.registration.receive_request(request, arrival, now)) if self.registration else []

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        return self.take(self.registration.receive_response(response, now)) if self.registration else []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        return self.take(self.registration.request_failed(request, error, now)) if self.registration else []

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        return []

    def next_deadline(self) -> float:
        return self.registration.next_deadline() if self.registration else math.inf

    def handle_deadline(self, now: float) -> list[Effect]:
        return self.take(self.registration.handle_deadline(now)) if self.registration else []


class Registrations:
    """All of them. ``reload`` starts and stops what the plan says; ``stop`` removes every binding."""

    def __init__(
        self,
        endpoint: Endpoint,
        entropy: Entropy,
        registry: Registry,
        agent: str,
        changed: Callable[[str], None] = lambda trunk: None,
    ) -> None:
        """``changed`` is called with a trunk's name when its state, its Service-Route or its registrar's address changed."""
        self._endpoint = endpoint
        self._entropy = entropy
        self._agent = agent
        self._changed = changed
        self._kept: dict[str, _Kept] = {}
        self._leaving: set[_Kept] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._stopped = False
        self._gauge = registry.gauge(
            "voipgw_registrations", "Registrations at trunks: 1 for the state that each is in.", ["trunk", "state"]
        )
        self._failures = registry.counter(
            "voipgw_registration_failures_total", "Tries to register that failed.", ["trunk"]
        )

    def reload(self, trunks: Mapping[str, Trunk], secrets: Mapping[str, Sequence[Credentials]]) -> None:
        """Keep the registrations of ``trunks`` that want one; those that are the same as before go on undisturbed."""
        for name, kept in list(self._kept.items()):
            if name not in trunks or _wanted(trunks[name]) != _wanted(kept.trunk):
                self._drop(name)
        for name, trunk in trunks.items():
            if trunk.register and name not in self._kept:
                kept = self._kept[name] = _Kept(self, trunk)
                self._begin(kept, secrets[name])

    def status(self, trunk: str) -> RegistrationStatus | None:
        """How the registration of a trunk stands; None for a trunk without one."""
        kept = self._kept.get(trunk)
        return kept.status if kept is not None else None

    def routes(self, trunk: str) -> tuple[str, ...]:
        """The Service-Route for calls by that trunk (RFC 3608)."""
        kept = self._kept.get(trunk)
        return kept.status.service_route if kept is not None else ()

    def trunk_at(self, host: str) -> str | None:
        """The trunk whose registrar is at that address, of those whose plan says so."""
        for name, kept in self._kept.items():
            if kept.trunk.trust_registrar and host in kept.addresses:
                return name
        return None

    async def stop(self) -> None:
        """Remove every binding; returns when the registrars have said so, or did not answer."""
        self._stopped = True
        for name in list(self._kept):
            self._drop(name)
        await self._none_left.wait()

    def changed(self, kept: _Kept, status: RegistrationStatus) -> None:
        """Something became of one of them."""
        name = kept.trunk.name
        if status.state is RegistrationState.ENDED:
            self._leaving.discard(kept)
            if not self._leaving:
                self._none_left.set()
        if not kept.dropped or self._kept.get(name) is None:
            for state in _STATES:
                self._gauge.labels(name, state).set(float(state == status.state.value))
        _log(name, status)
        if status.why_not and status.state is not RegistrationState.LEAVING:
            self._failures.labels(name).add()
        if kept.dropped:
            return
        if status.registered and kept.trunk.trust_registrar:
            self._endpoint.resolve(
                destination_of_uri(Uri.parse(status.registrar)), lambda found: self._found(kept, found)
            )
        self._changed(name)

    def _begin(self, kept: _Kept, credentials: Sequence[Credentials]) -> None:
        """Find which of our addresses the registrar can reach, then register."""
        if kept.dropped:
            return
        destination = destination_of_uri(Uri.parse(_registrars(kept.trunk)[0]))

        def found(targets: list[Target] | TransportError) -> None:
            if kept.dropped or kept.registration is not None:
                return
            if isinstance(targets, TransportError):
                log.warning("trunk %s: not registered: %s", kept.trunk.name, targets)
                self._endpoint.later(_NAME_RETRY_S, lambda: self._begin(kept, credentials))
                return
            try:
                settings = self._settings(kept.trunk, targets[0])
            except TransportError as error:
                log.error("trunk %s: not registered: %s", kept.trunk.name, error)
                return
            kept.registration = Registration(settings, credentials, self._entropy, kept)
            self._endpoint.perform(kept, kept.take(kept.registration.start(self._endpoint.now())))

        self._endpoint.resolve(destination, found)

    def _settings(self, trunk: Trunk, target: Target) -> RegistrationSettings:
        host, port = self._endpoint.local_address(target.transport, target.host)
        registrars = _registrars(trunk)
        first = Uri.parse(registrars[0])
        tail = "" if target.transport == "udp" or first.scheme == "sips" else f";transport={target.transport}"
        user = trunk.account or trunk.username
        contact = Uri(first.scheme, user, bracketed(host), port)
        return RegistrationSettings(
            aor=str(Uri(first.scheme, user, trunk.domain or first.host)),
            contact=f"{contact}{tail}",
            registrars=registrars,
            domain=f"{first.scheme}:{trunk.domain}" if trunk.domain else "",
            expires_s=trunk.expires_s,
            agent=self._agent,
        )

    def _found(self, kept: _Kept, found: list[Target] | TransportError) -> None:
        if not isinstance(found, TransportError) and not kept.dropped:
            kept.addresses = frozenset(target.host for target in found)
            self._changed(kept.trunk.name)

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name)
        kept.dropped = True
        if kept.registration is None or kept.status.state is RegistrationState.ENDED:
            return
        self._leaving.add(kept)
        self._none_left.clear()
        self._endpoint.perform(kept, kept.take(kept.registration.stop(self._endpoint.now())))
        self._changed(name)


def _registrars(trunk: Trunk) -> tuple[str, ...]:
    return trunk.registrars or (trunk.destination,)


def _wanted(trunk: Trunk) -> tuple[object, ...]:
    """Everything that a registration depends on."""
    return (
        trunk.register, _registrars(trunk), trunk.username, trunk.password_env, trunk.account, trunk.domain,
        trunk.expires_s, trunk.trust_registrar,
    )  # fmt: skip


def _log(name: str, status: RegistrationStatus) -> None:
    if status.registered and not status.why_not:
        log.info("trunk %s: registered at %s", name, status.registrar)
    elif status.why_not:
        held = "the registration holds for now, but its renewal failed" if status.registered else "not registered"
        log.warning("trunk %s: %s: %s", name, held, status.why_not)
    else:
        log.info("trunk %s: registration is %s", name, status.state.value)
