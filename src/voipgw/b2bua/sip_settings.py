"""Settings of SIP legs."""

from __future__ import annotations

import enum

import attrs

from voipgw.b2bua.sip_identity import AssertedIdentity
from voipgw.b2bua.sip_media import SipMediaSettings
from voipgw.sip.auth import Credentials
from voipgw.sip.effects import Destination
from voipgw.sip.session_events import SessionSettings
from voipgw.sip.uri import Uri


class MediaMode(enum.Enum):
    """What becomes of the media of a leg."""

    RELAY = "relay"  #: it passes through our media plane
    NONE = "none"  #: descriptions are handed through, and media goes past us


class Redirects(enum.Enum):
    """What becomes of a 3xx (RFC 3261 section 21.3)."""

    REFUSE = "refuse"  #: the attempt has failed
    FOLLOW = "follow"  #: the places that it names are called, within the attempt
    ON = "pass"  #: the calling side is told of them


class DtmfOut(enum.Enum):
    """How digits are sent to the peer."""

    RFC4733 = "rfc4733"  #: as telephone-event, as sound where the peer does not know that
    INFO = "info"  #: as INFO with application/dtmf-relay; telephone-event is not offered
    INBAND = "inband"  #: as sound; telephone-event is not offered


@attrs.frozen
class SipLegSettings:
    """What all legs of one trunk, or of all callers, have in common."""

    session: SessionSettings  #: our Contact and what SIP needs
    domain: str  #: host part of our From
    media: SipMediaSettings | None = None  #: None hands descriptions through (``--media none``)
    dtmf_out: DtmfOut = DtmfOut.RFC4733
    target: Uri | None = None  #: for calls outwards: the trunk, e.g. ``sip:carrier.example``; a user in it stays
    destination: Destination | None = None  #: for calls outwards: where to send instead of what ``target`` says
    routes: tuple[str, ...] = ()  #: for calls outwards: Route values (a Service-Route, or the Path of a binding)
    credentials: tuple[Credentials, ...] = ()  #: for challenges of the trunk
    identity: AssertedIdentity = AssertedIdentity.NONE
    trusted: bool = False  #: for calls outwards: whether the trunk's P-Asserted-Identity is believed

    redirects: Redirects = Redirects.REFUSE  #: for calls outwards

    @property
    def mode(self) -> MediaMode:
        """What becomes of the media."""
        return MediaMode.NONE if self.media is None else MediaMode.RELAY
