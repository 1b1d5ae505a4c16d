"""The far side of a call that an application of the gateway takes: it answers at once and has no media of its own.

The application works on the stream of the leg that brought the call.
"""

from __future__ import annotations

import math

from voipgw.b2bua.leg import Effect
from voipgw.call.events import Answered, Digit, Progress, Released, Updated
from voipgw.call.model import CallRequest, Media, Route
from voipgw.media.plane import MediaEvent, Stream


class AppLeg:
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
        """None: nothing is bridged to."""
        return None

    def originate(self, request: CallRequest, route: Route, offer: Media, now: float) -> list[Effect]:
        """Answer with whatever the calling side likes best."""
        return [Answered(Media(codecs=offer.codecs, telephone_event=offer.telephone_event))]

    def progress(self, event: Progress, now: float) -> list[Effect]:
        """An application brings no calls."""
        return []

    def answer(self, event: Answered, now: float) -> list[Effect]:
        """An application brings no calls."""
        return []

    def update(self, event: Updated, now: float) -> list[Effect]:
        """Hold and resume are the stream's business."""
        return []

    def digit(self, event: Digit, now: float) -> list[Effect]:
        """Digits reach the application as media events."""
        return []

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
