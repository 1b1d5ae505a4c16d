"""Dialogs (RFC 3261 section 12): tags, route set, remote target and the order of CSeq numbers, for both roles."""

from __future__ import annotations

from collections.abc import Iterable

from voipgw.errors import RemoteProtocolError
from voipgw.sip.effects import DialogKey
from voipgw.sip.message import Message, Request, Response

TARGET_REFRESH = frozenset(("INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"))
"""Methods whose Contact moves the remote target (RFC 3261 section 12.2, RFC 3311 section 5.1, RFC 6665 section 4.4.1)."""


class Dialog:
    """One peer-to-peer relation, as seen from our side. A machine without timers: its owner is the usage above it.

    From and To are kept as they stand on the wire, tags included, since that is how each request repeats them.
    """

    __slots__ = (
        "call_id",
        "local",
        "local_seq",
        "local_tag",
        "remote",
        "remote_seq",
        "remote_tag",
        "remote_target",
        "route_set",
        "strict_route",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        remote_target: str,
        local_seq: int = 0,
        remote_seq: int | None = None,
        route_set: tuple[str, ...] = (),
        strict_route: str = "",
    ) -> None:
        self.call_id = call_id
        self.local = local  #: our From (their To), with tag
        self.local_tag = local_tag
        self.remote = remote  #: their From (our To), with tag
        self.remote_tag = remote_tag  #: "" for a peer of RFC 2543, which sends none
        self.remote_target = remote_target  #: URI that requests go to
        self.local_seq = local_seq  #: CSeq number of our last request, 0 before the first
        self.remote_seq = remote_seq  #: CSeq number of their last request, None before the first
        self.route_set = route_set  #: Route values, nearest first
        self.strict_route = (
            strict_route  #: the URI of the first route where that is a strict router (RFC 2543), else ""
        )

    @classmethod
    def of_server(cls, request: Request, local_tag: str) -> Dialog:
        """The dialog that our response with ``local_tag`` to ``request`` creates (section 12.1.1).

        Raises:
            RemoteProtocolError: the request has no Contact, so that nothing could ever be sent back.
        """
        target = _contact(request)
        if not target:
            raise RemoteProtocolError("a request that creates a dialog has no Contact")
        routes = request.headers("Record-Route")
        return cls(
            call_id=request.call_id,
            local=f"{request.header('To')};tag={local_tag}",
            local_tag=local_tag,
            remote=request.header("From") or "",
            remote_tag=request.from_tag or "",
            remote_target=target,
            remote_seq=request.cseq_number,
            route_set=tuple(routes),
            strict_route=_strict(request.record_routes[0]) if routes else "",
        )

    @classmethod
    def of_client(cls, response: Response, *, local: str, local_tag: str, target: str = "") -> Dialog:
        """The dialog that ``response``, a 101 to 299, to our request creates (section 12.1.2).

        ``local`` is our From with its tag; ``target`` the URI of the request, for a response without Contact.
        """
        routes = response.headers("Record-Route")
        return cls(
            call_id=response.call_id,
            local=local,
            local_tag=local_tag,
            remote=response.header("To") or "",
            remote_tag=response.to_tag or "",
            remote_target=_contact(response) or target,
            local_seq=response.cseq_number,
            route_set=tuple(routes[::-1]),
            strict_route=_strict(response.record_routes[-1]) if routes else "",
        )

    @property
    def key(self) -> DialogKey:
        """Call-ID, local tag and remote tag."""
        return (self.call_id, self.local_tag, self.remote_tag)

    def next_seq(self) -> int:
        """Take the CSeq number of our next request."""
        self.local_seq += 1
        return self.local_seq

    def create(
        self,
        method: str,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
        *,
        seq: int | None = None,
        max_forwards: int = 70,
    ) -> Request:
        """A request inside the dialog (section 12.2.1.1), without Via, which the endpoint adds.

        ``seq`` is for an ACK, which repeats its INVITE's number; otherwise the next one is taken.
        """
        number = self.next_seq() if seq is None else seq
        head: list[tuple[str, str]] = []
        uri = self.remote_target
        if self.route_set:
            if self.strict_route:
                uri = self.strict_route
                head = [("Route", route) for route in self.route_set[1:]]
                head.append(("Route", f"<{self.remote_target}>"))
            else:
                head = [("Route", route) for route in self.route_set]
        head += (
            ("Max-Forwards", str(max_forwards)),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
        )
        head += fields
        return Request.create(method, uri, head, body, content_type)

    def accept(self, request: Request) -> bool:
        """Take note of a request's CSeq; False when it is out of order and has to be answered 500 (section 12.2.2).

        ACK and CANCEL repeat the number of their INVITE and are not counted.
        """
        if request.method in ("ACK", "CANCEL"):
            return True
        number = request.cseq_number
        if self.remote_seq is not None and number < self.remote_seq:
            return False
        self.remote_seq = number
        return True

    def refresh_target(self, message: Message) -> None:
        """Move the remote target to the Contact of a target refresh request that is accepted, or of its 2xx (section 12.2.2)."""
        self.remote_target = _contact(message) or self.remote_target


def _contact(message: Message) -> str:
    value = message.header("Contact")
    if value is None:
        return ""
    start = value.find("<")
    if '"' not in value and start >= 0:  # the common form, without a quoted name that may hold angle brackets
        end = value.find(">", start)
        if end > start:
            return value[start + 1 : end]
    contacts = message.contacts
    return str(contacts[0].uri) if contacts else ""


def _strict(route: object) -> str:
    """The URI of ``route`` where it belongs to a strict router: without lr (section 12.2.1.1)."""
    uri = route.uri  # type: ignore[attr-defined]
    return "" if _loose(uri) else str(uri)


def _loose(uri: object) -> bool:
    return any(name.lower() == "lr" for name, _ in uri.params)  # type: ignore[attr-defined]
