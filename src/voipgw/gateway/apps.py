"""Applications: code of this gateway's own that takes calls, instead of another trunk or line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from voipgw.b2bua.call import Call, CallAnswered, CallOver, Report
from voipgw.call.model import TargetKind
from voipgw.media.plane import MediaEvent, MediaPlane
from voipgw.routing.decision import Decision


class App(Protocol):
    """What takes a call. It works on the stream of the leg that brought the call: ``call.caller.stream``."""

    def answered(self, call: Call, plane: MediaPlane, now: float) -> None:
        """A call was put through to it."""
        ...

    def heard(self, call: Call, plane: MediaPlane, event: MediaEvent, now: float) -> None:
        """Something happened on the stream: a digit, the end of what was played."""
        ...

    def over(self, call: Call) -> None:
        """The call has ended."""
        ...


class AppCalls:
    """Tells each application of its calls."""

    def __init__(self, apps: Mapping[str, App], plane: MediaPlane) -> None:
        self._apps = apps
        self._plane = plane
        self._calls: dict[Call, App] = {}

    def offered(self, call: Call, decision: Decision, now: float) -> None:
        """Nothing yet."""

    def reported(self, call: Call, report: Report, now: float) -> None:
        """Begin and end."""
        if isinstance(report, CallAnswered) and report.route.target.kind is TargetKind.APP:
            app = self._calls[call] = self._apps[report.route.target.name]
            app.answered(call, self._plane, now)
        elif isinstance(report, CallOver):
            ended = self._calls.pop(call, None)
            if ended is not None:
                ended.over(call)

    def heard(self, call: Call, event: MediaEvent, now: float) -> None:
        """Pass on what happened."""
        app = self._calls.get(call)
        if app is not None:
            app.heard(call, self._plane, event, now)
