"""SIP transaction users joined by a wire in virtual time, with loss, delay and reordering by seed.

A model of the transaction layer that is as small as it can be and still right: requests are repeated until they are
answered, refusals until they are acknowledged, what comes twice is answered twice and delivered once. It exists so that
sessions and legs are tested against octets and races without sockets; the real layer is ``voipgw.sip.transaction``.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import TypeAlias

from voipgw.errors import TransactionTimeout
from voipgw.sip import Request, Response, parse
from voipgw.sip.effects import (
    Arrival,
    CancelRequest,
    CloseDialog,
    DialogKey,
    Effect,
    OpenDialog,
    Respond,
    SendAck,
    SendRequest,
    TransactionUser,
)

Message: TypeAlias = Request | Response
Accept: TypeAlias = Callable[[Request], TransactionUser]
_T1, _T2, _LIFE = 0.5, 4.0, 32.0


class Wire:
    """The clock, the queue and the nodes. ``drop`` may look at each message (sender, message) and lose it by answering True."""

    def __init__(self, *, seed: int = 0, delay_s: float = 0.01, jitter_s: float = 0.0, loss: float = 0.0) -> None:
        self.now = 0.0
        self.trace: list[
            str
        ] = []  #: every message that was sent: "a>b INVITE 1", "b>a 200 INVITE 1", with "lost" where it was
        self.nodes: list[Node] = []
        self.drop: Callable[[str, Message], bool] = lambda sender, message: False
        self._random = random.Random(seed)
        self._delay_s, self._jitter_s, self._loss = delay_s, jitter_s, loss
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def node(self, name: str, accept: Accept | None = None) -> Node:
        """A new node; ``accept`` gives the user for a request that belongs to no dialog."""
        node = Node(self, name, accept)
        self.nodes.append(node)
        return node

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do ``action`` at ``moment``."""
        self._count += 1
        heapq.heappush(self._queue, (moment, self._count, action))

    def run(self, until: float) -> None:
        """Let everything happen up to the moment ``until``."""
        while True:
            due = min((node.next_deadline() for node in self.nodes), default=until)
            head = self._queue[0][0] if self._queue else until
            if min(due, head) >= until:
                self.now = until
                return
            if head <= due:
                moment, _, action = heapq.heappop(self._queue)
                self.now = max(self.now, moment)
                action()
            else:
                self.now = max(self.now, due)
                for node in self.nodes:
                    node.fire()

    def carry(self, sender: Node, message: Message) -> None:
        """Take a message from ``sender`` to the node that its request URI or top Via names: ``a.example`` is node ``a``."""
        host = message.uri.host if isinstance(message, Request) else message.via.host
        to = next(node for node in self.nodes if node.name == host.partition(".")[0])
        line = (
            f"{message.method} {message.cseq_number}"
            if isinstance(message, Request)
            else f"{message.status} {message.cseq_method} {message.cseq_number}"
        )
        lost = self.drop(sender.name, message) or self._random.random() < self._loss
        self.trace.append(f"{sender.name}>{to.name} {line}{' lost' if lost else ''}")
        if not lost:
            octets = bytes(message)
            delay = self._delay_s + self._jitter_s * self._random.random()
            self.at(self.now + delay, lambda: to.arrived(sender, octets))

    def sent(self, text: str) -> int:
        """How many messages of the trace contain ``text``."""
        return sum(text in line for line in self.trace)


class _Client:
    def __init__(self, request: Request, sent: Request, user: TransactionUser) -> None:
        self.request, self.sent, self.user = request, sent, user
        self.provisional = self.final = self.cancel = False
        self.cancel_fields: tuple[tuple[str, str], ...] = ()


class _Server:
    def __init__(self, request: Request, user: TransactionUser | None) -> None:
        self.request, self.user = request, user
        self.response: Response | None = None
        self.acknowledged = False


