"""The transaction layer of RFC 3261 section 17: what its machines and their users exchange."""

from __future__ import annotations

from voipgw.sip.effects import (
    Address,
    Arrival,
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

__all__ = [
    "Address",
    "Arrival",
    "CancelRequest",
    "CloseDialog",
    "Deliver",
    "Destination",
    "DialogKey",
    "Effect",
    "Ended",
    "OpenDialog",
    "Respond",
    "Send",
    "SendAck",
    "SendRequest",
    "TimedOut",
    "TransactionUser",
    "TransportFailed",
]
