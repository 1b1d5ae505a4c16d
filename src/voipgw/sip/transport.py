"""Where messages go and how their top Via tells it: RFC 3261 section 18 and RFC 3581, as functions over values."""

from __future__ import annotations

import functools
import re

from voipgw.errors import ParseError
from voipgw.sip.effects import Address, Arrival, Destination
from voipgw.sip.message import Request
from voipgw.sip.parser import parse
from voipgw.sip.uri import Uri

LARGE_OCTETS = 1300  #: a request longer than this goes over a transport with congestion control (section 18.1.1)
RELIABLE = frozenset({"tcp", "tls", "ws", "wss"})
_PLAIN_VIA = re.compile(rb"\r\n(?:Via|v): ?SIP/2\.0/[A-Z]+ [^\s;,\"]+(?:;[^\s;,\"]+)+\r\n", re.I)
_SECURE = {"udp": "tls", "tcp": "tls", "ws": "wss"}


def default_port(transport: str) -> int:
    """5061 over TLS, else 5060 (section 18.2.1; RFC 7118 section 5: 80 and 443 for WebSocket)."""
    return {"tls": 5061, "wss": 443, "ws": 80}.get(transport, 5060)


def bare(host: str) -> str:
    """``host`` without the brackets of an IPv6 reference."""
    return host[1:-1] if host[:1] == "[" else host


def bracketed(host: str) -> str:
    """``host`` as URIs and Via want it: IPv6 literals in brackets."""
    return f"[{host}]" if ":" in host else host


def destination_of_uri(uri: Uri) -> Destination:
    """Where a SIP URI points: maddr before host; the transport parameter; sips and TLS (section 18.1.1, RFC 3263 section 4.1).

    Raises:
        ParseError: the scheme is not sip or sips (status 416).
    """
    if uri.scheme not in ("sip", "sips"):
        raise ParseError(f"{uri.scheme}: is not a scheme that SIP can be sent to", status=416)
    transport = (uri.param("transport") or "udp").lower()
    if uri.scheme == "sips":
        transport = _SECURE.get(transport, transport)
    named = uri.param("transport") is not None or uri.port is not None
    return Destination(bare(uri.param("maddr") or uri.host), uri.port, transport, any_transport=not named)


def destination_of(request: Request) -> Destination:
    """Where a request goes by itself: to its topmost Route where that is a loose router, else to its request URI.

    With a strict router on top the dialog has put that router into the request URI already (section 12.2.1.1).

    Raises:
        ParseError: that URI cannot be sent to.
    """
    if request.header("Route") is not None:
        uri = request.routes[0].uri
        if any(name.lower() == "lr" for name, _ in uri.params):
            return destination_of_uri(uri)
    return _destination_of_text(request.uri_text)


@functools.lru_cache(1024)
def _destination_of_text(uri: str) -> Destination:
    """Requests of one dialog go to one URI."""
    return destination_of_uri(Uri.parse(uri))


def seen_from(request: Request, arrival: Arrival) -> tuple[Request, Address]:
    """``request`` as the one who receives it completes it, and the address that a response to it goes to over UDP.

    ``received`` is put into the top Via when the host of its sent-by is not the source address (section 18.2.1), and together
    with the source port when ``rport`` asks for them (RFC 3581 section 4). The response goes to maddr where there is one, else
    to the source address, at the source port with ``rport``, at sent-by's without (section 18.2.2).
    """
    host, port = arrival.source
    raw = request.raw
    if b"maddr" not in raw:
        if b"rport" in raw:
            noted = _noted(raw, host, port)
            if noted is not None:
                return noted, arrival.source
        else:
            named, named_port = _split(request.sent_by)
            if named == host:
                return request, (host, int(named_port) if named_port else default_port(arrival.transport))
    via = request.via
    asks = via.wants_rport
    if asks or bare(via.host) != host:
        seen = via.with_param("received", host)
        request = request.with_via(seen.with_param("rport", str(port)) if asks else seen)
    maddr = via.param("maddr")
    if maddr:
        return request, (bare(maddr), via.port or default_port(arrival.transport))
    return request, (host, port if asks else via.port or default_port(arrival.transport))


def _noted(raw: bytes, host: str, port: int) -> Request | None:
    """The common case done on the octets: one plain Via line that asks for ``rport``. None where it is not that plain."""
    match = _PLAIN_VIA.search(raw)
    if match is None or b"received" in match[0]:
        return None
    at = raw.find(b";rport", match.start(), match.end()) + 6
    if at < 6 or raw[at] not in b";\r":
        return None
    noted = parse(b"%b=%d;received=%b%b" % (raw[:at], port, host.encode(), raw[at:]))
    return noted if isinstance(noted, Request) else None


def _split(sent_by: str) -> tuple[str, str]:
    if sent_by[:1] == "[":
        host, _, rest = sent_by[1:].partition("]")
        return host, rest[1:]
    host, _, port = sent_by.partition(":")
    return host, port
