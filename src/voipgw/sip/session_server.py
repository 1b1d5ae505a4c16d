"""Taking a call: the server side of an INVITE (RFC 3261 sections 9.2 and 13.3), until the ACK and beyond."""

from __future__ import annotations

import math

from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError, RemoteProtocolError
from voipgw.sip.auth import DigestClient
from voipgw.sip.dialog import Dialog
from voipgw.sip.effects import Destination, Effect, OpenDialog, Respond, TransactionUser
from voipgw.sip.message import Request, Response
from voipgw.sip.session import Session, reasons_of
from voipgw.sip.session_events import (
    SDP,
    End,
    SessionEnded,
    SessionSettings,
    State,
    Unacked,
    session_description,
)
from voipgw.sip.usage import Fields


class ServerSession(Session):
    """A session that the peer asks for. ``start`` looks at the INVITE; then ``progress``, and ``accept`` or ``reject``."""

    __slots__ = ("_again_at", "_expires_at", "_offered", "_opened", "_provisional")

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

    def start(self, invite: Request, now: float) -> list[Effect]:
        """Take ``invite``. Nothing is returned when it is in order; else the refusal and ``SessionEnded``.

        420 for a Require that we do not know (100rel and timer among them), 415 for a body that we cannot read, 400 for
        one without Contact.

        Raises:
            LocalProtocolError: the session was started before.
        """
        if self.state is not State.IDLE:
            raise LocalProtocolError("a session is started once")
        self.state = State.INVITED
        self._invite_in = invite
        required = invite.headers("Require")
        if required:
            return self._refuse_form(420, (("Unsupported", ", ".join(required)),))
        sdp = session_description(invite)
        if sdp is None:
            return self._refuse_form(415, (("Accept", SDP),))
        self._offered = bool(sdp)
        try:
            self.dialog = Dialog.of_server(invite, self.local_tag)
        except RemoteProtocolError:
            return self._refuse_form(400, ())
        expires = invite.header("Expires")
        if expires is not None and expires.isascii() and expires.isdigit() and len(expires) < 10:
            self._expires_at = now + int(expires)
        return []

    @property
    def offered(self) -> bool:
        """Whether the INVITE carries an offer; if not, ``accept`` makes ours."""
        return self._offered

    def progress(self, status: int, now: float, sdp: bytes = b"", fields: Fields = ()) -> list[Effect]:
        """Send a provisional, 101 to 199. ``sdp`` is our answer for early media, which the 200 has to repeat."""
        invite = self._invite_in
        if self.state is not State.INVITED or invite is None:
            return []
        fields = (("Contact", self.settings.contact), *fields)
        self._provisional = self._response(invite, status, fields, sdp if self._offered else b"", SDP)
        self._again_at = now + self.settings.refresh_provisional_s
        return [*self._open(), Respond(invite, self._provisional)]

    def accept(self, sdp: bytes, now: float, fields: Fields = ()) -> list[Effect]:
        """Send 200 with our answer, or our offer where the INVITE has none; repeated until the ACK (section 13.3.1.4)."""
        invite = self._invite_in
        if self.state is not State.INVITED or invite is None:
            return []
        self._no_longer_invited()
        self.state = State.ACCEPTED
        response = self._response(invite, 200, (*self._dialog_fields(), *fields), sdp, SDP)
        self._unacked = Unacked(invite, response, not self._offered, self.settings.t1_s, now)
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
        return min(super().next_deadline(), self._again_at, self._expires_at)

    def handle_deadline(self, now: float) -> list[Effect]:
        """The Expires of the INVITE, a provisional to be repeated (section 13.3.1.1), and what every session has."""
        if now >= self._expires_at:
            return [*self.reject(487, now), SessionEnded(End.EXPIRED)]
        effects: list[Effect] = []
        if now >= self._again_at and self._invite_in is not None and self._provisional is not None:
            self._again_at = now + self.settings.refresh_provisional_s
            effects.append(Respond(self._invite_in, self._provisional))
        return effects + super().handle_deadline(now)

    def _receive_bye(self, request: Request, now: float) -> list[Effect]:
        self._again_at = self._expires_at = math.inf
        self._provisional = None
        return super()._receive_bye(request, now)

    def _no_longer_invited(self) -> None:
        self._invite_in = self._provisional = None
        self._again_at = self._expires_at = math.inf

    def _refuse_form(self, status: int, fields: tuple[tuple[str, str], ...]) -> list[Effect]:
        return [*self.reject(status, 0.0, fields), SessionEnded(End.REFUSED, None, (), status)]

    def _open(self) -> list[Effect]:
        if self._opened or self.dialog is None:
            return []
        self._opened = True
        return [OpenDialog(self.dialog.key, self.user)]

    def _key(self) -> tuple[str, str, str] | None:
        return self.dialog.key if self._opened and self.dialog is not None else None
