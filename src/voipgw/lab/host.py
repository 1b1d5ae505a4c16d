"""A machine on the lab's network: what ``voipgw.net.network.Network`` is on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voipgw.lab.network import Address, DatagramPort, Network, StreamServer
from voipgw.net.udp import Receive, family_of


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
    """One machine with one address or more."""

    def __init__(self, network: Network, address: str, *others: str) -> None:
        self.network = network
        self.address = address
        self.addresses = (address, *others)

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
        """This host's first address of the family of ``toward``; its first one where it has none of that."""
        family = family_of(toward)
        return next((address for address in self.addresses if family_of(address) is family), self.address)
