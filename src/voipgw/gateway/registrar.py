"""A gateway as registrar for its users: who registers proves by digest who it is, and is a target of calls from then on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence

import attrs

from voipgw.call.events import Released
from voipgw.call.model import Refusal, Route, TargetKind
from voipgw.entropy import Entropy
from voipgw.errors import ResourceError, UnknownUser, UserUnavailable
from voipgw.gateway.access import Access
from voipgw.gateway.config import RegistrarConfig
from voipgw.metrics.counters import Registry
from voipgw.net.endpoint import Endpoint
from voipgw.routing.decision import Decision
from voipgw.sip.bindings import Binding, Bindings
from voipgw.sip.effects import Arrival, Destination, Effect, Respond
from voipgw.sip.message import Request, Response
from voipgw.sip.registrar import BindingChanged, Registrar, RegistrarSettings

log = logging.getLogger(__name__)


class RegistrarService:
    """Takes REGISTER requests as a transaction user; knows where the users are."""

    def __init__(
        self,
        config: RegistrarConfig,
        bindings: Bindings,
        access: Access,
        entropy: Entropy,
        registry: Registry,
        agent: str,
    ) -> None:
        settings = RegistrarSettings(
            config.min_expires_s, max(config.max_expires_s, config.min_expires_s), config.bindings_per_user,
            frozenset(domain.lower() for domain in config.domains), agent=agent,
        )  # fmt: skip
        self._registrar = Registrar(bindings, entropy, settings)
        self._access = access
        self._answers = registry.counter("voipgw_register_requests_total", "REGISTER requests, by answer.", ["status"])
        self._changes = registry.counter("voipgw_bindings_changed_total", "What became of bindings.", ["what"])
        registry.gauge("voipgw_bindings", "Bindings of our users now.", read=lambda: float(bindings.count()))

    def knows(self, name: str) -> bool:
        """Whether there is a user of that name."""
        return self._access.knows(name)

    def of(self, name: str, now: float) -> tuple[Binding, ...]:
        """Where a user can be reached, best first; nowhere when it is no user any more."""
        return self._registrar.of(name, now) if self._access.knows(name) else ()

    def binding(self, name: str, key: str, now: float) -> Binding:
        """One registration of a user.

        Raises:
            UnknownUser: there is no such user.
            UserUnavailable: it is not registered, or no longer there.
        """
        if not self._access.knows(name):
            raise UnknownUser(f"there is no user {name!r}")
        for binding in self._registrar.of(name, now):
            if binding.key == key:
                return binding
        raise UserUnavailable(f"user {name!r} is not registered")

    # As a transaction user.

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        """Challenge a REGISTER, or take it."""
        user = self._access.user_of(request, now)
        if isinstance(user, list):
            self._answers.labels("401").add()
            return user
        registered = self._registrar.receive(request, arrival, user, now)
        self._answers.labels(str(registered.response.status)).add()
        if registered.response.status >= 300:
            response = registered.response
            log.warning("REGISTER of %s from %s:%d: %d %s", user, *arrival.source, response.status, response.reason)
        self._tell(registered.changes)
        return [Respond(request, registered.response)]

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """It asks nothing of anybody."""
        return []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        """It asks nothing of anybody."""
        return []

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        """Never an INVITE."""
        return []

    def next_deadline(self) -> float:
        """When a binding runs out."""
        return self._registrar.next_deadline()

    def handle_deadline(self, now: float) -> list[Effect]:
        """Forget what ran out; where that cannot be written it is tried again at the next request."""
        with contextlib.suppress(ResourceError):
            self._tell(self._registrar.handle_deadline(now))
        return []

    def _tell(self, changes: Sequence[BindingChanged]) -> None:
        for change in changes:
            self._changes.labels(change.what).add()
            level = logging.DEBUG if change.what == "renewed" else logging.INFO
            log.log(level, "user %s: %s %s", change.aor, change.binding.contact, change.what)


def way_to(binding: Binding, endpoint: Endpoint) -> Destination | None:
    """The way to a registered user, when it is not the one that its Contact or its Path says.

    Raises:
        UserUnavailable: the connection that it came by is gone, and its Contact names no place.
    """
    if not binding.by_flow:
        return None
    host, port = binding.source
    if binding.transport == "udp" or endpoint.flow_open(binding.flow):
        return Destination(host, port, binding.transport, binding.flow or None)
    if binding.uri.host.lower().endswith(".invalid"):
        raise UserUnavailable(f"the connection from {host}:{port} is gone")
    return None


class UserRoutes:
    """A decision whose attempts at users have become attempts at each of their registrations, one after the other."""

    def __init__(self, decision: Decision, registrar: RegistrarService, now: float) -> None:
        self._decision = decision
        self.routes: list[Route] = []
        self._origins: list[int] = []
        for origin, route in enumerate(decision.routes):
            for one in _spread(route, registrar, now):
                self.routes.append(one)
                self._origins.append(origin)

    @property
    def refusal(self) -> Refusal | None:
        """Why there is no attempt."""
        return self._decision.refusal

    def next_after(self, route: Route, released: Released, *, rang: bool = False) -> Route | None:
        """Another registration of the same user, unless the user has declined everywhere (6xx); else what the plan says."""
        at = next(index for index, known in enumerate(self.routes) if known is route)
        if at + 1 == len(self.routes):
            return None
        following, origin = self.routes[at + 1], self._origins[at]
        if self._origins[at + 1] == origin:
            return following if released.status < 600 else None
        if route.target.kind is TargetKind.USER and not route.binding:
            return following  # not registered: nobody was asked yet
        return following if self._decision.next(origin, released, rang=rang) is not None else None


def _spread(route: Route, registrar: RegistrarService, now: float) -> list[Route]:
    if route.target.kind is not TargetKind.USER:
        return [route]
    try:
        bindings = registrar.of(route.target.name, now)
    except ResourceError as error:
        log.error("user %s cannot be found: %s", route.target.name, error)
        bindings = ()
    return [attrs.evolve(route, binding=one.key) for one in bindings] or [route]
