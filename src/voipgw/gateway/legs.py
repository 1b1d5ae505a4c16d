"""Makes the leg that comes in, and the leg that a route asks for."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from typing import Protocol

import attrs

from voipgw.b2bua.app_leg import AppLeg
from voipgw.b2bua.leg import Leg
from voipgw.b2bua.sip_identity import AssertedIdentity
from voipgw.b2bua.sip_keys import SrtpPolicy
from voipgw.b2bua.sip_leg import SipLeg
from voipgw.b2bua.sip_media import SipMediaSettings
from voipgw.b2bua.sip_settings import DtmfOut, Redirects, SipLegSettings
from voipgw.call.model import CallRequest, Codec, Route, Source, TargetKind
from voipgw.codecs import ENCODINGS
from voipgw.entropy import Entropy
from voipgw.errors import ConfigurationError, DriverError
from voipgw.gateway.config import DEFAULT_CODECS, SECURE_TRANSPORTS, GatewayConfig
from voipgw.gateway.registrar import RegistrarService, way_to
from voipgw.media.plane import MediaPlane
from voipgw.net.endpoint import Endpoint
from voipgw.routing.compiled import CompiledPlan
from voipgw.routing.plan import Trunk
from voipgw.sip.auth import Credentials
from voipgw.sip.bindings import Binding
from voipgw.sip.effects import Arrival
from voipgw.sip.headers import NameAddr
from voipgw.sip.message import Request
from voipgw.sip.session_events import SessionSettings
from voipgw.sip.transport import destination_of_uri
from voipgw.sip.uri import Uri

_LOCAL_NAMES = ("localhost", "ip4-localhost")
_LOOPBACK = "127.0.0.1"
_ELSEWHERE = (
    "192.0.2.1"  #: stands for an address that is not known before its name has been looked up; nothing is sent there
)
CODECS = {
    **{e.name: Codec(e.name, e.clock_rate_hz, 1, e.payload_type, e.fmtp) for e in ENCODINGS.values()},
    "L16/16000": Codec("L16", 16000),
}

_IDENTITIES = {
    "none": AssertedIdentity.NONE,
    "asserted": AssertedIdentity.ASSERTED,
    "preferred": AssertedIdentity.PREFERRED,
}


class Lines(Protocol):
    """Who has the analog lines."""

    def open(self, name: str, request: CallRequest, route: Route) -> Leg:
        """A leg on the line of that name.

        Raises:
            DriverError: no such line, or it is in use.
        """
        ...


class Routed(Protocol):
    """Who knows the routes that registrars have given us."""

    def routes(self, trunk: str) -> tuple[str, ...]:
        """The Service-Route for calls by that trunk."""
        ...


class _Unrouted:
    def routes(self, trunk: str) -> tuple[str, ...]:
        return ()


class LegFactory:
    """Settings of all legs, worked out once a trunk and once a listener."""

    def __init__(
        self,
        config: GatewayConfig,
        plan: CompiledPlan,
        endpoint: Endpoint,
        plane: MediaPlane | None,
        lines: Lines | None,
        apps: Container[str],
        entropy: Entropy,
        registrar: RegistrarService | None = None,
    ) -> None:
        self._config = config
        self._endpoint = endpoint
        self._plane = plane
        self._lines = lines
        self.spans: Lines | None = None  #: who has the spans
        self._apps = apps
        self._registrar = registrar
        self._entropy = entropy
        self.registrations: Routed = _Unrouted()  #: set once they are there
        self._incoming: dict[tuple[str, str, int, bool, str, bool], SipLegSettings] = {}
        self._outgoing: dict[str, SipLegSettings] = {}
        self._onward = tuple(CODECS[name] for name in config.media.codecs)
        spoken = [CODECS[name] for name in DEFAULT_CODECS]
        self._taken = tuple(dict.fromkeys([*self._onward, *spoken]))  # of a caller: what goes onward is another matter
        self.reload(plan)

    def reload(self, plan: CompiledPlan) -> None:
        """Other trunks from now on.

        Raises:
            ConfigurationError: a trunk asks for what is not there; nothing has changed then.
        """
        credentials = {trunk.name: self._credentials(trunk) for trunk in plan.trunks.values()}
        for trunk in plan.trunks.values():
            self._check_keys(trunk)
        self._trunks: Mapping[str, Trunk] = plan.trunks
        self._secrets = credentials
        self._outgoing = {}

    def _check_keys(self, trunk: Trunk) -> None:
        media, target = self._config.media, Uri.parse(trunk.destination)
        if media.srtp_out == "off" or media.sdes_in_clear or _is_secure(target, destination_of_uri(target).transport):
            return
        raise ConfigurationError(
            f"{trunk.place}: trunk {trunk.name!r}: --srtp-out {media.srtp_out} sends SRTP keys over TLS only, and "
            f"{trunk.destination} is not; write sips: or ;transport=tls, or allow them in clear with --sdes-in-clear"
        )

    def incoming(self, request: Request, arrival: Arrival, source: Source) -> SipLeg:
        """The leg for an INVITE that came in."""
        scheme = "sips" if request.uri_text[:5].lower() == "sips:" else "sip"
        key = (arrival.transport, arrival.source[0], arrival.flow, source.trusted, scheme, arrival.secure)
        settings = self._incoming.get(key)
        if settings is None:
            local = self._endpoint.local_address(arrival.transport, arrival.source[0], arrival.flow)
            settings = self._settings(
                local, arrival.transport, local[0], trusted=source.trusted, scheme=scheme, secure=arrival.secure
            )
            if len(self._incoming) >= 1024:
                self._incoming.clear()
            self._incoming[key] = settings
        return SipLeg(str(source), settings, self._entropy, self._plane, source=source, call_id=request.call_id)

    def open(self, route: Route, request: CallRequest) -> Leg:
        """A fresh leg for an attempt.

        Raises:
            DriverError: no such line, or it is in use.
            TransportError: no transport is open that reaches the trunk.
            UserUnavailable: the user is not registered, or not where it was.
            UnknownUser: there is no such user.
        """
        if route.target.kind is TargetKind.TRUNK:
            settings = self._outgoing.get(route.target.name)
            if settings is None:
                settings = self._outgoing[route.target.name] = self._trunk_settings(self._trunks[route.target.name])
            return SipLeg(str(route.target), settings, self._entropy, self._plane, call_id=request.call_id)
        if route.target.kind is TargetKind.USER and self._registrar is not None:
            binding = self._registrar.binding(route.target.name, route.binding, self._endpoint.now())
            return SipLeg(
                str(route.target), self._user_settings(binding), self._entropy, self._plane, call_id=request.call_id
            )
        if route.target.kind is TargetKind.LINE and self._lines is not None:
            return self._lines.open(route.target.name, request, route)
        if route.target.kind is TargetKind.SPAN and self.spans is not None:
            return self.spans.open(route.target.name, request, route)
        if route.target.kind is TargetKind.APP and route.target.name in self._apps:
            return AppLeg(str(route.target))
        raise DriverError(f"{route.target}: this gateway has no such target")

    def forget(self, trunk: str) -> None:
        """What a trunk's calls need has changed."""
        self._outgoing.pop(trunk, None)

    @property
    def credentials(self) -> Mapping[str, tuple[Credentials, ...]]:
        """What each trunk is shown, by its name."""
        return self._secrets

    def _user_settings(self, binding: Binding) -> SipLegSettings:
        """For a call to a registered user: over the flow that it came by where there is one, else by its Path or Contact."""
        way = way_to(binding, self._endpoint)
        contact = binding.uri
        if way is None:
            first = NameAddr.parse(binding.path[0]).uri if binding.path else contact
            hop = destination_of_uri(first)
            transport, toward, flow = hop.transport, hop.host if _is_literal(hop.host) else _ELSEWHERE, None
        else:
            transport, toward, flow = way.transport, way.host, way.flow
        local = self._endpoint.local_address(transport, toward, flow)
        settings = self._settings(
            local, transport, local[0], target=contact, scheme=contact.scheme, secure=_is_secure(contact, transport)
        )
        return attrs.evolve(settings, destination=way, routes=binding.path)

    def _trunk_settings(self, trunk: Trunk) -> SipLegSettings:
        target = Uri.parse(trunk.destination)
        destination = destination_of_uri(target)
        transport, host = destination.transport, destination.host
        toward = host if _is_literal(host) else _LOOPBACK if host.lower() in _LOCAL_NAMES else _ELSEWHERE
        if destination.any_transport and transport == "udp" and not self._endpoint.listens("udp", toward):
            transport = "tcp"
        local = self._endpoint.local_address(transport, toward)
        settings = self._settings(
            local,
            transport,
            trunk.domain or local[0],
            target=target,
            credentials=self._secrets[trunk.name],
            scheme=target.scheme,
            redirects=trunk.redirects,
            identity=_IDENTITIES[trunk.identity],
            secure=_is_secure(target, transport),
        )
        return attrs.evolve(settings, routes=self.registrations.routes(trunk.name)) if trunk.register else settings

    def _settings(
        self,
        local: tuple[str, int],
        transport: str,
        domain: str,
        *,
        target: Uri | None = None,
        credentials: tuple[Credentials, ...] = (),
        trusted: bool = False,
        redirects: str = "refuse",
        identity: AssertedIdentity = AssertedIdentity.NONE,
        scheme: str = "sip",
        secure: bool = False,
    ) -> SipLegSettings:
        media, host = self._config.media, _bracketed(local[0])
        codecs = self._taken if target is None else self._onward
        tail = "" if transport == "udp" else f";transport={transport}"
        if (
            scheme == "sips"
        ):  # who was called by sips is reached by sips (RFC 3261 section 12.1.1); TLS goes without saying
            tail = {"tls": "", "wss": ";transport=ws"}.get(transport, tail)
        return SipLegSettings(
            session=SessionSettings(
                contact=f"<{scheme}:{host}:{local[1]}{tail}>",
                agent=self._config.user_agent,
                timer=self._config.timer,
                reliable=self._config.reliable,
                transfers=self._config.transfers,
            ),
            domain=_bracketed(domain),
            media=None
            if media.mode == "none"
            else SipMediaSettings(
                media.host or local[0],
                codecs=codecs,
                g726_aal2=media.g726_packing == "aal2",
                srtp=SrtpPolicy(media.srtp_in if target is None else media.srtp_out),
                keys_may_pass=secure or media.sdes_in_clear,
                keys_in_clear=media.sdes_in_clear,
            ),
            dtmf_out=DtmfOut.RFC4733 if target is None else DtmfOut(media.dtmf_out),  # a caller gets what it offered
            target=target,
            credentials=credentials,
            identity=identity,
            trusted=trusted,
            redirects=Redirects(redirects),
        )

    def _credentials(self, trunk: Trunk) -> tuple[Credentials, ...]:
        if trunk.username:
            password = os.environ.get(trunk.password_env)
            if not password:
                raise ConfigurationError(
                    f"{trunk.place}: trunk {trunk.name!r}: the environment has no variable {trunk.password_env!r}, or it is empty"
                )
            return (Credentials(trunk.username, "", password),)
        shown = self._config.credentials
        return () if shown is None else (Credentials(shown.username, shown.realm, shown.password),)


def _is_secure(target: Uri, transport: str) -> bool:
    """Whether signalling to ``target`` is encrypted whatever its name resolves to."""
    return target.scheme == "sips" or transport in SECURE_TRANSPORTS


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
