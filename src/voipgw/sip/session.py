"""The INVITE usage of a dialog, once there is one: offers, BYE, INFO, UPDATE and the 2xx that waits for its ACK.

``Session`` is what both roles have in common; ``voipgw.sip.session_client`` adds the placing of a call and
``voipgw.sip.session_server`` the taking of one. Standards: RFC 3261 sections 12 to 15, RFC 3264 and 6337 for who may offer
when, RFC 3311 (UPDATE), RFC 6086 (INFO), RFC 3326 (Reason). A session is a machine: each method returns effects of
``voipgw.sip.effects`` for the endpoint and events of ``voipgw.sip.session_events`` for its user, in the order in which
they are to be carried out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from voipgw.entropy import Entropy
from voipgw.errors import TransportError
from voipgw.sip.auth import DigestClient
from voipgw.sip.effects import (
    CloseDialog,
    Destination,
    Effect,
    Respond,
    SendAck,
    SendRequest,
    TransactionUser,
)
from voipgw.sip.message import Message, Request, Response
from voipgw.sip.reason import Reason, parse_reasons
from voipgw.sip.session_events import (
    ALLOW,
    SDP,
    End,
    Established,
    InfoReceived,
    OfferAnswered,
    OfferReceived,
    OfferRefused,
    SessionEnded,
    SessionSettings,
    State,
    Unacked,
    media_type,
    session_description,
)
from voipgw.sip.usage import DialogUsage, Fields

_CREDENTIALS = ("Authorization", "Proxy-Authorization")


def reasons_of(message: Message) -> tuple[Reason, ...]:
    """The Reason fields of a message, read."""
    values = message.headers("Reason")
    return parse_reasons(values) if values else ()


class Session(DialogUsage):
    """An INVITE session with one peer. Mutable, owned by its user, e.g. a leg."""

    __slots__ = (
        "_ack_body",
        "_ack_fields",
        "_acked_seq",
        "_bye_fields",
        "_end_at",
        "_invite_in",
        "_invite_out",
        "_offer_at",
        "_unacked",
        "_wanted_offer",
        "state",
    )

    _places_call = False  # whether we made the Call-ID: decides the back-off after 491

    def __init__(
        self,
        user: TransactionUser,
        settings: SessionSettings,
        entropy: Entropy,
        *,
        auth: DigestClient | None = None,
        destination: Destination | None = None,
    ) -> None:
        super().__init__(user, settings, entropy, auth=auth, destination=destination)
        self.state = State.IDLE
        self._invite_out: Request | None = None  # ours, without a final answer yet
        self._invite_in: Request | None = None  # their INVITE or UPDATE that we still have to answer
        self._unacked: Unacked | None = None
        self._acked_seq = 0  # CSeq number of our INVITE whose 2xx we acknowledged last, with what the ACK carries
        self._ack_body = b""
        self._ack_fields: tuple[tuple[str, str], ...] = ()
        self._wanted_offer: bytes | None = None  # to be sent as soon as nothing stands against it
        self._offer_at = -math.inf  # not before then
        self._bye_fields: tuple[tuple[str, str], ...] | None = None  # a BYE that waits for an ACK
        self._end_at = math.inf  # the answer to our BYE or CANCEL is not awaited any longer than that

    # What the user asks for.

    def offer(self, sdp: bytes, now: float) -> list[Effect]:
        """Offer other media in a re-INVITE, now or as soon as the protocol allows; a later offer replaces one that waits.

        The outcome comes as ``OfferAnswered`` or ``OfferRefused``. After 491 it is tried again by itself (section 14.1).
        """
        if self.state in (State.ENDING, State.ENDED):
            return []
        self._wanted_offer = sdp
        return self._offer_if_free(now)

    def withdraw_offer(self) -> None:
        """Forget an offer that still waits to be sent."""
        self._wanted_offer = None

    def answer_offer(self, sdp: bytes, now: float) -> list[Effect]:
        """Accept what ``OfferReceived`` brought, with our answer (or our offer, where the peer asked for one) as ``sdp``.

        Nothing happens when the peer has withdrawn the request meanwhile.
        """
        request = self._invite_in
        if request is None or self.dialog is None or self.state not in (State.CONFIRMED, State.ACCEPTED):
            return []
        self._invite_in = None
        self.dialog.refresh_target(request)
        response = self._response(request, 200, self._dialog_fields(), sdp, SDP)
        if request.method == "INVITE":
            offered = not session_description(request)
            self._unacked = Unacked(request, response, offered, self.settings.t1_s, now)
        return [Respond(request, response), *self._offer_if_free(now)]

    def refuse_offer(self, status: int, now: float, fields: Fields = ()) -> list[Effect]:
        """Decline what ``OfferReceived`` brought; the session goes on as it was."""
        request = self._invite_in
        if request is None:
            return []
        self._invite_in = None
        return [self._respond(request, status, fields), *self._offer_if_free(now)]

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
            return [self._respond(request, 420, (("Unsupported", ", ".join(required)),))]
        handler = _HANDLERS.get(method)
        if handler is None:
            return [self._respond(request, 481 if method == "PRACK" else 405, (("Allow", ALLOW),))]
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
                return [self._track(retried)]
        if method == "BYE":
            return self._close()
        if response.status in (408, 481) and self.state is State.CONFIRMED:
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
        if request.method == "BYE":
            return self._close()
        return [*self._bye(now), SessionEnded(how)] if self.state is State.CONFIRMED else []

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
        if self._wanted_offer is not None and self._offer_at < due and self._free():
            due = self._offer_at
        return due

    def handle_deadline(self, now: float) -> list[Effect]:
        """A 2xx to be sent again, an offer to be tried again, an answer that is no longer awaited."""
        effects: list[Effect] = []
        unacked = self._unacked
        if unacked is not None and now >= unacked.next_at:
            if now >= unacked.until:
                effects += self._never_acked(now)
            else:
                unacked.interval_s = min(2 * unacked.interval_s, self.settings.t2_s)
                unacked.next_at = min(now + unacked.interval_s, unacked.until)
                effects.append(Respond(unacked.request, unacked.response))
        if now >= self._end_at:
            effects += self._close()
        elif self._wanted_offer is not None:
            effects += self._offer_if_free(now)
        return effects

    # Requests inside the dialog.

    def _receive_ack(self, request: Request, now: float) -> list[Effect]:
        unacked = self._unacked
        if unacked is None or request.cseq_number != unacked.request.cseq_number:
            return []
        self._unacked = None
        sdp = (session_description(request) or b"") if unacked.offered else b""
        if self.state is State.ENDING:
            return self._bye(now, self._bye_fields or ())
        events: list[Effect] = []
        first = unacked.request.to_tag is None
        if self.state is State.ACCEPTED:  # not first: a re-INVITE has overtaken the ACK of the first INVITE
            self.state = State.CONFIRMED
            events.append(Established(request, sdp if first else b""))
        if unacked.offered and not first:
            events.append(OfferAnswered(sdp, asked=True))
        return events + self._offer_if_free(now)

    def _receive_bye(self, request: Request, now: float) -> list[Effect]:
        effects: list[Effect] = [self._respond(request, 200)]
        if self._invite_in is not None:
            effects.append(self._respond(self._invite_in, 487))
        told = self.state is not State.ENDING
        self._unacked = None
        effects += self._close()
        if told:
            effects.append(SessionEnded(End.BYE, request, reasons_of(request)))
        return effects

    def _receive_invite(self, request: Request, now: float) -> list[Effect]:
        """A re-INVITE (section 14.2): 500 while theirs waits for us, 491 while ours waits for them."""
        if self._invite_in is not None:
            return [self._respond(request, 500, (("Retry-After", str(self.entropy.bits(16) % 11)),))]
        if self._invite_out is not None or (self._unacked is not None and self._unacked.offered):
            return [self._respond(request, 491)]
        if self.state not in (State.CONFIRMED, State.ACCEPTED):
            return [self._respond(request, 491)]
        return self._take_offer(request)

    def _receive_update(self, request: Request, now: float) -> list[Effect]:
        """UPDATE (RFC 3311 section 5.2): a target refresh, with or without an offer."""
        if not request.body:
            if self.dialog is not None:
                self.dialog.refresh_target(request)
            return [self._respond(request, 200, self._dialog_fields())]
        if self._invite_in is not None:
            return [self._respond(request, 500, (("Retry-After", str(self.entropy.bits(16) % 11)),))]
        if self._invite_out is not None or self.state not in (State.CONFIRMED, State.ACCEPTED):
            return [self._respond(request, 491)]
        return self._take_offer(request)

    def _take_offer(self, request: Request) -> list[Effect]:
        sdp = session_description(request)
        if sdp is None:
            return [self._respond(request, 415, (("Accept", SDP),))]
        self._invite_in = request
        return [OfferReceived(request, sdp)]

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

    def _receive_options(self, request: Request, now: float) -> list[Effect]:
        accepted = ", ".join((SDP, *sorted(self.settings.info_types)))
        return [self._respond(request, 200, (*self._dialog_fields(), ("Accept", accepted)))]

    # Our own INVITE inside the dialog.

    def _offer_if_free(self, now: float) -> list[Effect]:
        sdp, dialog = self._wanted_offer, self.dialog
        if sdp is None or dialog is None or now < self._offer_at or not self._free():
            return []
        self._wanted_offer = None
        self._invite_out = dialog.create("INVITE", self._dialog_fields(), sdp, SDP)
        return [SendRequest(self._invite_out, self.user, self.destination)]

    def _invite_answered(self, response: Response, number: int, now: float) -> list[Effect]:
        """An answer to a re-INVITE of ours; the client adds the first INVITE."""
        status, invite, dialog = response.status, self._invite_out, self.dialog
        if dialog is None or status < 200:
            return []
        if invite is None or invite.cseq_number != number:
            return [self._ack(number)] if status < 300 and number <= self._acked_seq else []
        if status in (401, 407):
            retried = self._retried(invite, response)
            if retried is not None:
                self._invite_out = retried
                return [SendRequest(retried, self.user, self.destination)]
        self._invite_out = None
        if status < 300:
            dialog.refresh_target(response)
            effects: list[Effect] = [self._acknowledge(invite)]
            if self.state is State.CONFIRMED:
                effects.append(OfferAnswered(session_description(response) or b""))
                effects += self._offer_if_free(now)
            return effects
        if self.state is not State.CONFIRMED:
            return []
        if status == 491:
            self._offer_at = now + self._back_off()
            if self._wanted_offer is None:
                self._wanted_offer = invite.body
            return []
        if status in (408, 481):
            return [*self._bye(now), SessionEnded(End.GONE, response)]
        return [OfferRefused(status), *self._offer_if_free(now)]

    def _invite_failed(self, how: End, now: float) -> list[Effect]:
        self._invite_out = None
        return [*self._bye(now), SessionEnded(how)] if self.state is State.CONFIRMED else []

    def _free(self) -> bool:
        """Whether an INVITE of ours may go out: none of either side stands (section 14.1)."""
        return (
            self.state is State.CONFIRMED
            and self._invite_out is None
            and self._invite_in is None
            and self._unacked is None
        )

    def _back_off(self) -> float:
        """Seconds until an offer that met another is tried again (section 14.1), in steps of 10 ms."""
        if self._places_call:
            return 2.1 + int(self.entropy.uniform() * 191) / 100
        return int(self.entropy.uniform() * 201) / 100

    def _acknowledge(self, invite: Request, body: bytes = b"") -> SendAck:
        self._acked_seq = invite.cseq_number
        self._ack_body = body
        shown = [(name, value) for name in _CREDENTIALS for value in invite.headers(name)] if self.auth else ()
        self._ack_fields = tuple(shown)
        return self._ack(self._acked_seq)

    def _ack(self, seq: int) -> SendAck:
        """The ACK of a 2xx to our INVITE, with its credentials (section 13.2.2.4); made anew when the 2xx comes again."""
        body = self._ack_body if seq == self._acked_seq else b""
        ack = self._in_dialog().create("ACK", self._ack_fields, body, SDP if body else None, seq=seq)
        return SendAck(ack, self.destination)

    # The end.

    def _bye(self, now: float, fields: Fields = ()) -> list[Effect]:
        effects: list[Effect] = []
        if self._invite_in is not None:
            effects.append(self._respond(self._invite_in, 487))
            self._invite_in = None
        self.state = State.ENDING
        self._wanted_offer = None
        self._unacked = None
        self._end_at = now + 65 * self.settings.t1_s  # the transaction gives up a little earlier
        effects.append(self._request("BYE", fields))
        return effects

    def _never_acked(self, now: float) -> list[Effect]:
        self._unacked = None
        if self.state is State.ENDING:
            return self._bye(now, self._bye_fields or ())
        return [*self._bye(now), SessionEnded(End.TIMEOUT)]

    def _close(self) -> list[Effect]:
        """Nothing more is sent or awaited."""
        self.state = State.ENDED
        self._end_at = math.inf
        self._wanted_offer = self._invite_in = self._requests = self._unacked = None
        key = self._key()
        return [CloseDialog(key)] if key is not None else []


_HANDLERS: dict[str, Callable[[Session, Request, float], list[Effect]]] = {
    "BYE": Session._receive_bye,
    "INVITE": Session._receive_invite,
    "UPDATE": Session._receive_update,
    "INFO": Session._receive_info,
    "OPTIONS": Session._receive_options,
}
