"""A SIP connection over a stream: framing, keep-alive, idle time, and a bound on every buffer (RFC 3261 section 18.3, RFC 5626)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

import attrs

from voipgw.errors import ParseError, TransportError
from voipgw.sip.effects import Address
from voipgw.sip.framing import Framer, KeepAlive, StreamError


@attrs.frozen
class StreamLimits:
    """Bounds of a stream connection."""

    idle_s: float = 600.0  #: closed after so long without an octet from the peer
    message_s: float = 30.0  #: a message that was begun has to be complete after so long
    unsent_octets: int = 256 * 1024  #: more than this waiting for a peer that does not read: the connection is cut
    message_octets: int = 65535  #: longest message


class StreamUser(Protocol):
    """Who a connection reports to."""

    def stream_opened(self, connection: StreamConnection) -> None:
        """It is connected."""
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
        self, transport: str, flow: int, user: StreamUser, limits: StreamLimits, clock: Callable[[], float]
    ) -> None:
        self.transport = transport
        self.flow = flow
        self.listener = 0  #: flow of the listening point that took it; 0 where we opened it
        self.local: Address = ("", 0)
        self.remote: Address = ("", 0)
        self.closed = False
        self._user = user
        self._limits = limits
        self._clock = clock
        self._framer = Framer(max_octets=limits.message_octets)
        self._wire: asyncio.WriteTransport | None = None
        self._unsent: list[bytes] = []  #: until the connection stands
        self._unsent_octets = 0
        self._heard_at = clock()
        self._begun_at = math.inf  #: since when a message is incomplete

    @property
    def connected(self) -> bool:
        """Whether it stands now."""
        return self._wire is not None and not self.closed

    def send(self, data: bytes) -> bool:
        """Send one message, or keep it until the connection stands. False when it is closed, or was cut for not being read."""
        if self.closed:
            return False
        if self._wire is None:
            self._unsent.append(data)
            self._unsent_octets += len(data)
            return self._unsent_octets <= self._limits.unsent_octets or self._cut(
                "the connection is too slow to come up"
            )
        self._wire.write(data)
        if self._wire.get_write_buffer_size() > self._limits.unsent_octets:
            return self._cut("the peer does not read")
        return True

    def close(self) -> None:
        """Close; what the kernel has taken still goes out, what the peer keeps it from taking does not."""
        if not self.closed and self._wire is not None:
            if self._wire.get_write_buffer_size():
                self._wire.abort()
            else:
                self._wire.close()
        self._ended(None)

    def fail(self, error: Exception) -> None:
        """The connection could not be made."""
        self._ended(error)

    def next_deadline(self) -> float:
        """When the peer has been silent, or a message incomplete, for too long."""
        if self.closed:
            return math.inf
        return min(self._heard_at + self._limits.idle_s, self._begun_at + self._limits.message_s)

    def handle_deadline(self, now: float) -> None:
        """Close what is idle; cut what does not finish its message."""
        if now >= self._begun_at + self._limits.message_s:
            self._cut("a message was begun and not finished")
        elif now >= self._heard_at + self._limits.idle_s:
            self.close()

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
        self._user.stream_opened(self)
        if self._unsent:
            transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self.closed:
            return
        self._heard_at = self._clock()
        failure: ParseError | None = None
        try:
            messages = self._framer.feed(data)
        except StreamError as error:
            messages, failure = error.frames, error
        for message in messages:
            if isinstance(message, bytes):
                self._user.stream_message(self, message)
            elif message is KeepAlive.PING:
                self.send(b"\r\n")
                self._user.stream_kept_alive(self)
            if not self.connected:
                return
        if failure is not None:
            self._user.stream_malformed(self, failure, data)
            self.close()
            return
        if not self._framer.pending:
            self._begun_at = math.inf
        elif self._begun_at == math.inf or messages:
            self._begun_at = self._heard_at
            self._user.stream_unfinished(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._ended(exc)

    def _cut(self, why: str) -> bool:
        if self._wire is not None:
            self._wire.abort()
        self._ended(TransportError(why))
        return False

    def _ended(self, error: Exception | None) -> None:
        if not self.closed:
            self.closed = True
            self._unsent.clear()
            self._user.stream_closed(self, error)
