"""The listening points and connections of one endpoint: where messages come in and how they get out."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import Counter
from collections.abc import Callable, Collection
from typing import Protocol

import attrs

from voipgw.errors import ParseError, TransportError
from voipgw.net.dns import Target
from voipgw.net.framings import Framing, Origins
from voipgw.net.network import Network, StreamServer
from voipgw.net.stream import StreamConnection, StreamLimits
from voipgw.net.tls import TlsContexts, TlsSession
from voipgw.net.udp import DatagramWire, named
from voipgw.sip.effects import Address, Arrival
from voipgw.sip.transport import RELIABLE, bracketed

_ANY = frozenset({"0.0.0.0", "::"})
_SECURE = frozenset({"tls", "wss"})
_WEB = frozenset({"ws", "wss"})
_WITHOUT_LISTENER = _SECURE | _WEB  #: connections that we may open without listening for any
_REMEMBERED_SOURCES = 4096


class Path(Protocol):
    """A way to one peer."""

    @property
    def transport(self) -> str:
        """ "udp", "tcp"..."""
        ...

    @property
    def local(self) -> Address:
        """Our end."""
        ...

    @property
    def remote(self) -> Address:
        """The peer's."""
        ...

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        ...

    def send(self, data: bytes) -> bool:
        """Send one message; False when that failed at once."""
        ...


class DatagramPath:
    """A peer as seen from one UDP socket."""

    __slots__ = ("_wire", "local", "remote")

    transport = "udp"
    closed = False

    def __init__(self, wire: DatagramWire, local: Address, remote: Address) -> None:
        self._wire = wire
        self.local = local
        self.remote = remote

    def send(self, data: bytes) -> bool:
        """Send it; a datagram that the kernel loses is lost like any other, and sent again in its time."""
        self._wire.send(data, self.remote)
        return True


@attrs.frozen
class Listener:
    """A listening point."""

    transport: str
    host: str  #: as it was asked for
    port: int
    flow: int
    advertised: str = ""  #: host for Via and Contact; "": the address that the peer is reached from

    def __str__(self) -> str:
        return named(self.transport, (self.host, self.port))


class TransportUser(Protocol):
    """Who gets what comes in."""

    def received(self, data: bytes, arrival: Arrival, path: Path) -> None:
        """One message came."""
        ...

    def kept_alive(self) -> None:
        """A keep-alive came, and was answered where it wants an answer."""
        ...

    def unfinished(self, connection: StreamConnection) -> None:
        """A message was begun; the connection's deadline may be earlier now."""
        ...

    def unreadable(self, error: ParseError, data: bytes, arrival: Arrival, path: Path) -> None:
        """A stream cannot be followed any more; it is closed after this."""
        ...

    def refused(self, remote: Address) -> None:
        """Nobody listens at ``remote`` (udp)."""
        ...

    def opened(self, connection: StreamConnection) -> None:
        """A connection stands, ours or the peer's."""
        ...

    def closed(self, connection: StreamConnection, error: Exception | None) -> None:
        """It is gone."""
        ...


