"""Offers and answers inside a session, the requests that carry them, and its end.

``OfferAnswer`` is the lower half of ``voipgw.sip.session.Session``: who may offer when (RFC 3264, RFC 6337), re-INVITE with its
races (RFC 3261 section 14), UPDATE before and after the answer (RFC 3311), refreshes (RFC 4028), ACK and BYE.
"""

from __future__ import annotations

import math

from voipgw.entropy import Entropy
from voipgw.sip.auth import DigestClient
from voipgw.sip.dialog import Dialog
from voipgw.sip.effects import CloseDialog, Destination, Effect, Respond, SendAck, SendRequest, TransactionUser
from voipgw.sip.message import Message, Request, Response
from voipgw.sip.reason import Reason
from voipgw.sip.session_events import (
    SDP,
    End,
    OfferAnswered,
    OfferRefused,
    SessionEnded,
    SessionSettings,
    State,
    Unacked,
    session_description,
)
from voipgw.sip.session_timer import SessionTimer
from voipgw.sip.usage import DialogUsage, Fields

_CREDENTIALS = ("Authorization", "Proxy-Authorization")
_EXPIRED = ("Reason", str(Reason.q850(102, "session expired")))


class OfferAnswer(DialogUsage):
    """What is offered and answered inside one session."""

    __slots__ = (
        "_ack_body",
        "_ack_fields",
        "_acked_seq",
        "_bye_fields",
        "_end_at",
        "_invite_in",
        "_invite_out",
        "_local_sdp",
        "_offer_at",
        "_peer_updates",
        "_refreshing",
        "_remote_sdp",
        "_unacked",
        "_update_in",
        "_update_out",
        "_wanted_offer",
        "state",
        "timer",
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
        self.timer = SessionTimer(settings.timer)  #: how long the session lasts without a refresh
        self._invite_out: Request | None = None  # ours, without a final answer yet
        self._update_out: Request | None = None  # ours likewise
        self._invite_in: Request | None = None  # their INVITE that we still have to answer
        self._update_in: Request | None = None  # their UPDATE or PRACK with an offer likewise
        self._unacked: Unacked | None = None
        self._acked_seq = 0  # CSeq number of our INVITE whose 2xx we acknowledged last, with what the ACK carries
        self._ack_body = b""
        self._ack_fields: tuple[tuple[str, str], ...] = ()
        self._local_sdp = b""  # what both sides said last, for refreshes
        self._remote_sdp = b""
        self._peer_updates = False  # the peer's Allow names UPDATE
        self._refreshing = False  # our INVITE that is out says nothing new
        self._wanted_offer: bytes | None = None  # to be sent as soon as nothing stands against it
        self._offer_at = -math.inf  # not before then
        self._bye_fields: tuple[tuple[str, str], ...] | None = None  # a BYE that waits for an ACK
        self._end_at = math.inf  # the answer to our BYE or CANCEL is not awaited any longer than that

    # What the user asks for.

    def offer(self, sdp: bytes, now: float) -> list[Effect]:
        """Offer other media, now or as soon as the protocol allows; a later offer replaces one that waits.

        It goes out in a re-INVITE; before the answer in an UPDATE, where the first exchange was reliable and the peer takes
        UPDATE (``can_offer_early``), and else after the answer. The outcome comes as ``OfferAnswered`` or
        ``OfferRefused``. After 491 it is tried again by itself (section 14.1).
        """
        if self.state in (State.ENDING, State.ENDED):
            return []
        self._wanted_offer = sdp
        return self._offer_if_free(now)

    @property
    def can_offer_early(self) -> bool:
        """Whether an offer can be sent before the call is answered (RFC 3311 section 5.1)."""
        return self._peer_updates and self._early_dialog() is not None

    @property
    def remote_sdp(self) -> bytes:
        """What the peer offered or answered last, as far as it was accepted; b"" before that."""
        return self._remote_sdp

    def withdraw_offer(self) -> None:
        """Forget an offer that still waits to be sent."""
        self._wanted_offer = None

    def answer_offer(self, sdp: bytes, now: float) -> list[Effect]:
        """Accept what ``OfferReceived`` brought, with our answer (or our offer, where the peer asked for one) as ``sdp``.

        Nothing happens when the peer has withdrawn the request meanwhile.
        """
        confirmed = self.state in (State.CONFIRMED, State.ACCEPTED)
        request = self._update_in or (self._invite_in if confirmed else None)
        if request is None or not (confirmed or self.state in (State.CALLING, State.INVITED)):
            return []
        dialog = self._dialog_of(request)
        if request is self._update_in:
            self._update_in = None
        else:
            self._invite_in = None
        fields = self._dialog_fields()
        if request.method != "PRACK":
            if dialog is not None:
                dialog.refresh_target(request)
            if confirmed:
                fields += self.timer.answer_fields(request, now)
        self._local_sdp = sdp
        self._remote_sdp = session_description(request) or self._remote_sdp
        response = self._response(request, 200, fields, sdp, SDP)
        if request.method == "INVITE":
            offered = not session_description(request)
            self._unacked = Unacked(request, response, offered, self.settings.t1_s, now)
        return [Respond(request, response), *self._offer_if_free(now)]

    def refuse_offer(self, status: int, now: float, fields: Fields = ()) -> list[Effect]:
        """Decline what ``OfferReceived`` brought; the session goes on as it was."""
        request = self._update_in
        if request is not None:
            self._update_in = None
        elif self.state in (State.CONFIRMED, State.ACCEPTED):
            request, self._invite_in = self._invite_in, None
        if request is None:
            return []
        return [self._respond(request, status, fields), *self._offer_if_free(now)]

    # Our own INVITE and UPDATE inside the dialog.

    def _early_dialog(self) -> Dialog | None:
        """The dialog in which we may offer before the answer: only after a reliable exchange (RFC 3262 section 5)."""
        return None

    def _offer_if_free(self, now: float) -> list[Effect]:
        sdp = self._wanted_offer
        if sdp is None or now < self._offer_at:
            return []
        if self.state is not State.CONFIRMED:
            early = self._early_dialog()
            if early is None or not self._peer_updates or self._update_in is not None or self._update_out is not None:
                return []
            self._wanted_offer = None
            self._update_out = early.create("UPDATE", self._dialog_fields(), sdp, SDP)
            return [self._track(self._update_out)]
        if self.dialog is None or not self._free():
            return []
        self._wanted_offer = None
        return [self._send_invite(self.dialog, sdp)]

    def _send_invite(self, dialog: Dialog, sdp: bytes) -> SendRequest:
        fields = (*self._dialog_fields(), *self.timer.request_fields())
        self._invite_out = dialog.create("INVITE", fields, sdp, SDP)
        return SendRequest(self._invite_out, self.user, self.destination)

    def _refresh(self, now: float) -> list[Effect]:
        """Show that we are there: by UPDATE where the peer takes it, else by offering again what stands (RFC 4028 section 7.4)."""
        dialog = self.dialog
        if dialog is None or self.state is not State.CONFIRMED:
            return []
        if self._peer_updates and self._update_out is None:
            self.timer.refresh_sent(now)
            sent = self._request("UPDATE", (*self._dialog_fields(), *self.timer.request_fields()))
            self._update_out = sent.request
            return [sent]
        if self._wanted_offer is not None or not self._free() or not self._local_sdp:
            self.timer.refresh_failed(now, 1.0)  # what is under way refreshes as well
            return []
        self.timer.refresh_sent(now)
        self._refreshing = True
        return [self._send_invite(dialog, self._local_sdp)]

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
        refreshing, self._refreshing = self._refreshing, False
        if status < 300:
            dialog.refresh_target(response)
            self._note_allow(response)
            self.timer.agreed(response, now)
            effects: list[Effect] = [self._acknowledge(invite)]
            if self.state is State.CONFIRMED:
                return effects + self._offer_taken(invite.body, session_description(response) or b"", refreshing, now)
            return effects
        if self.state is not State.CONFIRMED:
            return []
        if status in (408, 481):
            return [*self._bye(now), SessionEnded(End.GONE, response)]
        return self._offer_declined(invite.body, response, refreshing, now)

    def _update_answered(self, update: Request, response: Response, now: float) -> list[Effect]:
        """An answer to an UPDATE of ours, with an offer or as a refresh."""
        if self._update_out is update:
            self._update_out = None
        status = response.status
        if status < 300:
            if self.dialog is not None:
                self.dialog.refresh_target(response)
            if self.state is State.CONFIRMED:
                self.timer.agreed(response, now)
            if not update.body:
                return self._offer_if_free(now)
            return self._offer_taken(update.body, session_description(response) or b"", False, now)
        if status in (408, 481) and self.state is State.CONFIRMED:
            return [*self._bye(now), SessionEnded(End.GONE, response)]
        if self.state in (State.ENDING, State.ENDED):
            return []
        if not update.body and status in (405, 501):
            self._peer_updates = False
            return self._refresh(now)
        return self._offer_declined(update.body, response, not update.body, now)

    def _offer_taken(self, ours: bytes, theirs: bytes, refreshing: bool, now: float) -> list[Effect]:
        """Our offer was answered; a refresh that changed nothing is not worth telling."""
        told = not refreshing or theirs != self._remote_sdp
        self._local_sdp, self._remote_sdp = ours, theirs
        return [*((OfferAnswered(theirs),) if told else ()), *self._offer_if_free(now)]

    def _offer_declined(self, ours: bytes, response: Response, refreshing: bool, now: float) -> list[Effect]:
        status = response.status
        if status == 422 and self.timer.raise_to(response):
            if refreshing:
                return self._refresh(now)
            self._wanted_offer = self._wanted_offer or ours
            return self._offer_if_free(now)
        if status == 491:
            if refreshing:
                self.timer.refresh_failed(now, self._back_off())
                return self._offer_if_free(now)
            self._offer_at = now + self._back_off()
            if self._wanted_offer is None:
                self._wanted_offer = ours
            return []
        if refreshing:
            self.timer.refresh_failed(now)
            return self._offer_if_free(now)
        return [OfferRefused(status), *self._offer_if_free(now)]

    def _invite_failed(self, how: End, now: float) -> list[Effect]:
        self._invite_out = None
        return [*self._bye(now), SessionEnded(how)] if self.state is State.CONFIRMED else []

    def _free(self) -> bool:
        """Whether an INVITE of ours may go out: no offer and no INVITE of either side stands (section 14.1)."""
        return (
            self.state is State.CONFIRMED
            and self._invite_out is None
            and self._invite_in is None
            and self._unacked is None
            and self._update_in is None
            and (self._update_out is None or not self._update_out.body)
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

    def _note_allow(self, message: Message) -> None:
        """Learn whether the peer takes UPDATE; a message without Allow says nothing."""
        allowed = message.headers("Allow")
        if allowed:
            self._peer_updates = any("UPDATE" in value for value in allowed)

    # The end.

    def _expired(self, now: float) -> list[Effect]:
        """No refresh came within the session interval (RFC 4028 section 10)."""
        return [*self._bye(now, (_EXPIRED,)), SessionEnded(End.LOST)]

    def _bye(self, now: float, fields: Fields = ()) -> list[Effect]:
        effects = self._drop_offers()
        self.state = State.ENDING
        self._wanted_offer = None
        self._unacked = None
        self.timer.stop()
        self._end_at = now + 65 * self.settings.t1_s  # the transaction gives up a little earlier
        effects.append(self._request("BYE", fields))
        return effects

    def _drop_offers(self) -> list[Effect]:
        """Answer what of the peer's still waits, since the session ends."""
        effects: list[Effect] = []
        if self._invite_in is not None:
            effects.append(self._respond(self._invite_in, 487))
        if self._update_in is not None:
            effects.append(self._respond(self._update_in, 487))
        self._invite_in = self._update_in = None
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
        self.timer.stop()
        self._wanted_offer = self._invite_in = self._requests = self._unacked = self._update_out = None
        effects: list[Effect] = []
        if self._update_in is not None:
            effects.append(self._respond(self._update_in, 487))
            self._update_in = None
        key = self._key()
        return [*effects, CloseDialog(key)] if key is not None else effects
