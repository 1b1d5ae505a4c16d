"""The words that routing, policy and legs share: who calls whom, with what media, and where it goes."""

from __future__ import annotations

import enum

import attrs

from voipgw.causes import Cause


class SourceKind(enum.Enum):
    """What a call came in by."""

    TRUNK = "trunk"  #: a configured SIP peer
    LINE = "line"  #: an analog port
    SPAN = "span"  #: a channel of an E1 or T1
    USER = "user"  #: an authenticated or registered user
    ADDRESS = "address"  #: an IP address that nothing else is known of
    APP = "app"  #: user code of this gateway


@attrs.frozen
class Source:
    """Where a call came from, as far as it has been proven."""

    kind: SourceKind
    name: str  #: the trunk, line, span or user; the IP address for ADDRESS
    address: str = ""  #: IP address that signalling came from, "" for lines
    trusted: bool = False  #: by address list, by credentials or by being a port of ours

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


@attrs.frozen
class Party:
    """One end of a call as shown to the other."""

    number: str = ""  #: digits, with "+" first when it is E.164; "" when unknown
    display_name: str = ""
    restricted: bool = False  #: presentation restricted: not to be shown (RFC 3323, Q.931 section 4.5.10)


class Direction(enum.Enum):
    """Which way media flows, seen from the side that says it (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    def reverse(self) -> Direction:
        """The same flow seen from the other side."""
        if self is Direction.SENDONLY:
            return Direction.RECVONLY
        return Direction.SENDONLY if self is Direction.RECVONLY else self


@attrs.frozen
class Codec:
    """An audio format of an offer or answer."""

    name: str  #: encoding name of RFC 3551 or the IANA registry, e.g. "PCMU", "opus"
    clock_rate_hz: int = 8000  #: RTP clock
    channels: int = 1
    payload_type: int | None = None  #: as the peer numbered it, None when it has not
    fmtp: str = ""

    def same_format(self, other: Codec) -> bool:
        """Whether both are the same encoding; names compare without case (RFC 8866 section 6.6)."""
        return (
            self.name.lower() == other.name.lower()
            and self.clock_rate_hz == other.clock_rate_hz
            and self.channels == other.channels
        )


PCMU = Codec("PCMU", payload_type=0)
PCMA = Codec("PCMA", payload_type=8)
TELEPHONE_EVENT = "telephone-event"


@attrs.frozen
class Media:
    """What one side offered or answered, in words that every kind of leg understands."""

    codecs: tuple[Codec, ...] = ()  #: audio, best first, telephone-event not among them
    telephone_event: bool = False  #: RFC 4733 digits are understood
    direction: Direction = Direction.SENDRECV  #: seen from the side that said it
    sdp: bytes = b""  #: the description as received, for legs that pass it through without touching media; else b""


class TargetKind(enum.Enum):
    """What an attempt is sent to."""

    TRUNK = "trunk"
    LINE = "line"
    SPAN = "span"
    USER = "user"
    APP = "app"


@attrs.frozen
class Target:
    """One place a call can be sent to; ``name`` is what the configuration calls it."""

    kind: TargetKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


@attrs.frozen
class CallRequest:
    """A call that asks for a route: everything known of it before a decision."""

    call_id: str  #: ours, unique in this gateway; the key of the call record
    source: Source
    called: str  #: as dialled or as in the request URI's user part; never normalised here
    calling: Party = Party()
    media: Media | None = None  #: None when the offer comes later
    headers: tuple[tuple[str, str], ...] = ()  #: signalling headers that predicates may look at
    domain: str = ""  #: host of the request URI, "" for lines
    hops: int = 70  #: Max-Forwards that is left (RFC 3261 section 8.1.1.6)


@attrs.frozen
class Route:
    """One attempt of a decision: where to, and with which numbers on the wire."""

    target: Target
    called: str  #: number to be sent, transforms applied
    calling: Party = Party()
    rule: str = ""  #: name of the rule that chose it
    ring_timeout_s: float = 60.0  #: from the first ringing to giving up
    response_timeout_s: float = 4.0  #: without any response at all before the next route is tried
    codecs: tuple[str, ...] = ()  #: names, best first; () leaves the gateway's own list
    headers: tuple[tuple[str, str], ...] = ()  #: to be added to the request
    binding: str = ""  #: for a user: which of its registrations, by the key of the binding


@attrs.frozen
class Refusal:
    """A call that routing or policy declines. Not an error."""

    cause: Cause
    rule: str  #: which rule or policy, in words an operator understands
    sip_status: int | None = None  #: when the rule wants another one than the cause maps to
    contacts: tuple[str, ...] = ()  #: of a redirection: Contact values, best first


class ReleasedBy(enum.Enum):
    """Who ended a call or an attempt."""

    CALLING = "calling"
    CALLED = "called"
    GATEWAY = "gateway"
