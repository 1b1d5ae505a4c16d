"""Messages from a stream (RFC 3261 section 18.3) and the keep-alives between them (RFC 5626 section 3.5.1).

Where a message ends is decided by the same C code that ``parse`` uses, so that the two cannot disagree.
"""

from __future__ import annotations

import enum

from voipgw._native import sip as native
from voipgw.errors import ParseError
from voipgw.sip.message import describe

_START = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~\r")


class KeepAlive(enum.Enum):
    """What peers send between messages."""

    PING = "ping"  #: CRLFCRLF, to be answered with CRLF
    PONG = "pong"  #: CRLF, the answer to our ping


class Framer:
    """Cuts a stream into messages. Feed it what arrives, in any pieces; the result is the same."""

    def __init__(self, *, pongs: bool = False, max_octets: int = 65535) -> None:
        """``pongs``: we opened the connection and send pings, so that a lone CRLF is an answer (RFC 5626 section 4.4.1).

        ``max_octets`` bounds a message, header section and body together.
        """
        self._pongs = pongs
        self._max_octets = max_octets
        self._buffer = bytearray()
        self._looked = 0  # how much of the buffer holds no end of a header section
        self._needed = 0  # octets of the message at the buffer's start, once its header section is complete
        self._line_ends = 0  # octets of CRLFCRLF since the last message or ping
        self._failed: ParseError | None = None

    @property
    def pending(self) -> int:
        """Octets of a message that is not complete yet; 0 between messages."""
        return len(self._buffer)

    def feed(self, octets: bytes) -> list[bytes | KeepAlive]:
        """Take what arrived; return the messages (as octets for ``parse``) and keep-alives that are complete now.

        Raises:
            ParseError: the stream is no SIP, has no Content-Length or breaks a limit. What was complete before the
                fault came with earlier calls or stands in the error's ``frames``; the connection is of no more use.
        """
        if self._failed is not None:
            raise self._failed
        self._buffer += octets
        found: list[bytes | KeepAlive] = []
        try:
            while self._take(found):
                pass
        except ParseError as error:
            self._failed = StreamError(str(error), found, status=error.status)
            self._buffer.clear()
            raise self._failed from None
        return found

    def _take(self, found: list[bytes | KeepAlive]) -> bool:
        buffer = self._buffer
        if not self._needed and not self._skip_line_ends(found):
            return False
        if not self._needed and not self._find_end():
            return False
        if len(buffer) < self._needed:
            return False
        found.append(bytes(buffer[: self._needed]))
        del buffer[: self._needed]
        self._needed = self._looked = self._line_ends = 0
        return True

    def _skip_line_ends(self, found: list[bytes | KeepAlive]) -> bool:
        """Whether a message begins; reports the keep-alives before it."""
        buffer = self._buffer
        if self._looked:
            return True
        at = 0
        while at < len(buffer) and buffer[at] == b"\r\n"[self._line_ends & 1]:
            at += 1
            self._line_ends += 1
            if self._pongs and self._line_ends == 2:
                found.append(KeepAlive.PONG)
                self._line_ends = 0
            elif self._line_ends == 4:
                found.append(KeepAlive.PING)
                self._line_ends = 0
        del buffer[:at]
        if not buffer:
            return False
        if self._line_ends & 1 or buffer[0] not in _START:
            raise ParseError(f"octet {buffer[0]:#04x} begins no message")
        self._line_ends = 0
        return True

    def _find_end(self) -> bool:
        """Whether the header section is complete; then ``_needed`` is known."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", max(self._looked - 3, 0))
        if end < 0:
            self._looked = len(buffer)
            if self._looked > min(native.MAX_HEADERS, self._max_octets):
                raise ParseError("the header section has no end", status=513)
            return False
        end += 4
        if end > min(native.MAX_HEADERS, self._max_octets):
            raise ParseError("header section too large", status=513)
        try:
            body = native.frame(bytes(buffer[:end]))
        except native.Fault as fault:
            raise ParseError(describe(fault), status=native.FAULTS[fault.code][1]) from None
        self._needed = end + body
        if self._needed > self._max_octets:
            raise ParseError(f"message over {self._max_octets} octets", status=513)
        return True


class StreamError(ParseError):
    """A stream broke; ``frames`` is what the same call completed before."""

    def __init__(self, message: str, frames: list[bytes | KeepAlive], *, status: int) -> None:
        super().__init__(message, status=status)
        self.frames = frames  #: messages and keep-alives before the fault
