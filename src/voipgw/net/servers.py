"""The server transactions of an endpoint: which requests are new, who gets them, and what the endpoint answers by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from voipgw.errors import ParseError, TransportError
from voipgw.net.answers import Answers
from voipgw.net.counters import Counters
from voipgw.net.deadlines import Deadlines
from voipgw.net.dns import Target
from voipgw.net.settings import METHODS, EndpointSettings
from voipgw.net.transactions import ServerTransaction
from voipgw.net.transports import Path, Transports
from voipgw.sip.effects import (
    Arrival,
    Deliver,
    Effect,
    Ended,
    Send,
    TimedOut,
    TransactionUser,
)
from voipgw.sip.message import Request, Response
from voipgw.sip.parser import refusal
from voipgw.sip.timers import State
from voipgw.sip.transaction import InviteServer, NonInviteServer, ServerKey, server_key
from voipgw.sip.transport import RELIABLE, bare, default_port, seen_from

Accept = Callable[[Request, Arrival, float], TransactionUser | list[Effect] | None]

_SCHEMES = ("sip", "sips", "tel")
_log = logging.getLogger(__name__)


class ServersOwner(Protocol):
    """What the servers ask of their endpoint."""

    settings: EndpointSettings
    counters: Counters
    draining: bool

    def send(self, path: Path, data: bytes) -> bool:
        """Send one message and show it."""
        ...

    def perform(self, user: TransactionUser | None, effects: list[Effect]) -> None:
        """Perform effects of a user."""
        ...

    def user_of(self, call_id: str, local_tag: str, remote_tag: str) -> TransactionUser | None:
        """Whose dialog that is."""
        ...


class Servers:
    """All requests that came and may come again, by branch, sent-by and method."""

    def __init__(
        self, owner: ServersOwner, transports: Transports, deadlines: Deadlines, answers: Answers, accept: Accept
    ) -> None:
        self._owner = owner
        self._transports = transports
        self._deadlines = deadlines
        self._answers = answers
        self._accept = accept
        self._timers = owner.settings.timers
        self._max_open = owner.settings.max_transactions
        self._max_remembered = owner.settings.max_remembered
        self._allow = frozenset(owner.settings.allow)
        self._by_key: dict[ServerKey, ServerTransaction] = {}
        self._by_request: dict[int, ServerTransaction] = {}  #: by identity of the request, until its final response
        self._merged: dict[
            tuple[str, ...], ServerTransaction
        ] = {}  #: INVITEs outside dialogs, as section 8.2.2.2 compares

    def __len__(self) -> int:
        return len(self._by_key)

    def clear(self) -> None:
        """Forget all."""
        self._by_key.clear()
        self._by_request.clear()
        self._merged.clear()

    def receive(self, request: Request, arrival: Arrival, path: Path, now: float) -> None:
        """A request, new or not."""
        key = server_key(request)
        transaction = self._by_key.get(key)
        method = request.method
        if transaction is not None and transaction.machine is not None:
            if method != "ACK":
                self._owner.counters.retransmissions_received += 1
            self._run(transaction, transaction.machine.receive(request, now), arrival, now)
        elif method == "ACK":
            self._acknowledged(request, arrival, now)
        elif method == "CANCEL":
            self._cancelled(request, arrival, path, now)
        else:
            self._new(request, method, key, arrival, path, now)

    def respond(self, request: Request, response: Response, now: float) -> None:
        """An answer to a request that was delivered."""
        transaction = self._by_request.get(id(request)) or self._by_key.get(server_key(request))
        if transaction is None or transaction.machine is None:
            self._owner.counters.dropped["answer to nothing"] += 1
            return
        effects = transaction.machine.respond(response, now)
        if not effects:
            self._owner.counters.dropped["answer out of order"] += 1
        elif response.status >= 200:
            self._by_request.pop(id(transaction.request), None)
            if response.status >= 300 and transaction.merged is not None:
                self._merged.pop(transaction.merged, None)  # over: the caller may try again under the same number
                transaction.merged = None
            transaction.user = transaction.request = transaction.provisional = None
        else:
            transaction.provisional = response
        self._run(transaction, effects, None, now)

    def fire(self, transaction: ServerTransaction, now: float) -> None:
        """A timer."""
        if transaction.machine is not None:
            self._run(transaction, transaction.machine.handle_deadline(now), None, now)

    def refuse_unreadable(self, error: ParseError, data: bytes, arrival: Arrival, path: Path) -> None:
        """Answer octets that are no SIP message, where the RFC allows it."""
        answer = refusal(data, error)
        if answer is None:
            self._owner.counters.dropped["malformed"] += 1
            return
        self._owner.counters.refused[error.status] += 1
        self._owner.counters.responses_sent += 1
        self._owner.send(path, answer.raw)

    # New requests.

    def _new(self, request: Request, method: str, key: ServerKey, arrival: Arrival, path: Path, now: float) -> None:
        request, path = self._completed(request, arrival, path)
        call_id, to_tag, from_tag = request.call_id, request.to_tag, request.from_tag or ""
        user: TransactionUser | None = None
        merged: tuple[str, ...] | None = None
        objection = self._objection(request, method)
        if objection is None and to_tag:
            user = self._owner.user_of(call_id, to_tag, from_tag)
            objection = self._answers.answer(request, 481) if user is None else None
        elif objection is None and method == "INVITE":
            merged = (call_id, from_tag, str(request.cseq_number))
            objection = self._objection_to_call(request, merged)
        if objection is not None:
            self._refuse(objection, path)
            return
        machine = InviteServer if method == "INVITE" else NonInviteServer
        reliable = arrival.transport in RELIABLE
        transaction = ServerTransaction(request, key, machine(request, self._timers, reliable=reliable), path)
        transaction.user = user
        self._by_key[key] = self._by_request[id(request)] = transaction
        if merged is not None:
            transaction.merged = merged
            self._merged[merged] = transaction
        assert transaction.machine is not None
        self._run(transaction, transaction.machine.start(now), arrival, now)

    def _objection(self, request: Request, method: str) -> Response | None:
        """What the endpoint itself has against a request (sections 8.2.1, 8.2.2.1 and 16.3)."""
        if method not in self._allow:
            return self._answers.not_allowed(request, 405 if method in METHODS else 501)
        if len(self._by_request) >= self._max_open or len(self._by_key) >= self._max_remembered:
            return self._answers.busy(request)
        if request.uri_text.partition(":")[0].lower() not in _SCHEMES:
            return self._answers.answer(request, 416)
        if request.max_forwards == 0 and method != "OPTIONS" and request.to_tag is None:
            return self._answers.answer(request, 483)
        return None

    def _objection_to_call(self, request: Request, merged: tuple[str, ...]) -> Response | None:
        if merged in self._merged:
            return self._answers.answer(request, 482)
        return self._answers.busy(request) if self._owner.draining else None

    def _refuse(self, response: Response, path: Path) -> None:
        """Send an answer of the endpoint's own, without a transaction."""
        counters = self._owner.counters
        counters.refused[response.status] += 1
        counters.responses_sent += 1
        self._owner.send(path, response.raw)

    def _completed(self, request: Request, arrival: Arrival, path: Path) -> tuple[Request, Path]:
        """The request with its top Via completed, and the way its responses go."""
        request, back = seen_from(request, arrival)
        if arrival.transport != "udp" or back == arrival.source:
            return request, path
        return request, self._transports.reply_path(arrival, back)

    def _offer(self, transaction: ServerTransaction, request: Request, arrival: Arrival, now: float) -> None:
        """Give a new request to its user, or find out who that is."""
        user = transaction.user
        try:
            if user is None:
                taken = self._accept(request, arrival, now)
                if isinstance(taken, list):
                    self._owner.perform(None, taken)
                    return
                if taken is None:
                    self.respond(request, self._answers.untaken(request), now)
                    return
                user = transaction.user = taken
            effects = user.receive_request(request, arrival, now)
        except ParseError as error:  # found only now, since messages are read on first use
            self._owner.counters.malformed += 1
            self.respond(request, self._answers.answer(request, error.status), now)
        except Exception:
            _log.exception("%s from %s:%d could not be handled", request.method, *arrival.source)
            self.respond(request, self._answers.answer(request, 500), now)
        else:
            self._owner.perform(user, effects)

    # ACK and CANCEL.

    def _acknowledged(self, ack: Request, arrival: Arrival, now: float) -> None:
        user = self._owner.user_of(ack.call_id, ack.to_tag or "", ack.from_tag or "")
        if user is None:
            if ack.to_tag != self._answers.tag(ack):  # else it is for an answer of our own, which left no transaction
                self._owner.counters.dropped["ack of nothing"] += 1
            return
        self._owner.perform(user, user.receive_request(ack, arrival, now))

    def _cancelled(self, cancel: Request, arrival: Arrival, path: Path, now: float) -> None:
        transaction = self._by_key.get(server_key(cancel, "INVITE"))
        cancel, path = self._completed(cancel, arrival, path)
        if transaction is None or transaction.machine is None:
            self._refuse(self._answers.answer(cancel, 481), path)
            return
        provisional = transaction.provisional
        tag = provisional.to_tag if provisional is not None else None
        response = Response.answer(cancel, 200, to_tag=tag) if tag else self._answers.answer(cancel, 200)
        self._owner.counters.responses_sent += 1
        self._owner.send(path, response.raw)
        user, invite = transaction.user, transaction.request
        if transaction.machine.state is not State.PROCEEDING or transaction.cancelled or user is None or invite is None:
            return
        transaction.cancelled = True
        self._owner.perform(user, user.cancelled(invite, now, cancel))

    # What the machines say.

    def _run(self, transaction: ServerTransaction, effects: list[Effect], arrival: Arrival | None, now: float) -> None:
        for effect in effects:
            kind = type(effect)
            if kind is Send:
                if not self._send(transaction, effect):  # type: ignore[arg-type]
                    self._owner.counters.dropped["answer could not be sent"] += 1
                    self._forget(transaction)
                    return
            elif kind is Deliver:
                assert arrival is not None
                message = effect.message  # type: ignore[attr-defined]
                if message.method == "ACK":
                    self._acknowledged(message, arrival, now)
                else:
                    self._offer(transaction, message, arrival, now)
            elif kind is Ended:
                self._forget(transaction)
            elif kind is TimedOut:
                self._owner.counters.timeouts += 1
        if transaction.machine is not None:
            self._deadlines.set(transaction, transaction.machine.next_deadline())

    def _send(self, transaction: ServerTransaction, effect: Send) -> bool:
        message, counters = effect.message, self._owner.counters
        if effect.again:
            counters.retransmissions_sent += 1
        else:
            counters.responses_sent += 1
        if isinstance(message, bytes):
            return self._owner.send(transaction.path, message)
        if not transaction.path.closed:
            return self._owner.send(transaction.path, message.raw)
        via = message.via  # the connection is gone: another one to where the request came from (section 18.2.2)
        name, host = bare(via.host), bare(via.received or via.host)
        transport = transaction.path.transport
        if transport in ("ws", "wss"):
            return False  # only the client can open another one (RFC 7118 section 5)
        try:
            transaction.path = self._transports.path(Target(transport, host, via.port or default_port(transport), name))
        except TransportError:
            return False
        return self._owner.send(transaction.path, message.raw)

    def _forget(self, transaction: ServerTransaction) -> None:
        self._by_key.pop(transaction.key, None)
        if transaction.request is not None:
            self._by_request.pop(id(transaction.request), None)
        if transaction.merged is not None:
            self._merged.pop(transaction.merged, None)
        transaction.machine = transaction.user = transaction.request = transaction.provisional = None
