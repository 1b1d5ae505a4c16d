"""Placing a call: the client side of an INVITE (RFC 3261 sections 9.1 and 13.2), with forks, CANCEL and its races.

Reliable provisionals are acknowledged by PRACK, each early dialog for itself (RFC 3262 section 4); a 422 is answered with the
longer interval that it asks for (RFC 4028 section 7.3).
"""

from __future__ import annotations

from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError
from voipgw.sip.auth import DigestClient
from voipgw.sip.dialog import Dialog
from voipgw.sip.effects import (
    CancelRequest,
    Destination,
    DialogKey,
    Effect,
    OpenDialog,
    SendAck,
    SendRequest,
    TransactionUser,
)
from voipgw.sip.message import Request, Response
from voipgw.sip.reliable import TAG, Reliability, rseq_of
from voipgw.sip.session import Session, reasons_of
from voipgw.sip.session_events import (
    SDP,
    End,
    Established,
    Provisional,
    SessionEnded,
    SessionSettings,
    State,
    session_description,
)
from voipgw.sip.uri import Uri
from voipgw.sip.usage import Fields


class ClientSession(Session):
    """A session that we asked for. ``start`` sends the INVITE, the rest follows from what comes back."""

    __slots__ = (
        "_call_id",
        "_early",
        "_early_sdp",
        "_early_seq",
        "_first_seq",
        "_forked",
        "_offered",
        "_prack_due",
        "_rseq",
        "_settled",
        "responded",
    )

    _places_call = True

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
        self.responded = False  #: anything at all came back, 100 included where the endpoint shows it
        self._call_id = ""
        self._offered = False  # our INVITE carries the offer
        self._first_seq = 1  # CSeq number of the INVITE that places the call; grows with each challenge answered
        self._forked = False  # a second 2xx came
        self._early: dict[str, Response | Dialog] | None = None  # by To tag, until the 2xx
        self._early_sdp: tuple[str, bytes] = ("", b"")  # of the last provisional with SDP, and its tag
        self._rseq: dict[str, int] | None = None  # the last RSeq of each early dialog
        self._early_seq = 0  # CSeq number of our last request in any early dialog
        self._prack_due: tuple[Dialog, str] | None = None  # a PRACK that waits for our answer to the offer in its 1xx
        self._settled = ""  # the To tag with which the first exchange was completed reliably

    def start(
        self,
        uri: Uri | str,
        now: float,
        *,
        from_: str,
        to: str,
        sdp: bytes = b"",
        fields: Fields = (),
        max_forwards: int = 70,
        call_id: str = "",
        reliable: bool = True,
    ) -> list[Effect]:
        """Send the INVITE to ``uri``. ``from_`` and ``to`` are header values without tag; ``sdp`` our offer, b"" for a late one.

        ``reliable`` False keeps 100rel from being announced, for a call whose answer to an early offer cannot be had early.

        Raises:
            LocalProtocolError: the session was started before.
        """
        if self.state is not State.IDLE:
            raise LocalProtocolError("a session is started once")
        self.state = State.CALLING
        self._offered = bool(sdp)
        self._local_sdp = sdp
        self._call_id = call_id or self.entropy.token()
        settings = self.settings
        head = [
            ("Max-Forwards", str(max_forwards)),
            ("From", f"{from_};tag={self.local_tag}"),
            ("To", to),
            ("Call-ID", self._call_id),
            ("CSeq", "1 INVITE"),
            ("Contact", settings.contact),
            ("Allow", self.settings.allow),
            ("Supported", ", ".join(settings.supported(reliable=reliable))),
            *self.timer.request_fields(),
        ]
        if settings.reliable is Reliability.REQUIRED:
            head.append(("Require", TAG))
        if settings.agent:
            head.append(("User-Agent", settings.agent))
        head += fields
        self._invite_out = Request.create("INVITE", uri, head, sdp, SDP if sdp else None)
        return [
            OpenDialog((self._call_id, self.local_tag, ""), self.user),
            SendRequest(self._invite_out, self.user, self.destination),
        ]

    @property
    def call_id(self) -> str:
        """Its Call-ID, once it was started."""
        return self._call_id

    @property
    def unanswered_offer(self) -> bool:
        """Whether a 2xx or a reliable provisional brought an offer that ``acknowledge`` has not answered yet."""
        if self._prack_due is not None:
            return True
        return self.dialog is not None and self._invite_out is not None and not self._acked_seq

    def acknowledge(self, sdp: bytes, now: float) -> list[Effect]:
        """Send the ACK or PRACK with our answer to the offer that a 2xx or a provisional brought (``offered`` in its event)."""
        if self._prack_due is not None:
            (dialog, rack), self._prack_due = self._prack_due, None
            self._settled, self._local_sdp = dialog.remote_tag, sdp
            return [self._prack(dialog, rack, sdp), *self._offer_if_free(now)]
        if self._invite_out is None or self.dialog is None:
            return []
        invite, self._invite_out = self._invite_out, None
        self._local_sdp = sdp
        return [self._acknowledge(invite, sdp), *self._offer_if_free(now)]

    def hang_up(self, now: float, fields: Fields = ()) -> list[Effect]:
        """BYE, or CANCEL before the answer; a 2xx that crosses the CANCEL is acknowledged and ended (section 9.1)."""
        if self.state is State.CALLING and self._invite_out is not None:
            self._bye_fields = tuple(fields)
            self.state = State.ENDING
            self._end_at = (
                now + 130 * self.settings.t1_s
            )  # timer B, or 64*T1 after a CANCEL that was held back till then
            return [CancelRequest(self._invite_out, self._bye_fields)]
        if self.state is State.CONFIRMED and self._invite_out is not None and not self._acked_seq:
            invite, self._invite_out = self._invite_out, None  # a late offer that nobody answered
            return [self._acknowledge(invite), *super().hang_up(now, fields)]
        return super().hang_up(now, fields)

    def receive_request(self, request: Request, now: float) -> list[Effect]:
        """A request of the dialog, or of one of the early ones."""
        if self.dialog is None and request.method == "BYE" and self.state in (State.CALLING, State.ENDING):
            return self._overtaken(request, now)
        return super().receive_request(request, now)

    def _overtaken(self, request: Request, now: float) -> list[Effect]:
        """A BYE that came before the 2xx it belongs to: the call is over, whatever the INVITE still brings."""
        told = self.state is State.ENDING
        effects: list[Effect] = [self._respond(request, 200)]
        if not told:
            effects += self.hang_up(now)
            effects.append(SessionEnded(End.BYE, request, reasons_of(request)))
        return effects

    # The answers to the first INVITE.

    def _invite_answered(self, response: Response, number: int, now: float) -> list[Effect]:
        if self.dialog is not None:
            if number == self._first_seq and response.to_tag != self.dialog.remote_tag:
                return self._end_fork(response) if 200 <= response.status < 300 else []
            if number == self._first_seq and self._invite_out is not None and not self._acked_seq:
                return []  # the 2xx once more, while our user makes the answer to its offer
            return super()._invite_answered(response, number, now)
        invite = self._invite_out
        if invite is None or number != self._first_seq:
            return []
        self.responded = True
        if response.status < 200:
            return self._provisional(response)
        if response.status < 300:
            return self._answered(invite, response, now)
        return self._refused(invite, response, now)

    def _provisional(self, response: Response) -> list[Effect]:
        if response.status == 100 or self.state is not State.CALLING:
            return []
        tag = response.to_tag
        sdp = session_description(response) or b""
        effects: list[Effect] = []
        offered = False
        if tag:
            if self._early is None:
                self._early = {}
            self._early.setdefault(tag, response)
            self._note_allow(response)
            rseq = rseq_of(response)
            if rseq is not None:
                taken = self._reliable(response, tag, rseq, sdp)
                if taken is None:
                    return []
                effects = taken
                offered = self._prack_due is not None
            if sdp and self._offered:
                if tag != self._settled:
                    self._early_sdp = (tag, sdp)
                    self._remote_sdp = sdp
                if rseq is not None:
                    self._settled = tag
        return [*effects, Provisional(response, sdp if self._offered or offered else b"", offered)]

    def _reliable(self, response: Response, tag: str, rseq: int, sdp: bytes) -> list[Effect] | None:
        """The PRACK of a reliable provisional (RFC 3262 section 4); None for one that came before, or before its turn."""
        if self._rseq is None:
            self._rseq = {}
        last = self._rseq.get(tag)
        if self._prack_due is not None or (last is not None and rseq != last + 1):
            return None
        self._rseq[tag] = rseq
        dialog = self._early_of(tag)
        if dialog is None:
            return None
        rack = f"{rseq} {response.cseq_number} INVITE"
        if sdp and not self._offered and tag != self._settled:
            self._prack_due = (dialog, rack)
            self._remote_sdp = sdp
            return []
        return [self._prack(dialog, rack)]

    def _prack(self, dialog: Dialog, rack: str, sdp: bytes = b"") -> SendRequest:
        prack = self._number(dialog).create("PRACK", (("RAck", rack),), sdp, SDP if sdp else None)
        self._early_seq = prack.cseq_number
        return self._track(prack)

    def _number(self, dialog: Dialog) -> Dialog:
        """``dialog`` with its numbers above those of the other early dialogs, so that each of our requests has its own."""
        dialog.local_seq = max(dialog.local_seq, self._early_seq)
        return dialog

    def _early_dialog(self) -> Dialog | None:
        if self.state is not State.CALLING or not self._settled or self._prack_due is not None:
            return None
        dialog = self._early_of(self._settled)
        return None if dialog is None else self._number(dialog)

    def _answered(self, invite: Request, response: Response, now: float) -> list[Effect]:
        dialog = self.dialog = self._dialog_from(invite, response)
        early, self._early = (self._early or {}).get(dialog.remote_tag), None
        if isinstance(early, Dialog):
            dialog.remote_seq = early.remote_seq
        self._number(dialog)
        self._note_allow(response)
        if self.state is State.ENDING:  # the 2xx crossed our CANCEL
            self._invite_out = None
            self.state = State.CONFIRMED
            return [self._acknowledge(invite), *self._bye(now, self._bye_fields or ())]
        self.state = State.CONFIRMED
        self.timer.agreed(response, now)
        settled, self._prack_due = self._settled == dialog.remote_tag, None
        sdp = session_description(response) or b""
        if settled:
            sdp = self._early_sdp[1] if self._offered else self._remote_sdp
        elif not self._offered:
            if sdp:
                self._remote_sdp = sdp
                return [Established(response, sdp, offered=True)]
        elif not sdp and self._early_sdp[0] == dialog.remote_tag:
            sdp = self._early_sdp[1]  # the answer came in a provisional, and stands (RFC 6337 section 3.1)
        self._invite_out = None
        self._early_sdp = ("", b"")
        if not settled:
            self._remote_sdp = sdp
        established = Established(response, sdp, settled=settled)
        return [self._acknowledge(invite), established, *self._offer_if_free(now)]

    def _refused(self, invite: Request, response: Response, now: float) -> list[Effect]:
        told = self.state is not State.ENDING
        if told and response.status == 422 and self.timer.raise_to(response):
            return [self._again(self._renewed(invite))]
        if told and self.auth is not None and response.status in (401, 407):
            retried = self.auth.answer(invite, response, self._first_seq + 1)
            if retried is not None:
                return [self._again(retried)]
        effects = self._close()
        if told:
            effects.append(SessionEnded(End.REFUSED, response, reasons_of(response), response.status))
        return effects

    def _again(self, invite: Request) -> SendRequest:
        """The INVITE once more, with the next number: a try of its own, whose early dialogs begin anew."""
        self._first_seq += 1
        self._early = self._rseq = self._prack_due = None
        self._settled, self._early_sdp = "", ("", b"")
        self._invite_out = invite
        return SendRequest(invite, self.user, self.destination)

    def _renewed(self, invite: Request) -> Request:
        fields = (("CSeq", f"{self._first_seq + 1} INVITE"), *self.timer.request_fields())
        return invite.with_fields(remove=("CSeq", "Session-Expires", "Min-SE"), append=fields)

    def _invite_failed(self, how: End, now: float) -> list[Effect]:
        if self.dialog is not None:
            return super()._invite_failed(how, now)
        told = self.state is not State.ENDING
        return [*self._close(), *((SessionEnded(how),) if told else ())]

    def _end_fork(self, response: Response) -> list[Effect]:
        """A 2xx of another branch: it is acknowledged and ended at once; the first one has the call (section 13.2.2.4)."""
        self._forked = True
        own = self._in_dialog()
        fork = Dialog.of_client(response, local=own.local, local_tag=own.local_tag)
        ack = fork.create("ACK", self._ack_fields, seq=fork.local_seq)
        self._number(fork)
        return [
            SendAck(ack, self.destination),
            SendRequest(fork.create("BYE"), self.user, self.destination),
        ]

    def _dialog_from(self, invite: Request, response: Response) -> Dialog:
        return Dialog.of_client(
            response, local=invite.header("From") or "", local_tag=self.local_tag, target=invite.uri_text
        )

    def _dialog_of(self, request: Request) -> Dialog | None:
        tag = request.from_tag or ""
        if self.dialog is not None:
            return self.dialog if tag == self.dialog.remote_tag else None
        return self._early_of(tag)

    def _early_of(self, tag: str) -> Dialog | None:
        found = self._early.get(tag) if self._early is not None else None
        if found is None or self._early is None or self._invite_out is None:
            return None
        if not isinstance(found, Dialog):
            found = self._early[tag] = self._dialog_from(self._invite_out, found)
        return found

    def _of_dialog(self, response: Response) -> bool:
        return not self._forked or self.dialog is None or response.to_tag == self.dialog.remote_tag

    def _close(self) -> list[Effect]:
        self._early = self._invite_out = self._rseq = self._prack_due = None
        return super()._close()

    def _key(self) -> DialogKey | None:
        return (self._call_id, self.local_tag, "")
