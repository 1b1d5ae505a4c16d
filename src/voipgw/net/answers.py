"""Answers that the endpoint gives by itself, without a transaction: each retransmission of the request is answered alike."""

from __future__ import annotations

import hashlib

from voipgw.entropy import Entropy
from voipgw.net.settings import EndpointSettings
from voipgw.sip.message import Request, Response
from voipgw.sip.parser import Capabilities, check


class Answers:
    """Makes them; the To tag is derived from the request, so that it is the same each time (RFC 3261 section 8.2.7)."""

    def __init__(self, settings: EndpointSettings, entropy: Entropy) -> None:
        self._settings = settings
        self._capabilities = Capabilities(
            methods=frozenset(settings.allow),
            extensions=frozenset(settings.supported),
            content_types=frozenset(settings.accept),
            accepts=frozenset(settings.accept),
        )
        self._secret = entropy.octets(16)
        self._server = [("Server", settings.agent)] if settings.agent else []

    def tag(self, request: Request) -> str:
        """The To tag of our answers to ``request``; the ACK of such an answer has the same, since its branch and From are."""
        text = f"{request.branch} {request.call_id} {request.header('From')}"
        return hashlib.blake2s(text.encode("utf-8", "surrogateescape"), key=self._secret, digest_size=8).hexdigest()

    def answer(
        self, request: Request, status: int, *, reason: str | None = None, fields: tuple[tuple[str, str], ...] = ()
    ) -> Response:
        """A final response."""
        return Response.answer(request, status, reason, to_tag=self.tag(request), fields=[*fields, *self._server])

    def busy(self, request: Request) -> Response:
        """503 with Retry-After (section 21.5.4)."""
        return self.answer(request, 503, fields=(("Retry-After", str(self._settings.retry_after_s)),))

    def not_allowed(self, request: Request, status: int) -> Response:
        """405 or 501 with Allow."""
        return self.answer(request, status, fields=(("Allow", ", ".join(self._settings.allow)),))

    def untaken(self, request: Request) -> Response:
        """For a request that nobody takes: what we can do, to OPTIONS (section 11.2), else 404; first what section 8.2 refuses."""
        rejection = check(request, self._capabilities)
        if rejection is not None:
            return self.answer(request, rejection.status, fields=rejection.fields)
        if request.method != "OPTIONS":
            return self.answer(request, 404)
        settings = self._settings
        fields = [("Allow", ", ".join(settings.allow)), ("Accept", ", ".join(settings.accept))]
        fields += [("Accept-Encoding", "identity"), ("Accept-Language", "en")]
        fields += [("Supported", ", ".join(settings.supported))]
        return self.answer(request, 200, fields=tuple(fields))
