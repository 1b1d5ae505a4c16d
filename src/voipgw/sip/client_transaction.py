"""Client transactions: INVITE (RFC 3261 section 17.1.1 with RFC 6026) and everything else (section 17.1.2).

The driver gives a machine the responses that match it (``client_key``), performs the effects, and calls ``handle_deadline``
when ``next_deadline`` has come. ``Ended`` is the last effect of a machine.
"""

from __future__ import annotations

import math

from voipgw.sip.effects import Cancel, Deliver, Effect, Ended, Send, TimedOut, TransportFailed
from voipgw.sip.message import Request, Response
from voipgw.sip.timers import State, Timers

_ENDED = Ended()
ClientKey = tuple[str, str]


def client_key(message: Request | Response) -> ClientKey:
    """What makes a response belong to a request: branch of the top Via and method of CSeq (section 17.1.3)."""
    return (message.branch or "", message.cseq_method)


def _derived(method: str, invite: Request, to: str) -> Request:
    """A request that repeats the identity of ``invite`` and runs along the same path (sections 9.1 and 17.1.1.3)."""
    fields = [
        ("Via", str(invite.via)),
        ("Max-Forwards", "70"),
        ("From", invite.header("From") or ""),
        ("To", to),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq_number} {method}"),
    ]
    fields += [("Route", route) for route in invite.headers("Route")]
    return Request.create(method, invite.uri_text, fields)


def make_ack(invite: Request, response: Response) -> Request:
    """The ACK for a non-2xx final ``response``: of the same transaction, with the To of the response (section 17.1.1.3)."""
    return _derived("ACK", invite, response.header("To") or "")


def make_cancel(invite: Request) -> Request:
    """The CANCEL of an INVITE that was sent: its top Via, Request-URI, Call-ID, To, From, number and Route (section 9.1)."""
    return _derived("CANCEL", invite, invite.header("To") or "")


