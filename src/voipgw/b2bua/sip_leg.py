"""A SIP party of a call: the INVITE session, its media and its identity, translated to call events and back.

One class serves both ways: a leg that is given an INVITE is a server, one that is told to ``originate`` a client. It is the
transaction user of all its requests and the user of its session.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from voipgw.b2bua.sip_identity import called_of, calling_of, connected_of, identity_fields, request_uri, to_of
from voipgw.b2bua.sip_media import SipMedia, SipMediaSettings, offered_onward
from voipgw.b2bua.sip_outcome import refusal_fields, released, shown_status, warning
from voipgw.b2bua.sip_settings import DtmfOut, MediaMode, SipLegSettings
from voipgw.call.events import Answered, Digit, HookFlash, Offered, Progress, Released, Updated
from voipgw.call.model import CallRequest, Media, Route, Source, SourceKind
from voipgw.causes import Cause
from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError, NegotiationError, ParseError, VoipGwError
from voipgw.media.plane import DigitHeard, MediaEvent, MediaPlane, MediaStopped, Stream
from voipgw.sip.auth import DigestClient
from voipgw.sip.dtmf_info import read_info, write_info
from voipgw.sip.effects import Arrival, Effect
from voipgw.sip.message import Request, Response
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
    SessionEnded,
    State,
    session_description,
)
from voipgw.sip.session_server import ServerSession


class SipLeg:
    """One SIP party of a call. Implements ``voipgw.b2bua.leg.Leg`` and ``voipgw.sip.effects.TransactionUser``."""

    __slots__ = (
        "_answered",
        "_call_id",
        "_entropy",
        "_media",
        "_name",
        "_offer_waits",
        "_over",
        "_plane",
        "_rang",
        "_response_at",
        "_ring_at",
        "_ring_timeout_s",
        "_sent_sdp",
        "_session",
        "_settings",
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

    def originate(self, request: CallRequest, route: Route, offer: Media, now: float) -> list[Effect]:
        """Send an INVITE for ``route``.

        Raises:
            NegotiationError: the route names codecs that cannot be offered.
            ResourceError: no port for media is left.
            LocalProtocolError: the leg has a call already, or its settings no target.
        """
        settings = self._settings
        if self._session is not None or settings.target is None:
            raise LocalProtocolError("a leg places one call, and needs a target for it")
        if request.hops <= 0:
            self._over = True
            return [Released(Cause.EXCHANGE_ROUTING_ERROR, 483, "no hops left", responded=False)]
        if settings.media is None:
            body = offer.sdp
        else:
            media = self._open_media(settings.media)
            media.direction = offer.direction
            body = media.offer(offered_onward(offer.codecs, settings.media.codecs, route.codecs))
        self._sent_sdp = body
        auth = DigestClient(settings.credentials, self._entropy) if settings.credentials else None
        session = ClientSession(self, settings.session, self._entropy, auth=auth, destination=settings.destination)
        self._session = session
        uri = request_uri(settings.target, route.called)
        from_, fields = identity_fields(route.calling, settings.domain, settings.identity)
        self._response_at = now + route.response_timeout_s
        self._ring_timeout_s = route.ring_timeout_s
        return session.start(
            uri,
            now,
            from_=from_,
            to=to_of(uri),
            sdp=body,
            fields=(*fields, *route.headers),
            max_forwards=request.hops - 1,
        )

    def progress(self, event: Progress, now: float) -> list[Effect]:
        """Send a provisional, with a description where ``event`` brings early media."""
        session = self._session
        if not isinstance(session, ServerSession) or self._over:
            return []
        if event.media is not None and session.offered:
            return session.progress(event.status, now, self._answer_for(event.media))
        return session.progress(event.status, now)

    def answer(self, event: Answered, now: float) -> list[Effect]:
        """Send 200.

        Raises:
            NegotiationError: nothing of the caller's offer is among our codecs.
            ResourceError: no port for media is left.
        """
        session = self._session
        if not isinstance(session, ServerSession) or self._over:
            return []
        other = event.media or Media()
        if not session.offered:
            self._sent_sdp = self._media_offer(other)
        else:
            self._answer_for(other)
        self._answered = True
        return session.accept(self._sent_sdp, now)

    def update(self, event: Updated, now: float) -> list[Effect]:
        """Pass on what became of the other side's media: a re-INVITE, or the answer to one that waits here."""
        session = self._session
        if session is None or self._over:
            return []
        media = self._media
        if media is not None:
            if media.direction is event.media.direction:
                return []
            media.direction = event.media.direction
            return self._translate(session.offer(media.reoffer(), now), now)
        body = event.media.sdp
        if self._offer_waits:
            self._offer_waits = False
            if not body:
                return self._translate(session.refuse_offer(488, now), now)
            self._sent_sdp = body
            return self._translate(session.answer_offer(body, now), now)
        if isinstance(session, ClientSession) and session.unanswered_offer:
            self._sent_sdp = body
            return self._translate(session.acknowledge(body, now), now)
        if not body or body == self._sent_sdp:
            return []
        self._sent_sdp = body
        return self._translate(session.offer(body, now), now)

    def digit(self, event: Digit, now: float) -> list[Effect]:
        """Send a digit to the peer, as the settings say; by INFO where there is no stream."""
        session = self._session
        if session is None or self._over:
            return []
        stream = self.stream
        if stream is None or self._settings.dtmf_out is DtmfOut.INFO:
            return session.info("application/dtmf-relay", write_info(event.symbol, event.duration_ms), now)
        if not event.carried:
            stream.send_digit(event.symbol, event.duration_ms)
        return []

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

    def receive_media(self, event: MediaEvent, now: float) -> list[Effect]:
        """A digit that was heard and that the bridge has not passed on by itself, or that the peer's media has stopped."""
        if self._over:
            return []
        if isinstance(event, DigitHeard):
            return [Digit(event.symbol, event.duration_ms, event.passed_on)]
        if isinstance(event, MediaStopped) and self._answered and self._media is not None and self._media.receiving:
            text = f"no media for {event.silent_s:.0f} s"
            return self._fail(Released(Cause.RECOVERY_ON_TIMER_EXPIRY, None, text), now)
        return []

    # As a transaction user.

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        """The INVITE that begins a call, or a request inside the session."""
        session = self._session
        if session is None:
            return self._invited(request, arrival, now)
        return self._translate(session.receive_request(request, now), now)

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """A response to a request of ours."""
        if self._session is None:
            return []
        if self._response_at < math.inf:
            self._response_at = math.inf
            self._ring_at = now + self._ring_timeout_s
        return self._translate(self._session.receive_response(response, now), now)

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        """A request of ours got no answer."""
        return [] if self._session is None else self._translate(self._session.request_failed(request, error, now), now)

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        """The peer cancelled its INVITE."""
        return [] if self._session is None else self._translate(self._session.cancelled(request, now, cancel), now)

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called."""
        if self._session is None:
            return math.inf
        return min(self._session.next_deadline(), self._response_at, self._ring_at)

    def handle_deadline(self, now: float) -> list[Effect]:
        """No response at all in time, no answer in time, and the timers of the session."""
        session = self._session
        if session is None:
            return []
        if now >= self._response_at:
            text = "no response in time"
            return self._fail(Released(Cause.RECOVERY_ON_TIMER_EXPIRY, 408, text, responded=False), now)
        if now >= self._ring_at:
            return self._fail(Released(Cause.NO_ANSWER, None, "no answer in time"), now)
        return self._translate(session.handle_deadline(now), now)

    # The call that comes in.

    def _invited(self, invite: Request, arrival: Arrival, now: float) -> list[Effect]:
        settings = self._settings
        # Whoever came over a connection of its own making cannot be called at its Contact (RFC 5626 section 1).
        back = arrival.back if arrival.transport != "udp" else None
        session = ServerSession(self, settings.session, self._entropy, destination=back)
        refusal = session.start(invite, now)
        if refusal:
            self._over = True
            return [effect for effect in refusal if not isinstance(effect, SessionEnded)]
        self._session = session
        media: Media | None = None
        if session.offered:
            body = session_description(invite) or b""
            if settings.media is None:
                media = Media(sdp=body)
            else:
                try:
                    media = self._open_media(settings.media).take_offer(body)
                except VoipGwError as error:
                    self._over = True
                    status = error.status if isinstance(error, ParseError) else error.sip_status
                    return session.reject(status, now, warning(error, settings.domain))
        return [Offered(self._call_request(invite, arrival, media))]

    def _call_request(self, invite: Request, arrival: Arrival, media: Media | None) -> CallRequest:
        host = arrival.source[0]
        source = self._source or Source(SourceKind.ADDRESS, host, host)
        called, domain = called_of(invite)
        hops = invite.max_forwards
        return CallRequest(
            call_id=self._call_id or invite.call_id,
            source=source,
            called=called,
            calling=calling_of(invite, source.trusted),
            media=media,
            headers=tuple(invite.fields()),
            domain=domain,
            hops=70 if hops is None else hops,
        )

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
        if event.sdp:
            if self._media is None:
                media = Media(sdp=event.sdp)
            else:
                try:
                    media = self._media.take_answer(event.sdp)
                except VoipGwError:
                    media = None  # no early media then; the answer of the 2xx decides about the call
        return [Progress(event.response.status, media)]

    def _established(self, event: Established, now: float) -> list[Effect]:
        self._response_at = self._ring_at = math.inf
        client = isinstance(self._session, ClientSession)
        if self._media is None:
            self._answered = True
            if not client:
                return [Updated(Media(sdp=event.sdp))] if event.sdp else []
            return [Answered(Media(sdp=event.sdp), connected_of(event.message, self._settings.trusted))]
        effects: list[Effect] = []
        try:
            media = self._complete(self._media, event, now, effects)
        except VoipGwError as error:
            return [*effects, *self._fail(Released(error.q850_cause, error.sip_status, str(error)), now)]
        self._answered = True
        if client:
            effects.append(Answered(media, connected_of(event.message, self._settings.trusted)))
        return effects

    def _complete(self, media: SipMedia, event: Established, now: float, effects: list[Effect]) -> Media | None:
        """Finish the first exchange of descriptions; what has to be sent for it goes to ``effects``."""
        session = self._session
        if isinstance(session, ServerSession):
            return media.take_answer(event.sdp) if not session.offered else None
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
        self._end()
        return [released(event, responded)]

    def _offer_received(self, event: OfferReceived, now: float) -> list[Effect]:
        session, media = self._session, self._media
        if session is None:
            return []
        if media is None:
            if not event.sdp:  # asked for an offer: what stands is offered once more
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
            return [Updated(Media(sdp=event.sdp))]
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

    # Small help.

    def _fail(self, released: Released, now: float) -> list[Effect]:
        """End this leg for a reason of its own, and tell the call."""
        return [*self.release(released, now), released]

    def _end(self) -> None:
        self._over = True
        self._response_at = self._ring_at = math.inf
        if self._media is not None:
            self._media.close()

    def _open_media(self, settings: SipMediaSettings) -> SipMedia:
        if self._plane is None:
            raise LocalProtocolError("a leg that anchors media needs a media plane")
        events = settings.events and self._settings.dtmf_out is DtmfOut.RFC4733
        self._media = SipMedia(settings, self._plane, self._entropy, events=events)
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


_TRANSLATED: dict[type, Callable[..., list[Effect]]] = {
    Provisional: SipLeg._ringing,
    Established: SipLeg._established,
    SessionEnded: SipLeg._ended,
    OfferReceived: SipLeg._offer_received,
    OfferAnswered: SipLeg._offer_answered,
    OfferRefused: SipLeg._offer_refused,
    InfoReceived: SipLeg._info,
}
