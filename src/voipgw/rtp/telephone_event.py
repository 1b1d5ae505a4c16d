"""Digits as RTP events (RFC 4733): the payload, and two machines, packets to digits and digits to packets.

The C engine does this per packet for calls; these are the reference and serve tools, tests and other planes.
"""

from __future__ import annotations

import math
import struct
from collections import deque

import attrs

from voipgw.errors import LocalProtocolError, ParseError
from voipgw.rtp.packet import Packet

SYMBOLS = "0123456789*#ABCD"  #: event codes 0 to 15 (section 3.2, table 3)
FLASH = 16  #: hook flash
END_PACKETS = 3  #: how often the last packet of an event is sent (section 2.5.1.4)
_MAX_DURATION = 0xFFFF
_REPEATS_S = 2.0  # no packet of an event comes so late after it


def code_of(symbol: str) -> int:
    """The event code of a digit, or of ``!`` for a hook flash.

    Raises:
        LocalProtocolError: it is none of these.
    """
    code = FLASH if symbol == "!" else SYMBOLS.find(symbol.upper())
    if code < 0 or len(symbol) != 1:
        raise LocalProtocolError(f"{symbol!r} is not a DTMF digit")
    return code


def symbol_of(code: int) -> str | None:
    """The digit of an event code, ``!`` for a hook flash, None for what is neither."""
    if code == FLASH:
        return "!"
    return SYMBOLS[code] if 0 <= code < len(SYMBOLS) else None


@attrs.frozen
class TelephoneEvent:
    """The four octets of an event (section 2.3). ``bytes`` gives the wire form."""

    event: int  #: 0 to 255
    duration_ticks: int  #: since the packet's timestamp, 0 to 65535
    end: bool = False
    volume_dbm0: int = -10  #: 0 to -63

    @classmethod
    def parse(cls, payload: bytes) -> TelephoneEvent:
        """The first event of a payload (further ones, of state events, are left).

        Raises:
            ParseError: not a positive multiple of four octets.
        """
        if len(payload) < 4 or len(payload) % 4:
            raise ParseError(f"a telephone-event payload has a multiple of four octets, not {len(payload)}")
        event, flags, duration = struct.unpack_from("!BBH", payload)
        return cls(event, duration, bool(flags & 0x80), -(flags & 0x3F))

    def __bytes__(self) -> bytes:
        if not (0 <= self.event < 256 and -63 <= self.volume_dbm0 <= 0 and 0 <= self.duration_ticks <= _MAX_DURATION):
            raise LocalProtocolError(f"{self} is out of range")
        return struct.pack("!BBH", self.event, (0x80 if self.end else 0) | -self.volume_dbm0, self.duration_ticks)


@attrs.frozen
class EventBegan:
    """An event is heard for the first time."""

    code: int


@attrs.frozen
class EventEnded:
    """An event is over: its end was received, another began, or nothing came for too long."""

    code: int
    duration_ms: int


class EventReceiver:
    """Packets to events: each event once, whatever is lost, doubled or out of order.

    Args:
        clock_rate_hz: of the telephone-event format.
        timeout_s: without a packet of it, an event is taken for ended.
    """

    def __init__(self, clock_rate_hz: int = 8000, timeout_s: float = 0.2) -> None:
        self._rate = clock_rate_hz
        self._timeout_s = timeout_s
        self._code: int | None = None  # of the event under way
        self._first = 0  # its timestamp
        self._segment = 0  # the timestamp of its latest segment (section 2.5.1.3)
        self._duration = 0  # ticks since _first
        self._ssrc: int | None = None
        self._over: int | None = None  # the latest timestamp of the event before
        self._over_until = 0.0  # after this a peer whose timestamps step back is believed
        self._deadline = math.inf

    def receive(self, packet: Packet, now: float) -> list[EventBegan | EventEnded]:
        """Take a telephone-event packet.

        Raises:
            ParseError: its payload is none.
        """
        event = TelephoneEvent.parse(packet.payload)
        timestamp = packet.timestamp
        effects: list[EventBegan | EventEnded] = []
        if packet.ssrc != self._ssrc:
            effects += [] if self._code is None else self._end()
            self._ssrc, self._over = packet.ssrc, None
        if self._code is None:
            if self._over is not None and now < self._over_until and not _later(timestamp, self._over):
                return []  # a repeated or late packet of what is over
            effects += self._begin(event, timestamp)
        elif timestamp != self._segment:
            if not _later(timestamp, self._segment):
                return []
            expected = (self._first + self._duration) & 0xFFFFFFFF
            if event.event == self._code and timestamp == expected and not packet.marker:
                self._segment = timestamp
            else:
                effects += self._end()
                effects += self._begin(event, timestamp)
        elif event.event != self._code:
            return []  # two events at one time: the first is right
        reach = (self._segment - self._first & 0xFFFFFFFF) + event.duration_ticks
        self._duration = max(self._duration, reach)
        self._deadline, self._over_until = now + self._timeout_s, now + _REPEATS_S
        if event.end:
            effects += self._end()
        return effects

    def _begin(self, event: TelephoneEvent, timestamp: int) -> list[EventBegan | EventEnded]:
        self._code, self._first, self._segment, self._duration = event.event, timestamp, timestamp, 0
        return [EventBegan(event.event)]

    def _end(self) -> list[EventBegan | EventEnded]:
        assert self._code is not None
        ended = EventEnded(self._code, round(self._duration * 1000 / self._rate))
        self._over, self._code, self._deadline = self._segment, None, math.inf
        return [ended]

    def next_deadline(self) -> float:
        """When an event that lost its end is to be ended; infinity between events."""
        return self._deadline

    def handle_deadline(self, now: float) -> list[EventBegan | EventEnded]:
        """End an event whose packets stopped."""
        return self._end() if now >= self._deadline else []


