"""The transaction layer (RFC 3261 section 17, as amended by RFC 6026 and RFC 4320): its four machines and what they exchange."""

from __future__ import annotations

from voipgw.sip.client_transaction import ClientKey, InviteClient, NonInviteClient, client_key, make_ack, make_cancel
from voipgw.sip.effects import (
    Address,
    Arrival,
    Cancel,
    CancelRequest,
    CloseDialog,
    Deliver,
    Destination,
    DialogKey,
    Effect,
    Ended,
    OpenDialog,
    Respond,
    Send,
    SendAck,
    SendRequest,
    TimedOut,
    TransactionUser,
    TransportFailed,
)
from voipgw.sip.server_transaction import MAGIC_COOKIE, InviteServer, NonInviteServer, ServerKey, server_key
from voipgw.sip.timers import State, Timers

__all__ = [
    "MAGIC_COOKIE",
    "Address",
    "Arrival",
    "Cancel",
    "CancelRequest",
    "ClientKey",
    "CloseDialog",
    "Deliver",
    "Destination",
    "DialogKey",
    "Effect",
    "Ended",
    "InviteClient",
    "InviteServer",
    "NonInviteClient",
    "NonInviteServer",
    "OpenDialog",
    "Respond",
    "Send",
    "SendAck",
    "SendRequest",
    "ServerKey",
    "State",
    "TimedOut",
    "Timers",
    "TransactionUser",
    "TransportFailed",
    "client_key",
    "make_ack",
    "make_cancel",
    "server_key",
]
