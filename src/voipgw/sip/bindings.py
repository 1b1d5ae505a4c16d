"""Bindings of a location service: where a user can be reached, until when, by which way (RFC 3261, 3327, 5626).

Times are monotonic seconds of whoever drives the registrar; a store that outlives the process keeps the calendar's instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import attrs

from voipgw.errors import ParseError
from voipgw.sip.effects import Address, Arrival
from voipgw.sip.headers import NameAddr
from voipgw.sip.message import Request
from voipgw.sip.transport import RELIABLE, bare, default_port, destination_of_uri
from voipgw.sip.uri import Param, Uri

_OWN_PARAMS = frozenset(("expires", "q"))  # said anew in each answer


@attrs.frozen
class Binding:
    """One place where a user can be reached."""

    contact: str  #: URI, as it was registered
    expires_at: float  #: monotonic seconds
    call_id: str  #: of the REGISTER that made or renewed it
    cseq: int
    q: int = 1000  #: preference in thousandths, 1000 the best (RFC 3261 section 20.10)
    path: tuple[str, ...] = ()  #: Path values, the proxy next to us first; calls carry them as Route (RFC 3327)
    params: tuple[Param, ...] = ()  #: of the Contact, without expires and q
    source: Address = ("", 0)  #: where the REGISTER came from
    transport: str = "udp"  #: that it came by
    flow: int = 0  #: the endpoint's name of that connection or socket; 0 when it is of an earlier process
    by_flow: bool = False  #: it is reached by the way that it registered by, since its Contact does not lead there
    agent: str = ""  #: User-Agent
    since: float = 0.0  #: when it was first made, monotonic seconds

    @property
    def key(self) -> str:
        """What a binding is known by: instance and reg-id with RFC 5626, else its URI."""
        return flow_key(self.params) or self.contact

    @property
    def uri(self) -> Uri:
        """The Contact's URI."""
        return Uri.parse(self.contact)

    def field(self, now: float) -> str:
        """The Contact value that shows it in a response."""
        params = "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self.params)
        q = "" if self.q == 1000 else f";q={self.q / 1000:g}"
        return f"<{self.contact}>{params}{q};expires={max(0, round(self.expires_at - now))}"


class Bindings(Protocol):
    """Where bindings are kept. Every change is atomic: afterwards all of it is there, or none."""

    def of(self, aor: str, now: float) -> tuple[Binding, ...]:
        """The bindings of a user that hold at ``now``, the preferred one first, then the one renewed last."""
        ...

    def replace(self, aor: str, bindings: Iterable[Binding], now: float) -> None:
        """Keep exactly these for a user.

        Raises:
            ResourceError: no room, or they cannot be kept; nothing has changed then.
        """
        ...

    def expired(self, now: float) -> list[tuple[str, Binding]]:
        """Forget what no longer holds, and say what it was."""
        ...

    def next_expiry(self) -> float:
        """When the next one runs out, ``math.inf`` when there is none."""
        ...

    def count(self) -> int:
        """How many are kept."""
        ...


def in_order(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """The order in which they are tried: by q, then the one that was renewed last."""
    return tuple(sorted(bindings, key=lambda one: (-one.q, -one.expires_at, one.contact)))


def flow_key(params: Iterable[Param]) -> str:
    """``instance;reg-id`` where both are there, else "" (RFC 5626 section 6)."""
    found = {name.lower(): value or "" for name, value in params}
    instance, reg_id = found.get("+sip.instance", ""), found.get("reg-id", "")
    return f"{instance.strip(chr(34))};{reg_id}" if instance and reg_id else ""


def q_of(contact: NameAddr) -> int:
    """The preference in thousandths; 1000 where none is given.

    Raises:
        ParseError: it is no number from 0 to 1 with at most three decimals.
    """
    text = contact.param("q")
    if text is None:
        return 1000
    whole, _, decimals = text.partition(".")
    good = whole in ("0", "1") and len(decimals) <= 3 and (not decimals or (decimals.isascii() and decimals.isdigit()))
    value = int(whole) * 1000 + int((decimals or "0").ljust(3, "0")) if good else 1001
    if value > 1000:
        raise ParseError(f"q={text[:20]!r} is no preference from 0 to 1")
    return value


def own_params(contact: NameAddr) -> tuple[Param, ...]:
    """The parameters that a binding keeps."""
    return tuple((name, value) for name, value in contact.params if name.lower() not in _OWN_PARAMS)


def reached_by_flow(contact: Uri, request: Request, arrival: Arrival) -> bool:
    """Whether ``contact`` leads nowhere from here, so that its owner is to be reached by the way that ``request`` came.

    So it is for whoever came straight to us by a connection of its own making (RFC 5626 section 1), and over UDP for
    whoever asks for ``rport`` and names in its Contact the same address as in its Via, while it is seen from another
    one: there is an address translator between. What a proxy has passed on is reached by that proxy.
    """
    if contact.scheme not in ("sip", "sips") or len(request.vias) > 1 or request.header("Record-Route") is not None:
        return False
    transport = destination_of_uri(contact).transport
    if arrival.transport in RELIABLE:
        return transport == arrival.transport or arrival.transport in ("ws", "wss") or _is_nowhere(contact)
    via = request.via
    if transport != "udp" or not via.wants_rport:
        return False
    named = (bare(via.host).lower(), via.port or default_port("udp"))
    return (contact.address.lower(), contact.port or default_port("udp")) == named != arrival.source


def _is_nowhere(contact: Uri) -> bool:
    return contact.host.lower().endswith(".invalid")  # what browsers name themselves (RFC 7118 section 5)
