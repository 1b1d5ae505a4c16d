"""The endpoint: drives every SIP machine of a gateway over its transports, with one timer and no task per message.

What comes in is matched to a transaction, a dialog or the ``accept`` handler; what transaction users return is performed in
the order in which it was returned. Users that work outside of a message (a call machine that answers a leg) hand their
effects to ``perform``.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable

from voipgw.call.events import CallEvent
from voipgw.entropy import Entropy, SystemEntropy
from voipgw.errors import LocalProtocolError, ParseError, TransportError
from voipgw.net.answers import Answers
from voipgw.net.clients import Clients
from voipgw.net.counters import Counters, Observer, SipTrace
from voipgw.net.deadlines import Deadlines, Timed
from voipgw.net.dns import DnsResolver, Found, Resolver, Target, is_literal
from voipgw.net.dns_client import DnsClient
from voipgw.net.network import Network, SystemNetwork
from voipgw.net.servers import Accept, Servers
from voipgw.net.settings import EndpointSettings
from voipgw.net.stream import StreamConnection
from voipgw.net.tls import TlsContexts
from voipgw.net.transactions import ClientTransaction, ServerTransaction, UserTimer
from voipgw.net.transports import Listener, Path, Transports
from voipgw.sip import parse
from voipgw.sip.effects import (
    Address,
    Arrival,
    CancelRequest,
    CloseDialog,
    Destination,
    DialogKey,
    Effect,
    OpenDialog,
    Respond,
    SendAck,
    SendRequest,
    TransactionUser,
)
from voipgw.sip.message import Request
from voipgw.sip.transport import default_port

Events = Callable[[TransactionUser, CallEvent, float], None]
Admit = Callable[[Address, str], bool]

_LEAST_WAIT_S = 0.001
_log = logging.getLogger(__name__)


class Endpoint:
    """One gateway's SIP side. Create it inside a running loop; ``await listen(...)``; ``await close()`` at the end.

    ``draining``: new INVITEs are answered 503 while it is true; everything inside dialogs goes on.
    ``admit(source, transport)``: asked before anything is read; False drops the message without an answer.
    """

    def __init__(
        self,
        *,
        accept: Accept,
        events: Events | None = None,
        admit: Admit | None = None,
        settings: EndpointSettings | None = None,
        entropy: Entropy | None = None,
        resolver: Resolver | None = None,
        network: Network | None = None,
        tls: TlsContexts | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Wire everything up; nothing is opened yet.

        ``accept(request, arrival, now)`` gets each request that belongs to no dialog. It returns the user that takes it (which
        then gets ``receive_request``), effects (a ``Respond``, as a rule), or None to leave the answer to the endpoint:
        200 for OPTIONS, else 404. ``tls`` is what TLS connections are made with; without it none is listened for, and those
        that we open trust whom the system trusts. ``events(user, event, now)`` gets the call events that users return.
        """
        self._loop = loop or asyncio.get_running_loop()
        self.settings = settings or EndpointSettings()
        self.counters = Counters()
        self.observers: list[Observer] = []
        self.draining = False
        self.admit = admit
        self._events = events
        self._entropy = entropy or SystemEntropy()
        self._transports = Transports(
            self._loop,
            network or SystemNetwork(self._loop),
            self,
            limits=self.settings.stream,
            max_connections=self.settings.max_connections,
            tls=tls,
            origins=self.settings.origins,
        )
        self._resolver = resolver or DnsResolver(
            self._loop.time,
            DnsClient(self._loop, self.settings.nameservers),
            self._transports.reaches,
            self._entropy.uniform,
        )
        self._deadlines = Deadlines(self._wake)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._fired_at = -math.inf
        self._timers: dict[int, UserTimer] = {}
        self._queue: deque[tuple[TransactionUser | None, list[Effect]]] = deque()
        self._performing = False
        self._closed = False
        self._dialogs: dict[DialogKey, TransactionUser] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._clients = Clients(self, self._transports, self._resolver, self._deadlines, self._entropy)
        answers = Answers(self.settings, self._entropy)
        self._servers = Servers(self, self._transports, self._deadlines, answers, accept)
        self._do: dict[type, Callable[[TransactionUser | None, Effect, float], None]] = {
            SendRequest: self._do_send_request,
            SendAck: self._do_send_ack,
            Respond: self._do_respond,
            CancelRequest: self._do_cancel,
            OpenDialog: self._do_open_dialog,
            CloseDialog: self._do_close_dialog,
        }

    # What a gateway calls.

    async def listen(self, transport: str, host: str, port: int, *, advertised: str = "") -> Listener:
        """Open a listening point; port 0 picks one. ``advertised`` is the host that Via and Contact show instead of ours.

        Raises:
            TransportError: it cannot be opened; the message names ``transport:host:port`` and the reason.
        """
        return await self._transports.listen(transport, host, port, advertised)

    @property
    def listeners(self) -> list[Listener]:
        """What is open, in the order in which it was opened."""
        return self._transports.listeners

    def listens(self, transport: str, toward: str) -> bool:
        """Whether a listening point of ``transport`` is open, of the family of the address ``toward``."""
        return self._transports.reaches(transport, ":" in toward)

    def local_address(self, transport: str = "udp", toward: str = "127.0.0.1", flow: int | None = None) -> Address:
        """Host and port for a Contact that a peer at the address ``toward`` can reach over ``transport``.

        Raises:
            TransportError: no such transport is open.
        """
        listener = self._transports.listener_for(transport, toward, flow)
        if listener is None:
            raise TransportError(f"no {transport} transport of the family of {toward} is open")
        return (self._transports.own_host(listener, toward), listener.port)

    def resolve(self, destination: Destination, found: Found) -> None:
        """Call ``found`` once with the addresses of ``destination``, in the order of trying, or with the error."""
        port = destination.port or default_port(destination.transport)
        if is_literal(destination.host):
            found([Target(destination.transport, destination.host, port)])
        else:
            self._resolver.resolve(destination, port, found)

    def flow_open(self, flow: int) -> bool:
        """Whether ``flow`` names a connection that is open."""
        return self._transports.is_open(flow)

    def perform(self, user: TransactionUser | None, effects: list[Effect]) -> None:
        """Perform effects of ``user``, after whatever is being performed now; then look at its deadline."""
        self._queue.append((user, effects))
        if not self._performing:
            self._perform_queue()

    def reschedule(self, user: TransactionUser) -> None:
        """Look at the deadline of ``user`` again; ``perform`` does so by itself."""
        when = user.next_deadline()
        if when <= self._fired_at:
            when = self._fired_at + _LEAST_WAIT_S  # a user that is never satisfied must not keep everybody else waiting
        timer = self._timers.get(id(user))
        if timer is None:
            if when == math.inf:
                return
            timer = self._timers[id(user)] = UserTimer(user)
        if when == math.inf:
            del self._timers[id(user)]
        else:
            self._deadlines.set(timer, when)

    @property
    def transactions(self) -> int:
        """How many transactions are remembered now, of both kinds."""
        return len(self._clients) + len(self._servers)

    @property
    def dialogs(self) -> int:
        """How many dialogs are open."""
        return len(self._dialogs)

    async def quiet(self) -> None:
        """Until no dialog is open."""
        await self._quiet.wait()

    @property
    def connections(self) -> int:
        """How many stream connections are open or being made."""
        return self._transports.connections

    async def close(self) -> None:
        """Close every socket and forget everything; nobody is told. Returns when nothing is open any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._resolver.close()
        self._clients.clear()
        self._servers.clear()
        self._dialogs.clear()
        self._timers.clear()
        self._deadlines.clear()
        await self._transports.close()

    # What comes in (``TransportUser``).

    def received(self, data: bytes, arrival: Arrival, path: Path) -> None:
        """One message; never raises."""
        if self._closed:
            return
        if self.admit is not None and not self.admit(arrival.source, arrival.transport):
            self.counters.dropped["source not admitted"] += 1
            return
        now = self._loop.time()
        if self.observers:
            self._show(SipTrace(now, "in", arrival.transport, arrival.local, arrival.source, data))
        try:
            message = parse(data)
            if isinstance(message, Request):
                self.counters.requests_received += 1
                self._servers.receive(message, arrival, path, now)
            else:
                self.counters.responses_received += 1
                self._clients.receive(message, now)
        except ParseError as error:
            self.unreadable(error, data, arrival, path)
        except Exception:
            _log.exception("a message from %s:%d could not be handled", *arrival.source)
            self.counters.dropped["internal error"] += 1

    def unreadable(self, error: ParseError, data: bytes, arrival: Arrival, path: Path) -> None:
        """Octets that are no SIP message: answered where that is possible."""
        self.counters.malformed += 1
        _log.debug("malformed message from %s:%d: %s", *arrival.source, error)
        self._servers.refuse_unreadable(error, data, arrival, path)

    def unfinished(self, connection: StreamConnection) -> None:
        """A message was begun on a connection."""
        self._deadlines.set(connection, connection.next_deadline())

    def kept_alive(self) -> None:
        """A keep-alive came."""
        self.counters.keep_alives += 1

    def refused(self, remote: Address) -> None:
        """Nobody listens at ``remote``."""
        self._clients.refused(remote)

    def opened(self, connection: StreamConnection) -> None:
        """A connection stands."""
        self._deadlines.set(connection, connection.next_deadline())
        self._clients.opened(connection)

    def closed(self, connection: StreamConnection, error: Exception | None) -> None:
        """A connection is gone."""
        if connection.listener and isinstance(error, TransportError):
            _log.info("%s", error)
            self.counters.dropped["connection cut"] += 1
        self._clients.closed(connection, error)

    # What the parts of an endpoint ask of it.

    def send(self, path: Path, data: bytes) -> bool:
        """Send one message and show it to whoever watches; False when it failed at once."""
        if self.observers:
            self._show(SipTrace(self._loop.time(), "out", path.transport, path.local, path.remote, data))
        return path.send(data)

    def user_of(self, call_id: str, local_tag: str, remote_tag: str) -> TransactionUser | None:
        """Whose dialog that is."""
        return self._dialogs.get((call_id, local_tag, remote_tag)) or self._dialogs.get((call_id, local_tag, ""))

    def now(self) -> float:
        """The loop's monotonic seconds."""
        return self._loop.time()

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Call ``act`` once, unless the endpoint is closed by then."""
        self._loop.call_later(delay_s, lambda: None if self._closed else act())

    def _show(self, trace: SipTrace) -> None:
        for observer in self.observers:
            try:
                observer.observe(trace)
            except Exception:
                _log.exception("an observer failed and is taken off")
                self.observers = [o for o in self.observers if o is not observer]

    # Effects.

    def _perform_queue(self) -> None:
        self._performing = True
        try:
            while self._queue:
                user, effects = self._queue.popleft()
                now = self._loop.time()
                for effect in effects:
                    try:
                        self._do.get(type(effect), self._do_event)(user, effect, now)
                    except Exception:
                        _log.exception("%s could not be performed", type(effect).__name__)
                        self.counters.dropped["internal error"] += 1
                if user is not None:
                    try:
                        self.reschedule(user)
                    except Exception:
                        _log.exception("the deadline of %r could not be asked for", user)
        finally:
            self._performing = False

    def _do_send_request(self, user: TransactionUser | None, effect: Effect, now: float) -> None:
        assert isinstance(effect, SendRequest)
        self._clients.send(effect.request, effect.user, effect.destination, now)

    def _do_send_ack(self, user: TransactionUser | None, effect: Effect, now: float) -> None:
        assert isinstance(effect, SendAck)
        self._clients.send_ack(effect.request, effect.destination)

    def _do_respond(self, user: TransactionUser | None, effect: Effect, now: float) -> None:
        assert isinstance(effect, Respond)
        self._servers.respond(effect.request, effect.response, now)

    def _do_cancel(self, user: TransactionUser | None, effect: Effect, now: float) -> None:
        assert isinstance(effect, CancelRequest)
        self._clients.cancel(effect.request, now, effect.fields)

    def _do_open_dialog(self, user: TransactionUser | None, effect: Effect, now: float) -> None:
        assert isinstance(effect, OpenDialog)
        self._dialogs[effect.key] = effect.user
        self._quiet.clear()

    def _do_close_dialog(self, user: TransactionUser | None, effect: Effect, now: float) -> None:
        assert isinstance(effect, CloseDialog)
        self._dialogs.pop(effect.key, None)
        if not self._dialogs:
            self._quiet.set()

    def _do_event(self, user: TransactionUser | None, effect: Effect, now: float) -> None:
        if not isinstance(effect, CallEvent):
            raise LocalProtocolError(f"an endpoint cannot perform a {type(effect).__name__}")
        if self._events is not None and user is not None:
            self._events(user, effect, now)

    # Time.

    def _wake(self, when: float) -> None:
        if when < self._timer_at and not self._closed:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = when
            self._timer = self._loop.call_at(when, self._time_is_up)

    def _time_is_up(self) -> None:
        now = max(self._loop.time(), self._timer_at)
        self._timer, self._timer_at, self._fired_at = None, math.inf, now
        while (item := self._deadlines.pop_due(now)) is not None:
            try:
                self._fire(item, now)
            except Exception:
                _log.exception("a timer could not be handled")
                self.counters.dropped["internal error"] += 1
                self._deadlines.set(item, now + 1.0)
        self._wake(self._deadlines.earliest())

    def _fire(self, item: Timed, now: float) -> None:
        if isinstance(item, ServerTransaction):
            self._servers.fire(item, now)
        elif isinstance(item, ClientTransaction):
            self._clients.fire(item, now)
        elif isinstance(item, UserTimer):
            self.perform(item.user, item.user.handle_deadline(now))
        elif isinstance(item, StreamConnection):
            item.handle_deadline(now)
            self._deadlines.set(item, item.next_deadline())
