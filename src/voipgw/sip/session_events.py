"""What an INVITE session is set up with, and what it tells whoever uses it."""

from __future__ import annotations

import enum

import attrs

from voipgw.sip.message import Message, Request, Response
from voipgw.sip.reason import Reason
from voipgw.sip.reliable import TAG, Reliability
from voipgw.sip.session_timer import TimerSettings
from voipgw.sip.uri import Uri

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE"
EXTENSIONS = (TAG, "timer")  #: option tags that sessions know, for Supported and Require
SDP = "application/sdp"


@attrs.frozen
class SessionSettings:
    """What all sessions of one local address share."""

    contact: str  #: value of our Contact, e.g. ``<sip:gw@192.0.2.1:5060>``
    agent: str = "voipgw"  #: User-Agent and Server; "" sends neither
    info_types: frozenset[str] = frozenset(("application/dtmf-relay", "application/dtmf"))  #: INFO bodies that we read
    t1_s: float = 0.5  #: RFC 3261 table 4
    t2_s: float = 4.0
    refresh_provisional_s: float = 60.0  #: how often a provisional is repeated while it rings (section 13.3.1.1)
    timer: TimerSettings = attrs.field(factory=TimerSettings)  #: session timers (RFC 4028)
    reliable: Reliability = Reliability.SUPPORTED  #: reliable provisionals (RFC 3262)

    transfers: bool = False  #: REFER is taken (RFC 3515); else it is answered 405

    @property
    def allow(self) -> str:
        """The methods that these sessions take, for Allow."""
        return ALLOW + ", REFER" if self.transfers else ALLOW

    def supported(self, *, reliable: bool = True) -> tuple[str, ...]:
        """The option tags that these sessions take in Require and announce in Supported."""
        return EXTENSIONS if reliable and self.reliable is not Reliability.NEVER else EXTENSIONS[1:]


class State(enum.Enum):
    """Where a session stands."""

    IDLE = "idle"  #: nothing sent or taken yet
    CALLING = "calling"  #: our INVITE is out
    INVITED = "invited"  #: their INVITE waits for our final answer
    ACCEPTED = "accepted"  #: our 2xx is out, its ACK has not come
    CONFIRMED = "confirmed"
    ENDING = "ending"  #: CANCEL or BYE is out, or our BYE waits for the ACK that must come first
    ENDED = "ended"


class End(enum.Enum):
    """How a session came to its end."""

    BYE = "bye"  #: the peer hung up
    CANCELLED = "cancelled"  #: the peer cancelled its INVITE
    EXPIRED = "expired"  #: the Expires of its INVITE ran out
    REFUSED = "refused"  #: a final answer of 300 or more to our INVITE, or ours to theirs for a fault of form
    TIMEOUT = "timeout"  #: no answer, or no ACK, in time
    TRANSPORT = "transport"  #: nothing could be sent
    GONE = "gone"  #: the peer knows nothing of the dialog any more (481, 408)
    LOST = "lost"  #: no refresh within the session interval (RFC 4028 section 10)


@attrs.frozen
class SessionEvent:
    """Root of what a session returns among its effects for its own user."""


@attrs.frozen
class Provisional(SessionEvent):
    """A 101 to 199 to our INVITE."""

    response: Response
    sdp: bytes  #: b"" where there is none
    offered: bool = False  #: ``sdp`` is the peer's offer; ``ClientSession.acknowledge`` has to be given our answer


@attrs.frozen
class Established(SessionEvent):
    """The call is answered. To our INVITE: the first 2xx; to theirs: the ACK of our 2xx.

    ``sdp`` is the answer to our offer, b"" where none was due. Where ``offered`` is true it is the peer's offer in the 2xx
    instead, and ``ClientSession.acknowledge`` has to be given our answer at once.
    """

    message: Response | Request
    sdp: bytes
    offered: bool = False
    settled: bool = False  #: the exchange was complete before, by a reliable provisional; ``sdp`` is the peer's of then


@attrs.frozen
class SessionEnded(SessionEvent):
    """The session is over, by the peer or by a failure; never sent for what its own user ended."""

    how: End
    message: Message | None = None  #: the BYE, or the response that ended it
    reasons: tuple[Reason, ...] = ()  #: of its Reason fields
    status: int | None = None  #: of a refusal


@attrs.frozen
class OfferReceived(SessionEvent):
    """A re-INVITE, UPDATE or PRACK in the dialog; ``answer_offer`` or ``refuse_offer`` has to follow, now or later.

    ``sdp`` b"" in a re-INVITE asks for an offer of ours, and the answer comes as ``OfferAnswered``.
    """

    request: Request
    sdp: bytes


@attrs.frozen
class OfferAnswered(SessionEvent):
    """The peer answered an offer that we made inside the dialog, or in a reliable provisional."""

    sdp: bytes
    asked: bool = False  #: the peer asked for that offer by a re-INVITE without one: what it answers is its own wish


@attrs.frozen
class OfferRefused(SessionEvent):
    """The peer declined our offer inside the dialog; the session goes on as before (RFC 3261 section 14.1)."""

    status: int


@attrs.frozen
class InfoReceived(SessionEvent):
    """An INFO with a body of a type from ``SessionSettings.info_types``; it is answered already."""

    content_type: str  #: lower case, without parameters
    body: bytes


@attrs.frozen
class ReferReceived(SessionEvent):
    """A REFER whose form is in order; ``Session.answer_refer`` has to follow."""

    request: Request
    target: Uri  #: of its Refer-To


class Unacked:
    """Our 2xx to an INVITE until its ACK comes (RFC 3261 section 13.3.1.4)."""

    __slots__ = ("interval_s", "next_at", "offered", "request", "response", "until")

    def __init__(self, request: Request, response: Response, offered: bool, t1_s: float, now: float) -> None:
        self.request = request
        self.response = response
        self.offered = offered  #: it carries an offer, so that the ACK owes an answer
        self.interval_s = t1_s
        self.next_at = now + t1_s
        self.until = now + 64 * t1_s


def media_type(message: Message) -> str:
    """The Content-Type of a message in lower case, without parameters; "" where there is none."""
    value = message.content_type
    if value is None:
        return ""
    if value == SDP:
        return SDP
    return value.partition(";")[0].strip().lower()


def session_description(message: Message) -> bytes | None:
    """The SDP that ``message`` carries, alone or as a part of multipart/mixed or alternative (RFC 5621); b"" without a body.

    None where there is a body, but nothing in it that we can read: to a request that is 415.
    """
    body = message.body
    if not body:
        return b""
    kind = media_type(message)
    if kind == SDP:
        return body
    if kind.startswith("multipart/"):
        return _part(message.content_type or "", body)
    handling = (message.header("Content-Disposition") or "").lower()
    return b"" if "handling=optional" in handling.replace(" ", "") else None


def _part(content_type: str, body: bytes) -> bytes | None:
    boundary = b""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "boundary":
            boundary = value.strip().strip('"').encode("utf-8", "surrogateescape")
    if not boundary:
        return None
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if part.startswith(b"--"):
            break
        head, gap, content = part.partition(b"\r\n\r\n")
        if gap and any(_is_sdp(line) for line in head.lower().split(b"\r\n")):
            return content
    return None


def _is_sdp(line: bytes) -> bool:
    name, _, value = line.partition(b":")
    return name.strip() in (b"content-type", b"c") and value.partition(b";")[0].strip() == SDP.encode()
