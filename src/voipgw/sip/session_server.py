"""Taking a call: the server side of an INVITE (RFC 3261 sections 9.2 and 13.3), until the ACK and beyond.

Provisionals are reliable where the peer can take that (RFC 3262 section 3): then a description in one counts as said, and more
may be offered before the answer.
"""

from __future__ import annotations

import math

from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError, RemoteProtocolError
from voipgw.sip.auth import DigestClient
from voipgw.sip.dialog import Dialog
from voipgw.sip.effects import Destination, Effect, OpenDialog, Respond, TransactionUser
from voipgw.sip.message import Request, Response
from voipgw.sip.reliable import TAG, Reliability, ReliableProvisionals, rack_of, wanted
from voipgw.sip.session import Session, reasons_of
from voipgw.sip.session_events import (
    SDP,
    End,
    OfferAnswered,
    OfferReceived,
    SessionEnded,
    SessionSettings,
    State,
    Unacked,
    session_description,
)
from voipgw.sip.usage import Fields


class ServerSession(Session):
    """A session that the peer asks for. ``start`` looks at the INVITE; then ``progress``, and ``accept`` or ``reject``."""

    __slots__ = (
        "_again_at",
        "_can_reliable",
        "_expires_at",
        "_held",
        "_must_reliable",
        "_offered",
        "_opened",
        "_provisional",
        "_reliable",
        "_settled",
    )

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
        self._opened = False
        self._offered = False  # their INVITE carries an offer
        self._provisional: Response | None = None  # the last one sent
        self._again_at = math.inf
        self._expires_at = math.inf
        self._can_reliable = self._must_reliable = False
        self._reliable: ReliableProvisionals | None = None
        self._settled = False  # the first offer and answer are complete, by a PRACK
        self._held: tuple[bytes, tuple[tuple[str, str], ...]] | None = None  # a 200 that waits for a PRACK

    def start(self, invite: Request, now: float) -> list[Effect]:
        """Take ``invite``. Nothing is returned when it is in order; else the refusal and ``SessionEnded``.

        420 for a Require that we do not know, 421 where we insist on reliable provisionals and the peer knows none, 422 for
        a session interval that is too short, 415 for a body that we cannot read, 400 for one without Contact.

        Raises:
            LocalProtocolError: the session was started before.
        """
        if self.state is not State.IDLE:
            raise LocalProtocolError("a session is started once")
        self.state = State.INVITED
        self._invite_in = invite
        refusal = self._refusal(invite)
        if refusal is not None:
            return self._refuse_form(*refusal)
        sdp = session_description(invite)
        if sdp is None:
            return self._refuse_form(415, (("Accept", SDP),))
        self._offered = bool(sdp)
        self._remote_sdp = sdp
        self._note_allow(invite)
        try:
            self.dialog = Dialog.of_server(invite, self.local_tag)
        except RemoteProtocolError:
            return self._refuse_form(400, ())
        expires = invite.header("Expires")
        if expires is not None and expires.isascii() and expires.isdigit() and len(expires) < 10:
            self._expires_at = now + int(expires)
        return []

    def _refusal(self, invite: Request) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        """What extensions the INVITE and we demand of each other, and what stands against it."""
        required = invite.headers("Require")
        unknown = self._unknown(required) if required else ""
        if unknown:
            return 420, (("Unsupported", unknown),)
        self._can_reliable, self._must_reliable = wanted(invite, self.settings.reliable)
        if self.settings.reliable is Reliability.REQUIRED:
            if not self._can_reliable:
                return 421, (("Require", TAG),)
            self._must_reliable = True
        small = self.timer.too_small(invite)
        return (422, small) if small else None

    @property
    def offered(self) -> bool:
        """Whether the INVITE carries an offer; if not, ``accept`` makes ours."""
        return self._offered

    @property
    def settled(self) -> bool:
        """Whether the first offer and answer were completed by a PRACK."""
        return self._settled

    @property
    def said_early(self) -> bool:
        """Whether a description of ours stands in a reliable provisional, so that the 200 will carry none."""
        return self._settled or (self._reliable is not None and self._under_way(self._reliable))

    @property
    def may_offer_early(self) -> bool:
        """Whether the INVITE asks for an offer that a reliable provisional can bring; ``OfferAnswered`` follows then."""
        return self._can_reliable and not self._offered

    def progress(self, status: int, now: float, sdp: bytes = b"", fields: Fields = ()) -> list[Effect]:
        """Send a provisional, 101 to 199.

        ``sdp`` is our answer for early media, which the 200 repeats unless the provisional was reliable; or our offer where
        ``may_offer_early``. A provisional is reliable where the peer insists on it, or can take it and there is an ``sdp``.
        """
        invite = self._invite_in
        if self.state is not State.INVITED or invite is None or self._held is not None:
            return []
        body = sdp if (self._offered or self._can_reliable) and not self.said_early else b""
        reliable = self._must_reliable or (self._can_reliable and bool(body))
        fields = (("Contact", self.settings.contact), *fields)
        if reliable:
            fields = (*fields, ("Allow", self.settings.allow))
        self._again_at = now + self.settings.refresh_provisional_s
        if body:
            self._local_sdp = body
        response: Response | None = self._response(invite, status, fields, body, SDP)
        if reliable and response is not None:
            if self._reliable is None:
                self._reliable = ReliableProvisionals(1 + self.entropy.bits(16), self.settings.t1_s)
            response = self._reliable.send(self._reliable.number(response), now)
        if response is None:
            return []
        self._provisional = response
        return [*self._open(), Respond(invite, response)]

    @staticmethod
    def _under_way(reliable: ReliableProvisionals) -> bool:
        """Whether a description is in a provisional that is not acknowledged yet."""
        sent = reliable.outstanding
        return (sent is not None and bool(sent.body)) or any(one.body for one in reliable.waiting)

    def accept(self, sdp: bytes, now: float, fields: Fields = ()) -> list[Effect]:
        """Send 200 with our answer, or our offer where the INVITE has none; repeated until the ACK (section 13.3.1.4).

        It waits for the PRACK of a provisional with a description (RFC 3262 section 3), and carries none after that.
        """
        invite = self._invite_in
        if self.state is not State.INVITED or invite is None:
            return []
        if self._reliable is not None and self._under_way(self._reliable):
            self._held = (sdp, tuple(fields))
            return []
        self._no_longer_invited()
        self.state = State.ACCEPTED
        if self._settled:
            sdp = b""
        else:
            self._local_sdp = sdp
        fields = (*self._dialog_fields(), *self.timer.answer_fields(invite, now), *fields)
        response = self._response(invite, 200, fields, sdp, SDP)
        self._unacked = Unacked(invite, response, not self._offered and not self._settled, self.settings.t1_s, now)
        return [*self._open(), Respond(invite, response)]

    def reject(self, status: int, now: float, fields: Fields = ()) -> list[Effect]:
        """Answer the INVITE finally with 300 to 699."""
        invite = self._invite_in
        if self.state is not State.INVITED or invite is None:
            return []
        self._no_longer_invited()
        return [self._respond(invite, status, fields), *self._close()]

    def hang_up(self, now: float, fields: Fields = ()) -> list[Effect]:
        """BYE, 480 while the call is not answered."""
        if self.state is State.INVITED:
            return self.reject(480, now, fields)
        return super().hang_up(now, fields)

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        """The peer gave up before our final answer (section 9.2)."""
        if self.state is not State.INVITED or request is not self._invite_in:
            return super().cancelled(request, now, cancel)
        reasons = reasons_of(cancel) if cancel is not None else ()
        return [*self.reject(487, now), SessionEnded(End.CANCELLED, cancel, reasons)]

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called."""
        due = min(super().next_deadline(), self._again_at, self._expires_at)
        return due if self._reliable is None else min(due, self._reliable.next_at)

    def handle_deadline(self, now: float) -> list[Effect]:
        """The Expires of the INVITE, a provisional to be repeated (section 13.3.1.1), and what every session has.

        A reliable provisional that nobody acknowledges in 64*T1 ends the call with 504 (RFC 3262 section 3).
        """
        if now >= self._expires_at:
            return [*self.reject(487, now), SessionEnded(End.EXPIRED)]
        effects: list[Effect] = []
        if self._reliable is not None and now >= self._reliable.next_at and self._invite_in is not None:
            again, never = self._reliable.due(now)
            if never:
                return [*self.reject(504, now), SessionEnded(End.TIMEOUT)]
            if again is not None:
                effects.append(Respond(self._invite_in, again))
        if now >= self._again_at and self._invite_in is not None and self._provisional is not None:
            self._again_at = now + self.settings.refresh_provisional_s
            effects.append(Respond(self._invite_in, self._provisional))
        return effects + super().handle_deadline(now)

    # PRACK.

    def _early_dialog(self) -> Dialog | None:
        return self.dialog if self.state is State.INVITED and self._settled else None

    def _receive_prack(self, request: Request, now: float) -> list[Effect]:
        """A PRACK (RFC 3262 section 3), with an answer, with an offer once the first is answered, or with neither."""
        reliable, rack, dialog = self._reliable, rack_of(request), self.dialog
        if reliable is None or rack is None or dialog is None or rack[2] != "INVITE":
            return [self._respond(request, 481)]
        sent = reliable.prack(rack[0])
        if sent is None or sent.cseq_number != rack[1]:
            return [self._respond(request, 481)]
        sdp = session_description(request)
        if sdp is None:
            return [self._respond(request, 415, (("Accept", SDP),)), *self._go_on(now)]
        answers = bool(sent.body) and not self._offered
        if sent.body:
            self._settled = True
        if answers:
            self._remote_sdp = sdp
            return [self._respond(request, 200), OfferAnswered(sdp), *self._go_on(now)]
        if not sdp:
            return [self._respond(request, 200), *self._go_on(now)]
        if not self._settled or self._update_in is not None or self._offering():
            return [self._respond(request, 491), *self._go_on(now)]
        self._update_in = request
        return [OfferReceived(request, sdp), *self._go_on(now)]

    def _go_on(self, now: float) -> list[Effect]:
        """What waited for a PRACK: the next provisional, or the 200."""
        reliable, invite = self._reliable, self._invite_in
        if reliable is None or invite is None or self.state is not State.INVITED:
            return []
        effects: list[Effect] = []
        following = reliable.next_waiting(now)
        if following is not None:
            self._provisional = following
            effects.append(Respond(invite, following))
        if self._held is not None and not self._under_way(reliable):
            (sdp, fields), self._held = self._held, None
            return [*effects, *self.accept(sdp, now, fields)]
        return [*effects, *self._offer_if_free(now)]

    def _receive_bye(self, request: Request, now: float) -> list[Effect]:
        self._no_longer_waiting()
        return super()._receive_bye(request, now)

    def _no_longer_invited(self) -> None:
        self._invite_in = None
        self._no_longer_waiting()

    def _no_longer_waiting(self) -> None:
        self._provisional = self._held = None
        self._again_at = self._expires_at = math.inf
        if self._reliable is not None:
            self._reliable.stop()

    def _refuse_form(self, status: int, fields: tuple[tuple[str, str], ...]) -> list[Effect]:
        return [*self.reject(status, 0.0, fields), SessionEnded(End.REFUSED, None, (), status)]

    def _open(self) -> list[Effect]:
        if self._opened or self.dialog is None:
            return []
        self._opened = True
        return [OpenDialog(self.dialog.key, self.user)]

    def _key(self) -> tuple[str, str, str] | None:
        return self.dialog.key if self._opened and self.dialog is not None else None
