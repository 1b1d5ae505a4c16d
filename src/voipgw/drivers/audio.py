"""Audio between a card and the media engine: frames of G.711 octets, each frame in answered by one frame out.

``SocketAudio`` is a pair of packet sockets, as a card's driver has; ``MemoryAudio`` is the same without a descriptor, for a
virtual clock: each frame is answered at once, in the same turn, by whoever is connected.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

BACKLOG_FRAMES = 50  #: frames that wait for a slow engine
_SOCKET_OCTETS = (
    2304  # about 6 frames with the kernel's own share: an engine that begins to listen hears no stale sound
)


class CardAudio(Protocol):
    """The card's end of one port's audio."""

    frames_lost: int  #: frames that the engine did not fetch in time

    def fileno(self) -> int:
        """Descriptor of the *engine's* end, -1 when there is none."""
        ...

    def give(self, frame: bytes) -> None:
        """Hand the engine what the line says; never blocks."""
        ...

    def take(self) -> list[bytes]:
        """What the engine has answered since the last call, oldest first."""
        ...

    def close(self) -> None:
        """Close both ends. A second call does nothing."""
        ...


AudioPairFactory = Callable[[], CardAudio]  #: called once for each port


class SocketAudio:
    """A connected pair of non-blocking packet sockets: one packet is one frame."""

    def __init__(self) -> None:
        self._card, self._engine = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._card, self._engine):
            end.setblocking(False)
        self._card.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_OCTETS)
        self._waiting: deque[bytes] = deque()
        self._absent = False  # nobody fetches: only the newest frame is kept
        self.frames_lost = 0

    def fileno(self) -> int:
        """The engine's descriptor; -1 once closed."""
        return self._engine.fileno()

    def give(self, frame: bytes) -> None:
        """Send, or keep while the engine is behind.

        When ``BACKLOG_FRAMES`` wait, nobody is listening: they are lost, and counted, and only the newest is kept from then on
        until somebody is.
        """
        self._waiting.append(frame)
        try:
            while self._waiting:
                self._card.send(self._waiting[0])
                self._waiting.popleft()
                self._absent = False
        except BlockingIOError:  # the engine has not fetched the last ones yet
            self._absent = self._absent or len(self._waiting) > BACKLOG_FRAMES
            while self._absent and len(self._waiting) > 1:
                self._waiting.popleft()
                self.frames_lost += 1

    def take(self) -> list[bytes]:
        """Every frame that the engine has written."""
        frames: list[bytes] = []
        while True:
            try:
                frame = self._card.recv(4096)
            except BlockingIOError:
                return frames
            if not frame:  # the engine closed its end
                return frames
            frames.append(frame)

    def close(self) -> None:
        """Close both sockets."""
        self._card.close()
        self._engine.close()


class MemoryAudio:
    """Audio without a descriptor. Whoever plays the engine connects a function that answers each frame."""

    def __init__(self) -> None:
        self._answer: Callable[[bytes], Sequence[bytes]] | None = None
        self._ready: list[bytes] = []
        self.frames_lost = 0

    def connect(self, answer: Callable[[bytes], Sequence[bytes]] | None) -> None:
        """From now on ``answer(frame)`` gives the engine's frames for each frame of the card; None parts them again."""
        self._answer = answer

    def fileno(self) -> int:
        """-1: there is no descriptor."""
        return -1

    def give(self, frame: bytes) -> None:
        """Ask for the answer at once; without an engine the frame is lost."""
        if self._answer is None:
            self.frames_lost += 1
        else:
            self._ready += self._answer(frame)

    def take(self) -> list[bytes]:
        """The answers so far."""
        frames, self._ready = self._ready, []
        return frames

    def close(self) -> None:
        """Part from the engine."""
        self._answer = None
        self._ready = []
