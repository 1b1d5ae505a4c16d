"""Server transactions: INVITE (RFC 3261 section 17.2.1 with RFC 6026) and everything else (section 17.2.2 with RFC 4320).

A retransmitted request is answered from the octets of the last response. After the final answer a machine keeps nothing
but the octets that a retransmission needs, and after a 2xx to INVITE, which its user repeats (RFC 6026), not even those.
"""

from __future__ import annotations

import math

from voipgw.sip.effects import Deliver, Effect, Ended, Send, TimedOut, TransportFailed
from voipgw.sip.message import Request, Response
from voipgw.sip.timers import State, Timers

MAGIC_COOKIE = "z9hG4bK"  #: a branch that begins so is unique (section 8.1.1.7)
_ENDED = Ended()
ServerKey = tuple[str, ...]


def server_key(request: Request, method: str | None = None) -> ServerKey:
    """What makes a request belong to a transaction (section 17.2.3): branch, sent-by and method, where ACK counts as INVITE.

    ``method`` stands in for the request's own: "INVITE" finds what a CANCEL is about (section 9.2). A branch without the magic
    cookie is RFC 2543's, where Request-URI, From tag, Call-ID, CSeq number and the sender in the top Via are compared instead.
    """
    method = method or request.method
    if method == "ACK":
        method = "INVITE"
    branch = request.branch
    if branch is not None and branch[:7] == MAGIC_COOKIE and len(branch) > 7:  # the cookie alone says nothing
        return (branch, request.sent_by, method)
    tag = request.from_tag or ""
    via = f"{request.sent_by} {branch}"
    return (via, request.uri_text, tag, request.call_id, str(request.cseq_number), method)


class InviteServer:
    """An INVITE that was received. Says 100 by itself after 200 ms; repeats non-2xx finals until the ACK comes."""

    __slots__ = ("_again_at", "_end_at", "_interval_s", "_reliable", "_request", "_stored", "_timers", "state")

    def __init__(self, request: Request, timers: Timers, *, reliable: bool) -> None:
        self.state = State.PROCEEDING
        self._request: Request | None = request
        self._timers = timers
        self._reliable = reliable
        self._stored = b""
        self._interval_s = timers.t1_s
        self._again_at = math.inf  #: the automatic 100, then timer G
        self._end_at = math.inf  #: timers H, I and L

    def start(self, now: float) -> list[Effect]:
        """Hand the request to the user."""
        assert self._request is not None
        self._again_at = now + self._timers.trying_s
        return [Deliver(self._request)]

    def receive(self, request: Request, now: float) -> list[Effect]:
        """The INVITE once more, or an ACK with its branch."""
        if request.method == "ACK":
            return self._acknowledged(request, now)
        if self._stored and (self.state is State.PROCEEDING or self.state is State.COMPLETED):
            return [Send(self._stored, again=True)]
        return []

    def respond(self, response: Response, now: float) -> list[Effect]:
        """The user's answer. One that the state does not allow has no effect; a 2xx may be given again (RFC 6026)."""
        status = response.status
        if self.state is State.ACCEPTED:
            return [Send(response, again=True)] if 200 <= status < 300 else []
        if self.state is not State.PROCEEDING:
            return []
        self._again_at = math.inf
        if status < 200:
            self._stored = response.raw
            return [Send(response)]
        self._request = None
        self._end_at = now + self._timers.limit_s
        if status < 300:
            self.state = State.ACCEPTED
            self._stored = b""
            return [Send(response)]
        self.state = State.COMPLETED
        self._stored = response.raw
        if not self._reliable:
            self._again_at = now + self._interval_s
        return [Send(response)]

    def transport_failed(self, now: float) -> list[Effect]:
        """The response could not be sent (section 17.2.4)."""
        return [TransportFailed(self._request), *self._end()]

    def next_deadline(self) -> float:
        """The earlier of the two timers that can run."""
        return self._again_at if self._again_at < self._end_at else self._end_at

    def handle_deadline(self, now: float) -> list[Effect]:
        """Timers H, I and L (the end), G (the final response once more), and the automatic 100."""
        if now >= self._end_at:
            return [TimedOut(), *self._end()] if self.state is State.COMPLETED else self._end()
        if now < self._again_at:
            return []
        if self._request is not None:
            self._again_at = math.inf
            trying = Response.answer(self._request, 100)
            self._stored = trying.raw
            return [Send(trying)]
        self._interval_s = min(2 * self._interval_s, self._timers.t2_s)
        self._again_at = now + self._interval_s
        return [Send(self._stored, again=True)]

    def _acknowledged(self, ack: Request, now: float) -> list[Effect]:
        if self.state is State.ACCEPTED:
            return [Deliver(ack)]
        if self.state is not State.COMPLETED:
            return []
        self.state = State.CONFIRMED
        self._stored = b""
        self._again_at = math.inf
        if self._reliable:
            return self._end()
        self._end_at = now + self._timers.t4_s
        return []

    def _end(self) -> list[Effect]:
        self.state = State.TERMINATED
        self._request = None
        self._stored = b""
        self._again_at = self._end_at = math.inf
        return [_ENDED]


