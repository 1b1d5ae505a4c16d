"""A talking and listening end of an RTP stream, in Python: for scripted peers, never for a gateway.

It sends int16 samples as G.711 packets on a 20 ms clock and keeps what arrives by its timestamp, so that what was heard can be
compared with what was said. It shares no code with the C engine, which it is there to check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from voipgw._native import g711
from voipgw.entropy import Entropy
from voipgw.errors import ParseError
from voipgw.rtp import Packet

Pcm = npt.NDArray[np.int16]
Address = tuple[str, int]
FRAME = 160  #: samples of a packet


class Wire(Protocol):
    """A bound UDP socket, real or virtual."""

    @property
    def local(self) -> Address:
        """Where it is bound."""
        ...

    def send(self, data: bytes, to: Address) -> object:
        """Send one datagram."""
        ...

    def close(self) -> None:
        """Free the address."""
        ...


class Voice:
    """One side of an audio stream."""

    def __init__(self, entropy: Entropy, open_wire: Callable[[Callable[[bytes, Address], None]], Wire]) -> None:
        self._wire = open_wire(self._received)
        self._loop = asyncio.get_running_loop()
        self._ssrc = entropy.bits(32)
        self._sequence = entropy.bits(16)
        self._timestamp = entropy.bits(32)
        self._law = g711.ULAW
        self._payload_type = 0
        self._remote: Address | None = None
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._queue = np.zeros(0, np.int16)
        self._said: list[asyncio.Future[None]] = []
        self._origin: int | None = None
        self._heard: dict[int, Pcm] = {}
        self.events: list[int] = []  #: RFC 4733 events heard, one entry an event
        self._event_stamp: int | None = None
        self.packets_received = 0
        self.packets_sent = 0

    @property
    def local(self) -> Address:
        """Where it receives."""
        return self._wire.local

    def start(self, remote: Address, payload_type: int) -> None:
        """Send to ``remote`` from now on, silence where nothing is said; 0 is PCMU, 8 PCMA."""
        self._remote, self._payload_type = remote, payload_type
        self._law = g711.ALAW if payload_type == 8 else g711.ULAW
        if self._timer is None:
            self._next_at = self._loop.time()
            self._tick()

    async def say(self, pcm: Pcm) -> None:
        """Speak int16[n] samples at 8000 Hz; returns when the last packet of them is sent."""
        said = self._loop.create_future()
        self._queue = np.concatenate([self._queue, pcm])
        self._said.append(said)
        await said

    def heard(self) -> Pcm:
        """Everything heard so far, int16[n] at 8000 Hz by RTP timestamp, zeros where nothing came."""
        if not self._heard:
            return np.zeros(0, np.int16)
        first = min(self._heard)
        last = max(at + len(frame) for at, frame in self._heard.items())
        out = np.zeros(last - first, np.int16)
        for at, frame in self._heard.items():
            out[at - first : at - first + len(frame)] = frame
        return out

    def close(self) -> None:
        """Stop sending and free the port."""
        if self._timer is not None:
            self._timer.cancel()
        for said in self._said:
            said.cancel()
        self._wire.close()

    def _tick(self) -> None:
        """Send every packet that is due; a late tick sends several."""
        now = self._loop.time()
        while self._next_at <= now + 1e-9:
            self._send_frame()
            self._next_at += FRAME / 8000
        self._timer = self._loop.call_at(self._next_at, self._tick)

    def _send_frame(self) -> None:
        frame = self._queue[:FRAME]
        self._queue = self._queue[FRAME:]
        if len(frame) < FRAME:
            frame = np.concatenate([frame, np.zeros(FRAME - len(frame), np.int16)])
        if len(self._queue) == 0 and self._said:
            for said in self._said:
                if not said.done():
                    said.set_result(None)
            self._said.clear()
        packet = Packet(
            payload_type=self._payload_type,
            sequence=self._sequence,
            timestamp=self._timestamp,
            ssrc=self._ssrc,
            payload=g711.encode(self._law, frame),
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        if self._remote is not None:
            self._wire.send(bytes(packet), self._remote)
            self.packets_sent += 1

    def _received(self, data: bytes, source: Address) -> None:
        try:
            packet = Packet.parse(data)
        except ParseError:
            return
        self.packets_received += 1
        if packet.payload_type in (0, 8):
            if self._origin is None:
                self._origin = packet.timestamp
            at = (packet.timestamp - self._origin + 0x80000000) % 0x100000000 - 0x80000000
            self._heard[at] = g711.decode(g711.ALAW if packet.payload_type == 8 else g711.ULAW, packet.payload)
        elif len(packet.payload) >= 4 and packet.timestamp != self._event_stamp:
            self._event_stamp = packet.timestamp
            self.events.append(packet.payload[0])
