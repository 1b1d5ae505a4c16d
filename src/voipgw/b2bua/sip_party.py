"""What a SIP leg is made of, and how it turns what its session says into call events.

``SipParty`` holds the session, the media and the state of one SIP leg; ``voipgw.b2bua.sip_leg.SipLeg`` adds what the call and
the endpoint ask of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from voipgw.b2bua.sip_identity import connected_of, number_of, to_of
from voipgw.b2bua.sip_keys import SrtpPolicy
from voipgw.b2bua.sip_media import SipMedia, SipMediaSettings, offered_onward
from voipgw.b2bua.sip_outcome import refusal_fields, released, shown_status, warning
from voipgw.b2bua.sip_redirect import Onward, contacts_of
from voipgw.b2bua.sip_settings import DtmfOut, MediaMode, Redirects, SipLegSettings
from voipgw.call.events import Answered, Digit, HookFlash, Progress, Released, TransferAsked, Updated
from voipgw.call.model import Media, Source
from voipgw.causes import Cause
from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError, NegotiationError, ParseError, VoipGwError
from voipgw.media.plane import MediaPlane, Stream
from voipgw.sip.auth import DigestClient
from voipgw.sip.dtmf_info import read_info
from voipgw.sip.effects import Effect
from voipgw.sip.message import Message, Request
from voipgw.sip.reason import Reason
from voipgw.sip.session import Session
from voipgw.sip.session_client import ClientSession
from voipgw.sip.session_events import (
    Established,
    InfoReceived,
    OfferAnswered,
    OfferReceived,
    OfferRefused,
    Provisional,
    ReferReceived,
    SessionEnded,
    State,
)
from voipgw.sip.session_server import ServerSession
from voipgw.sip.uri import Uri


class SipParty:
    """The state of one SIP party of a call, and the reading of its session. Mutable, owned by its call."""

    __slots__ = (
        "_answered",
        "_call_id",
        "_entropy",
        "_media",
        "_name",
        "_offer_waits",
        "_onward",
        "_over",
        "_plane",
        "_rang",
        "_refer",
        "_refer_taken",
        "_response_at",
        "_ring_at",
        "_ring_timeout_s",
        "_sent_sdp",
        "_session",
        "_settings",
        "_signalling",
        "_source",
    )

    def __init__(
        self,
        name: str,
        settings: SipLegSettings,
        entropy: Entropy,
        plane: MediaPlane | None = None,
        *,
        source: Source | None = None,
        call_id: str = "",
    ) -> None:
        """A leg without a call yet.

        ``name`` is what records call it. ``plane`` is needed unless media passes us by. For a call that comes in, ``source``
        says who it is from as far as that is proven, and ``call_id`` is the gateway's own name for the call.
        """
        if settings.media is not None and plane is None:
            raise LocalProtocolError("a leg that anchors media needs a media plane")
        self._name = name
        self._settings = settings
        self._entropy = entropy
        self._plane = plane
        self._source = source
        self._call_id = call_id
        self._session: ServerSession | ClientSession | None = None
        self._media: SipMedia | None = None
        self._over = False  # Released was given, either way
        self._answered = False
        self._offer_waits = False  # the peer's offer waits for the other leg's answer (media past us)
        self._sent_sdp = b""  # our last one
        self._response_at = math.inf
        self._ring_at = math.inf
        self._ring_timeout_s = 0.0
        self._rang = False
        self._refer: Request | None = None  # the transfer that the peer asked for
        self._refer_taken = False
        self._onward: Onward | None = None  # where an attempt may be sent on to, if that is allowed
        self._signalling: str | None = None  # where the peer's signalling comes from, as far as that is known

    # As a leg.

    @property
    def name(self) -> str:
        """What records and ladders call it."""
        return self._name

    @property
    def stream(self) -> Stream | None:
        """Its RTP stream, once there is one; None where media passes us by."""
        return self._media.stream if self._media is not None else None

    @property
    def mode(self) -> MediaMode:
        """What becomes of its media."""
        return self._settings.mode

    @property
    def session(self) -> Session | None:
        """The SIP session, once there is one."""
        return self._session

    def release(self, event: Released, now: float) -> list[Effect]:
        """Refuse, cancel or hang up, with a Reason that gives the Q.850 cause (RFC 3326, RFC 6432), and close the stream."""
        session = self._session
        if session is None or self._over:
            self._end()
            return []
        self._end()
        reason = ("Reason", str(Reason.q850(event.cause)))  # the text is for our operator, not for the peer
        if isinstance(session, ServerSession) and session.state is State.INVITED:
            return session.reject(shown_status(event), now, (reason, *refusal_fields(event)))
        return session.hang_up(now, (reason,))

    # What the session says.

    def _translate(self, effects: list[Effect], now: float) -> list[Effect]:
        """Session events become call events, with what this leg does about them; everything else passes."""
        found: list[Effect] = []
        for effect in effects:
            handler = _TRANSLATED.get(type(effect))
            if handler is None:
                found.append(effect)
            elif not self._over:
                found += handler(self, effect, now)
        return found

    def _ringing(self, event: Provisional, now: float) -> list[Effect]:
        if not self._rang:
            self._rang = True
            self._ring_at = now + self._ring_timeout_s
        media: Media | None = None
        if event.offered:
            return self._offered_early(event, now)
        if event.sdp:
            if self._media is None:
                media = Media(sdp=event.sdp)
            else:
                try:
                    media = self._media.take_answer(event.sdp)
                except VoipGwError:
                    media = None  # no early media then; the answer of the 2xx decides about the call
        return [Progress(event.response.status, media)]

    def _offered_early(self, event: Provisional, now: float) -> list[Effect]:
        """A reliable provisional brought the offer that our INVITE asked for: PRACK carries the answer (RFC 3262 section 5)."""
        session, media = self._session, self._media
        if not isinstance(session, ClientSession):
            return []
        if media is None:  # the other side's answer comes by ``update``
            return [Progress(event.response.status, Media(sdp=event.sdp))]
        try:
            taken = media.take_offer(event.sdp)
            body = media.answer()
        except VoipGwError as error:
            return self._fail(Released(error.q850_cause, error.sip_status, str(error)), now)
        return [*self._translate(session.acknowledge(body, now), now), Progress(event.response.status, taken)]

    def _established(self, event: Established, now: float) -> list[Effect]:
        self._response_at = self._ring_at = math.inf
        client = isinstance(self._session, ClientSession)
        if self._media is None:
            self._answered = True
            if not client:
                return [Updated(Media(sdp=event.sdp))] if event.sdp else []
            return [Answered(Media(sdp=event.sdp), connected_of(event.message, self._settings.trusted))]
        effects: list[Effect] = []
        if client and (place := _next_place(event.message)) is not None:
            secure = _is_secure(place)
            self._media.signalled(offers=secure, answers=secure if event.offered else None)
        try:
            media = self._complete(self._media, event, now, effects)
        except VoipGwError as error:
            return [*effects, *self._fail(_useless(error), now)]
        self._answered = True
        if client:
            effects.append(Answered(media, connected_of(event.message, self._settings.trusted)))
        return effects

    def _complete(self, media: SipMedia, event: Established, now: float, effects: list[Effect]) -> Media | None:
        """Finish the first exchange of descriptions; what has to be sent for it goes to ``effects``."""
        session = self._session
        if isinstance(session, ServerSession):
            return media.take_answer(event.sdp) if event.sdp or not (session.offered or session.settled) else None
        if event.settled and media.last is not None:
            return media.last
        if isinstance(session, ClientSession) and event.offered:
            taken = media.take_offer(event.sdp)
            effects += session.acknowledge(media.answer(), now)
            return taken
        if not event.sdp:
            raise NegotiationError("the call was answered without a description")
        return media.take_answer(event.sdp)

    def _ended(self, event: SessionEnded, now: float) -> list[Effect]:
        session = self._session
        responded = not isinstance(session, ClientSession) or session.responded
        redirected = event.status is not None and 300 <= event.status < 400
        if self._onward is not None and not self._answered:
            if redirected and event.message is not None and event.status is not None:
                self._onward.learn(event.message, event.status)
            following = None if event.status is not None and event.status >= 600 else self._onward.following()
            while following is not None and not self._may_have_keys(following[0]):
                following = self._onward.following()
            if following is not None:
                return self._send_on(session, *following, now)
        self._end()
        over = released(event, responded)
        if redirected and self._settings.redirects is Redirects.ON:
            over = attrs.evolve(over, contacts=tuple([f"<{one.uri}>" for one in contacts_of(event.message)]))
        return [over]

    def _may_have_keys(self, uri: Uri) -> bool:
        """Whether our description may be sent to a place that a redirection names: SRTP keys in it go over TLS only."""
        media = self._settings.media
        if media is None or media.srtp is SrtpPolicy.OFF or media.keys_in_clear:
            return True
        return _is_secure(uri)

    def _send_on(
        self, before: Session | None, uri: Uri, fields: tuple[tuple[str, str], ...], now: float
    ) -> list[Effect]:
        """Call the place that a redirection names; our credentials and the trunk's proxy are for the trunk's own host only."""
        settings = self._settings
        own = settings.target is not None and settings.target.host.lower() == uri.host.lower()
        auth = DigestClient(settings.credentials, self._entropy) if own and settings.credentials else None
        destination = settings.destination if own else None
        assert before is not None
        session = ClientSession(before.user, settings.session, self._entropy, auth=auth, destination=destination)
        self._session = session
        self._rang, self._ring_at = False, now + self._ring_timeout_s
        return self._start_at(session, uri, fields, now)

    def _start_at(
        self, session: ClientSession, uri: Uri, fields: tuple[tuple[str, str], ...], now: float
    ) -> list[Effect]:
        onward = self._onward
        assert onward is not None
        return session.start(
            uri, now, from_=onward.from_, to=to_of(uri), sdp=self._sent_sdp, fields=fields,
            max_forwards=onward.max_forwards, reliable=onward.reliable,
        )  # fmt: skip

    def _offer_received(self, event: OfferReceived, now: float) -> list[Effect]:
        session, media = self._session, self._media
        if session is None:
            return []
        if media is None:
            if (
                not event.sdp or event.sdp == session.remote_sdp
            ):  # asked for an offer, or a refresh: what stands is said again
                return self._translate(session.answer_offer(self._sent_sdp, now), now)
            self._offer_waits = True
            return [Updated(Media(sdp=event.sdp))]
        try:
            if not event.sdp:
                return self._translate(session.answer_offer(media.reoffer(), now), now)
            taken = media.take_offer(event.sdp)
            body = media.answer((media.codec,) if media.codec is not None else ())
        except VoipGwError as error:
            status = error.status if isinstance(error, ParseError) else error.sip_status
            return self._translate(session.refuse_offer(status, now, warning(error, self._settings.domain)), now)
        session.withdraw_offer()  # what we wanted to offer is said in this answer
        return [*self._translate(session.answer_offer(body, now), now), Updated(taken)]

    def _offer_answered(self, event: OfferAnswered, now: float) -> list[Effect]:
        media = self._media
        if media is None:
            return [Updated(Media(sdp=event.sdp))] if event.sdp else []
        try:
            taken = media.take_answer(event.sdp)
        except VoipGwError as error:
            return self._fail(Released(error.q850_cause, error.sip_status, str(error)), now)
        return [Updated(media.wish(taken))] if event.asked else []

    def _offer_refused(self, event: OfferRefused, now: float) -> list[Effect]:
        return [Updated(Media())] if self._media is None else []

    def _info(self, event: InfoReceived, now: float) -> list[Effect]:
        told = read_info(event.content_type, event.body)
        if told is None:
            return []
        symbol, duration_ms = told
        return [HookFlash()] if symbol == "!" else [Digit(symbol, duration_ms)]

    def _referred(self, event: ReferReceived, now: float) -> list[Effect]:
        session = self._session
        if session is None or self._refer is not None or self.stream is None:  # one at a time, and media must be ours
            return [] if session is None else session.answer_refer(event.request, 603, now)
        self._refer, self._refer_taken = event.request, False
        uri = event.target
        return [TransferAsked(number_of(uri), uri.host)]

    # Small help.

    def _fail(self, released: Released, now: float) -> list[Effect]:
        """End this leg for a reason of its own, and tell the call."""
        return [*self.release(released, now), released]

    def _end(self) -> None:
        self._over = True
        self._response_at = self._ring_at = math.inf
        if self._media is not None:
            self._media.close()

    def _signalled_from(self, address: str) -> None:
        self._signalling = address
        if self._media is not None:
            self._media.signalling = address

    def _open_media(self, settings: SipMediaSettings) -> SipMedia:
        if self._plane is None:
            raise LocalProtocolError("a leg that anchors media needs a media plane")
        events = settings.events and self._settings.dtmf_out is DtmfOut.RFC4733
        self._media = SipMedia(settings, self._plane, self._entropy, events=events)
        self._media.signalling = self._signalling
        return self._media

    def _answer_for(self, other: Media) -> bytes:
        """Our answer to the caller's offer, in the codec that the other leg uses where that can be.

        Ours is given once and stands. One that is handed through may change with the branch of a fork that is heard.
        """
        if self._media is None:
            self._sent_sdp = other.sdp or self._sent_sdp
        elif not self._sent_sdp:
            self._sent_sdp = self._media.answer(other.codecs)
        return self._sent_sdp

    def _media_offer(self, other: Media) -> bytes:
        """Our offer to a caller that made none."""
        settings = self._settings.media
        if settings is None:
            return other.sdp
        return self._open_media(settings).offer(offered_onward(other.codecs, settings.codecs, ()))


def _useless(error: VoipGwError) -> Released:
    """An answer that we cannot use; one that cannot be read is the answering side's fault (502), not the caller's."""
    if isinstance(error, ParseError):
        return Released(Cause.NETWORK_OUT_OF_ORDER, 502, str(error))
    return Released(error.q850_cause, error.sip_status, str(error))


def _is_secure(uri: Uri) -> bool:
    return uri.scheme == "sips" or (uri.param("transport") or "").lower() in {"tls", "wss"}


def _next_place(answer: Message) -> Uri | None:
    """Where requests of the dialog that ``answer`` makes go first (RFC 3261 section 12.1.2); None where it does not say."""
    try:
        hops = answer.record_routes[-1:] or answer.contacts[:1]
    except ParseError:
        return None
    return hops[0].uri if hops else None


_TRANSLATED: dict[type, Callable[..., list[Effect]]] = {
    Provisional: SipParty._ringing,
    Established: SipParty._established,
    SessionEnded: SipParty._ended,
    OfferReceived: SipParty._offer_received,
    OfferAnswered: SipParty._offer_answered,
    OfferRefused: SipParty._offer_refused,
    InfoReceived: SipParty._info,
    ReferReceived: SipParty._referred,
}
