"""A SIP party of a call: the INVITE session, its media and its identity, translated to call events and back.

One class serves both ways: a leg that is given an INVITE is a server, one that is told to ``originate`` a client. It is the
transaction user of all its requests and the user of its session.
"""

from __future__ import annotations

import math

from voipgw.b2bua.sip_identity import called_of, calling_of, identity_fields, request_uri, to_of
from voipgw.b2bua.sip_media import is_numeric, offered_onward
from voipgw.b2bua.sip_outcome import warning
from voipgw.b2bua.sip_party import SipParty
from voipgw.b2bua.sip_redirect import Onward
from voipgw.b2bua.sip_settings import DtmfOut, Redirects, SipLegSettings
from voipgw.call.events import Answered, Digit, Offered, Progress, Released, Updated
from voipgw.call.model import CallRequest, Media, Route, Source, SourceKind
from voipgw.causes import Cause
from voipgw.errors import LocalProtocolError, NegotiationError, ParseError, VoipGwError
from voipgw.media.plane import DigitHeard, MediaEvent, MediaStopped
from voipgw.sip.auth import DigestClient
from voipgw.sip.bindings import reached_by_flow
from voipgw.sip.dtmf_info import write_info
from voipgw.sip.effects import Arrival, Effect
from voipgw.sip.message import Request, Response
from voipgw.sip.reliable import TAG
from voipgw.sip.session_client import ClientSession
from voipgw.sip.session_events import (
    SessionEnded,
    State,
    session_description,
)
from voipgw.sip.session_server import ServerSession


class SipLeg(SipParty):
    """One SIP party of a call. Implements ``voipgw.b2bua.leg.Leg`` and ``voipgw.sip.effects.TransactionUser``."""

    __slots__ = ()

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
            self._signalling = _numeric(settings)
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
        if settings.redirects is Redirects.FOLLOW:
            fields = (*fields, *route.headers)
            self._onward = Onward(uri, from_, fields, request.hops - 1, bool(body) or _reliable(request))
            return self._start_at(session, uri, fields, now)
        return session.start(
            uri,
            now,
            from_=from_,
            to=to_of(uri),
            sdp=body,
            fields=(*[("Route", value) for value in settings.routes], *fields, *route.headers),
            max_forwards=request.hops - 1,
            reliable=bool(body) or _reliable(request),
        )

    def progress(self, event: Progress, now: float) -> list[Effect]:
        """Send a provisional, with a description where ``event`` brings early media."""
        session = self._session
        if not isinstance(session, ServerSession) or self._over:
            return []
        if event.media is not None and session.offered:
            return session.progress(event.status, now, self._answer_for(event.media))
        if event.media is not None and session.may_offer_early:
            if not session.said_early:
                self._sent_sdp = self._media_offer(event.media)
            return session.progress(event.status, now, self._sent_sdp)
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
        other, said = event.media or Media(), self._sent_sdp
        if session.offered:
            self._answer_for(other)
        elif not session.said_early:
            self._sent_sdp = self._media_offer(other)
        self._answered = True
        effects = session.accept(self._sent_sdp, now)
        if (
            session.said_early and self._sent_sdp != said
        ):  # what was said early stands; another fork answered than was heard
            effects += session.offer(self._sent_sdp, now)
        return effects

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
            try:
                body = media.reoffer()
            except NegotiationError:
                return []  # its keys would go in clear: better not passed on
            return self._translate(session.offer(body, now), now)
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
        if session.state in (State.CALLING, State.INVITED) and not session.can_offer_early:
            return [Updated(Media())]  # this peer cannot follow before the answer
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

    def transfer_progress(self, status: int, now: float) -> list[Effect]:
        """Tell the peer how the transfer that it asked for goes on: first the answer to its REFER, then NOTIFYs."""
        session, refer = self._session, self._refer
        if session is None or refer is None:
            return []
        if not self._refer_taken and status >= 300:
            self._refer = None
            return session.answer_refer(refer, status, now)
        effects: list[Effect] = []
        if not self._refer_taken:
            self._refer_taken = True
            effects = session.answer_refer(refer, 202, now)
        if status >= 200:
            self._refer = None
        return effects + session.notify_refer(refer, status, now)

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
        self._signalled_from(arrival.source[0])
        if self._media is not None:
            self._media.signalled(answers=arrival.secure)
        return self._translate(session.receive_request(request, now), now)

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """A response to a request of ours."""
        session = self._session
        if session is None:
            return []
        if self._onward is not None and isinstance(session, ClientSession) and response.call_id != session.call_id:
            return []  # a late word of a place that has sent us on
        if self._response_at < math.inf:
            self._response_at = math.inf
            self._ring_at = now + self._ring_timeout_s
        return self._translate(session.receive_response(response, now), now)

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
        self._signalled_from(arrival.source[0])
        # Whoever came over a connection of its own making, or from behind an address translator, cannot be called at its
        # Contact (RFC 5626 section 1).
        back = arrival.back if arrival.transport != "udp" or _behind_translator(invite, arrival) else None
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


def _reliable(request: CallRequest) -> bool:
    """Whether the caller could answer an offer that comes before the answer, since we pass descriptions through."""
    told = [value.lower() for name, value in request.headers if name.lower() in ("supported", "require", "k")]
    return any(TAG in value for value in told)


def _behind_translator(invite: Request, arrival: Arrival) -> bool:
    contact = invite.header("Contact")
    if contact is None or arrival.source[0] in contact or invite.contact_wildcard:
        return False
    return reached_by_flow(invite.contacts[0].uri, invite, arrival)


def _numeric(settings: SipLegSettings) -> str | None:
    """The address that a call outwards is signalled with; None where only a resolver knows it."""
    if settings.destination is not None:
        host = settings.destination.host
    else:
        host = settings.target.host.strip("[]") if settings.target is not None else ""
    return host if is_numeric(host) else None
