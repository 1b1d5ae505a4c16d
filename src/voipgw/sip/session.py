"""The INVITE usage of a dialog, once there is one: what its peer sends, and the timers that run.

``Session`` is what both roles have in common; ``voipgw.sip.session_client`` adds the placing of a call and
``voipgw.sip.session_server`` the taking of one. Standards: RFC 3261 sections 12 to 15, RFC 3264 and 6337 for who may offer
when, RFC 3262 (PRACK), RFC 3311 (UPDATE), RFC 4028 (session timers), RFC 6086 (INFO), RFC 3326 (Reason). A session is a
machine: each method returns effects of ``voipgw.sip.effects`` for the endpoint and events of ``voipgw.sip.session_events`` for
its user, in the order in which they are to be carried out.
"""

from __future__ import annotations

from collections.abc import Callable

from voipgw.causes import reason_phrase
from voipgw.errors import ParseError, TransportError
from voipgw.sip.effects import Effect, Respond
from voipgw.sip.headers import NameAddr
from voipgw.sip.message import Message, Request, Response
from voipgw.sip.reason import Reason, parse_reasons
from voipgw.sip.session_events import (
    SDP,
    End,
    Established,
    InfoReceived,
    OfferAnswered,
    OfferReceived,
    ReferReceived,
    SessionEnded,
    State,
    media_type,
    session_description,
)
from voipgw.sip.session_offers import OfferAnswer
from voipgw.sip.usage import Fields


def reasons_of(message: Message) -> tuple[Reason, ...]:
    """The Reason fields of a message, read."""
    values = message.headers("Reason")
    return parse_reasons(values) if values else ()


