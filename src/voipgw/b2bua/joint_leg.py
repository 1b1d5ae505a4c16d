"""The calling side of a call that the gateway places by itself (third-party call control, RFC 3725).

Two parties are joined by two calls, each of which has such a leg for its caller: what the party of one call does comes out at
the joint of the other. It has no media of its own; whoever placed the calls bridges the two parties' streams.
"""

from __future__ import annotations

import math

import attrs

from voipgw.b2bua.leg import Effect
from voipgw.call.events import Answered, CallEvent, Digit, Progress, Released, Updated
from voipgw.call.model import CallRequest, Media, Route
from voipgw.errors import LocalProtocolError
from voipgw.media.plane import MediaEvent, Stream


@attrs.frozen
class Passed:
    """What the called party did, for the other joint."""

    event: CallEvent


class JointLeg:
    """See ``voipgw.b2bua.leg.Leg``."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """``app:NAME``."""
        return self._name

    @property
    def stream(self) -> Stream | None:
        """None: the parties' own streams are bridged."""
        return None

    def originate(self, request: CallRequest, route: Route, offer: Media, now: float) -> list[Effect]:
        """A joint only calls.

        Raises:
            LocalProtocolError: always.
        """
        raise LocalProtocolError("a joint is no target of calls")

    def progress(self, event: Progress, now: float) -> list[Effect]:
        """The party is reached; early media is to be heard by the other one."""
        return [Passed(event)] if event.media is not None else []

    def answer(self, event: Answered, now: float) -> list[Effect]:
        """Whoever placed the call hears of it by its report."""
        return []

    def update(self, event: Updated, now: float) -> list[Effect]:
        """Hold and resume are for the other party."""
        return [Passed(event)]

    def digit(self, event: Digit, now: float) -> list[Effect]:
        """So are digits."""
        return [Passed(event)]

    def release(self, event: Released, now: float) -> list[Effect]:
        """Nothing is left to do."""
        return []

    def receive_media(self, event: MediaEvent, now: float) -> list[Effect]:
        """It has no stream."""
        return []

    def next_deadline(self) -> float:
        """Never."""
        return math.inf

    def handle_deadline(self, now: float) -> list[Effect]:
        """Nothing."""
        return []
