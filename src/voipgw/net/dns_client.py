"""Questions to DNS by ``dnspython``, which speaks UDP, falls back to TCP, and follows aliases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from voipgw.sip.effects import Address
from voipgw.sip.location import Answer, Naptr, Question, Srv

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as DnsPython
    from dns.message import Message

LEAST_TTL_S, MOST_TTL_S = 1.0, 86400.0
MOST_NEGATIVE_TTL_S = 300.0  #: that there is no record; without an SOA record, half a minute
NEGATIVE_TTL_S = 30.0
FAILED_TTL_S = 2.0  #: before a server that did not answer is asked the same again


class DnsClient:
    """Asks the system's name servers, or others. One task for each question under way; answers are kept elsewhere."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, nameservers: tuple[Address, ...] = (), *, lifetime_s: float = 3.0
    ) -> None:
        """``nameservers``: addresses and ports; without any those of ``/etc/resolv.conf``, read at the first question."""
        self._loop = loop
        self._nameservers = nameservers
        self._lifetime_s = lifetime_s
        self._resolver: DnsPython | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, question: Question, answered: Callable[[Answer], None]) -> None:
        """Ask; the answer comes later."""
        task = self._loop.create_task(self._ask(question, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()

    async def _ask(self, question: Question, answered: Callable[[Answer], None]) -> None:
        answered(await self.look_up(question))

    async def look_up(self, question: Question) -> Answer:
        """The answer to ``question``; never raises."""
        import dns.exception  # here, since it takes a while and many gateways know only addresses
        import dns.name
        import dns.resolver

        try:
            name = dns.name.from_text(question.name)
            if self._resolver is None:
                self._resolver = self._make()
            found = await self._resolver.resolve(
                name, question.kind, raise_on_no_answer=False, lifetime=self._lifetime_s
            )
        except dns.resolver.NXDOMAIN as error:
            return Answer((), _negative_ttl(error.response(name)))  # type: ignore[no-untyped-call]
        except (dns.exception.DNSException, OSError, ValueError) as error:
            reason = "DNS does not answer" if isinstance(error, dns.exception.Timeout) else f"DNS: {error}"
            return Answer((), FAILED_TTL_S, " ".join(reason.split()))
        if found.rrset is None:
            return Answer((), _negative_ttl(found.response))
        records = tuple(_record(question.kind, record) for record in found.rrset)
        ttl = min((record.ttl for record in found.response.answer), default=found.rrset.ttl)
        return Answer(records, min(max(float(ttl), LEAST_TTL_S), MOST_TTL_S))

    def _make(self) -> DnsPython:
        from dns.asyncresolver import Resolver
        from dns.nameserver import Do53Nameserver

        resolver = Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = [Do53Nameserver(host, port) for host, port in self._nameservers]
        return resolver


def _negative_ttl(response: Message) -> float:
    """How long it holds that there is none: what the zone's SOA record says (RFC 2308 section 5)."""
    from dns.rdatatype import SOA

    for records in response.authority:
        if records.rdtype == SOA:
            return min(max(float(min(records.ttl, records[0].minimum)), LEAST_TTL_S), MOST_NEGATIVE_TTL_S)
    return NEGATIVE_TTL_S


def _record(kind: str, record: object) -> Naptr | Srv | str:
    from dns.rdtypes.IN.NAPTR import NAPTR
    from dns.rdtypes.IN.SRV import SRV

    if isinstance(record, NAPTR):
        flags, service = (part.decode("ascii", "replace") for part in (record.flags, record.service))
        return Naptr(record.order, record.preference, flags, service, _name(record.replacement))
    if isinstance(record, SRV):
        return Srv(record.priority, record.weight, record.port, _name(record.target))
    return str(record)


def _name(name: object) -> str:
    return str(name).rstrip(".").lower()
