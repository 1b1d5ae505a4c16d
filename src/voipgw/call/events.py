"""What legs and the call between them tell each other. The same values travel both ways, whatever the leg speaks outside."""

from __future__ import annotations

import attrs

from voipgw.call.model import CallRequest, Media, Party
from voipgw.causes import Cause, cause_of, sip_status_of


@attrs.frozen
class CallEvent:
    """Root of all call events; a leg returns them among its effects, and whoever runs the leg gives them to its call."""


@attrs.frozen
class Offered(CallEvent):
    """A leg brings a new call (INVITE, SETUP, a complete dialled number)."""

    request: CallRequest


@attrs.frozen
class Progress(CallEvent):
    """The far side is being reached: 180 is ringing, 183 progress; with ``media``, sound comes already."""

    status: int = 180  #: SIP provisional status, 101 to 199
    media: Media | None = None  #: early media, None when the near side makes its own ringback


@attrs.frozen
class Answered(CallEvent):
    """The far side took the call."""

    media: Media | None = None  #: what was agreed on that leg
    connected: Party | None = None  #: who answered, where it is known


@attrs.frozen
class Updated(CallEvent):
    """Media changed during the call: hold, resume, another codec."""

    media: Media


@attrs.frozen
class Digit(CallEvent):
    """One DTMF digit, found on a line, in RTP events or in INFO."""

    symbol: str  #: one of 0-9 * # A-D
    duration_ms: int = 100
    carried: bool = False  #: the media plane has already brought it to the bridged side, as sound or as RFC 4733 events


@attrs.frozen
class HookFlash(CallEvent):
    """A hook flash of an analog telephone (RFC 4733 event 16)."""


@attrs.frozen
class TransferAsked(CallEvent):
    """A leg asks that the other one be connected elsewhere (REFER, RFC 3515); it hears of it by ``transfer_progress``."""

    called: str  #: number or user to be called instead of the leg that asks
    domain: str = ""  #: host of the URI that names it


@attrs.frozen
class Released(CallEvent):
    """A leg is over, or is to be over; the last event of a leg."""

    cause: Cause
    sip_status: int | None = None  #: the status that said so, where SIP did; else derived from ``cause``
    text: str = ""  #: for logs and records
    responded: bool = True  #: False when the far side never said anything at all
    retry_after_s: float | None = None
    contacts: tuple[str, ...] = ()  #: of a redirection that the calling side is to get: Contact values, best first

    @classmethod
    def from_status(cls, status: int, text: str = "") -> Released:
        """The release that a final SIP ``status`` means."""
        return cls(cause_of(status), status, text)

    @property
    def status(self) -> int:
        """The SIP status to show: the one received, else what the cause maps to."""
        return self.sip_status if self.sip_status is not None else sip_status_of(self.cause)
