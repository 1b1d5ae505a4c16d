"""Virtual wires: UDP and TCP between addresses that exist only here, with delay, loss, duplication and outages by seed.

A ``Network`` belongs to one loop. Whatever is bound to an address receives what is sent to it after the link's delay, in
the loop's own time; nothing is ever sent outside the process.
"""

from __future__ import annotations

import asyncio
import errno
import heapq
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from voipgw.entropy import Entropy

Address = tuple[str, int]
Receive = Callable[[bytes, Address], None]
FIRST_EPHEMERAL = 49152  #: where port 0 begins to count, per host


@attrs.frozen
class Link:
    """How packets fare from one host to another; all randomness is drawn from the network's entropy."""

    delay_s: float = 0.001
    jitter_s: float = 0.0  #: added uniformly; packets may overtake each other
    loss: float = 0.0  #: probability, 0 to 1
    duplicate: float = 0.0  #: probability that a packet comes twice
    down: bool = False  #: nothing passes


@attrs.frozen
class Frame:
    """One packet as it was put on the wire, for traces."""

    time: float
    protocol: str  #: "udp" or "tcp"
    source: Address
    destination: Address
    data: bytes
    lost: bool


class Network:
    """Hosts, sockets and the links between them."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        entropy: Entropy,
        link: Link | None = None,
        *,
        source: Callable[[str], Entropy] | None = None,
    ) -> None:
        """A network on ``loop`` whose links are like ``link`` until they are set otherwise.

        ``source`` gives an entropy by name: each direction between two hosts then draws from its own, so that one more host
        changes nothing for the others. Without it all draw from ``entropy``.
        """
        self._loop = loop
        self._entropy = entropy
        self._source = source
        self._draws: dict[tuple[str, str], Entropy] = {}
        self._default = link or Link()
        self._links: dict[tuple[str, str], Link] = {}
        self._down_until: dict[tuple[str, str], float] = {}
        self._datagram: dict[Address, DatagramPort] = {}
        self._servers: dict[Address, StreamServer] = {}
        self._next_port: dict[str, int] = {}
        self._watchers: list[Callable[[Frame], None]] = []
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None

    def at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        """Call ``act`` at a virtual time; what is due at the same time happens in the order in which it was asked for.

        (An event loop's own timers give no order among equals.)
        """
        self._sequence += 1
        heapq.heappush(self._queue, (when, self._sequence, act, arguments))
        if self._queue[0][1] == self._sequence:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(when, self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._loop.time() + 1e-9
        while self._queue and self._queue[0][0] <= now:
            _, _, act, arguments = heapq.heappop(self._queue)
            act(*arguments)
        if self._queue and self._timer is None:  # what was done may have set it already, for something earlier
            self._timer = self._loop.call_at(self._queue[0][0], self._due)

    def watch(self, watcher: Callable[[Frame], None]) -> None:
        """Show every packet to ``watcher`` as it is sent."""
        self._watchers.append(watcher)

    def set_link(self, one: str, other: str, link: Link) -> None:
        """The fate of packets between two hosts, both ways."""
        self._links[one, other] = self._links[other, one] = link

    def link(self, source: str, destination: str) -> Link:
        """The fate of packets from ``source`` to ``destination``."""
        return self._links.get((source, destination), self._default)

    def outage(self, one: str, other: str, seconds: float) -> None:
        """Cut the link between two hosts now, both ways, for ``seconds``; what else is set of it meanwhile holds after that."""
        until = self._loop.time() + seconds
        for ends in ((one, other), (other, one)):
            self._links[ends] = attrs.evolve(self.link(*ends), down=True)
            self._down_until[ends] = max(until, self._down_until.get(ends, 0.0))
            self.at(until, self._restore, ends)

    def _restore(self, ends: tuple[str, str]) -> None:
        if self._down_until[ends] <= self._loop.time() + 1e-9:  # and no longer outage has begun meanwhile
            self._links[ends] = attrs.evolve(self.link(*ends), down=False)

    def bind(
        self, address: Address, receive: Receive, *, refused: Callable[[Address], None] | None = None
    ) -> DatagramPort:
        """A UDP socket on ``address``; port 0 picks one. ``refused`` hears of packets that no socket took.

        Raises:
            OSError: EADDRINUSE.
        """
        bound = self._claim(address, self._datagram)
        port = DatagramPort(self, bound, receive, refused)
        self._datagram[bound] = port
        return port

    def _claim(self, address: Address, used: dict[Address, Any]) -> Address:
        host, port = address
        if port == 0:
            port = self._next_port.get(host, FIRST_EPHEMERAL)
            while (host, port) in used:
                port += 1
            self._next_port[host] = port + 1
        if (host, port) in used:
            raise OSError(errno.EADDRINUSE, f"address in use: {host}:{port}")
        return host, port

    def _fates(self, source: Address, destination: Address) -> Iterable[float]:
        """The delays after which copies of a packet arrive; none when it is lost."""
        link = self.link(source[0], destination[0])
        if link.down:
            return
        if not (link.loss or link.duplicate or link.jitter_s):
            yield link.delay_s
            return
        entropy = self._drawn(source[0], destination[0])
        if link.loss and entropy.uniform() < link.loss:
            return
        copies = 2 if link.duplicate and entropy.uniform() < link.duplicate else 1
        for _ in range(copies):
            yield link.delay_s + (link.jitter_s * entropy.uniform() if link.jitter_s else 0.0)

    def _drawn(self, source: str, destination: str) -> Entropy:
        """What the fate of packets from ``source`` to ``destination`` is drawn from."""
        if self._source is None:
            return self._entropy
        key = source, destination
        if key not in self._draws:
            self._draws[key] = self._source(f"link {source} to {destination}")
        return self._draws[key]

    def _show(self, protocol: str, source: Address, destination: Address, data: bytes, lost: bool) -> None:
        if self._watchers:
            frame = Frame(self._loop.time(), protocol, source, destination, data, lost)
            for watcher in self._watchers:
                watcher(frame)

    def _send(self, source: Address, destination: Address, data: bytes) -> None:
        delays = list(self._fates(source, destination))
        self._show("udp", source, destination, data, not delays)
        for delay in delays:
            self.at(self._loop.time() + delay, self._arrive, source, destination, data)

    def _arrive(self, source: Address, destination: Address, data: bytes) -> None:
        port = self._datagram.get(destination)
        if port is not None:
            port.receive(data, source)
        else:
            sender = self._datagram.get(source)
            if sender is not None and sender.refused is not None:
                sender.refused(destination)

    def _forget(self, address: Address) -> None:
        self._datagram.pop(address, None)

    # Streams.

    def listen(self, address: Address, factory: Callable[[], asyncio.BaseProtocol]) -> StreamServer:
        """A TCP listener on ``address``; port 0 picks one.

        Raises:
            OSError: EADDRINUSE.
        """
        bound = self._claim(address, self._servers)
        server = StreamServer(self, bound, factory)
        self._servers[bound] = server
        return server

    async def connect(
        self, address: Address, factory: Callable[[], asyncio.BaseProtocol], local_host: str = "127.0.0.1"
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect to a listener.

        Raises:
            ConnectionRefusedError: nobody listens there.
            TimeoutError: the link is down.
        """
        local = self._claim((local_host, 0), self._servers)
        link = self.link(local[0], address[0])
        await asyncio.sleep(2 * link.delay_s)
        if link.down:
            await asyncio.sleep(20)
            raise TimeoutError(errno.ETIMEDOUT, f"no answer from {address[0]}:{address[1]}")
        server = self._servers.get(address)
        if server is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens on {address[0]}:{address[1]}")
        near = StreamTransport(self, local, address, factory())
        far = StreamTransport(self, address, local, server.factory())
        near.peer, far.peer = far, near
        far.protocol.connection_made(far)
        near.protocol.connection_made(near)
        return near, near.protocol

    def _unlisten(self, address: Address) -> None:
        self._servers.pop(address, None)


class DatagramPort:
    """A bound virtual UDP socket."""

    def __init__(
        self, network: Network, address: Address, receive: Receive, refused: Callable[[Address], None] | None
    ) -> None:
        self.address = address
        self.receive = receive
        self.refused = refused
        self._network = network
        self._open = True

    def send(self, data: bytes, destination: Address) -> None:
        """Put one datagram on the wire; after ``close`` nothing happens."""
        if self._open:
            self._network._send(self.address, destination, bytes(data))

    def close(self) -> None:
        """Free the address; packets on their way to it are refused."""
        if self._open:
            self._open = False
            self._network._forget(self.address)


class StreamServer:
    """A virtual TCP listener, with the few methods of asyncio's servers that ours use."""

    def __init__(self, network: Network, address: Address, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        self.address = address
        self.factory = factory
        self._network = network

    def close(self) -> None:
        """Take no more connections."""
        self._network._unlisten(self.address)

    async def wait_closed(self) -> None:
        """Closed at once."""

    def is_serving(self) -> bool:
        """Whether it still takes connections."""
        return self._network._servers.get(self.address) is self


class StreamTransport(asyncio.Transport):
    """One end of a virtual TCP connection: ordered and lossless; a link that goes down holds what is sent until it is up."""

    def __init__(self, network: Network, local: Address, remote: Address, protocol: asyncio.BaseProtocol) -> None:
        super().__init__({"sockname": local, "peername": remote})
        self.protocol: Any = protocol
        self.peer: StreamTransport | None = None
        self._network = network
        self._local = local
        self._remote = remote
        self._closing = False
        self._clear_at = 0.0

    def _later(self, act: Callable[..., None], *arguments: Any) -> None:
        loop = self._network._loop
        link = self._network.link(self._local[0], self._remote[0])
        self._clear_at = max(self._clear_at, loop.time() + link.delay_s + link.jitter_s)
        self._network.at(self._clear_at, act, *arguments)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets, in order."""
        if not self._closing and data:
            octets = bytes(data)
            self._network._show("tcp", self._local, self._remote, octets, False)
            self._carry(octets)

    def _carry(self, octets: bytes) -> None:
        if self._network.link(self._local[0], self._remote[0]).down:
            self._network.at(self._network._loop.time() + 1.0, self._carry, octets)
        elif self.peer is not None:
            self._later(self.peer._take, octets)

    def _take(self, octets: bytes) -> None:
        if not self._closing:
            self.protocol.data_received(octets)

    def close(self) -> None:
        """End the connection; the other end is told after the link's delay."""
        self._close(None)

    def abort(self) -> None:
        """Close at once; what is on its way still arrives."""
        self._close(None)

    def _close(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self._network._loop.call_soon(self.protocol.connection_lost, error)
            if self.peer is not None:
                self._later(self.peer._ended)

    def _ended(self) -> None:
        if not self._closing:
            keep_open = self.protocol.eof_received()
            if not keep_open:
                self._close(None)

    def is_closing(self) -> bool:
        """Whether this end was closed."""
        return self._closing

    def get_write_buffer_size(self) -> int:
        """Nothing is ever held back."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Without effect."""

    def pause_reading(self) -> None:
        """Without effect."""

    def resume_reading(self) -> None:
        """Without effect."""

    def can_write_eof(self) -> bool:
        """Half-closed connections do not exist here."""
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand what arrives to another protocol."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets what arrives."""
        return self.protocol  # type: ignore[no-any-return]
