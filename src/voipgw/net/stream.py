"""A SIP connection over a stream: TLS, framing, keep-alive, idle time, and a bound on every buffer and handshake.

RFC 3261 section 18.3, RFC 5626; what lies between the wire and the messages are machines (``net.tls``, ``net.framings``,
``net.websocket``), and the one clock of the connection is the endpoint's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

import attrs

from voipgw.errors import ParseError, TransportError
from voipgw.net.framings import Framing, SipFraming
from voipgw.net.tls import TlsSession
from voipgw.net.udp import named
from voipgw.sip.effects import Address
from voipgw.sip.framing import KeepAlive, StreamError


@attrs.frozen
class StreamLimits:
    """Bounds of a stream connection."""

    idle_s: float = 600.0  #: closed after so long without an octet from the peer
    message_s: float = 30.0  #: a message that was begun, and the first one of a peer, has to be complete after so long
    unsent_octets: int = 256 * 1024  #: more than this waiting for a peer that does not read: the connection is cut
    message_octets: int = 65535  #: longest message
    handshake_s: float = 8.0  #: of TLS and WebSocket together
    handshakes: int = 512  #: of peers at a time; more are closed at once
    handshakes_of_one: int = 64  #: of them from one address
    ping_s: float = (
        110.0  #: keep-alives on connections that we opened, and on WebSockets (RFC 5626 section 4.4.1); 0 for none
    )
    pong_s: float = 10.0  #: a peer that answers keep-alives and is silent for so long after one is gone


class StreamUser(Protocol):
    """Who a connection reports to."""

    def stream_begun(self, connection: StreamConnection) -> None:
        """The wire is there, and a handshake of TLS or WebSocket begins."""
        ...

    def stream_opened(self, connection: StreamConnection) -> None:
        """It is connected: messages can be sent."""
        ...

    def stream_message(self, connection: StreamConnection, data: bytes) -> None:
        """One whole message came."""
        ...

    def stream_kept_alive(self, connection: StreamConnection) -> None:
        """A double CRLF came and was answered (RFC 5626 section 3.5.1)."""
        ...

    def stream_unfinished(self, connection: StreamConnection) -> None:
        """A message was begun; the connection's deadline may be earlier now."""
        ...

    def stream_malformed(self, connection: StreamConnection, error: ParseError, data: bytes) -> None:
        """The stream cannot be followed any further; the connection is about to close."""
        ...

    def stream_closed(self, connection: StreamConnection, error: Exception | None) -> None:
        """It is gone; nothing more comes."""
        ...


