"""What every usage of a dialog needs: its requests and who answers them, responses, and credentials for challenges.

The INVITE usage (``voipgw.sip.session``) stands on it; so can the usages of SUBSCRIBE and REFER (RFC 5057).
"""

from __future__ import annotations

from collections.abc import Iterable

from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError
from voipgw.sip.auth import DigestClient
from voipgw.sip.dialog import Dialog
from voipgw.sip.effects import Destination, DialogKey, Respond, SendRequest, TransactionUser
from voipgw.sip.message import Request, Response
from voipgw.sip.session_events import SessionSettings

Fields = Iterable[tuple[str, str]]


class DialogUsage:
    """One usage of a dialog, there already or yet to come."""

    __slots__ = ("_requests", "auth", "destination", "dialog", "entropy", "local_tag", "settings", "user")

    def __init__(
        self,
        user: TransactionUser,
        settings: SessionSettings,
        entropy: Entropy,
        *,
        auth: DigestClient | None = None,
        destination: Destination | None = None,
    ) -> None:
        self.user = user
        self.settings = settings
        self.entropy = entropy
        self.auth = auth
        self.destination = destination  #: where requests go, None for where route set and target say
        self.dialog: Dialog | None = None
        self.local_tag = entropy.token()
        self._requests: dict[int, Request] | None = None  # ours, INVITE excepted, by CSeq number

    def _key(self) -> DialogKey | None:
        return self.dialog.key if self.dialog is not None else None

    def _in_dialog(self) -> Dialog:
        if self.dialog is None:
            raise LocalProtocolError("there is no dialog yet")
        return self.dialog

    def _dialog_of(self, request: Request) -> Dialog | None:
        return self.dialog

    def _of_dialog(self, response: Response) -> bool:
        return True

    def _dialog_fields(self) -> tuple[tuple[str, str], ...]:
        """Fields of every INVITE, UPDATE and their 2xx."""
        settings = self.settings
        return (
            ("Contact", settings.contact),
            ("Allow", settings.allow),
            ("Supported", ", ".join(settings.supported())),
        )

    def _unknown(self, required: Iterable[str]) -> str:
        """What of a Require we do not know, for Unsupported; "" where we know all."""
        known = self.settings.supported()
        return ", ".join(tag for tag in required if tag.lower() not in known)

    def _response(
        self, request: Request, status: int, fields: Fields = (), body: bytes = b"", content_type: str | None = None
    ) -> Response:
        if self.settings.agent:
            fields = (*fields, ("Server", self.settings.agent))
        return Response.answer(
            request,
            status,
            to_tag=self.local_tag,
            fields=fields,
            body=body,
            content_type=content_type if body else None,
        )

    def _respond(self, request: Request, status: int, fields: Fields = ()) -> Respond:
        return Respond(request, self._response(request, status, fields))

    def _request(
        self, method: str, fields: Fields = (), body: bytes = b"", content_type: str | None = None
    ) -> SendRequest:
        request = self._in_dialog().create(method, fields, body, content_type)
        return self._track(request)

    def _track(self, request: Request) -> SendRequest:
        if self._requests is None:
            self._requests = {}
        self._requests[request.cseq_number] = request
        return SendRequest(request, self.user, self.destination)

    def _forget(self, number: int) -> None:
        if self._requests is not None:
            self._requests.pop(number, None)

    def _retried(self, request: Request, response: Response) -> Request | None:
        """The request again with credentials, where we have them and they were not refused already."""
        dialog = self.dialog
        if self.auth is None or dialog is None:
            return None
        retried = self.auth.answer(request, response, dialog.local_seq + 1)
        if retried is not None:
            dialog.next_seq()
        return retried
