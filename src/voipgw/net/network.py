"""Where an endpoint's sockets come from: this machine, or the lab."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from voipgw.net.udp import DatagramWire, Receive, SocketWire, family_of, mark
from voipgw.sip.effects import Address

SIGNALLING_DSCP = 24  #: CS3, the class of telephony signalling (RFC 4594 section 4.2)


class StreamServer(Protocol):
    """A listening stream socket."""

    @property
    def address(self) -> Address:
        """Where it listens, with the port that was given."""
        ...

    def close(self) -> None:
        """Take no more connections."""
        ...

    async def wait_closed(self) -> None:
        """Until it is closed."""
        ...


class Network(Protocol):
    """Opens what an endpoint needs. Everything raises OSError (or TransportError) when it cannot."""

    def open_datagram(self, local: Address, receive: Receive, refused: Callable[[Address], None]) -> DatagramWire:
        """A bound datagram socket; ``refused`` hears of peers that told us that nobody listens there, where that is known."""
        ...

    async def listen(self, local: Address, factory: Callable[[], asyncio.Protocol]) -> StreamServer:
        """A listening stream socket; ``factory`` makes a protocol for each connection."""
        ...

    async def connect(self, remote: Address, factory: Callable[[], asyncio.Protocol]) -> None:
        """Connect; the protocol's ``connection_made`` has been called when this returns."""
        ...

    def near_address(self, toward: str) -> str:
        """Which of our addresses packets to the address ``toward`` leave from; nothing is sent."""
        ...


class _Server:
    """An asyncio server as a ``StreamServer``."""

    def __init__(self, server: asyncio.Server, host: str) -> None:
        self._server = server
        self.address: Address = (host, server.sockets[0].getsockname()[1])

    def close(self) -> None:
        self._server.close()

    async def wait_closed(self) -> None:
        await self._server.wait_closed()


class SystemNetwork:
    """Sockets of this machine, on the running loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, dscp: int = SIGNALLING_DSCP) -> None:
        """What is sent is marked with ``dscp``; 0 leaves it unmarked."""
        self._loop = loop
        self._dscp = dscp

    def open_datagram(self, local: Address, receive: Receive, refused: Callable[[Address], None]) -> DatagramWire:
        """A ``SocketWire``."""
        return SocketWire(local[0], local[1], receive, refused, self._loop, dscp=self._dscp)

    async def listen(self, local: Address, factory: Callable[[], asyncio.Protocol]) -> StreamServer:
        """asyncio's TCP server."""
        host, port = local
        server = await self._loop.create_server(factory, host, port, family=family_of(host), reuse_address=True)
        for sock in server.sockets:  # what it accepts is marked alike
            mark(sock, self._dscp)
        return _Server(server, host)

    async def connect(self, remote: Address, factory: Callable[[], asyncio.Protocol]) -> None:
        """asyncio's TCP connection."""
        transport, _ = await self._loop.create_connection(factory, remote[0], remote[1])
        mark(transport.get_extra_info("socket"), self._dscp)

    def near_address(self, toward: str) -> str:
        """A look into the routing table, by a socket that is connected and never used."""
        with contextlib.suppress(OSError), socket.socket(family_of(toward), socket.SOCK_DGRAM) as probe:
            probe.connect((toward, 9))
            return str(probe.getsockname()[0])
        return toward