class StreamConnection(asyncio.Protocol):
    """One connection, made by us or by the peer. Use ``send``; everything else happens by itself.

    It is scheduled among the endpoint's deadlines (``next_deadline``, ``handle_deadline``), so it has no timer of its own.
    """

    scheduled: float = math.inf  #: belongs to ``net.deadlines``

    def __init__(
        self,
        transport: str,
        flow: int,
        user: StreamUser,
        limits: StreamLimits,
        clock: Callable[[], float],
        *,
        listener: int = 0,
        tls: TlsSession | None = None,
        framing: Framing | None = None,
        name: str = "",
    ) -> None:
        self.transport = transport
        self.flow = flow
        self.listener = listener  #: flow of the listening point that took it; 0 where we opened it
        self.name = name  #: whom we opened it to, where that matters (TLS, WebSocket)
        self.local: Address = ("", 0)
        self.remote: Address = ("", 0)
        self.closed = False
        self.connected = False  #: whether messages can be sent now
        self._user = user
        self._limits = limits
        self._clock = clock
        self._tls = tls
        self._framing = framing or SipFraming(ours=not listener, max_octets=limits.message_octets)
        self._wire: asyncio.WriteTransport | None = None
        self._unsent: list[bytes] = []  #: until the connection stands
        self._unsent_octets = 0
        self._heard_at = clock()
        self._begun_at = math.inf  #: since when a message is incomplete
        self._shaking_at = math.inf  #: since when a handshake is under way
        self._ping_at = math.inf
        self._pong_by = math.inf
        self._ponged = self._framing.surely_ponged

    @property
    def identities(self) -> tuple[str, ...]:
        """The SIP domains that the peer's certificate proves."""
        return self._tls.identities if self._tls is not None else ()

    def send(self, data: bytes) -> bool:
        """Send one message, or keep it until the connection stands. False when it is closed, or was cut for not being read."""
        if self.closed:
            return False
        if not self.connected:
            self._unsent.append(data)
            self._unsent_octets += len(data)
            return self._unsent_octets <= self._limits.unsent_octets or self._cut(
                "the connection is too slow to come up"
            )
        return self._write(self._framing.wrap(data))

    def close(self) -> None:
        """Close; what the kernel has taken still goes out, what the peer keeps it from taking does not."""
        if not self.closed and self._wire is not None:
            self._say_goodbye(self._wire)
            if self._wire.get_write_buffer_size():
                self._wire.abort()
            else:
                self._wire.close()
        self._ended(None)

    def fail(self, error: Exception) -> None:
        """The connection could not be made."""
        self._ended(error)

    def next_deadline(self) -> float:
        """When the peer has been silent, or a message or handshake incomplete, for too long; or a keep-alive is due."""
        if self.closed:
            return math.inf
        limits = self._limits
        return min(
            self._heard_at + limits.idle_s,
            self._begun_at + limits.message_s,
            self._shaking_at + limits.handshake_s,
            self._ping_at,
            self._pong_by,
        )

    def handle_deadline(self, now: float) -> None:
        """Close what is idle; cut what does not finish its message or handshake; keep alive what stands."""
        if now >= self._shaking_at + self._limits.handshake_s:
            self._cut("the handshake was not finished in time")
        elif now >= self._begun_at + self._limits.message_s:
            self._cut("no whole message came in time")
        elif now >= self._pong_by and self._ponged:
            self._cut("no answer to a keep-alive")
        elif now >= self._heard_at + self._limits.idle_s:
            self.close()
        else:
            self._keep_alive(now)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        if self.closed:  # given up while it was being made
            transport.close()
            return
        assert isinstance(transport, asyncio.WriteTransport)
        self._wire = transport
        transport.set_write_buffer_limits(high=self._limits.unsent_octets)
        self.local = transport.get_extra_info("sockname")[:2]
        self.remote = transport.get_extra_info("peername")[:2]
        self._heard_at = self._clock()
        if self._tls is None and self._framing.ready:
            self._stands()
            return
        self._shaking_at = self._heard_at
        self._user.stream_begun(self)
        if self._wire.is_closing():
            return  # one too many
        if self._tls is None:
            self._write(self._framing.start())
            return
        try:
            self._tls.start()
        except TransportError as error:
            self._cut(str(error))
        else:
            self._flush(self._tls)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self.closed:
            return
        self._heard_at = self._clock()
        tls = self._tls
        if tls is not None:
            clear = self._decrypt(tls, data)
            if clear is None:
                return
            data = clear
        if data:
            self._read(data)
        if tls is not None and tls.ended and not self.closed:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        if self._shaking_at != math.inf:
            exc = exc or TransportError("the peer closed in the handshake")
        self._ended(exc)

    def _decrypt(self, tls: TlsSession, data: bytes) -> bytes | None:
        """What it says in clear; None when the connection had to be cut."""
        shaking = not tls.established
        try:
            clear = tls.receive(data)
        except TransportError as error:
            self._flush(tls)  # the alert
            self._cut(str(error), gently=True)
            return None
        if not self._flush(tls):
            return None
        if shaking and tls.established:
            if self._framing.ready:
                self._stands()
            else:
                self._write(self._framing.start())
        return None if self.closed else clear

    def _read(self, data: bytes) -> None:
        framing = self._framing
        failure: ParseError | None = None
        answer = b""
        try:
            messages, answer = framing.feed(data)
        except StreamError as error:
            messages, failure = error.frames, error
        except ParseError as error:
            messages, failure = [], error
        if answer and not self._write(answer):
            return
        if framing.over:
            self._cut(framing.over, gently=True)
            return
        if not self.connected and framing.ready:
            self._stands()
        for message in messages:
            if isinstance(message, bytes):
                self._user.stream_message(self, message)
            elif message is KeepAlive.PING:
                self._user.stream_kept_alive(self)
            else:
                self._pong()
            if not self.connected:
                return
        if failure is not None:
            self._user.stream_malformed(self, failure, data)
            self.close()
            return
        if not framing.pending:
            self._begun_at = math.inf
        elif self._begun_at == math.inf or messages:
            self._begun_at = self._heard_at
            self._user.stream_unfinished(self)

    def _stands(self) -> None:
        """Messages can be sent; those that wait are."""
        self._shaking_at = math.inf
        if self.listener:
            self._begun_at = self._heard_at  # who connects has something to say
        if self._limits.ping_s and (not self.listener or self._framing.surely_ponged):
            self._ping_at = self._heard_at + self._ping_interval()
        self.connected = True
        self._user.stream_opened(self)
        unsent, self._unsent = self._unsent, []
        if unsent and not self.closed:
            self._write(b"".join([self._framing.wrap(data) for data in unsent]))

    def _pong(self) -> None:
        self._ponged = True
        if self._pong_by != math.inf:
            self._pong_by, self._ping_at = math.inf, self._heard_at + self._ping_interval()

    def _ping_interval(self) -> float:
        """80 to 100 % of the interval, another for each connection, so that they do not all ping at once (RFC 5626 section 4.4)."""
        return self._limits.ping_s * (0.8 + 0.2 * (self.flow * 0.618 % 1))

    def _keep_alive(self, now: float) -> None:
        interval = self._ping_interval()
        if now >= self._pong_by:  # it never answered one: a peer that does not know them
            self._pong_by, self._ping_at = math.inf, now + interval
        if now < self._ping_at:
            return
        if self._heard_at + interval > now:  # it was heard meanwhile
            self._ping_at = self._heard_at + interval
            return
        self._ping_at, self._pong_by = math.inf, now + self._limits.pong_s
        self._write(self._framing.ping())

    def _write(self, octets: bytes) -> bool:
        """Put octets on the wire, encrypted where that is so; False when the connection had to be cut."""
        tls, wire = self._tls, self._wire
        assert wire is not None
        if tls is not None and octets:
            try:
                tls.send(octets)
            except TransportError as error:
                return self._cut(str(error))
            octets = tls.take()
        if octets:
            wire.write(octets)
        if wire.get_write_buffer_size() > self._limits.unsent_octets:
            return self._cut("the peer does not read")
        return True

    def _flush(self, tls: TlsSession) -> bool:
        octets = tls.take()
        assert self._wire is not None
        if octets:
            self._wire.write(octets)
        if self._wire.get_write_buffer_size() > self._limits.unsent_octets:
            return self._cut("the peer does not read")
        return True

    def _say_goodbye(self, wire: asyncio.WriteTransport) -> None:
        octets = self._framing.farewell() if self.connected else b""
        if self._tls is not None and self._tls.established:
            try:
                if octets:
                    self._tls.send(octets)
            except TransportError:
                pass  # broken: there is nobody to say it to
            self._tls.end()
            octets = self._tls.take()
        if octets and not wire.is_closing():
            wire.write(octets)

    def _cut(self, why: str, *, gently: bool = False) -> bool:
        """Give up; ``gently`` lets what was written go out first."""
        if self._wire is not None:
            if gently and not self._wire.get_write_buffer_size():
                self._wire.close()
            else:
                self._wire.abort()
        self._ended(TransportError(f"{named(self.transport, self.remote)}: {why}"))
        return False

    def _ended(self, error: Exception | None) -> None:
        if not self.closed:
            self.closed, self.connected = True, False
            self._unsent.clear()
            self._user.stream_closed(self, error)
