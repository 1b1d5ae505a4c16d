"""The client side of REGISTER: one registration that is kept up, whatever becomes of its registrars (RFC 3261 section 10.2).

Registrars are tried in order. The one that granted a binding is kept until it fails; after all have failed, the next round
waits as RFC 5626 section 4.5 says. The other side of REGISTER is ``voipgw.sip.registrar``.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import attrs
from attrs.validators import ge, gt, min_len

from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError, ParseError
from voipgw.sip.auth import Credentials, DigestClient
from voipgw.sip.effects import Arrival, Effect, Respond, SendRequest, TransactionUser
from voipgw.sip.headers import NameAddr, delta_seconds
from voipgw.sip.message import Request, Response
from voipgw.sip.transport import destination_of_uri
from voipgw.sip.uri import Uri

_NEXT_TRIED = frozenset((408, 430, 480))  # beside 5xx: another registrar of the same user may do better
_MOST_TRIES = 8  # requests that one round with one registrar may take: challenges, stale nonces, 423
_LONGEST_S = 86_400  # a Min-Expires over this is not believed


@attrs.frozen
class RegistrationSettings:
    """What is registered, and where."""

    aor: str  #: the address of record, a URI: ``sip:alice@carrier.example``
    contact: str  #: our URI, where calls are to come to
    registrars: tuple[str, ...] = attrs.field(validator=min_len(1))  #: URIs without user, in the order of trying
    domain: str = ""  #: URI that REGISTER names, where that is not the registrar's own: ``sip:carrier.example``
    expires_s: int = attrs.field(default=3600, validator=gt(0))  #: what is asked for
    refresh_share: float = attrs.field(default=0.8, validator=[gt(0), attrs.validators.lt(1)])  #: of what was granted
    instance: str = ""  #: ``urn:uuid:...``; asks for GRUUs (RFC 5627)
    reg_id: int = attrs.field(default=0, validator=ge(0))  #: with ``instance``: number of this flow (RFC 5626); 0 none
    route: tuple[str, ...] = ()  #: Route values, e.g. an outbound proxy
    q: str = ""
    agent: str = "voipgw"
    first_wait_s: float = attrs.field(
        default=30.0, validator=gt(0)
    )  #: base-time of RFC 5626, when nothing is registered
    longest_wait_s: float = attrs.field(default=1800.0, validator=gt(0))  #: max-time of RFC 5626


class RegistrationState(enum.Enum):
    """Where a registration stands."""

    IDLE = "idle"
    TRYING = "trying"  #: no binding, a request is out
    REGISTERED = "registered"  #: there is a binding; a renewal of it may be out, or may have failed so far
    WAITING = "waiting"  #: no binding, and none was to be had; the next try comes
    LEAVING = "leaving"  #: the binding is being removed
    ENDED = "ended"


@attrs.frozen
class RegistrationStatus:
    """What can be known of a registration."""

    state: RegistrationState = RegistrationState.IDLE
    registrar: str = ""  #: that granted the binding, or is being tried
    until: float = -math.inf  #: the binding holds until then, monotonic seconds
    why_not: str = ""  #: what the last try failed of; "" after one that succeeded
    next_try_at: float = math.inf  #: renewal, or the next try
    service_route: tuple[str, ...] = ()  #: Route values for requests of the user (RFC 3608)
    path: tuple[str, ...] = ()  #: Path values that the registrar noted (RFC 3327)
    public_gruu: str = ""
    temporary_gruu: str = ""
    associated: tuple[str, ...] = ()  #: P-Associated-URI values (RFC 7315)

    @property
    def registered(self) -> bool:
        """Whether there is a binding."""
        return self.state is RegistrationState.REGISTERED


@attrs.frozen
class RegistrationChanged:
    """An effect for the owner: state, registrar or trouble are not what they were. A plain renewal is not told."""

    status: RegistrationStatus


class Registration:
    """One user at one of several registrars. A machine, and the logic of a transaction user; ``user`` is who is shown as such."""

    def __init__(
        self,
        settings: RegistrationSettings,
        credentials: Sequence[Credentials],
        entropy: Entropy,
        user: TransactionUser | None = None,
    ) -> None:
        self.settings = settings
        self.status = RegistrationStatus()
        self._user: TransactionUser = user if user is not None else self
        self._entropy = entropy
        self._auth = DigestClient(credentials, entropy)
        self._contact = Uri.parse(settings.contact)
        self._call_id = entropy.token()
        self._tag = entropy.token()
        self._cseq = 0
        self._expires_s = settings.expires_s
        self._request: Request | None = None  # the one that is out
        self._at = 0  # index of the registrar that is being tried
        self._first = 0  # index of the one that this round began with
        self._tries = 0
        self._rounds = 0  # that failed, one after the other
        self._retry_after_s = 0.0
        self._wanted = False  # False: it is to be removed

    def start(self, now: float) -> list[Effect]:
        """Register.

        Raises:
            LocalProtocolError: it was started before.
        """
        if self.status.state is not RegistrationState.IDLE:
            raise LocalProtocolError("a registration is started once")
        self._wanted = True
        return self._round(now)

    def renew(self, now: float) -> list[Effect]:
        """Renew at once: our address has changed, or a connection is gone. Nothing happens while a request is out."""
        if not self._wanted or self._request is not None or self.status.state is RegistrationState.IDLE:
            return []
        self._rounds = 0
        return self._round(now)

    def stop(self, now: float) -> list[Effect]:
        """Remove the binding, where there is or may be one; at the end the state is ENDED."""
        if not self._wanted:
            return [] if self.status.state is not RegistrationState.IDLE else self._tell(RegistrationState.ENDED)
        self._wanted = False
        if self._request is not None:
            return self._tell(RegistrationState.LEAVING)  # as soon as that one is answered
        if self.status.registered:
            self._tries = 0
            return [*self._tell(RegistrationState.LEAVING), *self._send(0)]
        return self._tell(RegistrationState.ENDED)

    # As a transaction user.

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        """Nothing is asked of a registration."""
        return [Respond(request, Response.answer(request, 481, to_tag=self._tag))]

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        """Never an INVITE."""
        return []

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """What the registrar says."""
        request = self._request
        if request is None or response.status < 200 or response.cseq_number != request.cseq_number:
            return []
        self._request = None
        leaving = self.status.state is RegistrationState.LEAVING
        if response.status in (401, 407) and self._tries < _MOST_TRIES:
            retried = self._auth.answer(request, response, self._cseq + 1)
            if retried is not None and not (leaving and not _removes(request)):
                self._cseq += 1
                return self._out(retried)
        if leaving:
            return self._left(request, response)
        if 200 <= response.status < 300:
            return self._granted(response, now)
        if response.status == 423 and self._tries < _MOST_TRIES and self._longer(response):
            return self._send(self._expires_s)
        if response.status in (401, 407):
            return self._failed(f"{response.status} {response.reason}: our credentials are not accepted", now, False)
        self._retry_after_s = _retry_after_s(response)
        another = response.status in _NEXT_TRIED or 500 <= response.status < 600
        return self._failed(f"{response.status} {response.reason}", now, another)

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        """No answer, or no way to the registrar."""
        if request is not self._request:
            return []
        self._request = None
        if self.status.state is RegistrationState.LEAVING:
            return self._tell(RegistrationState.ENDED, until=-math.inf)
        return self._failed(str(error), now, True)

    def next_deadline(self) -> float:
        """The next renewal or try, or the end of the binding."""
        if not self._wanted:
            return math.inf
        end = self.status.until if self.status.registered else math.inf
        return min(end, self.status.next_try_at if self._request is None else math.inf)

    def handle_deadline(self, now: float) -> list[Effect]:
        """Renew, try again, or see that the binding has run out."""
        effects: list[Effect] = []
        if self._wanted and self.status.registered and now >= self.status.until:
            state = RegistrationState.WAITING if self._request is None else RegistrationState.TRYING
            why = self.status.why_not or "the registrar did not answer in time"
            effects += self._tell(state, until=-math.inf, why_not=why, service_route=(), path=())
        if self._wanted and self._request is None and now >= self.status.next_try_at:
            effects += self._round(now)
        return effects

    # Requests.

    def _round(self, now: float) -> list[Effect]:
        """Begin with the registrar that holds our binding, else with the first one."""
        if not self.status.registered:
            self._at = 0
        self._first, self._tries = self._at, 0
        registrar = self.settings.registrars[self._at]
        sent = self._send(self._expires_s)
        if self.status.registered:
            self.status = attrs.evolve(self.status, next_try_at=math.inf)
            return sent
        return [*self._tell(RegistrationState.TRYING, registrar=registrar, next_try_at=math.inf), *sent]

    def _send(self, expires_s: int) -> list[Effect]:
        settings = self.settings
        self._cseq += 1
        contact = f"<{settings.contact}>"
        supported = ["path"]
        if settings.instance:
            contact += f';+sip.instance="<{settings.instance}>"'
            supported.append("gruu")
            if settings.reg_id:
                contact += f";reg-id={settings.reg_id}"
                supported.append("outbound")
        contact += f";q={settings.q}" if settings.q else ""
        head = [("Route", value) for value in settings.route]
        head += [
            ("Max-Forwards", "70"),
            ("From", f"<{settings.aor}>;tag={self._tag}"),
            ("To", f"<{settings.aor}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", f"{contact};expires={expires_s}"),
            ("Expires", str(expires_s)),
            ("Supported", ", ".join(supported)),
        ]
        if settings.agent:
            head.append(("User-Agent", settings.agent))
        return self._out(Request.create("REGISTER", settings.domain or settings.registrars[self._at], head))

    def _out(self, request: Request) -> list[Effect]:
        self._tries += 1
        self._request = request
        destination = None
        if self.settings.domain and not self.settings.route:
            destination = destination_of_uri(Uri.parse(self.settings.registrars[self._at]))
        return [SendRequest(request, self._user, destination)]

    # What comes of them.

    def _granted(self, response: Response, now: float) -> list[Effect]:
        try:
            granted_s, ours = self._granted_s(response)
        except ParseError as error:
            return self._failed(f"{response.status}, but {error}", now, True)
        if granted_s <= 0:
            return self._failed(f"{response.status}, but our contact is not among its bindings", now, True)
        self._rounds, self._retry_after_s = 0, 0.0
        return self._tell(
            RegistrationState.REGISTERED,
            registrar=self.settings.registrars[self._at],
            until=now + granted_s,
            why_not="",
            next_try_at=now + self._renewal_s(granted_s),
            service_route=response.headers("Service-Route"),
            path=response.headers("Path"),
            public_gruu=(ours.param("pub-gruu") or "") if ours is not None else "",
            temporary_gruu=(ours.param("temp-gruu") or "") if ours is not None else "",
            associated=response.headers("P-Associated-URI"),
        )

    def _granted_s(self, response: Response) -> tuple[int, NameAddr | None]:
        """For how long, and our Contact as the registrar shows it.

        A registrar that shows no Contact at all, or a single one that something on the way has rewritten, means ours.
        """
        contacts = response.contacts
        ours = next((one for one in contacts if self._is_ours(one)), None)
        if ours is None and len(contacts) == 1:
            ours = contacts[0]
        if ours is None and contacts:
            return 0, None
        said = ours.param("expires") if ours is not None else None
        said = said if said is not None else response.header("Expires")
        return (delta_seconds(said.strip()) if said is not None else self._expires_s), ours

    def _is_ours(self, contact: NameAddr) -> bool:
        settings = self.settings
        if settings.instance and contact.param("+sip.instance") == f"<{settings.instance}>":
            return not settings.reg_id or contact.param("reg-id") == str(settings.reg_id)
        return contact.uri.matches(self._contact)

    def _renewal_s(self, granted_s: int) -> float:
        """A share of what was granted, less chance so that many do not come at once, with time for a lost request."""
        share_s = min(granted_s * self.settings.refresh_share, granted_s - 40.0)
        return max(share_s, granted_s / 2) * (1.0 - 0.1 * self._entropy.uniform())

    def _longer(self, response: Response) -> bool:
        """Ask for what a 423 wants; False where that makes no sense."""
        try:
            least_s = delta_seconds((response.header("Min-Expires") or "").strip())
        except ParseError:
            return False
        if not self._expires_s < least_s <= _LONGEST_S:
            return False
        self._expires_s = least_s
        return True

    def _failed(self, why: str, now: float, another: bool) -> list[Effect]:
        """The next registrar, or another round later."""
        self._tries = 0
        following = (self._at + 1) % len(self.settings.registrars)
        if another and following != self._first:
            self._at = following
            changed = {} if self.status.registered else {"registrar": self.settings.registrars[following]}
            return [*self._tell(self.status.state, why_not=why, **changed), *self._send(self._expires_s)]
        self._at = self._first
        wait_s = max(self._wait_s(), self._retry_after_s)
        self._rounds, self._retry_after_s = self._rounds + 1, 0.0
        state = RegistrationState.REGISTERED if self.status.registered else RegistrationState.WAITING
        if self.status.registered:
            wait_s = min(wait_s, max((self.status.until - now) / 2, 1.0))  # while the binding holds, sooner
        return self._tell(state, why_not=why, next_try_at=now + wait_s)

    def _wait_s(self) -> float:
        """RFC 5626 section 4.5: doubled with every failure, and a random part of its upper half."""
        settings = self.settings
        longest_s = min(settings.longest_wait_s, settings.first_wait_s * 2.0 ** min(self._rounds, 30))
        return longest_s * (0.5 + 0.5 * self._entropy.uniform())

    def _left(self, request: Request, response: Response) -> list[Effect]:
        """An answer after ``stop``: to the request that was out then, or to the one that removes the binding."""
        if not _removes(request) and (response.status < 300 or self.status.until > -math.inf):
            self._tries = 0
            return self._send(0)
        return self._tell(RegistrationState.ENDED, until=-math.inf)

    def _tell(self, state: RegistrationState, **changes: object) -> list[Effect]:
        old = self.status
        if state in (RegistrationState.LEAVING, RegistrationState.ENDED):
            changes["next_try_at"] = math.inf
        new = self.status = attrs.evolve(old, state=state, **changes)  # type: ignore[arg-type]
        told = ("state", "registrar", "why_not", "service_route", "public_gruu")
        return [RegistrationChanged(new)] if any(getattr(old, one) != getattr(new, one) for one in told) else []


def _removes(request: Request) -> bool:
    return request.header("Expires") == "0"


def _retry_after_s(response: Response) -> float:
    digits = (response.header("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    return float(min(int(digits), _LONGEST_S)) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0.0