class Node:
    """One SIP entity: its transactions, its dialogs, and what its users said to it."""

    def __init__(self, wire: Wire, name: str, accept: Accept | None) -> None:
        self.wire, self.name, self._accept = wire, name, accept
        self.events: list[object] = []  #: effects that are not for the wire, in order
        self.on_event: Callable[[TransactionUser, object], None] | None = None  #: who is given them as they come
        self.dialogs: dict[DialogKey, TransactionUser] = {}
        self.users: list[TransactionUser] = []
        self._clients: dict[tuple[str, str], _Client] = {}
        self._servers: dict[tuple[str, str], _Server] = {}
        self._branches = 0

    def told(self, kind: type) -> list[object]:
        """The events of one class."""
        return [event for event in self.events if isinstance(event, kind)]

    def next_deadline(self) -> float:
        """The earliest of its users' deadlines."""
        return min((user.next_deadline() for user in self.users), default=float("inf"))

    def fire(self) -> None:
        """Deadlines that are due."""
        for user in list(self.users):
            if user.next_deadline() <= self.wire.now:
                self.perform(user, user.handle_deadline(self.wire.now))

    def perform(self, user: TransactionUser, effects: list[Effect]) -> None:
        """Do what a user returned."""
        if user not in self.users:
            self.users.append(user)
        for effect in effects:
            if isinstance(effect, SendRequest):
                self._begin(effect.request, effect.user)
            elif isinstance(effect, SendAck):
                self.wire.carry(self, self._stamped(effect.request))
            elif isinstance(effect, Respond):
                self._respond(effect)
            elif isinstance(effect, CancelRequest):
                self._cancel(effect)
            elif isinstance(effect, OpenDialog):
                self.dialogs[effect.key] = effect.user
            elif isinstance(effect, CloseDialog):
                self.dialogs.pop(effect.key, None)
            else:
                self.events.append(effect)
                if self.on_event is not None:
                    self.on_event(user, effect)

    def arrived(self, sender: Node, octets: bytes) -> None:
        """A message came."""
        message = parse(octets)
        if isinstance(message, Response):
            self._answered(message)
        elif message.method == "ACK":
            self._acknowledged(message)
        elif message.method == "CANCEL":
            self._cancelled(message)
        else:
            self._asked(message)

    def _stamped(self, request: Request) -> Request:
        self._branches += 1
        via = f"SIP/2.0/UDP {self.name}.example:5060;branch=z9hG4bK{self.name}{self._branches}"
        return request.with_fields(prepend=(("Via", via),))

    def _begin(self, request: Request, user: TransactionUser) -> None:
        sent = self._stamped(request)
        client = self._clients[sent.branch or "", request.method] = _Client(request, sent, user)
        self._repeat(client, _T1, self.wire.now + _LIFE)

    def _repeat(self, client: _Client, interval_s: float, until: float) -> None:
        invite = client.request.method == "INVITE"
        if client.final or (invite and client.provisional):
            return
        if self.wire.now >= until:
            client.final = True
            error = TransactionTimeout("no answer")
            self.perform(client.user, client.user.request_failed(client.request, error, self.wire.now))
            return
        self.wire.carry(self, client.sent)
        following = 2 * interval_s if invite else min(2 * interval_s, _T2)
        moment = min(self.wire.now + interval_s, until)
        self.wire.at(moment, lambda: self._repeat(client, following, until))

    def _cancel(self, effect: CancelRequest) -> None:
        client = next((one for one in self._clients.values() if one.request is effect.request), None)
        if client is None or client.final:
            return
        client.cancel_fields = effect.fields
        client.cancel = True
        if client.provisional:
            self._send_cancel(client)

    def _send_cancel(self, client: _Client) -> None:
        client.cancel = False
        sent = client.sent
        fields = [(name, sent.header(name) or "") for name in ("Via", "Max-Forwards", "From", "To", "Call-ID")]
        cancel = Request.create(
            "CANCEL", sent.uri_text, [*fields, ("CSeq", f"{sent.cseq_number} CANCEL"), *client.cancel_fields]
        )
        self._repeat(
            self._clients.setdefault((sent.branch or "", "CANCEL"), _Client(cancel, cancel, client.user)),
            _T1,
            self.wire.now + _LIFE - 0.001,
        )

    def _answered(self, response: Response) -> None:
        client = self._clients.get((response.branch or "", response.cseq_method))
        if client is None:
            return
        first = not client.final
        if response.status < 200:
            client.provisional = True
            if client.cancel:
                self._send_cancel(client)
            if first:
                self.perform(client.user, client.user.receive_response(response, self.wire.now))
            return
        client.final = True
        refused = client.request.method == "INVITE" and response.status >= 300
        if refused:
            sent = client.sent
            fields = [(name, sent.header(name) or "") for name in ("Via", "Max-Forwards", "From", "Call-ID")]
            fields += [("To", response.header("To") or ""), ("CSeq", f"{sent.cseq_number} ACK")]
            self.wire.carry(self, Request.create("ACK", sent.uri_text, fields))
        again = client.request.method == "INVITE" and response.status < 300
        if (first or again) and client.request.method != "CANCEL":
            self.perform(client.user, client.user.receive_response(response, self.wire.now))

    def _acknowledged(self, ack: Request) -> None:
        server = self._servers.get((ack.branch or "", "INVITE"))
        if server is not None:
            server.acknowledged = True
            return
        user = self._dialog(ack)
        if user is not None:
            self.perform(user, user.receive_request(ack, _ARRIVAL, self.wire.now))

    def _cancelled(self, cancel: Request) -> None:
        server = self._servers.get((cancel.branch or "", "INVITE"))
        self.wire.carry(self, Response.answer(cancel, 481 if server is None else 200, to_tag="cancel"))
        if server is not None and server.user is not None and (server.response is None or server.response.status < 200):
            self.perform(server.user, server.user.cancelled(server.request, self.wire.now, cancel))

    def _asked(self, request: Request) -> None:
        key = (request.branch or "", request.method)
        if key in self._servers:
            known = self._servers[key]
            if known.response is not None and not (known.response.status // 100 == 2 and request.method == "INVITE"):
                self.wire.carry(self, known.response)
            return
        user = self._dialog(request)
        if user is None and request.to_tag is None and self._accept is not None:
            user = self._accept(request)
        self._servers[key] = server = _Server(request, user)
        if user is None:
            server.response = Response.answer(request, 481, to_tag="none")
            self.wire.carry(self, server.response)
            return
        self.perform(user, user.receive_request(request, _ARRIVAL, self.wire.now))
        if request.method == "INVITE":
            self.wire.at(self.wire.now + 0.2, lambda: self._trying(server))

    def _trying(self, server: _Server) -> None:
        """100 to an INVITE that has not been answered in 200 ms (RFC 3261 section 17.2.1)."""
        if server.response is None:
            server.response = Response.answer(server.request, 100)
            self.wire.carry(self, server.response)

    def _dialog(self, request: Request) -> TransactionUser | None:
        exact = (request.call_id, request.to_tag or "", request.from_tag or "")
        return self.dialogs.get(exact) or self.dialogs.get((*exact[:2], ""))

    def _respond(self, effect: Respond) -> None:
        server = next(one for one in self._servers.values() if one.request is effect.request)
        if server.response is not None and server.response.status >= 200 and server.response is not effect.response:
            raise AssertionError(f"{self.name} answers a request finally for a second time: {effect.response!r}")
        server.response = effect.response
        self._repeat_response(server, effect.response, _T1, self.wire.now + _LIFE)

    def _repeat_response(self, server: _Server, response: Response, interval_s: float, until: float) -> None:
        self.wire.carry(self, response)
        if server.request.method == "INVITE" and response.status >= 300:
            following = min(2 * interval_s, _T2)

            def again() -> None:
                if not server.acknowledged and self.wire.now < until:
                    self._repeat_response(server, response, following, until)

            self.wire.at(self.wire.now + interval_s, again)


_ARRIVAL = Arrival(("192.0.2.1", 5060), ("192.0.2.2", 5060), "udp")
