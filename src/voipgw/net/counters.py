"""What an endpoint counts, and how it shows each message to whoever wants to see it."""

from __future__ import annotations

from collections import defaultdict
from typing import Protocol

import attrs

from voipgw.sip.effects import Address


@attrs.define
class Counters:
    """Numbers since the endpoint was made; they only grow."""

    requests_received: int = 0
    requests_sent: int = 0
    responses_received: int = 0
    responses_sent: int = 0
    retransmissions_received: int = 0
    retransmissions_sent: int = 0
    keep_alives: int = 0
    malformed: int = 0  #: messages that could not be read, answered or not
    timeouts: int = 0  #: requests without an answer, non-2xx answers without an ACK
    dropped: defaultdict[str, int] = attrs.field(factory=lambda: defaultdict(int))  #: by reason
    refused: defaultdict[int, int] = attrs.field(
        factory=lambda: defaultdict(int)
    )  #: answered by the endpoint itself, by status


@attrs.frozen
class SipTrace:
    """One message as it came or went."""

    time: float  #: the loop's seconds
    direction: str  #: "in" or "out"
    transport: str
    local: Address
    remote: Address
    data: bytes


class Observer(Protocol):
    """Sees every message of an endpoint; must be quick and must not raise."""

    def observe(self, message: SipTrace) -> None:
        """A message came, or is being sent."""
        ...
