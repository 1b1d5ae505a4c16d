"""WebSocket framing for SIP (RFC 7118) by ``wsproto``, which does no input or output either.

The library comes with the extra ``ws``; this module is imported when a WebSocket is wanted, and not before.
"""

from __future__ import annotations

from wsproto import ConnectionType, WSConnection, events
from wsproto.connection import ConnectionState
from wsproto.utilities import ProtocolError

from voipgw.errors import ParseError
from voipgw.net.framings import Origins
from voipgw.sip.framing import KeepAlive

_SUBPROTOCOL = "sip"
_LARGEST_HANDSHAKE = 16384


class WebSocketFraming:
    """One SIP message in each WebSocket message; text where it is UTF-8, else binary."""

    surely_ponged = True  #: RFC 6455 section 5.5.3

    def __init__(self, *, ours: bool, max_octets: int, origins: Origins, host: str = "") -> None:
        """``ours``: we opened the connection, to ``host`` (as the Host field wants it)."""
        self.ready = False
        self.over = ""
        self._host = host
        self._max_octets = max_octets
        self._origins = origins
        self._ours = ours
        self._shaken = 0  # octets of the handshake so far
        self._partial = bytearray()
        self._connection = WSConnection(ConnectionType.CLIENT if ours else ConnectionType.SERVER)

    @property
    def pending(self) -> int:
        """Octets of a message that is not complete yet."""
        return len(self._partial)

    def start(self) -> bytes:
        """The client's handshake; the server waits for it."""
        if not self._ours:
            return b""
        return self._connection.send(events.Request(host=self._host, target="/", subprotocols=[_SUBPROTOCOL]))

    def feed(self, octets: bytes) -> tuple[list[bytes | KeepAlive], bytes]:
        """Messages, and what answers handshake, pings and goodbyes.

        Raises:
            ParseError: a message is too long (status 513).
        """
        found: list[bytes | KeepAlive] = []
        answer = bytearray()
        if not octets:  # to the library that would be the end
            return found, b""
        if not self.ready:
            self._shaken += len(octets)
            if self._shaken > _LARGEST_HANDSHAKE:
                self.over = "the handshake is too long"
                return found, b""
        try:
            self._connection.receive_data(octets)
            for event in self._connection.events():
                answer += self._take(event, found)
                if self.over:
                    break
        except (ProtocolError, ValueError) as error:  # ValueError: a Host or target that is no text
            self.over = f"WebSocket: {error}"
            if not self.ready and not self._ours:
                answer += b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return found, bytes(answer)

    def wrap(self, message: bytes) -> bytes:
        """One message in one frame."""
        try:
            return self._connection.send(events.TextMessage(data=message.decode()))
        except UnicodeDecodeError:
            return self._connection.send(events.BytesMessage(data=message))

    def ping(self) -> bytes:
        """A ping frame."""
        return self._connection.send(events.Ping())

    def farewell(self) -> bytes:
        """A close frame, unless the handshake is not over or it was sent already."""
        if self._connection.state is not ConnectionState.OPEN:
            return b""
        return self._connection.send(events.CloseConnection(code=1001))

    def _take(self, event: events.Event, found: list[bytes | KeepAlive]) -> bytes:
        if isinstance(event, (events.TextMessage, events.BytesMessage)):
            self._collect(event, found)
            if found and found[-1] is KeepAlive.PING and event.message_finished:
                return self.wrap(b"\r\n")
        elif isinstance(event, events.Ping):
            found.append(KeepAlive.PING)
            return self._connection.send(event.response())
        elif isinstance(event, events.Pong):
            found.append(KeepAlive.PONG)
        elif isinstance(event, events.Request):
            return self._answer(event)
        elif isinstance(event, events.AcceptConnection):
            self.ready = event.subprotocol == _SUBPROTOCOL
            if not self.ready:
                self.over = "the server does not speak SIP over WebSocket"
        elif isinstance(event, events.RejectConnection):
            self.over = f"the server answers the handshake with {event.status_code}"
        elif isinstance(event, events.CloseConnection):
            self.over = "the peer closed"
            if self._connection.state is ConnectionState.REMOTE_CLOSING:
                return self._connection.send(event.response())
        return b""

    def _collect(self, event: events.TextMessage | events.BytesMessage, found: list[bytes | KeepAlive]) -> None:
        data = event.data
        self._partial += data.encode() if isinstance(data, str) else data
        if len(self._partial) > self._max_octets:
            raise ParseError(f"message over {self._max_octets} octets", status=513)
        if not event.message_finished:
            return
        message = bytes(self._partial)
        self._partial.clear()
        if message.strip(b"\r\n"):
            found.append(message)
        elif message == b"\r\n\r\n":
            found.append(KeepAlive.PING)  # clients that cannot send ping frames do so (RFC 7118 section 6)
        else:
            found.append(KeepAlive.PONG)

    def _answer(self, request: events.Request) -> bytes:
        fields = {name.lower(): value.decode("latin-1") for name, value in request.extra_headers}
        if self._origins.refuse(fields.get(b"origin"), request.host):
            self.over = f"the page of origin {fields[b'origin'][:200]} may not connect"
            return self._connection.send(events.RejectConnection(status_code=403, headers=[(b"content-length", b"0")]))
        if _SUBPROTOCOL not in request.subprotocols:
            self.over = "the client does not speak SIP over WebSocket"
            return self._connection.send(events.RejectConnection(status_code=400, headers=[(b"content-length", b"0")]))
        self.ready = True
        return self._connection.send(events.AcceptConnection(subprotocol=_SUBPROTOCOL))
