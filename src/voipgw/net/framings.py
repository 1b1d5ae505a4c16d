"""How messages lie in the octets of a connection: SIP's own framing; WebSocket has another (``net.websocket``)."""

from __future__ import annotations

from typing import Protocol

import attrs

from voipgw.sip.framing import Framer, KeepAlive


class Framing(Protocol):
    """Octets to messages and back, for one connection; a machine without a socket."""

    ready: bool  #: messages can be sent
    over: str  #: why the connection has to be closed now; "" while it may go on
    surely_ponged: bool  #: every peer answers our keep-alives, so that silence means that it is gone

    @property
    def pending(self) -> int:
        """Octets of a message that is not complete yet."""
        ...

    def start(self) -> bytes:
        """What is sent first."""
        ...

    def feed(self, octets: bytes) -> tuple[list[bytes | KeepAlive], bytes]:
        """Take what arrived; the messages that are complete now, and what has to be sent at once.

        Raises:
            ParseError: the stream cannot be followed any more.
        """
        ...

    def wrap(self, message: bytes) -> bytes:
        """One message, for the wire."""
        ...

    def ping(self) -> bytes:
        """A keep-alive that the peer is to answer."""
        ...

    def farewell(self) -> bytes:
        """What is sent before closing."""
        ...


class SipFraming:
    """Messages that follow each other, each as long as it says (RFC 3261 section 18.3), keep-alives between (RFC 5626)."""

    __slots__ = ("_framer", "over", "ready", "surely_ponged")

    def __init__(self, *, ours: bool, max_octets: int) -> None:
        """``ours``: we opened the connection, so that the pings are ours and a lone CRLF is their answer."""
        self.ready = True
        self.over = ""
        self.surely_ponged = False  # a peer of RFC 3261 alone ignores a double CRLF
        self._framer = Framer(pongs=ours, max_octets=max_octets)

    @property
    def pending(self) -> int:
        """Octets of a message that is not complete yet."""
        return self._framer.pending

    def start(self) -> bytes:
        """Nothing."""
        return b""

    def feed(self, octets: bytes) -> tuple[list[bytes | KeepAlive], bytes]:
        """Messages, and CRLF for each ping."""
        found = self._framer.feed(octets)
        return found, b"\r\n" * found.count(KeepAlive.PING)

    def wrap(self, message: bytes) -> bytes:
        """As it is."""
        return message

    def ping(self) -> bytes:
        """A double CRLF (RFC 5626 section 3.5.1)."""
        return b"\r\n\r\n"

    def farewell(self) -> bytes:
        """Nothing."""
        return b""


@attrs.frozen
class Origins:
    """Which web pages may connect: browsers name theirs in ``Origin``, other clients send none (RFC 6455 section 10.2)."""

    allowed: tuple[str, ...] = ()  #: as browsers write them, ``https://phone.example.com``; ``*`` for all

    def refuse(self, origin: str | None, host: str) -> bool:
        """Whether a client is turned away: its page is neither listed nor of this very host."""
        if origin is None or "*" in self.allowed or origin.lower() in {one.lower() for one in self.allowed}:
            return False
        scheme, _, rest = origin.partition("://")
        return scheme.lower() not in ("http", "https") or _host_of(rest) != _host_of(host)


def _host_of(text: str) -> str:
    """Without the port."""
    if text.startswith("["):
        return text.partition("]")[0].lower()
    return text.partition(":")[0].lower()
