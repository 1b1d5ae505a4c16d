"""A span over UNIX sockets: the D-channel frame by frame, the B-channels 20 ms at a time.

``PATH`` is a listening SOCK_SEQPACKET socket of the far end; one packet is one LAPD frame, without flags and without FCS. The
B-channels are a second such socket at ``PATH.b``, where there is one: a packet is one octet with the channel's number and
160 octets of audio in the span's law. Without it the channels carry idle octets. A far end that goes away is called again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from voipgw.drivers.audio import AudioPairFactory, CardAudio, SocketAudio
from voipgw.errors import DriverError

FRAME_SAMPLES = 160  #: 20 ms at 8000 Hz
IDLE = {"PCMA": b"\xd5", "PCMU": b"\xff"}
_FRAME_S = FRAME_SAMPLES / 8000
_AGAIN_S = 1.0  # between attempts to reach a far end that went away
_MOST_BEHIND = 50  # frames: a process that slept longer than a second goes on from where it wakes


class UnixChannel:
    """One B-channel of a span, open for a call; see ``voipgw.pstn.driver.BChannel``."""

    def __init__(self, number: int, law: str, audio: CardAudio) -> None:
        self.number = number
        self.law = law
        self.frame_samples = FRAME_SAMPLES
        self.audio = audio

    def fileno(self) -> int:
        """The engine's descriptor."""
        return self.audio.fileno()


class UnixSpan:
    """See ``voipgw.pstn.driver.SpanDriver``."""

    def __init__(self, path: str, *, law: str = "PCMA", audio: AudioPairFactory = SocketAudio) -> None:
        self.path = path
        self.law = law
        self.frames_lost = 0  #: frames that the far end was too slow to take, or was not there for
        self._audio = audio
        self._channels: dict[int, UnixChannel] = {}
        self._d: socket.socket | None = None
        self._b: socket.socket | None = None
        self._frame: Callable[[bytes], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._next_tick = 0.0

    async def start(self, frame: Callable[[bytes], None]) -> None:
        """Connect; each frame of the D-channel is given to ``frame``.

        Raises:
            DriverError: nobody listens at the path.
        """
        self._loop, self._frame = asyncio.get_running_loop(), frame
        try:
            self._connect()
        except OSError as error:
            raise DriverError(f"span unix:{self.path}: {error.strerror or error}") from error

    def send(self, octets: bytes) -> None:
        """Put a frame on the D-channel; it is lost, and counted, when the far end does not take it."""
        try:
            if self._d is None:
                raise BrokenPipeError
            self._d.send(octets)
        except BlockingIOError:
            self.frames_lost += 1
        except OSError:
            self.frames_lost += 1
            self._lost()

    def open_channel(self, number: int) -> UnixChannel:
        """The audio of a channel, for one call."""
        self.close_channel(number)
        channel = self._channels[number] = UnixChannel(number, self.law, self._audio())
        if self._b is None and self._tick is None and self._loop is not None:
            self._next_tick = self._loop.time() + _FRAME_S
            self._tick = self._loop.call_at(self._next_tick, self._idle)
        return channel

    def close_channel(self, number: int) -> None:
        """Give it back; nothing happens when it is not open."""
        channel = self._channels.pop(number, None)
        if channel is not None:
            channel.audio.close()

    async def close(self) -> None:
        """Hang up both sockets."""
        self._frame = None
        for handle in (self._retry, self._tick):
            if handle is not None:
                handle.cancel()
        self._retry = self._tick = None
        self._disconnect()
        for number in list(self._channels):
            self.close_channel(number)

    # -- sockets

    def _connect(self) -> None:
        assert self._loop is not None
        self._d = _dial(self.path)
        try:
            self._b = _dial(self.path + ".b")
        except OSError:
            self._b = None  # a far end without audio
        self._loop.add_reader(self._d, self._read_frames)
        if self._b is not None:
            self._loop.add_reader(self._b, self._read_audio)

    def _disconnect(self) -> None:
        for end in (self._d, self._b):
            if end is not None and self._loop is not None:
                self._loop.remove_reader(end)
                end.close()
        self._d = self._b = None

    def _lost(self) -> None:
        """The far end hung up; the data link finds out by its own timers."""
        self._disconnect()
        if self._frame is not None and self._loop is not None and self._retry is None:
            self._retry = self._loop.call_later(_AGAIN_S, self._reconnect)

    def _reconnect(self) -> None:
        self._retry = None
        try:
            self._connect()
        except OSError:
            self._lost()

    def _read_frames(self) -> None:
        while self._d is not None and self._frame is not None:
            try:
                octets = self._d.recv(8192)
            except BlockingIOError:
                return
            except OSError:
                octets = b""
            if not octets:
                self._lost()
                return
            self._frame(octets)

    # -- audio

    def _read_audio(self) -> None:
        while self._b is not None:
            try:
                packet = self._b.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                assert self._loop is not None
                self._loop.remove_reader(self._b)
                self._b.close()
                self._b = None
                return
            channel = self._channels.get(packet[0])
            if channel is not None and len(packet) == 1 + FRAME_SAMPLES:
                channel.audio.give(packet[1:])
                for frame in channel.audio.take():
                    self._send_audio(packet[:1] + frame)

    def _send_audio(self, packet: bytes) -> None:
        try:
            if self._b is not None:
                self._b.send(packet)
        except OSError:
            self.frames_lost += 1

    def _idle(self) -> None:
        """Without a socket for audio: what an idle channel says, at the pace of a span."""
        self._tick = None
        if not self._channels or self._b is not None or self._loop is None:
            return
        frame = IDLE[self.law] * FRAME_SAMPLES
        behind = min(int((self._loop.time() - self._next_tick) / _FRAME_S) + 1, _MOST_BEHIND)
        for channel in self._channels.values():
            for _ in range(behind):
                channel.audio.give(frame)
            channel.audio.take()
        self._next_tick = max(self._next_tick + behind * _FRAME_S, self._loop.time())
        self._tick = self._loop.call_at(self._next_tick, self._idle)


def _dial(path: str) -> socket.socket:
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        end.setblocking(False)
        end.connect(path)
    except OSError:
        end.close()
        raise
    return end
