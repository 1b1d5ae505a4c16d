"""The client transactions of an endpoint: a request's destination, what may have to be tried, and its responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voipgw.entropy import Entropy
from voipgw.errors import ParseError, TransactionTimeout, TransportError
from voipgw.net.counters import Counters
from voipgw.net.deadlines import Deadlines
from voipgw.net.dns import Resolver, Target, is_literal
from voipgw.net.settings import EndpointSettings
from voipgw.net.stream import StreamConnection
from voipgw.net.transactions import ClientTransaction
from voipgw.net.transports import Path, Transports
from voipgw.net.udp import named
from voipgw.sip.effects import (
    Address,
    Cancel,
    Deliver,
    Destination,
    Effect,
    Ended,
    Send,
    TimedOut,
    TransactionUser,
)
from voipgw.sip.message import Request, Response
from voipgw.sip.timers import State
from voipgw.sip.transaction import MAGIC_COOKIE, ClientKey, InviteClient, NonInviteClient, client_key
from voipgw.sip.transport import LARGE_OCTETS, RELIABLE, default_port, destination_of

_REFUSED_WAIT_S = 0.02  #: ICMP errors are gathered for so long, so that a flood of them costs one look
_NO_TCP_S = 600.0  #: how long we remember that a peer does not take TCP
_FAILING_S = 60.0  #: how long a server that did not answer comes last among those of its name
_MOST_FAILING = 10_000
_VIA_OCTETS = 90  #: what our Via adds to a request, about


class ClientsOwner(Protocol):
    """What the clients ask of their endpoint."""

    settings: EndpointSettings
    counters: Counters

    def send(self, path: Path, data: bytes) -> bool:
        """Send one message and show it."""
        ...

    def perform(self, user: TransactionUser | None, effects: list[Effect]) -> None:
        """Perform effects of a user."""
        ...

    def user_of(self, call_id: str, local_tag: str, remote_tag: str) -> TransactionUser | None:
        """Whose dialog that is."""
        ...

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Call ``act`` once, after a while."""
        ...