class NonInviteServer:
    """Any other request that was received. Never says 408, and nothing at all once its client has given up (RFC 4320)."""

    __slots__ = ("_end_at", "_reliable", "_request", "_stored", "_timers", "_trying_at", "state")

    def __init__(self, request: Request, timers: Timers, *, reliable: bool) -> None:
        self.state = State.TRYING
        self._request: Request | None = request
        self._timers = timers
        self._reliable = reliable
        self._stored = b""
        self._trying_at = math.inf  #: the automatic 100 of RFC 4320
        self._end_at = math.inf  #: timer J; before the answer, the time at which the client gives up

    def start(self, now: float) -> list[Effect]:
        """Hand the request to the user."""
        assert self._request is not None
        self._trying_at = now + self._timers.late_s
        self._end_at = now + self._timers.limit_s
        return [Deliver(self._request)]

    def receive(self, request: Request, now: float) -> list[Effect]:
        """The request once more."""
        return [Send(self._stored, again=True)] if self._stored else []

    def respond(self, response: Response, now: float) -> list[Effect]:
        """The user's answer. One that the state or RFC 4320 does not allow has no effect."""
        status = response.status
        if self.state is not State.TRYING and self.state is not State.PROCEEDING:
            return []
        if status < 200:
            early = not self._reliable and now < self._trying_at and self.state is State.TRYING
            if status != 100 or early:
                return []
            return self._provisional(response)
        self.state = State.COMPLETED
        self._request = None
        self._trying_at = math.inf
        if status == 408:
            return []
        if self._reliable:
            return [Send(response), *self._end()]
        self._stored = response.raw
        self._end_at = now + self._timers.limit_s
        return [Send(response)]

    def transport_failed(self, now: float) -> list[Effect]:
        """The response could not be sent (section 17.2.4)."""
        return [TransportFailed(self._request), *self._end()]

    def next_deadline(self) -> float:
        """The earlier of the two timers that can run."""
        return self._trying_at if self._trying_at < self._end_at else self._end_at

    def handle_deadline(self, now: float) -> list[Effect]:
        """Timer J, or the client's timer F (the end), and the automatic 100."""
        if now >= self._end_at:
            return self._end() if self.state is State.COMPLETED else [TimedOut(), *self._end()]
        if now < self._trying_at or self._request is None:
            return []
        return self._provisional(Response.answer(self._request, 100))

    def _provisional(self, response: Response) -> list[Effect]:
        self.state = State.PROCEEDING
        self._trying_at = math.inf
        self._stored = response.raw
        return [Send(response)]

    def _end(self) -> list[Effect]:
        self.state = State.TERMINATED
        self._request = None
        self._stored = b""
        self._trying_at = self._end_at = math.inf
        return [_ENDED]
