"""Names in the lab: what a script says they are, and an error for every other one."""

from __future__ import annotations

from voipgw.errors import TransportError
from voipgw.net.dns import Found, Target
from voipgw.sip.effects import Destination


class LabResolver:
    """Answers at once from ``names`` (host name in lower case to addresses); implements ``voipgw.net.dns.Resolver``."""

    def __init__(self, names: dict[str, tuple[str, ...]]) -> None:
        self.names = names

    def resolve(self, destination: Destination, port: int, found: Found) -> None:
        """The addresses of the name, in their order."""
        addresses = self.names.get(destination.host.lower())
        if addresses is None:
            found(TransportError(f"{destination.host}: no such name in this lab; Lab.name gives one"))
        else:
            found([Target(destination.transport, address, port, destination.host) for address in addresses])

    def close(self) -> None:
        """Nothing is under way."""
