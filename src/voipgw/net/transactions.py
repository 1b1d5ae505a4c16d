"""What an endpoint keeps of each transaction beside its machine: who it is for and which way it goes."""

from __future__ import annotations

import math

from voipgw.net.dns import Target
from voipgw.net.transports import Path
from voipgw.sip.effects import Destination, TransactionUser
from voipgw.sip.message import Request, Response
from voipgw.sip.transaction import InviteClient, InviteServer, NonInviteClient, NonInviteServer

ClientMachine = InviteClient | NonInviteClient
ServerMachine = InviteServer | NonInviteServer


class ClientTransaction:
    """A request that was sent, or is about to be once its destination is known."""

    __slots__ = (
        "cancel_fields", "cancelled", "destination", "flow", "heard", "key", "left", "machine", "path", "request",
        "scheduled", "sent", "target", "user",
    )  # fmt: skip

    def __init__(self, request: Request, user: TransactionUser | None, destination: Destination) -> None:
        self.request: Request | None = request  #: as the user gave it; None after a final response
        self.user = user  #: None: nobody wants to hear of it (the endpoint's own CANCEL)
        self.destination = destination
        self.flow = destination.flow
        self.machine: ClientMachine | None = None  #: None: the destination is being looked up, or it is over
        self.key: tuple[str, str] = ("", "")
        self.path: Path | None = None
        self.target: Target | None = None  #: where it went
        self.left: list[Target] = []  #: what to try when this way fails
        self.heard = False  #: more than a 100 came, so that no other way is tried any more
        self.sent: Request | None = None  #: with our Via; None after a final response
        self.cancelled = False
        self.cancel_fields: tuple[tuple[str, str], ...] = ()  #: what its CANCEL carries besides
        self.scheduled = math.inf

    def next_deadline(self) -> float:
        """The machine's."""
        return self.machine.next_deadline() if self.machine is not None else math.inf


class ServerTransaction:
    """A request that came."""

    __slots__ = ("cancelled", "key", "machine", "merged", "path", "provisional", "request", "scheduled", "user")

    def __init__(self, request: Request, key: tuple[str, ...], machine: ServerMachine, path: Path) -> None:
        self.request: Request | None = request  #: as delivered; None after the final response
        self.key = key
        self.machine: ServerMachine | None = machine  #: None when it is over
        self.path = path
        self.user: TransactionUser | None = None
        self.provisional: Response | None = None  #: the last one, for the To tag of a CANCEL's answer
        self.merged: tuple[str, ...] | None = None  #: its entry among requests that may reach us by two ways
        self.cancelled = False
        self.scheduled = math.inf

    def next_deadline(self) -> float:
        """The machine's."""
        return self.machine.next_deadline() if self.machine is not None else math.inf


class UserTimer:
    """The deadline of one transaction user."""

    __slots__ = ("scheduled", "user")

    def __init__(self, user: TransactionUser) -> None:
        self.user = user
        self.scheduled = math.inf

    def next_deadline(self) -> float:
        """The user's."""
        return self.user.next_deadline()
