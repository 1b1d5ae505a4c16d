"""What can be set about an endpoint."""

from __future__ import annotations

import attrs
from attrs.validators import ge, gt

from voipgw.net.framings import Origins
from voipgw.net.stream import StreamLimits
from voipgw.sip.effects import Address
from voipgw.sip.timers import Timers

METHODS = frozenset(
    "INVITE ACK CANCEL BYE OPTIONS REGISTER PRACK UPDATE INFO REFER NOTIFY SUBSCRIBE MESSAGE PUBLISH".split()
)  #: all there are; a method that is not among them is answered 501


@attrs.frozen
class EndpointSettings:
    """Timers, bounds, and what the endpoint says of itself."""

    timers: Timers = attrs.field(factory=Timers)
    stream: StreamLimits = attrs.field(factory=StreamLimits)
    allow: tuple[str, ...] = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY",
                              "SUBSCRIBE", "MESSAGE", "REGISTER")  #: others are answered 405 (section 8.2.1)  # fmt: skip
    accept: tuple[str, ...] = ("application/sdp",)  #: bodies, for the answer to OPTIONS
    supported: tuple[str, ...] = ()  #: option tags, for the answer to OPTIONS
    agent: str = ""  #: Server field of the endpoint's own answers; "" leaves it out
    #: requests that wait for their answer; beyond it new ones get 503
    max_transactions: int = attrs.field(default=100_000, validator=gt(0))
    #: answered ones too, which are remembered for 32 s; likewise
    max_remembered: int = attrs.field(default=1_000_000, validator=gt(0))
    max_connections: int = attrs.field(default=4096, validator=gt(0))  #: over all stream transports
    origins: Origins = attrs.field(factory=Origins)  #: which web pages may connect by WebSocket
    nameservers: tuple[
        Address, ...
    ] = ()  #: address and port of the DNS servers that are asked; (): those of the system
    retry_after_s: int = attrs.field(default=5, validator=ge(0))  #: in a 503 of the endpoint's own
    large_over_tcp: bool = True  #: requests over 1300 octets try TCP first, where TCP is open (section 18.1.1)