class InviteClient:
    """An INVITE that was sent. Acknowledges non-2xx finals by itself; a 2xx and its repetitions go to the user (RFC 6026)."""

    __slots__ = ("_ack", "_again_at", "_cancel", "_end_at", "_interval_s", "_reliable", "_request", "_timers", "state")

    def __init__(self, request: Request, timers: Timers, *, reliable: bool) -> None:
        self.state = State.CALLING
        self._request: Request | None = request
        self._timers = timers
        self._reliable = reliable
        self._ack = b""
        self._cancel = False  #: wanted, but held back until a provisional comes
        self._interval_s = timers.t1_s
        self._again_at = math.inf  #: timer A
        self._end_at = math.inf  #: timers B, D, M, and the limit after CANCEL

    def start(self, now: float) -> list[Effect]:
        """Send the request; timers A and B run."""
        request = self._request
        assert request is not None and self.state is State.CALLING
        if not self._reliable:
            self._again_at = now + self._interval_s
        self._end_at = now + self._timers.limit_s
        return [Send(request)]

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response that matches (section 17.1.1.2; RFC 6026 section 8.4)."""
        status, state = response.status, self.state
        if state is State.CALLING or state is State.PROCEEDING:
            if status < 200:
                return self._provisional(response, now)
            self._again_at = math.inf
            return self._accepted(response, now) if status < 300 else self._refused(response, now)
        if state is State.ACCEPTED:
            return [Deliver(response)] if 200 <= status < 300 else []
        if state is State.COMPLETED and status >= 300:
            return [Send(self._ack, again=True)]
        return []

    def cancel(self, now: float) -> list[Effect]:
        """Give the call up: CANCEL now, or with the first provisional response; nothing after a final one (section 9.1)."""
        if self.state is State.CALLING:
            self._cancel = True
            return []
        if self.state is State.PROCEEDING and self._request is not None and self._end_at == math.inf:
            self._end_at = now + self._timers.limit_s
            return [Cancel(make_cancel(self._request))]
        return []

    def transport_failed(self, now: float) -> list[Effect]:
        """The request or the ACK could not be sent (section 17.1.4)."""
        request = self._request
        return [*([TransportFailed(request)] if request is not None else []), *self._end()]

    def next_deadline(self) -> float:
        """The earlier of the two timers that can run."""
        return self._again_at if self._again_at < self._end_at else self._end_at

    def handle_deadline(self, now: float) -> list[Effect]:
        """Timers B, D, M (the end) and A (the request once more, at doubled intervals)."""
        if now >= self._end_at:
            request = self._request  # gone after a final response: then D or M ran out
            return self._end() if request is None else [TimedOut(request), *self._end()]
        if now < self._again_at or self._request is None:
            return []
        self._interval_s *= 2
        self._again_at = now + self._interval_s
        return [Send(self._request, again=True)]

    def _provisional(self, response: Response, now: float) -> list[Effect]:
        if self.state is State.CALLING:
            self.state = State.PROCEEDING
            self._again_at = self._end_at = math.inf
            if self._cancel:
                return [*self.cancel(now), Deliver(response)]
        return [Deliver(response)]

    def _accepted(self, response: Response, now: float) -> list[Effect]:
        self.state = State.ACCEPTED
        self._request = None
        self._end_at = now + self._timers.limit_s
        return [Deliver(response)]

    def _refused(self, response: Response, now: float) -> list[Effect]:
        assert self._request is not None
        ack = make_ack(self._request, response)
        self.state = State.COMPLETED
        self._request = None
        if self._reliable:
            return [Send(ack), Deliver(response), *self._end()]
        self._ack = ack.raw
        self._end_at = now + self._timers.timer_d_s
        return [Send(ack), Deliver(response)]

    def _end(self) -> list[Effect]:
        self.state = State.TERMINATED
        self._request = None
        self._ack = b""
        self._again_at = self._end_at = math.inf
        return [_ENDED]


class NonInviteClient:
    """Any other request that was sent."""

    __slots__ = ("_again_at", "_end_at", "_interval_s", "_reliable", "_request", "_timers", "state")

    def __init__(self, request: Request, timers: Timers, *, reliable: bool) -> None:
        self.state = State.TRYING
        self._request: Request | None = request
        self._timers = timers
        self._reliable = reliable
        self._interval_s = timers.t1_s
        self._again_at = math.inf  #: timer E
        self._end_at = math.inf  #: timers F and K

    def start(self, now: float) -> list[Effect]:
        """Send the request; timers E and F run."""
        request = self._request
        assert request is not None and self.state is State.TRYING
        if not self._reliable:
            self._again_at = now + self._interval_s
        self._end_at = now + self._timers.limit_s
        return [Send(request)]

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response that matches (section 17.1.2.2)."""
        if self.state is State.COMPLETED or self.state is State.TERMINATED:
            return []
        if response.status < 200:
            self.state = State.PROCEEDING
            return [Deliver(response)]
        self.state = State.COMPLETED
        self._request = None
        self._again_at = math.inf
        if self._reliable:
            return [Deliver(response), *self._end()]
        self._end_at = now + self._timers.t4_s
        return [Deliver(response)]

    def transport_failed(self, now: float) -> list[Effect]:
        """The request could not be sent (section 17.1.4)."""
        request = self._request
        return [*([TransportFailed(request)] if request is not None else []), *self._end()]

    def next_deadline(self) -> float:
        """The earlier of the two timers that can run."""
        return self._again_at if self._again_at < self._end_at else self._end_at

    def handle_deadline(self, now: float) -> list[Effect]:
        """Timers K and F (the end) and E (the request once more)."""
        if now >= self._end_at:
            request = self._request  # gone after a final response: then K ran out
            return self._end() if request is None else [TimedOut(request), *self._end()]
        if now < self._again_at or self._request is None:
            return []
        doubled = min(2 * self._interval_s, self._timers.t2_s)
        self._interval_s = self._timers.t2_s if self.state is State.PROCEEDING else doubled
        self._again_at = now + self._interval_s
        return [Send(self._request, again=True)]

    def _end(self) -> list[Effect]:
        self.state = State.TERMINATED
        self._request = None
        self._again_at = self._end_at = math.inf
        return [_ENDED]