class Clients:
    """All requests that were sent and may still get a response, by branch and method."""

    def __init__(
        self, owner: ClientsOwner, transports: Transports, resolver: Resolver, deadlines: Deadlines, entropy: Entropy
    ) -> None:
        self._owner = owner
        self._transports = transports
        self._resolver = resolver
        self._deadlines = deadlines
        self._entropy = entropy
        self._timers = owner.settings.timers
        self._by_key: dict[ClientKey, ClientTransaction] = {}
        self._invites: dict[
            int, ClientTransaction
        ] = {}  #: by identity of the request as given, until its final response
        self._waiting: dict[int, list[ClientTransaction]] = {}  #: for a connection to come up, by flow
        self._no_tcp: dict[Address, float] = {}  #: until when
        self._refused: set[Address] = set()
        self._failing: dict[Target, float] = {}  #: tried last until then, where a name has others

    def __len__(self) -> int:
        return len(self._by_key)

    def clear(self) -> None:
        """Forget all."""
        self._by_key.clear()
        self._invites.clear()
        self._waiting.clear()

    # From the users.

    def send(self, request: Request, user: TransactionUser, destination: Destination | None, now: float) -> None:
        """Send a request in a transaction of its own."""
        try:
            destination = self._way(request, destination)
        except ParseError as error:
            self._owner.perform(user, user.request_failed(request, TransportError(str(error)), now))
            return
        transaction = ClientTransaction(request, user, destination)
        if request.method == "INVITE":
            self._invites[id(request)] = transaction
        port = destination.port or default_port(destination.transport)
        if is_literal(destination.host):
            self._found(transaction, [Target(destination.transport, destination.host, port)], now)
        else:
            self._resolver.resolve(destination, port, lambda found: self._resolved(transaction, found))

    def send_ack(self, request: Request, destination: Destination | None) -> None:
        """Send the ACK of a 2xx; where it cannot be sent it counts as lost, and the peer's next 2xx asks for it again."""
        try:
            destination = self._way(request, destination)
        except ParseError:
            self._owner.counters.dropped["ack without a way"] += 1
            return
        port = destination.port or default_port(destination.transport)
        flow = destination.flow
        if is_literal(destination.host):
            self._send_ack(request, [Target(destination.transport, destination.host, port)], flow)
        else:
            self._resolver.resolve(destination, port, lambda found: self._send_ack(request, found, flow))

    def _way(self, request: Request, destination: Destination | None) -> Destination:
        """Where a request goes: as it says itself, also when the connection it was to go by is gone, but then no less safely.

        Raises:
            ParseError: it says nothing that we can send to.
        """
        if destination is None:
            return destination_of(request)
        if destination.flow is None or destination.transport not in ("tcp", "tls"):
            return destination
        if self._transports.stands(destination.flow):
            return destination
        other = destination_of(request)
        return other if destination.transport == "tcp" or other.transport == "tls" else destination

    def cancel(self, request: Request, now: float, fields: tuple[tuple[str, str], ...] = ()) -> None:
        """Cancel an INVITE, with ``fields`` in the CANCEL; nothing happens after its final response."""
        transaction = self._invites.get(id(request))
        if transaction is None:
            return
        transaction.cancelled = True
        if transaction.machine is None:
            transaction.left = []
            self._fail(transaction, TransportError("cancelled before it was sent"), now)
            return
        assert isinstance(transaction.machine, InviteClient)
        transaction.cancel_fields = fields
        self._run(transaction, transaction.machine.cancel(now), now)

    # From the network.

    def receive(self, response: Response, now: float) -> None:
        """A response."""
        transaction = self._by_key.get(client_key(response))
        if transaction is None or transaction.machine is None:
            self._owner.counters.dropped["response to nothing"] += 1
            return
        self._run(transaction, transaction.machine.receive(response, now), now)

    def fire(self, transaction: ClientTransaction, now: float) -> None:
        """A timer."""
        if transaction.machine is not None:
            self._run(transaction, transaction.machine.handle_deadline(now), now)

    def opened(self, connection: StreamConnection) -> None:
        """A connection stands: what waited for it has been sent."""
        self._waiting.pop(connection.flow, None)

    def closed(self, connection: StreamConnection, error: Exception | None) -> None:
        """A connection is gone; what it never carried, or what was never answered on one of ours, is tried another way."""
        waiting = self._waiting.pop(connection.flow, None)
        now = self._owner.now()
        if waiting and connection.transport == "tcp":
            if len(self._no_tcp) > 10_000:
                self._no_tcp.clear()
            self._no_tcp[connection.remote] = now + _NO_TCP_S
        lost = waiting or []
        if waiting is None and not connection.listener:
            lost = [t for t in self._by_key.values() if t.path is connection and _unanswered(t)]
        for transaction in lost:
            self._broken(transaction, error or TransportError("the connection was closed"), now)

    def refused(self, remote: Address) -> None:
        """The host of ``remote`` says that nobody listens there (RFC 3261 section 18.4)."""
        if not self._refused:
            self._owner.later(_REFUSED_WAIT_S, self._break_refused)
        self._refused.add(remote)

    def _break_refused(self) -> None:
        refused, self._refused = self._refused, set()
        now = self._owner.now()
        for transaction in list(self._by_key.values()):
            path, machine = transaction.path, transaction.machine
            if path is None or machine is None or path.transport != "udp" or path.remote not in refused:
                continue
            if _unanswered(transaction):
                self._broken(transaction, TransportError(f"{named('udp', path.remote)}: nobody listens there"), now)

    # One request on its way.

    def _resolved(self, transaction: ClientTransaction, found: list[Target] | TransportError) -> None:
        now = self._owner.now()
        if transaction.request is None:
            return  # cancelled meanwhile
        if isinstance(found, TransportError):
            self._fail(transaction, found, now)
        else:
            self._found(transaction, found, now)

    def _found(self, transaction: ClientTransaction, targets: list[Target], now: float) -> None:
        assert transaction.request is not None
        if len(transaction.request.raw) > LARGE_OCTETS - _VIA_OCTETS and self._owner.settings.large_over_tcp:
            targets = [*self._over_tcp(targets, now), *targets]
        if len(targets) > 1 and self._failing:
            targets = sorted(targets, key=lambda target: self._failing.get(target, 0.0) > now)
        transaction.left = list(targets)
        self._try_next(transaction, TransportError("no address"), now)

    def _over_tcp(self, targets: list[Target], now: float) -> list[Target]:
        return [
            Target("tcp", t.host, t.port)
            for t in targets
            if t.transport == "udp"
            and self._no_tcp.get((t.host, t.port), 0.0) <= now
            and self._transports.listener_for("tcp", t.host) is not None
        ]

    def _try_next(self, transaction: ClientTransaction, error: Exception, now: float) -> None:
        while transaction.left:
            target = transaction.target = transaction.left.pop(0)
            try:
                path = self._transports.path(target, transaction.destination.flow)
            except TransportError as problem:
                error = problem
            else:
                self._start(transaction, path, now)
                return
        self._fail(transaction, error, now)

    def _start(self, transaction: ClientTransaction, path: Path, now: float) -> None:
        request = transaction.request
        assert request is not None
        branch = MAGIC_COOKIE + self._entropy.token()
        sent = request.with_fields(prepend=(("Via", self._via(path, branch, transaction.destination.flow)),))
        reliable = path.transport in RELIABLE
        transaction.path = path
        transaction.key = (branch, request.method)
        machine = InviteClient if request.method == "INVITE" else NonInviteClient
        transaction.machine = machine(sent, self._timers, reliable=reliable)
        self._by_key[transaction.key] = transaction
        self._run(transaction, transaction.machine.start(now), now)

    def _via(self, path: Path, branch: str, flow: int | None) -> str:
        transport, host = path.transport, path.remote[0]
        sent_by = self._transports.sent_by(transport, host, flow)
        return f"SIP/2.0/{transport.upper()} {sent_by};branch={branch};rport"

    def _send_ack(self, request: Request, found: list[Target] | TransportError, flow: int | None) -> None:
        if isinstance(found, TransportError):
            self._owner.counters.dropped["ack without a way"] += 1
            return
        for target in found:
            try:
                path = self._transports.path(target, flow)
            except TransportError:
                continue
            via = self._via(path, MAGIC_COOKIE + self._entropy.token(), flow)
            self._owner.counters.requests_sent += 1
            self._owner.send(path, bytes(request.with_fields(prepend=(("Via", via),))))
            return
        self._owner.counters.dropped["ack without a way"] += 1

    def _send_cancel(self, transaction: ClientTransaction, cancel: Request, now: float) -> None:
        path = transaction.path
        assert path is not None
        if transaction.cancel_fields:
            cancel = cancel.with_fields(append=transaction.cancel_fields)
        own = ClientTransaction(cancel, None, transaction.destination)
        own.path = path
        own.key = (transaction.key[0], "CANCEL")
        own.machine = NonInviteClient(cancel, self._timers, reliable=path.transport in RELIABLE)
        self._by_key[own.key] = own
        self._run(own, own.machine.start(now), now)

    # What the machines say.

    def _run(self, transaction: ClientTransaction, effects: list[Effect], now: float) -> None:
        for effect in effects:
            kind = type(effect)
            if kind is Deliver:
                self._deliver(transaction, effect.message, now)  # type: ignore[attr-defined]
            elif kind is Send:
                if not self._send(transaction, effect):  # type: ignore[arg-type]
                    self._broken(transaction, TransportError("the connection is closed"), now)
                    return
            elif kind is Ended:
                self._forget(transaction)
            elif kind is Cancel:
                self._send_cancel(transaction, effect.request, now)  # type: ignore[attr-defined]
            elif kind is TimedOut:
                self._owner.counters.timeouts += 1
                path = transaction.path
                way = named(path.transport, path.remote) if path is not None else "nowhere"
                self._mark(transaction, now + _FAILING_S)
                if not self._go_on(transaction, now):
                    self._fail(transaction, TransactionTimeout(f"{transaction.key[1]}: no answer from {way}"), now)
        machine = transaction.machine
        if machine is not None:
            self._deadlines.set(transaction, machine.next_deadline())

    def _send(self, transaction: ClientTransaction, effect: Send) -> bool:
        path, message, counters = transaction.path, effect.message, self._owner.counters
        assert path is not None
        if effect.again:
            counters.retransmissions_sent += 1
        else:
            counters.requests_sent += 1
        if not self._owner.send(path, message if isinstance(message, bytes) else message.raw):
            return False
        if isinstance(path, StreamConnection) and not path.connected:
            self._waiting.setdefault(path.flow, []).append(transaction)
        return True

    def _deliver(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        user, request = transaction.user, transaction.request
        if response.status == 503 and request is not None and transaction.left:
            self._mark(transaction, now + _retry_after(response))
            if self._go_on(transaction, now):
                return
        if response.status > 100:
            transaction.heard = True
        if response.status >= 200:
            if request is None:  # a 2xx once more, or from another branch of a fork
                user = self._user_of(response) or user
            else:
                self._invites.pop(id(request), None)
                transaction.request = None
                if response.status >= 300 or transaction.key[1] != "INVITE":
                    transaction.user = None
        if user is None:
            if transaction.key[1] != "CANCEL":
                self._owner.counters.dropped["response to nothing"] += 1
            return
        self._owner.perform(user, user.receive_response(response, now))
        if (
            request is not None
            and transaction.user is not None
            and transaction.request is None
            and self._user_of(response)
        ):
            transaction.user = None  # the dialog knows it; so a call that ends is not kept for the sake of repeated 2xx

    def _user_of(self, response: Response) -> TransactionUser | None:
        return self._owner.user_of(response.call_id, response.from_tag or "", response.to_tag or "")

    def _broken(self, transaction: ClientTransaction, error: Exception, now: float) -> None:
        """The transport failed: the next way, where there is one and nothing came yet."""
        machine = transaction.machine
        if machine is None:
            return
        self._mark(transaction, now + _FAILING_S)
        if transaction.left and not transaction.cancelled and machine.state in (State.CALLING, State.TRYING):
            self._by_key.pop(transaction.key, None)
            transaction.machine = None
            self._try_next(transaction, error, now)
            return
        machine.transport_failed(now)
        self._fail(transaction, error, now)

    def _go_on(self, transaction: ClientTransaction, now: float) -> bool:
        """The request once more, to another server of the same name, in a transaction of its own (RFC 3263 section 4.3).

        False where there is no other, a provisional response came, or the request was cancelled.
        """
        request, user, target = transaction.request, transaction.user, transaction.target
        if request is None or transaction.heard or transaction.cancelled:
            return False
        others = [
            one for one in transaction.left if target is None or (one.host, one.port) != (target.host, target.port)
        ]
        if not others:
            return False
        again = ClientTransaction(request, user, transaction.destination)
        again.left = others
        transaction.request = transaction.user = None  # what is left of it is for its machine alone
        transaction.left = []
        if request.method == "INVITE":
            self._invites[id(request)] = again
        self._try_next(again, TransportError("no address"), now)
        return True

    def _mark(self, transaction: ClientTransaction, until: float) -> None:
        """Remember that a server does not serve now."""
        if transaction.target is not None:
            if len(self._failing) >= _MOST_FAILING:
                self._failing.clear()
            self._failing[transaction.target] = until

    def _fail(self, transaction: ClientTransaction, error: Exception, now: float) -> None:
        request, user = transaction.request, transaction.user
        self._forget(transaction)
        if request is not None and user is not None:
            self._owner.perform(user, user.request_failed(request, error, now))

    def _forget(self, transaction: ClientTransaction) -> None:
        if transaction.request is not None:
            self._invites.pop(id(transaction.request), None)
        self._by_key.pop(transaction.key, None)
        transaction.machine = transaction.request = transaction.user = None


def _retry_after(response: Response) -> float:
    """Seconds of a 503 (RFC 3261 section 20.33), no more than an hour; 0 where it does not say."""
    digits = (response.header("Retry-After") or "").strip().partition(";")[0].partition("(")[0].strip()
    return float(min(int(digits), 3600)) if digits.isdecimal() and len(digits) < 10 else 0.0


def _unanswered(transaction: ClientTransaction) -> bool:
    """Whether nothing came yet, not even a provisional response."""
    return transaction.machine is not None and transaction.machine.state in (State.CALLING, State.TRYING)
