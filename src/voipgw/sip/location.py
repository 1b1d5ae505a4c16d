"""Where a SIP server is: RFC 3263 as a plan of look-ups, over values; nothing is asked here.

``locate`` is a generator. It yields the questions that it wants answered next, gets their answers, and returns the targets in the
order in which they are to be tried. So the same plan runs over a real resolver, over a cache, and over a table in a test.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Generator, Sequence

import attrs

from voipgw.errors import TransportError
from voipgw.sip.effects import Destination
from voipgw.sip.transport import default_port

MOST_TARGETS = 16  #: of one name; more are not tried

#: NAPTR services (RFC 3263 section 4.1, RFC 7118 section 6) and the transports that they stand for
SERVICES = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls", "SIP+D2W": "ws", "SIPS+D2W": "wss"}
_PREFIXES = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}
_SECURE = frozenset({"tls", "wss"})


@attrs.frozen
class Target:
    """One address to try."""

    transport: str
    host: str  #: an IP literal without brackets
    port: int
    name: str = ""  #: whom a TLS certificate has to prove there: the host before any look-up (RFC 5922 section 7.3)


@attrs.frozen
class Question:
    """What is asked of DNS."""

    name: str  #: in lower case, without the dot at the end
    kind: str  #: "NAPTR", "SRV", "A" or "AAAA"


@attrs.frozen
class Naptr:
    """A NAPTR record (RFC 3403), as far as SIP uses it."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@attrs.frozen
class Srv:
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str  #: "" where there is decidedly no such service (``.``)


@attrs.frozen
class Answer:
    """What DNS says to a question."""

    records: tuple[Naptr | Srv | str, ...] = ()  #: addresses are text; empty: there are none
    ttl_s: float = 0.0  #: how long it holds
    failed: str = ""  #: why there is no answer; "" where there is one


Reach = Callable[[str, bool], bool]  #: whether we have that transport over IPv4 (False) or IPv6 (True)
Draw = Callable[[], float]  #: uniform in [0, 1)
Answers = tuple[Answer, ...]
Plan = Generator[tuple[Question, ...], Answers, list[Target]]


@functools.lru_cache(4096)
def is_literal(host: str) -> bool:
    """Whether ``host`` is an IPv4 or IPv6 address (without brackets)."""
    if not host or not (host[-1].isdigit() or ":" in host):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def locate(destination: Destination, reach: Reach, draw: Draw) -> Plan:
    """The targets of ``destination``, best first (RFC 3263 sections 4.1 and 4.2).

    A named port leads to addresses at once. A named transport leads to the SRV records of that transport; without one NAPTR
    records choose it, or the first transport that has SRV records. Where there are none, the host's addresses are used with the
    transport's default port. Addresses of IPv4 come before those of IPv6, as far as we have listening points of both.

    Raises:
        TransportError: there are no targets, or DNS does not answer.
    """
    host, transport = destination.host.lower().rstrip("."), destination.transport
    if is_literal(host):
        return [Target(transport, host, destination.port or default_port(transport), host)]
    if destination.port is None:
        services = [(transport, _PREFIXES[transport] + host)] if transport in _PREFIXES else []
        failed = ""
        if destination.any_transport:
            services, failed = yield from _services(host, transport in _SECURE, reach)
            services = services or _usual(host, transport, reach)
        found = yield from _by_srv(destination.host, services, reach, draw, failed)
        if found:
            return found
    if destination.any_transport and transport == "udp" and _families("udp", reach) == [] and _families("tcp", reach):
        transport = "tcp"
    port = destination.port or default_port(transport)
    return (yield from _addresses(destination.host, [(transport, host, port)], reach))


def _services(
    host: str, secure: bool, reach: Reach
) -> Generator[tuple[Question, ...], Answers, tuple[list[tuple[str, str]], str]]:
    """Transport and SRV name of the best NAPTR records that we can use, and why DNS did not answer.

    A sips URI uses no others than those of SIPS.
    """
    (answer,) = yield (Question(host, "NAPTR"),)
    usable = []
    for record in answer.records:
        if not isinstance(record, Naptr) or record.flags.lower() != "s" or not record.replacement:
            continue
        transport = SERVICES.get(record.service.upper(), "")
        if (secure and transport in _SECURE) or (not secure and transport and _families(transport, reach)):
            usable.append((record, transport))
    usable.sort(key=lambda one: (one[0].order, one[0].preference))
    best = [(transport, record.replacement) for record, transport in usable if record.order == usable[0][0].order]
    return best, answer.failed


def _usual(host: str, transport: str, reach: Reach) -> list[tuple[str, str]]:
    """What is asked for where NAPTR says nothing: each transport that we have and the URI allows."""
    if transport in _SECURE:
        return [("tls", _PREFIXES["tls"] + host)]
    return [(one, _PREFIXES[one] + host) for one in ("udp", "tcp") if _families(one, reach)]


def _by_srv(host: str, services: list[tuple[str, str]], reach: Reach, draw: Draw, failed: str) -> Plan:
    """The targets of the first service that has any; none when no service is there.

    ``failed``: DNS was silent before; when it still is, nobody waits for a third time.
    """
    if not services:
        return []
    answers = yield tuple(Question(name, "SRV") for _, name in services)
    if failed and all(answer.failed for answer in answers):
        raise TransportError(f"{host}: {failed}")
    closed = False
    for (transport, _), answer in zip(services, answers, strict=True):
        records = in_order([record for record in answer.records if isinstance(record, Srv)], draw)
        if not records:
            continue
        wanted = [(transport, record.target, record.port) for record in records if record.target]
        if not wanted:
            closed = True
            continue
        return (yield from _addresses(host, wanted[:MOST_TARGETS], reach))
    if closed:
        raise TransportError(f"{host}: its domain says that it has no such service")
    return []


def _addresses(host: str, wanted: Sequence[tuple[str, str, int]], reach: Reach) -> Plan:
    questions = []
    for transport, name, _ in wanted:
        families = _families(transport, reach) or [six for six in (False, True) if _any(six, reach)] or [False]
        questions.append([Question(name, "AAAA" if six else "A") for six in families if not is_literal(name)])
    every = tuple(dict.fromkeys(question for some in questions for question in some))
    known: dict[Question, Answer] = {}
    if every:
        known = dict(zip(every, (yield every), strict=True))
    found: dict[Target, None] = {}
    for (transport, name, port), some in zip(wanted, questions, strict=True):
        addresses = [name] if is_literal(name) else [one for question in some for one in known[question].records]
        found.update({Target(transport, one, port, host): None for one in addresses if isinstance(one, str)})
    if not found:
        failed = next((answer.failed for answer in known.values() if answer.failed), "")
        raise TransportError(f"{host}: {failed or 'no such name, or it has no address that we can reach'}")
    return list(found)[:MOST_TARGETS]


def _families(transport: str, reach: Reach) -> list[bool]:
    return [six for six in (False, True) if reach(transport, six)]


def _any(six: bool, reach: Reach) -> bool:
    return any(reach(transport, six) for transport in SERVICES.values())


def in_order(records: Sequence[Srv], draw: Draw) -> list[Srv]:
    """SRV records as RFC 2782 orders them: by priority, and within one by chance, in proportion to their weights."""
    ordered: list[Srv] = []
    for priority in sorted({record.priority for record in records}):
        left = sorted(
            (record for record in records if record.priority == priority), key=lambda record: record.weight > 0
        )
        while left:
            pick = int(draw() * (sum(record.weight for record in left) + 1))
            running = 0
            for record in left:
                running += record.weight
                if running >= pick:
                    break
            left.remove(record)
            ordered.append(record)
    return ordered
