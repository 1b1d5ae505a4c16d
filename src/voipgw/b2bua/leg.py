"""The Leg protocol: one party of a call, whatever it speaks outside. The call machine knows legs by this alone.

A leg is a machine. Every method returns effects: ``voipgw.call.events.CallEvent`` values, which are for the call that owns
the leg, and effects of its own world (SIP messages to send), which go to the edge. Methods take ``now``, monotonic seconds.
After a leg has returned ``Released`` it is over and returns no further event; the call must not use it again, but whoever
drives it keeps delivering to it until ``next_deadline`` is infinity (an INVITE's ACK, a BYE's answer).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from voipgw.call.events import Answered, Digit, Progress, Released, Updated
from voipgw.call.model import CallRequest, Media, Route
from voipgw.media.plane import MediaEvent, Stream

Effect = object


class Leg(Protocol):
    """One party of a call."""

    @property
    def name(self) -> str:
        """What records and ladders call it, e.g. ``trunk:carrier-a`` or ``line:1``."""
        ...

    @property
    def stream(self) -> Stream | None:
        """Its media, once there is any; the call bridges two of these. None where media passes us by."""
        ...

    def originate(self, request: CallRequest, route: Route, offer: Media, now: float) -> list[Effect]:
        """Place a call outwards. ``offer`` is what the calling side can do; the leg answers with events of its own time."""
        ...

    def progress(self, event: Progress, now: float) -> list[Effect]:
        """Tell the party that brought the call how far it got."""
        ...

    def answer(self, event: Answered, now: float) -> list[Effect]:
        """Tell the party that brought the call that it is answered."""
        ...

    def update(self, event: Updated, now: float) -> list[Effect]:
        """The other side's media changed (hold, resume)."""
        ...

    def digit(self, event: Digit, now: float) -> list[Effect]:
        """The other side pressed a key."""
        ...

    def release(self, event: Released, now: float) -> list[Effect]:
        """End this leg, whatever its state: refuse, cancel or hang up, and close its stream. Returns no Released itself."""
        ...

    def receive_media(self, event: MediaEvent, now: float) -> list[Effect]:
        """Something happened on this leg's stream."""
        ...

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called; ``math.inf`` for never."""
        ...

    def handle_deadline(self, now: float) -> list[Effect]:
        """Timers that are due."""
        ...


@runtime_checkable
class Transferor(Protocol):
    """A leg whose peer can ask for a transfer, by ``TransferAsked``."""

    def transfer_progress(self, status: int, now: float) -> list[Effect]:
        """How the transfer goes on, as a SIP status; 300 or more first declines it, and later says that it has failed."""
        ...
