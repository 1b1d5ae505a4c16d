"""What a call of ITU-T Q.931 is set to, and what it asks for and reports; frozen values."""

from __future__ import annotations

import attrs

from voipgw.causes import Cause
from voipgw.pstn.isdn.q931 import Message


@attrs.frozen
class CallTimers:
    """Timers of tables 9-1 and 9-2, in seconds; where the sides differ the network's value has its own name."""

    t301_s: float = 180.0  #: alerting, until answered
    t302_s: float = 15.0  #: overlap receiving, until the next digit
    t303_s: float = 4.0  #: SETUP sent; sent again once
    t304_s: float = 30.0  #: overlap sending, since the last digit of ours
    t304_network_s: float = 20.0
    t305_s: float = 30.0  #: DISCONNECT sent
    t306_s: float = 30.0  #: DISCONNECT sent by the network with a tone on the channel
    t308_s: float = 4.0  #: RELEASE sent; sent again once
    t309_s: float = 90.0  #: data link down
    t310_s: float = 60.0  #: CALL PROCEEDING received by the user
    t310_network_s: float = 10.0
    t313_s: float = 4.0  #: CONNECT sent by the user
    t316_s: float = 120.0  #: RESTART sent; sent again once
    t318_s: float = 4.0  #: RESUME sent
    t319_s: float = 4.0  #: SUSPEND sent
    t322_s: float = 4.0  #: STATUS ENQUIRY sent
    n322: int = 3  #: enquiries before the call is given up


@attrs.frozen
class SendMessage:
    """Give this message to the data link."""

    message: Message


@attrs.frozen
class Received:
    """A message that the call's state expects; its ``kind`` says what happened."""

    message: Message


@attrs.frozen
class ChannelChosen:
    """The far end named the channel of a call that we offered."""

    channel: int
    exclusive: bool


@attrs.frozen
class NumberTimeout:
    """No digit came for T302 and the owner said that the number may be whole: proceed with it."""


@attrs.frozen
class Clearing:
    """The call is lost for a reason of ours: a timer, the data link, a fault. ``CallEnded`` follows, now or later."""

    cause: Cause
    timer: str = ""  #: e.g. "T310"


@attrs.frozen
class CallEnded:
    """The call reference is free; the last effect of a call."""

    cause: int  #: Q.850, the first that was given for the clearing
    clean: bool = True  #: False: the far end never confirmed, its channel should be restarted before use (T308)


CallEffect = SendMessage | Received | ChannelChosen | NumberTimeout | Clearing | CallEnded
