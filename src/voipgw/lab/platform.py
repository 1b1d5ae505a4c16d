"""What a gateway stands on in the lab: virtual time, virtual wires, and the media engine stepped through both.

The engine is the same C code as in service, without its thread: packets reach it when the network delivers them, a card's frames
when the card gives them, and its clock ticks every 10 ms, as the thread's does, while it has something to do.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable

from voipgw.clock import Clock
from voipgw.drivers.audio import MemoryAudio
from voipgw.entropy import Entropy
from voipgw.errors import ConfigurationError, TransportError
from voipgw.gateway.config import MediaSettings
from voipgw.gateway.platform import engine_settings
from voipgw.lab.host import Host
from voipgw.lab.network import Address, DatagramPort
from voipgw.lab.resolver import LabResolver
from voipgw.media.engine import MediaEngine, SteppedEngine
from voipgw.media.engine import MediaSettings as EngineSettings
from voipgw.media.plane import AudioPort
from voipgw.media.stream import EngineLineStream, EngineRtpStream, EngineStream
from voipgw.net.media_io import open_recording
from voipgw.net.media_ports import PairOrder

TICK_S = 0.01  #: of the engine's clock, as of its thread's in service
Sound = Callable[[AudioPort, bytes, bytes], None]
_DRAIN_S = 2.0  #: how long a pair of ports rests between two calls, as in service


class VirtualPair:
    """An RTP port and an RTCP port on a virtual network."""

    rtp_fd = -1
    rtcp_fd = -1

    def __init__(self, ports: VirtualPorts, address: Address, wires: tuple[DatagramPort, DatagramPort]) -> None:
        self.address = address  #: of RTP; RTCP is one above
        self.wires = wires
        self.receive: Callable[[bytes, Address, bool], None] | None = (
            None  #: gets octets, source, and whether it is RTCP
        )
        self._ports = ports

    def arrived(self, data: bytes, source: Address, *, rtcp: bool) -> None:
        """A packet came over the network."""
        if self.receive is not None:
            self.receive(data, source, rtcp)

    def close(self) -> None:
        """Unbind both ports. A second call does nothing."""
        self._ports.close_pair(self)


class VirtualPorts:
    """Pairs of ports on one host of a virtual network; implements ``voipgw.media.plane.MediaPorts``."""

    def __init__(self, host: Host, low: int, high: int, clock: Clock, entropy: Entropy) -> None:
        self._host = host
        self._order = PairOrder(low, high, _DRAIN_S, clock, entropy)
        self._open: dict[Address, VirtualPair] = {}

    def open_pair(self, host: str) -> VirtualPair:
        """A free even port and the next one.

        Raises:
            ResourceError: every pair of the range is in use or rests.
            TransportError: ``host`` is not the address of this host.
        """
        if host not in self._host.addresses:
            raise TransportError(f"{host} is not an address of this machine; it has {', '.join(self._host.addresses)}")
        address, wires = self._order.take(host, self._bind)
        pair = self._open[address] = VirtualPair(self, address, wires)
        for wire, rtcp in zip(wires, (False, True), strict=True):
            wire.receive = functools.partial(pair.arrived, rtcp=rtcp)
        return pair

    def pair(self, address: Address) -> VirtualPair:
        """The open pair whose RTP port is ``address``."""
        return self._open[address]

    def close_pair(self, pair: VirtualPair) -> None:
        """Unbind both ports; they rest for a while. A second call does nothing."""
        if self._open.pop(pair.address, None) is not None:
            for wire in pair.wires:
                wire.close()
            self._order.give_back(pair.address)

    def _bind(self, host: str, port: int) -> tuple[DatagramPort, DatagramPort] | None:
        network = self._host.network
        try:
            rtp = network.bind((host, port), _nobody)
        except OSError:
            return None
        try:
            return rtp, network.bind((host, port + 1), _nobody)
        except OSError:
            rtp.close()
            return None


def _nobody(data: bytes, source: Address) -> None:
    """A port whose pair is not complete yet receives nothing."""


class LabEngine(SteppedEngine):
    """The media engine on virtual wires: it sends and receives on a network, answers cards, and ticks by itself."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ports: VirtualPorts,
        entropy: Entropy,
        clock: Clock,
        settings: EngineSettings,
        wake: Callable[[], None],
        sound: Sound | None = None,
    ) -> None:
        """``wake`` is called, in a turn of its own, when events wait. ``sound`` sees each frame of a line and its answer."""
        self._loop = loop
        self._wires = ports
        self._wake: Callable[[], None] | None = wake
        self._sound = sound
        self._timer: asyncio.TimerHandle | None = None
        self._tick = 0  # number of the tick that the timer waits for
        self._ticks = 0  # number of the last tick that was made
        self._settling = False
        self._waking = False
        self._connected: dict[EngineStream, MemoryAudio] = {}
        super().__init__(ports, entropy, clock, settings, open_file=open_recording)

    def open_rtp(self, host: str) -> EngineRtpStream:
        """See ``MediaPlane.open_rtp``."""
        stream = super().open_rtp(host)
        self._wires.pair(stream.local).receive = functools.partial(self._packet, stream)
        return stream

    def open_line(self, port: AudioPort, *, law: str = "PCMU", frame_samples: int = 160) -> EngineLineStream:
        """See ``MediaPlane.open_line``; the port's ``audio``, a ``MemoryAudio``, is connected to the stream until that closes.

        Raises:
            ConfigurationError: the card was not made for the lab.
        """
        audio = getattr(port, "audio", None)
        if not isinstance(audio, MemoryAudio):
            raise ConfigurationError(
                f"{type(port).__name__}: its sound is not carried in memory, which a virtual clock needs; Lab.card makes such cards"
            )
        stream = super().open_line(port, law=law, frame_samples=frame_samples)
        self._connected[stream] = audio
        audio.connect(functools.partial(self._frame, stream))
        return stream

    def apply(self, command: object) -> None:
        """See ``MediaEngine.apply``."""
        super().apply(command)
        self._send()
        if not self._settling:  # in a turn of its own: whoever commands is amid something
            self._settling = True
            self._loop.call_soon(self._settle)

    def release(self, stream: EngineStream) -> None:
        """See ``MediaEngine.release``; a line's sound is parted from the stream."""
        audio = self._connected.pop(stream, None)
        if audio is not None:
            audio.connect(None)
        super().release(stream)

    def close(self) -> None:
        """See ``MediaPlane.close``; nobody is woken any more."""
        super().close()
        self._wake = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _packet(self, stream: EngineRtpStream, data: bytes, source: Address, rtcp: bool) -> None:
        self.deliver_packet(stream, data, source, self._loop.time(), rtcp=rtcp)
        self._look()

    def _frame(self, stream: EngineLineStream, frame: bytes) -> list[bytes]:
        answer = self.line_frame(stream, frame, self._loop.time())
        if self._sound is not None:
            self._sound(stream.port, frame, answer)
        self._look()
        return [answer]

    def _ticked(self) -> None:
        self._timer = None
        self._ticks = self._tick
        self.step(self._tick * TICK_S)
        self._look()

    def _settle(self) -> None:
        self._settling = False
        if self._wake is not None:
            self._look()

    def _look(self) -> None:
        """Send what is to be sent, wake whoever takes the events, set the timer."""
        self._send()
        if self.events_wait() and not self._waking:
            self._waking = True
            self._loop.call_soon(self._woken)
        due = self.next_deadline()
        if due == math.inf:
            return
        tick = max(math.ceil(max(due, self._loop.time()) / TICK_S - 1e-6), self._ticks + 1)
        if self._timer is not None and self._tick <= tick:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._tick = tick
        self._timer = self._loop.call_at(tick * TICK_S, self._ticked)

    def _woken(self) -> None:
        self._waking = False
        if self._wake is not None:
            self._wake()

    def _send(self) -> None:
        for packet in self.take_output():
            host, port = packet.source
            pair = self._wires.pair((host, port - packet.rtcp))
            pair.wires[packet.rtcp].send(packet.data, packet.destination)


class LabPlatform:
    """One machine of the lab; implements ``voipgw.gateway.platform.Platform``."""

    def __init__(
        self,
        host: Host,
        clock: Clock,
        entropy: Entropy,
        loop: asyncio.AbstractEventLoop,
        *,
        resolver: LabResolver | None = None,
        sound: Sound | None = None,
    ) -> None:
        self.clock = clock
        self.entropy = entropy
        self.network = host
        self.resolver = resolver
        self._loop = loop
        self._sound = sound

    def open_media(self, settings: MediaSettings, wake: Callable[[], None]) -> MediaEngine:
        """The engine, stepped."""
        ports = VirtualPorts(self.network, *settings.ports, clock=self.clock, entropy=self.entropy)
        return LabEngine(
            self._loop, ports, self.entropy, self.clock, engine_settings(settings), wake, sound=self._sound
        )

    def close_media(self, engine: MediaEngine) -> None:
        """Stop it."""
        engine.close()
