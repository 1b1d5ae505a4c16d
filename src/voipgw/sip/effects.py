"""What transactions, their users and the endpoint tell each other: effects, arrivals, destinations, and the user's protocol.

Everything here is a value or a Protocol. A transaction returns the effects of the first group to the endpoint that drives it;
a transaction user (a leg, a registration, a subscription) returns those of the second. The endpoint performs both, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    from voipgw.sip.message import Request, Response

Address = tuple[str, int]  #: host (an IP literal without brackets) and port
DialogKey = tuple[str, str, str]  #: Call-ID, local tag, remote tag; "" where the remote tag is not known yet
Effect = object  #: a value of this module, or a ``voipgw.call.events.CallEvent`` for the owner of the user


@attrs.frozen
class Destination:
    """Where a request is to go, when its Route or request URI is not to decide (RFC 3261 section 8.1.2, RFC 5626 flows)."""

    host: str  #: an IP literal without brackets, or a name
    port: int | None = None  #: None: the transport's default, 5060 or 5061
    transport: str = "udp"  #: "udp", "tcp", "tls", "ws", "wss"
    flow: int | None = None  #: a connection to use while it is open, from ``Arrival.flow``
    any_transport: bool = (
        False  #: nobody named the transport: what DNS says of the host may choose another (RFC 3263 section 4.1)
    )


@attrs.frozen
class Arrival:
    """How a message came to us."""

    source: Address
    local: Address
    transport: str  #: "udp", "tcp", "tls", "ws", "wss"
    flow: int = 0  #: names the connection (or the socket, for udp) as long as the endpoint lives
    secure: bool = False  #: TLS below
    identities: tuple[str, ...] = ()  #: SIP domains that the peer's certificate proves (RFC 5922 section 7.1)

    @property
    def back(self) -> Destination:
        """The way back to whoever sent it: over the same connection where there is one."""
        return Destination(self.source[0], self.source[1], self.transport, self.flow)


# What a transaction returns.


@attrs.frozen
class Send:
    """Octets for the wire: a message of this transaction, or the same octets once more."""

    message: Request | Response | bytes
    again: bool = False  #: a retransmission, for the counters


@attrs.frozen
class Deliver:
    """A message for the transaction user."""

    message: Request | Response


@attrs.frozen
class Cancel:
    """A CANCEL, now due, to be sent in a transaction of its own to where the INVITE went."""

    request: Request


@attrs.frozen
class TimedOut:
    """No answer to a request (timers B and F), or no ACK to a final response (timer H)."""

    request: Request | None = None  #: None where a server transaction no longer holds it


@attrs.frozen
class TransportFailed:
    """The transport could not send (RFC 3261 section 17.1.4, 17.2.4)."""

    request: Request | None = None


@attrs.frozen
class Ended:
    """The transaction is over and may be forgotten; always its last effect."""


# What a transaction user returns.


@attrs.frozen
class SendRequest:
    """Send ``request`` in a client transaction of its own. The endpoint puts its Via on top, with a fresh branch.

    Responses (100 too, which has no To tag) reach ``user.receive_response``; silence and broken transports
    ``user.request_failed``, with this very ``request``. A request that carries a CSeq method of ACK or CANCEL is not sent this way.
    """

    request: Request
    user: TransactionUser
    destination: Destination | None = None  #: None: the topmost Route, else the request URI (section 8.1.2)


@attrs.frozen
class SendAck:
    """Send the ACK of a 2xx: no transaction, a Via with a fresh branch (section 13.2.2.4).

    A retransmitted 2xx reaches the user again, which returns this effect again.
    """

    request: Request
    destination: Destination | None = None


@attrs.frozen
class Respond:
    """Answer a request that was delivered; ``request`` is the very object that was delivered.

    A response after a final one, or to a request whose transaction is gone, is counted and dropped, except that a 2xx to an
    INVITE may be given again, the same as before: that is how a user retransmits it until the ACK comes (section 13.3.1.4).
    """

    request: Request
    response: Response


@attrs.frozen
class CancelRequest:
    """Cancel an INVITE that went out by ``SendRequest``; ``request`` is the very object given there.

    The CANCEL is held back until a provisional response came (section 9.1); after a final response nothing is sent. The INVITE
    goes on until its final response, which is 487 as a rule, or 32 s (64*T1) after the CANCEL, when the user gets
    ``request_failed`` with a TransactionTimeout.
    """

    request: Request
    fields: tuple[tuple[str, str], ...] = ()  #: to be added to the CANCEL, such as Reason (RFC 3326)


@attrs.frozen
class OpenDialog:
    """From now on requests of this dialog are delivered to ``user``; opening a key again replaces its user.

    With "" for the remote tag it stands for all dialogs of that Call-ID and local tag that have no entry of their own.
    """

    key: DialogKey
    user: TransactionUser


@attrs.frozen
class CloseDialog:
    """Requests of this dialog are answered 481 from now on; an unknown key does nothing."""

    key: DialogKey


class TransactionUser(Protocol):
    """A leg, a registration, a subscription: whoever has requests out or dialogs open. A machine like any other."""

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        """A new request for the user: of a dialog it opened, or the first one, which ``accept`` gave it for.

        The ACK of a 2xx comes here too, and is not answered. CANCEL never comes here.
        """
        ...

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """A response to a request of the user, its top Via ours. 100 included; a 2xx to INVITE may come several times.

        After the first 2xx its repetitions are delivered to the user of the dialog with that remote tag, else with the remote
        tag "" (see ``OpenDialog``), and only where there is neither to the user that sent the INVITE.
        """
        ...

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        """``request`` got no final response: ``TransactionTimeout``, or ``TransportError``. Nothing more comes for it."""
        ...

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        """The INVITE ``request``, not yet finally answered, was cancelled; the user answers it 487 (section 9.2).

        ``cancel`` is the CANCEL, already answered, for what its fields say (Reason, RFC 3326).
        """
        ...

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called, monotonic seconds; ``math.inf`` for never."""
        ...

    def handle_deadline(self, now: float) -> list[Effect]:
        """Timers of the user that are due."""
        ...