class Session(OfferAnswer):
    """An INVITE session with one peer. Mutable, owned by its user, e.g. a leg."""

    __slots__ = ()

    # What the user asks for, beside offers.

    def info(self, content_type: str, body: bytes, now: float) -> list[Effect]:
        """Send an INFO with ``body`` inside the dialog (RFC 6086 section 4, legacy usage); nothing unless it is confirmed."""
        if self.state is not State.CONFIRMED:
            return []
        return [self._request("INFO", (), body, content_type)]

    def hang_up(self, now: float, fields: Fields = ()) -> list[Effect]:
        """End the session with BYE; ``fields`` such as Reason go into it. A session that is over stays so.

        A server's BYE waits for the ACK of its 2xx (section 15).
        """
        if self.state is State.CONFIRMED:
            return self._bye(now, fields)
        if self.state is State.ACCEPTED:
            self.state = State.ENDING
            self._bye_fields = tuple(fields)
        return []

    def answer_refer(self, request: Request, status: int, now: float) -> list[Effect]:
        """Take a REFER with 202 (its progress follows by ``notify_refer``), or decline it with 400 to 699."""
        fields = self._dialog_fields() if status < 300 else ()
        return [self._respond(request, status, fields)]

    def notify_refer(self, request: Request, status: int, now: float) -> list[Effect]:
        """Say in a NOTIFY how what ``request`` asked for goes on (RFC 3515 section 2.4.5); from 200 on it is the last word.

        Nothing is sent when the session is over.
        """
        if self.state is not State.CONFIRMED:
            return []
        last = "terminated;reason=noresource"
        fields = (
            ("Contact", self.settings.contact),
            ("Event", f"refer;id={request.cseq_number}"),
            ("Subscription-State", "active;expires=180" if status < 200 else last),
        )
        body = f"SIP/2.0 {status} {reason_phrase(status)}\r\n".encode()
        return [self._request("NOTIFY", fields, body, "message/sipfrag;version=2.0")]

    # What the endpoint brings.

    def receive_request(self, request: Request, now: float) -> list[Effect]:
        """A request inside the dialog."""
        method = request.method
        if method == "ACK":
            return self._receive_ack(request, now)
        dialog = self._dialog_of(request)
        if dialog is None or self.state is State.ENDED or (self.state is State.ENDING and method != "BYE"):
            return [self._respond(request, 481)]
        if not dialog.accept(request):
            return [self._respond(request, 500, (("Retry-After", "1"),))]
        required = request.headers("Require")
        if required:
            unknown = self._unknown(required)
            if unknown:
                return [self._respond(request, 420, (("Unsupported", unknown),))]
        handler = _HANDLERS.get(method)
        if handler is None:
            return [self._respond(request, 405, (("Allow", self.settings.allow),))]
        return handler(self, request, now)

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """A response to a request of ours."""
        number, method = response.cseq_number, response.cseq_method
        if method == "INVITE":
            return self._invite_answered(response, number, now)
        request = self._requests.get(number) if self._requests else None
        if request is None or request.method != method or response.status < 200 or not self._of_dialog(response):
            return []
        self._forget(number)
        if response.status in (401, 407):
            retried = self._retried(request, response)
            if retried is not None:
                if request is self._update_out:
                    self._update_out = retried
                return [self._track(retried)]
        if method == "BYE":
            return self._close()
        if method == "UPDATE":
            return self._update_answered(request, response, now)
        if response.status in (408, 481) and self.state is State.CONFIRMED and method not in ("PRACK", "NOTIFY"):
            return [*self._bye(now), SessionEnded(End.GONE, response)]
        return []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        """A request of ours got no answer at all."""
        how = End.TRANSPORT if isinstance(error, TransportError) else End.TIMEOUT
        if request is self._invite_out:
            return self._invite_failed(how, now)
        number = request.cseq_number
        if self._requests is None or self._requests.get(number) is not request:
            return []
        self._forget(number)
        if request is self._update_out:
            self._update_out = None
        if request.method == "BYE":
            return self._close()
        if self.state is not State.CONFIRMED or request.method in ("PRACK", "NOTIFY"):
            return []
        return [*self._bye(now), SessionEnded(how)]

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        """The peer cancelled ``request``, its INVITE; ``cancel`` is its CANCEL where the endpoint still has it."""
        if request is not self._invite_in:
            return []
        self._invite_in = None
        return [self._respond(request, 487), *self._offer_if_free(now)]

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called; ``math.inf`` for never."""
        due = self._end_at
        if self._unacked is not None and self._unacked.next_at < due:
            due = self._unacked.next_at
        if self.state is State.CONFIRMED:
            due = min(due, self.timer.next_deadline())
        if self._wanted_offer is not None and self._offer_at < due and self._may_offer():
            due = self._offer_at
        return due

    def handle_deadline(self, now: float) -> list[Effect]:
        """A 2xx to be sent again, an offer to be tried again, a refresh, an answer that is no longer awaited."""
        effects: list[Effect] = []
        unacked = self._unacked
        if unacked is not None and now >= unacked.next_at:
            if now >= unacked.until:
                effects += self._never_acked(now)
            else:
                unacked.interval_s = min(2 * unacked.interval_s, self.settings.t2_s)
                unacked.next_at = min(now + unacked.interval_s, unacked.until)
                effects.append(Respond(unacked.request, unacked.response))
        if self.state is State.CONFIRMED and now >= self.timer.next_deadline():
            effects += self._expired(now) if now >= self.timer.expire_at else self._refresh(now)
        if now >= self._end_at:
            effects += self._close()
        elif self._wanted_offer is not None:
            effects += self._offer_if_free(now)
        return effects

    def _may_offer(self) -> bool:
        return self._free() or (self.can_offer_early and self._update_in is None and self._update_out is None)

    # Requests inside the dialog.

    def _receive_ack(self, request: Request, now: float) -> list[Effect]:
        unacked = self._unacked
        if unacked is None or request.cseq_number != unacked.request.cseq_number:
            return []
        self._unacked = None
        sdp = (session_description(request) or b"") if unacked.offered else b""
        if self.state is State.ENDING:
            return self._bye(now, self._bye_fields or ())
        if unacked.offered:
            self._remote_sdp = sdp
        events: list[Effect] = []
        first = unacked.request.to_tag is None
        if self.state is State.ACCEPTED:  # not first: a re-INVITE has overtaken the ACK of the first INVITE
            self.state = State.CONFIRMED
            events.append(Established(request, sdp if first else b""))
        if unacked.offered and not first:
            events.append(OfferAnswered(sdp, asked=True))
        return events + self._offer_if_free(now)

    def _receive_bye(self, request: Request, now: float) -> list[Effect]:
        effects: list[Effect] = [self._respond(request, 200), *self._drop_offers()]
        told = self.state is not State.ENDING
        self._unacked = None
        effects += self._close()
        if told:
            effects.append(SessionEnded(End.BYE, request, reasons_of(request)))
        return effects

    def _receive_invite(self, request: Request, now: float) -> list[Effect]:
        """A re-INVITE (section 14.2): 500 while theirs waits for us, 491 while ours waits for them."""
        if self._invite_in is not None or self._update_in is not None:
            return [self._later(request)]
        if self._offering() or self.state not in (State.CONFIRMED, State.ACCEPTED):
            return [self._respond(request, 491)]
        return self._take_offer(request)

    def _receive_update(self, request: Request, now: float) -> list[Effect]:
        """UPDATE (RFC 3311 section 5.2): a target refresh and a refresh of the session, with or without an offer."""
        confirmed = self.state in (State.CONFIRMED, State.ACCEPTED)
        if request.body:
            if self._update_in is not None or (confirmed and self._invite_in is not None):
                return [self._later(request)]
            if self._offering() or not (confirmed or self._early_dialog() is self._dialog_of(request)):
                return [self._respond(request, 491)]
            return self._take_offer(request)
        small = self.timer.too_small(request)
        if small:
            return [self._respond(request, 422, small)]
        dialog = self._dialog_of(request)
        if dialog is not None:
            dialog.refresh_target(request)
        self._note_allow(request)
        fields = self._dialog_fields()
        return [self._respond(request, 200, fields + self.timer.answer_fields(request, now) if confirmed else fields)]

    def _offering(self) -> bool:
        """Whether an offer of ours waits for its answer."""
        if self._unacked is not None and self._unacked.offered:
            return True
        if self._update_out is not None and self._update_out.body:
            return True
        return self._invite_out is not None and self.state is not State.CALLING

    def _later(self, request: Request) -> Respond:
        return self._respond(request, 500, (("Retry-After", str(self.entropy.bits(16) % 11)),))

    def _take_offer(self, request: Request) -> list[Effect]:
        small = self.timer.too_small(request)
        if small:
            return [self._respond(request, 422, small)]
        sdp = session_description(request)
        if sdp is None:
            return [self._respond(request, 415, (("Accept", SDP),))]
        self._note_allow(request)
        if request.method == "INVITE":
            self._invite_in = request
        else:
            self._update_in = request
        return [OfferReceived(request, sdp)]

    def _receive_prack(self, request: Request, now: float) -> list[Effect]:
        """A PRACK of nothing; the server knows better (RFC 3262 section 3)."""
        return [self._respond(request, 481)]

    def _receive_info(self, request: Request, now: float) -> list[Effect]:
        package = request.header("Info-Package")
        if package is not None:  # RFC 6086 section 4.2.2: none was agreed
            return [self._respond(request, 469, (("Recv-Info", ""),))]
        if not request.body:
            return [self._respond(request, 200)]
        kind = media_type(request)
        if kind not in self.settings.info_types:
            return [self._respond(request, 415, (("Accept", ", ".join(sorted(self.settings.info_types))),))]
        return [self._respond(request, 200), InfoReceived(kind, request.body)]

    def _receive_refer(self, request: Request, now: float) -> list[Effect]:
        """REFER (RFC 3515 section 2.4.2): one Refer-To, of a URI that can be called; anything but a call is not done."""
        if not self.settings.transfers:
            return [self._respond(request, 405, (("Allow", self.settings.allow),))]
        named = request.headers("Refer-To") or request.headers("r")
        if len(named) != 1 or self.state is not State.CONFIRMED:
            return [self._respond(request, 400 if len(named) != 1 else 491)]
        try:
            target = NameAddr.parse(named[0]).uri
        except ParseError:
            return [self._respond(request, 400)]
        if target.scheme not in ("sip", "sips", "tel"):
            return [self._respond(request, 416)]
        if target.headers or (target.param("method") or "INVITE").upper() != "INVITE":
            return [self._respond(request, 501)]  # Replaces, and requests other than a call
        return [ReferReceived(request, target)]

    def _receive_options(self, request: Request, now: float) -> list[Effect]:
        accepted = ", ".join((SDP, *sorted(self.settings.info_types)))
        return [self._respond(request, 200, (*self._dialog_fields(), ("Accept", accepted)))]


_HANDLERS: dict[str, Callable[[Session, Request, float], list[Effect]]] = {
    "BYE": lambda session, request, now: session._receive_bye(request, now),
    "INVITE": Session._receive_invite,
    "UPDATE": Session._receive_update,
    "PRACK": lambda session, request, now: session._receive_prack(request, now),
    "INFO": Session._receive_info,
    "REFER": Session._receive_refer,
    "OPTIONS": Session._receive_options,
}
