"""Reliable provisional responses (RFC 3262): RSeq and RAck, and the 1xx that is repeated until its PRACK comes."""

from __future__ import annotations

import enum
import math

from voipgw.sip.message import Message, Request, Response
from voipgw.sip.session_timer import supports

TAG = "100rel"


class Reliability(enum.Enum):
    """Whether provisionals are made reliable."""

    NEVER = "never"  #: 100rel is not announced, and refused 420 where it is required
    SUPPORTED = (
        "supported"  #: as the peer wants; ours are reliable where they carry a description or the peer requires it
    )
    REQUIRED = "required"  #: only with peers that can do it: required of them, and 421 without it


def rseq_of(response: Response) -> int | None:
    """The RSeq of a provisional that asks for a PRACK; None for any other response."""
    if not any(tag.lower() == TAG for tag in response.headers("Require")):
        return None
    value = response.header("RSeq") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 10 else None


def rack_of(request: Request) -> tuple[int, int, str] | None:
    """The RAck of a PRACK: RSeq, CSeq number and method of what it acknowledges; None where it cannot be read."""
    parts = (request.header("RAck") or "").split()
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts[:2]):
        return None
    return int(parts[0]), int(parts[1]), parts[2]


def wanted(invite: Message, reliability: Reliability) -> tuple[bool, bool]:
    """Whether the peer of ``invite`` can take reliable provisionals, and whether it insists on them."""
    if reliability is Reliability.NEVER or not supports(invite, TAG):
        return False, False
    return True, any(tag.lower() == TAG for tag in invite.headers("Require"))


class ReliableProvisionals:
    """Those of one INVITE that we answer: one at a time is under way, the others wait (section 3). Owned by the session."""

    __slots__ = (
        "_first",
        "_interval_s",
        "_rseq",
        "_t1_s",
        "_until",
        "acknowledged",
        "next_at",
        "outstanding",
        "waiting",
    )

    def __init__(self, first_rseq: int, t1_s: float) -> None:
        self._rseq = first_rseq
        self._t1_s = t1_s
        self._interval_s = t1_s
        self._until = math.inf
        self._first = first_rseq
        self.outstanding: Response | None = None
        self.next_at = math.inf
        self.acknowledged = 0  #: how many PRACKs came
        self.waiting: list[Response] = []

    def number(self, response: Response) -> Response:
        """``response`` with its RSeq and Require."""
        numbered = response.with_fields(append=(("Require", TAG), ("RSeq", str(self._rseq))))
        self._rseq += 1
        return numbered

    def send(self, response: Response, now: float) -> Response | None:
        """Take a numbered response; it is returned when it may go out now, and else waits for the PRACK of the one before."""
        if self.outstanding is not None:
            self.waiting.append(response)
            return None
        self.outstanding = response
        self._interval_s = self._t1_s
        self.next_at = now + self._t1_s
        self._until = now + 64 * self._t1_s
        return response

    def prack(self, rseq: int) -> Response | None:
        """The response that a PRACK with ``rseq`` acknowledges, when that is the one under way."""
        found = self.outstanding
        if found is None or found.header("RSeq") != str(rseq):
            return None
        self.outstanding = None
        self.acknowledged += 1
        self.next_at = math.inf
        return found

    def next_waiting(self, now: float) -> Response | None:
        """The next of those that wait, now under way."""
        if self.outstanding is not None or not self.waiting:
            return None
        return self.send(self.waiting.pop(0), now)

    def stop(self) -> None:
        """The INVITE is answered finally: nothing is repeated any longer, but a late PRACK is still known."""
        self.waiting.clear()
        self.next_at = math.inf

    def due(self, now: float) -> tuple[Response | None, bool]:
        """At ``next_at``: the response once more, or True when its PRACK has not come in 64*T1."""
        if now < self.next_at or self.outstanding is None:
            return None, False
        if now >= self._until:
            self.next_at = math.inf
            return None, True
        self._interval_s *= 2
        self.next_at = min(now + self._interval_s, self._until)
        return self.outstanding, False