@attrs.frozen
class SendEvent:
    """A packet to send: the owner adds its sequence number, SSRC and payload type."""

    timestamp: int
    payload: bytes
    marker: bool


@attrs.define
class _Event:
    code: int
    duration_s: float
    began_s: float = math.inf
    sent: int = 0  # packets before the end
    ended: int = 0  # packets with the end
    base_ticks: int = 0  # where the segment begins, from the start of the event


class EventSender:
    """Events to packets: one each ``interval_ms``, the last thrice, all with the timestamp of the start.

    An event longer than its 16-bit duration is sent in segments (section 2.5.1.3). Events wait for each other, with a
    pause between them.

    Args:
        now: monotonic seconds of ``timestamp``.
        timestamp: RTP timestamp of the stream at ``now``.
        clock_rate_hz: of the telephone-event format.
        interval_ms: time between packets.
        pause_ms: silence between two events.
        volume_dbm0: level to state, 0 to -63.
        limit: events that may wait; more raise LocalProtocolError.
    """

    def __init__(
        self,
        now: float,
        timestamp: int,
        *,
        clock_rate_hz: int = 8000,
        interval_ms: int = 20,
        pause_ms: int = 50,
        volume_dbm0: int = -10,
        limit: int = 64,
    ) -> None:
        self._epoch_s, self._epoch = now, timestamp
        self._rate = clock_rate_hz
        self._interval_s = interval_ms / 1000
        self._pause_s = pause_ms / 1000
        self._volume = volume_dbm0
        self._limit = limit
        self._waiting: deque[_Event] = deque()
        self._free_at = -math.inf  # when the next event may begin
        self._deadline = math.inf

    @property
    def busy(self) -> bool:
        """Whether an event is under way or waits; audio pauses meanwhile."""
        return bool(self._waiting)

    def send(self, code: int, duration_ms: int, now: float) -> None:
        """Send event ``code`` for ``duration_ms``, after those that wait; packets come from ``handle_deadline``.

        Raises:
            LocalProtocolError: too many wait already, or the duration is not positive.
        """
        if len(self._waiting) >= self._limit:
            raise LocalProtocolError(f"{self._limit} events wait already")
        if duration_ms <= 0:
            raise LocalProtocolError(f"an event of {duration_ms} ms")
        self._waiting.append(_Event(code, duration_ms / 1000))
        if len(self._waiting) == 1:
            self._start(now)

    def _start(self, now: float) -> None:
        event = self._waiting[0]
        event.began_s = max(now, self._free_at)
        self._deadline = event.began_s + self._interval_s

    def next_deadline(self) -> float:
        """When the next packet is due; infinity when nothing is to be sent."""
        return self._deadline

    def handle_deadline(self, now: float) -> list[SendEvent]:
        """The packet that is due."""
        if now < self._deadline or not self._waiting:
            return []
        event = self._waiting[0]
        total = round(event.duration_s * self._rate)
        step = round(self._interval_s * self._rate)
        ticks = min((event.sent + 1) * step, total)
        if ticks - event.base_ticks > _MAX_DURATION:
            event.base_ticks = event.sent * step
        last = ticks == total
        start = self._epoch + round((event.began_s - self._epoch_s) * self._rate) + event.base_ticks
        payload = TelephoneEvent(event.code, ticks - event.base_ticks, last, self._volume)
        packet = SendEvent(start & 0xFFFFFFFF, bytes(payload), marker=event.sent == 0 and event.ended == 0)
        self._deadline += self._interval_s
        if not last:
            event.sent += 1
            return [packet]
        event.ended += 1
        if event.ended == END_PACKETS:
            self._waiting.popleft()
            self._free_at = max(event.began_s + event.duration_s + self._pause_s, now)
            self._deadline = math.inf
            if self._waiting:
                self._start(now)
        return [packet]


def _later(one: int, other: int) -> bool:
    """Whether timestamp ``one`` is after ``other``, modulo 2**32."""
    return 0 < (one - other & 0xFFFFFFFF) < 0x80000000
