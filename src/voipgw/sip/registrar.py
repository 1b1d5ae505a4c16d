"""The server side of REGISTER: a registrar and its location service (RFC 3261 section 10.3, RFC 3327, RFC 5626 section 6).

Who may register is proven before: the registrar is given the name that digest has verified, and lets it change its own
bindings only. A REGISTER is taken as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from attrs.validators import ge, gt

from voipgw.entropy import Entropy
from voipgw.errors import ParseError, ResourceError
from voipgw.sip.bindings import Binding, Bindings, flow_key, own_params, q_of, reached_by_flow
from voipgw.sip.effects import Arrival
from voipgw.sip.headers import NameAddr, delta_seconds
from voipgw.sip.message import Request, Response
from voipgw.sip.uri import Uri

SUPPORTED = ("path", "outbound")
_UNSTATED_S = 3600  # where a client says nothing (RFC 3261 section 10.2.1.1)


@attrs.frozen
class RegistrarSettings:
    """What a registrar grants."""

    min_expires_s: int = attrs.field(default=60, validator=gt(0))  #: shorter ones get 423 with this
    max_expires_s: int = attrs.field(default=3600, validator=gt(0))  #: longer ones are shortened to this
    bindings_per_user: int = attrs.field(default=10, validator=ge(1))  #: more are refused 403
    domains: frozenset[str] = frozenset()  #: hosts of To that are ours, in lower case; none for whatever is named
    service_route: tuple[str, ...] = ()  #: Service-Route values that users are to send their requests by (RFC 3608)
    agent: str = "voipgw"  #: Server; "" sends none


@attrs.frozen
class BindingChanged:
    """Something became of a binding."""

    aor: str
    binding: Binding  #: as it is now; as it was last where it is gone
    what: str  #: "added", "renewed", "removed" or "expired"


@attrs.frozen
class Registered:
    """What became of a REGISTER: its answer, and what it has changed."""

    response: Response
    changes: tuple[BindingChanged, ...] = ()


class _Refused(Exception):
    def __init__(self, status: int, reason: str | None = None, fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status)
        self.status, self.reason, self.fields = status, reason, fields


class Registrar:
    """Takes REGISTER requests. A user's address of record is its name; which of our domains it names makes no difference."""

    def __init__(self, bindings: Bindings, entropy: Entropy, settings: RegistrarSettings | None = None) -> None:
        self.bindings = bindings
        self.settings = settings or RegistrarSettings()
        self._entropy = entropy

    def of(self, aor: str, now: float) -> tuple[Binding, ...]:
        """Where a user can be reached, best first."""
        return self.bindings.of(aor, now)

    def receive(self, request: Request, arrival: Arrival, user: str, now: float) -> Registered:
        """Answer a REGISTER that was proven to come from ``user``."""
        try:
            aor = self._aor(request, user)
            return self._update(aor, request, arrival, now)
        except _Refused as refused:
            return Registered(self._answer(request, refused.status, refused.reason, refused.fields))
        except ParseError as error:
            return Registered(self._answer(request, error.status, None, ()))
        except ResourceError:
            return Registered(self._answer(request, 503, None, (("Retry-After", "60"),)))

    def next_deadline(self) -> float:
        """When a binding runs out."""
        return self.bindings.next_expiry()

    def handle_deadline(self, now: float) -> list[BindingChanged]:
        """Forget what ran out."""
        return [BindingChanged(aor, binding, "expired") for aor, binding in self.bindings.expired(now)]

    def _aor(self, request: Request, user: str) -> str:
        """Steps 1, 2, 4 and 5 of section 10.3."""
        missing = [tag for tag in request.headers("Require") if tag.lower() not in SUPPORTED]
        if missing:
            raise _Refused(420, None, (("Unsupported", ", ".join(missing)),))
        to = request.to.uri
        if to.scheme not in ("sip", "sips") or not to.user:
            raise _Refused(404)
        if self.settings.domains and to.host.lower() not in self.settings.domains:
            raise _Refused(404)
        if to.user != user:
            raise _Refused(403)
        return to.user

    def _update(self, aor: str, request: Request, arrival: Arrival, now: float) -> Registered:
        """Steps 6 to 8: every Contact, and the answer with all that holds afterwards."""
        found = self.bindings.of(aor, now)
        kept = {binding.key: binding for binding in found}
        changes: list[BindingChanged] = []
        values = request.headers("Contact")
        if "*" in values and len(values) > 1:
            raise _Refused(400, "Contact * With Another Contact")
        if request.contact_wildcard:
            self._remove_all(aor, request, kept, changes)
        else:
            for contact in request.contacts:
                self._take(aor, contact, request, arrival, kept, changes, now)
        if len(kept) > max(self.settings.bindings_per_user, len(found)):
            raise _Refused(403, "Too Many Bindings")
        if changes:
            self.bindings.replace(aor, kept.values(), now)
        return Registered(self._granted(aor, request, now), tuple(changes))

    def _remove_all(self, aor: str, request: Request, kept: dict[str, Binding], changes: list[BindingChanged]) -> None:
        if request.header("Expires") is None or self._expires(request.header("Expires")) != 0:
            raise _Refused(400, "Contact * Without Expires 0")
        for binding in kept.values():
            _in_order(binding, request)
            changes.append(BindingChanged(aor, binding, "removed"))
        kept.clear()

    def _take(
        self, aor: str, contact: NameAddr, request: Request, arrival: Arrival, kept: dict[str, Binding],
        changes: list[BindingChanged], now: float,
    ) -> None:  # fmt: skip
        uri, q = contact.uri, q_of(contact)
        if uri.headers:
            raise _Refused(400, "Contact With Header Fields")
        params = own_params(contact)
        outbound = self._outbound(flow_key(params), request, arrival)
        expires_s = self._granted_s(contact, request)
        old = _matching(kept.values(), uri, outbound)
        if old is not None:
            if not any(change.binding is old for change in changes):  # else named twice in this very request
                _in_order(old, request)
            del kept[old.key]
        if expires_s == 0:
            if old is not None:
                changes.append(BindingChanged(aor, old, "removed"))
            return
        if not outbound:
            params = tuple(param for param in params if param[0].lower() != "reg-id")
        binding = Binding(
            contact=str(uri), expires_at=now + expires_s, call_id=request.call_id, cseq=request.cseq_number, q=q,
            path=request.headers("Path"), params=params, source=arrival.source, transport=arrival.transport,
            flow=arrival.flow, by_flow=not request.headers("Path") and (
                bool(outbound) or reached_by_flow(uri, request, arrival)
            ),
            agent=(request.header("User-Agent") or "")[:100], since=old.since if old is not None else now,
        )  # fmt: skip
        kept[binding.key] = binding
        changes.append(BindingChanged(aor, binding, "added" if old is None else "renewed"))

    def _outbound(self, key: str, request: Request, arrival: Arrival) -> str:
        """Instance and reg-id where RFC 5626 section 6 applies, else ""."""
        if not key or "outbound" not in {tag.lower() for tag in request.headers("Supported")}:
            return ""
        if len(request.vias) > 1 and not any(_has_ob(value) for value in request.headers("Path")[-1:]):
            raise _Refused(439, "First Hop Lacks Outbound Support")
        return key

    def _granted_s(self, contact: NameAddr, request: Request) -> int:
        asked = contact.param("expires")
        wanted_s = self._expires(asked if asked is not None else request.header("Expires"))
        if 0 < wanted_s < self.settings.min_expires_s:
            raise _Refused(423, None, (("Min-Expires", str(self.settings.min_expires_s)),))
        return min(wanted_s, self.settings.max_expires_s)

    def _expires(self, text: str | None) -> int:
        """What was asked for; a value that cannot be read counts as 3600 (RFC 3261 section 20.10)."""
        try:
            return delta_seconds(text.strip()) if text is not None else _UNSTATED_S
        except ParseError:
            return _UNSTATED_S

    def _granted(self, aor: str, request: Request, now: float) -> Response:
        bindings = self.bindings.of(aor, now)
        fields = [("Contact", binding.field(now)) for binding in bindings]
        fields += [("Path", value) for value in request.headers("Path")]
        fields += [("Service-Route", value) for value in self.settings.service_route]
        fields.append(("Supported", ", ".join(SUPPORTED)))
        if any(binding.call_id == request.call_id and flow_key(binding.params) for binding in bindings):
            fields.append(("Require", "outbound"))
        return self._answer(request, 200, None, tuple(fields))

    def _answer(
        self, request: Request, status: int, reason: str | None, fields: tuple[tuple[str, str], ...]
    ) -> Response:
        server = (("Server", self.settings.agent),) if self.settings.agent else ()
        return Response.answer(request, status, reason, to_tag=self._entropy.token(), fields=(*fields, *server))


def _matching(bindings: Iterable[Binding], uri: Uri, outbound: str) -> Binding | None:
    """The binding that a Contact means: by instance and reg-id, else by comparison of URIs (section 19.1.4)."""
    for binding in bindings:
        key = flow_key(binding.params)
        if key == outbound if key or outbound else binding.uri.matches(uri):
            return binding
    return None


def _in_order(binding: Binding, request: Request) -> None:
    """Requests of one Call-ID take effect in the order of their CSeq (section 10.3 steps 6 and 7)."""
    if binding.call_id == request.call_id and request.cseq_number <= binding.cseq:
        raise _Refused(500, "CSeq Out Of Order")


def _has_ob(path: str) -> bool:
    try:
        return NameAddr.parse(path).uri.param("ob") is not None
    except ParseError:
        return False
