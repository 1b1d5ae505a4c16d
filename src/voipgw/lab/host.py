"""A machine on the lab's network: what ``voipgw.net.network.Network`` is on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voipgw.lab.network import Address, DatagramPort, Network, StreamServer
from voipgw.net.udp import Receive


class HostWire:
    """A bound virtual datagram socket, as endpoints see one."""

    def __init__(self, port: DatagramPort) -> None:
        self._port = port

    @property
    def local(self) -> Address:
        """Where it is bound."""
        return self._port.address

    def send(self, data: bytes, to: Address) -> bool:
        """Put one datagram on the virtual wire."""
        self._port.send(data, to)
        return True

    def close(self) -> None:
        """Free the address."""
        self._port.close()


class Host:
    """One machine with one address."""

    def __init__(self, network: Network, address: str) -> None:
        self.network = network
        self.address = address

    def open_datagram(
        self, local: Address, receive: Receive, refused: Callable[[Address], None] | None = None
    ) -> HostWire:
        """A datagram socket on this host.

        Raises:
            OSError: EADDRINUSE.
        """
        return HostWire(self.network.bind(local, receive, refused=refused))

    async def listen(self, local: Address, factory: Callable[[], asyncio.Protocol]) -> StreamServer:
        """A listening stream socket on this host.

        Raises:
            OSError: EADDRINUSE.
        """
        return self.network.listen(local, factory)

    async def connect(self, remote: Address, factory: Callable[[], asyncio.Protocol]) -> None:
        """Connect from this host.

        Raises:
            OSError: refused, or no answer.
        """
        await self.network.connect(remote, factory, self.address)

    def near_address(self, toward: str) -> str:
        """This host's one address."""
        return self.address