class Transports:
    """Sockets and connections, by flow number and by peer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        network: Network,
        user: TransportUser,
        *,
        limits: StreamLimits,
        max_connections: int,
        connect_s: float = 4.0,
        tls: TlsContexts | None = None,
        origins: Origins | None = None,
    ) -> None:
        self._loop = loop
        self._network = network
        self._user = user
        self._limits = limits
        self._max_connections = max_connections
        self._connect_s = connect_s
        self._tls = tls or TlsContexts()
        self._origins = origins or Origins()
        self._flows = itertools.count(1)
        self._wires: dict[int, DatagramWire] = {}
        self._servers: list[StreamServer] = []
        self._connections: dict[int, StreamConnection] = {}
        self._by_peer: dict[tuple[str, Address, str], StreamConnection] = {}
        self._shaking: dict[int, str] = {}  #: accepted, not yet standing: flow to host
        self._shaking_of: Counter[str] = Counter()  #: how many of each host
        self._arrivals: dict[int, Arrival] = {}  #: of connections, by flow
        self._connecting: set[asyncio.Task[None]] = set()
        self._near: dict[str, str] = {}
        self._fitting: dict[tuple[str, bool], dict[int, Listener]] = {}
        self._sent_by: dict[tuple[str, str, int | None], str] = {}
        self.listeners: list[Listener] = []

    async def listen(self, transport: str, host: str, port: int, advertised: str = "") -> Listener:
        """Open a listening point.

        Raises:
            TransportError: the port is in use, the host is not ours, or the transport is unknown; names all three.
        """
        flow = next(self._flows)
        try:
            if transport == "udp":
                wire = self._open_wire(flow, (host, port))
                bound = wire.local[1]
            else:
                bound = await self._listen_for_streams(flow, transport, host, port)
        except OSError as error:
            reason = "address already in use" if "in use" in str(error).lower() else error.strerror or str(error)
            raise TransportError(f"{named(transport, (host, port))}: {reason}") from error
        listener = Listener(transport, host, bound, flow, advertised)
        self.listeners.append(listener)
        self._fitting.clear()
        self._sent_by.clear()
        return listener

    async def _listen_for_streams(self, flow: int, transport: str, host: str, port: int) -> int:
        name = named(transport, (host, port))
        if transport not in RELIABLE:
            raise TransportError(f"{name}: the transports are udp, tcp, tls, ws and wss")
        if transport in _SECURE and not self._tls.serves:
            raise TransportError(f"{name}: TLS needs a certificate and its key")
        if transport in _WEB:
            _web_framing()
        server = await self._network.listen((host, port), functools.partial(self._accepted, transport, flow))
        self._servers.append(server)
        return server.address[1]

    def listener_for(self, transport: str, host: str, flow: int | None = None) -> Listener | None:
        """The listening point that requests to ``host`` leave from: the one of ``flow``, else that of the same family whose
        host such requests leave from, else one of every host, else the first.

        ``flow`` may also name a connection, and then stands for the listening point that took it.
        """
        if flow is not None and (connection := self._connections.get(flow)) is not None:
            flow = connection.listener
        key = (transport, ":" in host)
        fitting = self._fitting.get(key)
        if fitting is None:
            same = [x for x in self.listeners if (x.transport, ":" in x.host) == key]
            fitting = self._fitting[key] = {x.flow: x for x in same}
        return fitting.get(flow or 0) or self._nearest(fitting.values(), host)

    def _nearest(self, listeners: Collection[Listener], host: str) -> Listener | None:
        if len(listeners) < 2:
            return next(iter(listeners), None)
        near = self._near_address(host)
        return min(listeners, key=lambda listener: (listener.host != near, listener.host not in _ANY))

    def reaches(self, transport: str, six: bool) -> bool:
        """Whether we listen by ``transport`` over IPv4 (False) or IPv6 (True)."""
        return self.listener_for(transport, "::" if six else "0.0.0.0") is not None

    def own_host(self, listener: Listener, toward: str) -> str:
        """The host by which a peer at ``toward`` reaches ``listener``: advertised, bound, or found by the routing table."""
        if listener.advertised:
            return listener.advertised
        if listener.host not in _ANY:
            return listener.host
        return self._near_address(toward)

    def sent_by(self, transport: str, toward: str, flow: int | None = None) -> str:
        """``host:port`` for the top Via of a request to ``toward``: of the listening point, else our host alone."""
        known = self._sent_by.get((transport, toward, flow))
        if known is not None:
            return known
        listener = self.listener_for(transport, toward, flow)
        if listener is None:  # the response comes back by the connection that is being opened
            return bracketed(self._near_address(toward))
        if len(self._sent_by) >= _REMEMBERED_SOURCES:
            self._sent_by.clear()
        known = f"{bracketed(self.own_host(listener, toward))}:{listener.port}"
        self._sent_by[transport, toward, flow] = known
        return known

    def path(self, target: Target, flow: int | None = None) -> Path:
        """A way to ``target``: over the connection ``flow`` while it is open, an open one to that address, or a new one.

        Raises:
            TransportError: no listening point of that transport and family, or too many connections.
        """
        remote = (target.host, target.port)
        listener = self.listener_for(target.transport, target.host, flow)
        if target.transport == "udp" and listener is not None:
            return self._datagram_path(listener.flow, remote)
        connection = self._connections.get(flow or 0) or self._by_peer.get(
            _peer_key(target.transport, remote, target.name)
        )
        if connection is not None and not connection.closed:
            return connection
        if flow is not None and target.transport in _WEB:
            raise TransportError(
                f"{named(target.transport, remote)}: the peer closed its WebSocket, and only it can open one"
            )
        if listener is None and target.transport not in _WITHOUT_LISTENER:
            raise TransportError(f"no {target.transport} transport of the family of {target.host} is open")
        return self._connect(target.transport, remote, target.name)

    def reply_path(self, arrival: Arrival, address: Address) -> Path:
        """A way to answer what arrived: for udp to ``address`` from the socket it came in by, else as ``path`` does."""
        if arrival.transport == "udp":
            return self._datagram_path(arrival.flow, address)
        return self.path(Target(arrival.transport, *address), arrival.flow)

    def stands(self, flow: int) -> bool:
        """Whether ``flow`` names a connection that is open, or a listening point."""
        connection = self._connections.get(flow)
        if connection is not None:
            return not connection.closed
        return any(listener.flow == flow for listener in self.listeners)

    def is_open(self, flow: int) -> bool:
        """Whether a connection of that name is open."""
        connection = self._connections.get(flow)
        return connection is not None and not connection.closed

    @property
    def connections(self) -> int:
        """How many connections are open or being made."""
        return len(self._connections)

    async def close(self) -> None:
        """Close everything; returns when nothing is open any more."""
        for server in self._servers:
            server.close()
        for connection in list(self._connections.values()):
            connection.close()
        for wire in self._wires.values():
            wire.close()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        self._wires.clear()
        self.listeners.clear()
        self._fitting.clear()
        self._sent_by.clear()

    # Datagrams.

    def _datagram_path(self, flow: int, remote: Address) -> DatagramPath:
        wire = self._wires[flow]
        local = wire.local
        if local[0] in _ANY:
            local = (self._near_address(remote[0]), local[1])
        return DatagramPath(wire, local, remote)

    def _near_address(self, toward: str) -> str:
        near = self._near.get(toward)
        if near is None:
            if len(self._near) > _REMEMBERED_SOURCES:
                self._near.clear()
            near = self._near[toward] = self._network.near_address(toward)
        return near

    def _open_wire(self, flow: int, local: Address) -> DatagramWire:
        known: dict[Address, tuple[Arrival, DatagramPath]] = {}
        user = self._user

        def receive(data: bytes, source: Address) -> None:
            if len(data) <= 4 and not data.strip(b"\r\n\0"):
                user.kept_alive()  # RFC 5626 answers those over streams only; the peer holds its NAT open with them
                return
            seen = known.get(source)
            if seen is None:
                if len(known) >= _REMEMBERED_SOURCES:
                    known.clear()
                path = self._datagram_path(flow, source)
                seen = known[source] = (Arrival(source, path.local, "udp", flow), path)
            user.received(data, seen[0], seen[1])

        wire = self._network.open_datagram(local, receive, user.refused)
        self._wires[flow] = wire
        return wire

    # Streams.

    def _accepted(self, transport: str, listener: int) -> StreamConnection:
        tls = self._tls.server() if transport in _SECURE else None
        return self._connection(transport, listener, tls)

    def _connection(
        self, transport: str, listener: int, tls: TlsSession | None, name: str = "", host: str = ""
    ) -> StreamConnection:
        framing: Framing | None = None
        if transport in _WEB:
            framing = _web_framing()(
                ours=not listener, max_octets=self._limits.message_octets, origins=self._origins, host=host
            )
        return StreamConnection(
            transport,
            next(self._flows),
            self,
            self._limits,
            self._loop.time,
            listener=listener,
            tls=tls,
            framing=framing,
            name=name,
        )

    def _connect(self, transport: str, remote: Address, name: str) -> StreamConnection:
        if len(self._connections) >= self._max_connections:
            raise TransportError(f"{named(transport, remote)}: all {self._max_connections} connections are in use")
        name = name or remote[0]
        tls = self._tls.client(name) if transport in _SECURE else None
        connection = self._connection(transport, 0, tls, name, f"{bracketed(name)}:{remote[1]}")
        connection.remote = remote
        self._connections[connection.flow] = connection
        self._by_peer[_peer_key(transport, remote, name)] = connection
        task = self._loop.create_task(self._make(connection, remote))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return connection

    async def _make(self, connection: StreamConnection, remote: Address) -> None:
        try:
            async with asyncio.timeout(self._connect_s):
                await self._network.connect(remote, lambda: connection)
        except (OSError, TimeoutError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "no answer"
            connection.fail(TransportError(f"{named(connection.transport, remote)}: {reason}"))

    def arrival(self, connection: StreamConnection) -> Arrival:
        """How messages of a connection arrive."""
        arrival = self._arrivals.get(connection.flow)
        if arrival is None:
            transport = connection.transport
            arrival = Arrival(
                connection.remote,
                connection.local,
                transport,
                connection.flow,
                transport in _SECURE,
                connection.identities,
            )
            self._arrivals[connection.flow] = arrival
        return arrival

    def stream_begun(self, connection: StreamConnection) -> None:
        """A handshake begins; one too many, in all or of one host, is cut short."""
        if connection.listener:
            host = connection.remote[0]
            limits = self._limits
            full = len(self._connections) >= self._max_connections or len(self._shaking) >= limits.handshakes
            if full or self._shaking_of[host] >= limits.handshakes_of_one:
                connection.close()
                return
            self._connections[connection.flow] = connection
            self._shaking[connection.flow] = host
            self._shaking_of[host] += 1
        self._user.unfinished(connection)

    def _shaken(self, connection: StreamConnection) -> None:
        host = self._shaking.pop(connection.flow, None)
        if host is not None:
            self._shaking_of[host] -= 1
            if not self._shaking_of[host]:
                del self._shaking_of[host]

    def stream_opened(self, connection: StreamConnection) -> None:
        """A connection stands; one too many is closed again."""
        self._shaken(connection)
        if connection.flow not in self._connections and len(self._connections) >= self._max_connections:
            connection.close()
            return
        if connection.listener:
            self._connections[connection.flow] = connection
            if (
                connection.transport == "tcp"
            ):  # the others are reused by their flow: who is at that address is not proven
                self._by_peer[_peer_key("tcp", connection.remote, "")] = connection
        self._user.opened(connection)

    def stream_message(self, connection: StreamConnection, data: bytes) -> None:
        """One whole message came."""
        self._user.received(data, self.arrival(connection), connection)

    def stream_kept_alive(self, connection: StreamConnection) -> None:
        """A ping was answered."""
        self._user.kept_alive()

    def stream_unfinished(self, connection: StreamConnection) -> None:
        """A message was begun."""
        self._user.unfinished(connection)

    def stream_malformed(self, connection: StreamConnection, error: ParseError, data: bytes) -> None:
        """The stream cannot be followed."""
        self._user.unreadable(error, data, self.arrival(connection), connection)

    def stream_closed(self, connection: StreamConnection, error: Exception | None) -> None:
        """It is gone."""
        self._connections.pop(connection.flow, None)
        self._arrivals.pop(connection.flow, None)
        self._shaken(connection)
        key = _peer_key(connection.transport, connection.remote, connection.name)
        if self._by_peer.get(key) is connection:
            del self._by_peer[key]
        self._user.closed(connection, error)


def _peer_key(transport: str, remote: Address, name: str) -> tuple[str, Address, str]:
    """A connection is shared by those who want the same peer; who that is, is proven to TLS and told to a web server by name."""
    return (transport, remote, "" if transport == "tcp" else (name or remote[0]).lower())


def _web_framing() -> Callable[..., Framing]:
    """The WebSocket framing, whose library is optional.

    Raises:
        TransportError: the library is missing; says how to get it.
    """
    try:
        from voipgw.net.websocket import WebSocketFraming
    except ImportError as error:
        raise TransportError("ws and wss need the package wsproto: pip install 'voipgw[ws]'") from error
    return WebSocketFraming
