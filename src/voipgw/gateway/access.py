"""Who may call: what is proven of the source of a SIP request before anything else is done with it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Protocol

from voipgw.call.model import Source, SourceKind
from voipgw.entropy import Entropy
from voipgw.gateway.config import GatewayConfig, Network, User
from voipgw.routing.compiled import CompiledPlan
from voipgw.sip.auth import Challenged, Credentials, DigestServer, ServerSettings, common_algorithms
from voipgw.sip.digest import Algorithm
from voipgw.sip.effects import Arrival, Effect, Respond
from voipgw.sip.message import Request, Response

_REMEMBERED = 4096  #: addresses whose source is remembered between calls


class Users:
    """The configured users, as the digest server looks them up."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self.users = users

    def lookup(self, realm: str, username: str) -> Credentials | None:
        """The credentials of ``username`` for ``realm``; None where there is no such user of that realm."""
        user = self.users.get(username)
        if user is None or (user.ha1 and user.realm != realm):
            return None
        if not user.ha1:
            return Credentials(username, realm, user.password)
        algorithm = Algorithm.MD5 if len(user.ha1) == 32 else Algorithm.SHA_256
        return Credentials(username, realm, None, user.ha1, algorithm)


def realms_of(config: GatewayConfig) -> tuple[str, ...]:
    """The realms that are asked for: the configured one, else those of the users' hashes in their order, else ``voipgw``."""
    if config.realm:
        return (config.realm,)
    return tuple(dict.fromkeys(user.realm for user in config.users.values() if user.realm)) or ("voipgw",)


class Registered(Protocol):
    """Who knows the trunks that we are registered with."""

    def trunk_at(self, host: str) -> str | None:
        """The trunk whose registrar is at that address, where the plan says that its calls come from there."""
        ...


class Access:
    """Names the source of a request, or says how it is to be answered instead.

    A trunk is whoever its plan trusts as that trunk; an address is trusted by ``--trust`` or by the plan; a user by digest.
    Loopback is nothing special. With users configured, everybody else is challenged, whoever was called.
    """

    def __init__(
        self, config: GatewayConfig, plan: CompiledPlan, entropy: Entropy, registered: Registered | None = None
    ) -> None:
        self._registered = registered
        self._users = Users(config.users)
        self._realms = realms_of(config)
        self._trust: tuple[Network, ...] = config.trust
        self._plan = plan
        self._known: dict[tuple[str, int], Source] = {}
        self._entropy = entropy
        self._digest = DigestServer(entropy.octets(32), self._users, entropy, self._digest_settings(config))

    def reload(self, config: GatewayConfig, plan: CompiledPlan) -> None:
        """Other users, networks and trunks from now on; nonces that were given stay valid."""
        self._users.users = config.users
        self._realms = realms_of(config)
        self._digest.settings = self._digest_settings(config)
        self._trust, self._plan = config.trust, plan
        self._known = {}

    def knows(self, name: str) -> bool:
        """Whether there is a user of that name."""
        return name in self._users.users

    def user_of(self, request: Request, now: float) -> str | list[Effect]:
        """The user that a request proves by digest to come from, or the challenge that it is answered with.

        Nobody is excused: neither trusted networks nor loopback.
        """
        verdict = self._digest.verify(request, self._realm_for(request), now)
        return self._challenged(request, verdict) if isinstance(verdict, Challenged) else verdict.username

    def forget(self) -> None:
        """Addresses may mean other sources from now on."""
        self._known = {}

    def source_of(self, request: Request, arrival: Arrival, now: float) -> Source | list[Effect]:
        """The source of a request outside of dialogs, or the challenge that it is answered with."""
        source = self._known.get(arrival.source)
        if source is None:
            source = self._look_up(arrival.source)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[arrival.source] = source
        if source.trusted or not self._users.users:
            return source
        verdict = self._digest.verify(request, self._realm_for(request), now)
        if isinstance(verdict, Challenged):
            return self._challenged(request, verdict)
        return Source(SourceKind.USER, verdict.username, arrival.source[0], trusted=True)

    def _realm_for(self, request: Request) -> str:
        """The realm that a caller is asked for: that of the domain it calls, else the first."""
        realms = self._realms
        if len(realms) > 1:
            for host in (request.uri.host.lower(), request.from_.uri.host.lower()):
                if host in realms:
                    return host
        return realms[0]

    def _challenged(self, request: Request, verdict: Challenged) -> list[Effect]:
        tag = self._entropy.token()
        return [Respond(request, Response.answer(request, verdict.status, to_tag=tag, fields=verdict.fields))]

    def _digest_settings(self, config: GatewayConfig) -> ServerSettings:
        known = [self._users.lookup(user.realm or self._realms[0], user.name) for user in config.users.values()]
        wanted = [Algorithm(name) for name in config.digest]
        return ServerSettings(algorithms=common_algorithms([user for user in known if user is not None], wanted))

    def _look_up(self, source: tuple[str, int]) -> Source:
        host, port = source
        found = self._plan.identify(host, port)
        if found.trusted:
            return found
        trunk = self._registered.trunk_at(host) if self._registered is not None else None
        if trunk is not None:
            return Source(SourceKind.TRUNK, trunk, host, trusted=True)
        address = ipaddress.ip_address(host.partition("%")[0])
        if any(address in network for network in self._trust):
            return Source(SourceKind.ADDRESS, host, host, trusted=True)
        return found
