"""Timer values of SIP transactions (RFC 3261 table 4 with RFC 6026), and the states that their machines can be in."""

from __future__ import annotations

import enum
import math

import attrs
from attrs.validators import gt


class State(enum.Enum):
    """States of the four machines (RFC 3261 figures 5 to 8, RFC 6026 section 7)."""

    CALLING = "calling"  #: INVITE client: nothing came yet
    TRYING = "trying"  #: non-INVITE: nothing came, or nothing was answered, yet
    PROCEEDING = "proceeding"  #: a provisional response was seen or sent (an INVITE server begins here)
    COMPLETED = "completed"  #: a final response, for INVITE a non-2xx
    CONFIRMED = "confirmed"  #: INVITE server: the ACK of a non-2xx came
    ACCEPTED = "accepted"  #: INVITE: a 2xx (RFC 6026)
    TERMINATED = "terminated"


@attrs.frozen
class Timers:
    """Base timer values of RFC 3261 table 4, in seconds; every other timer is derived from them."""

    t1_s: float = attrs.field(default=0.5, validator=gt(0))  #: round-trip estimate
    t2_s: float = attrs.field(default=4.0, validator=gt(0))  #: longest retransmission interval
    t4_s: float = attrs.field(default=5.0, validator=gt(0))  #: longest time a message stays in the network
    trying_s: float = attrs.field(default=0.2, validator=gt(0))  #: until an INVITE server says 100 by itself (17.2.1)
    timer_d_s: float = attrs.field(default=32.0, validator=gt(0))  #: wait for repeated final responses, unreliable

    #: 64*T1: timers B, F, H, J, L and M
    limit_s: float = attrs.field(init=False)
    #: from a non-INVITE request to timer E having grown to T2: when its server says 100 by itself (RFC 4320 section 4.1)
    late_s: float = attrs.field(init=False)

    @limit_s.default
    def _limit(self) -> float:
        return 64 * self.t1_s

    @late_s.default
    def _late(self) -> float:
        doublings = max(0, math.ceil(math.log2(self.t2_s / self.t1_s)))
        return self.t1_s * ((1 << doublings) - 1)
