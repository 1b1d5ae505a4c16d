"""A simulated line card: FXS ports with loop, ringing and audio, each with a simulated telephone on its loop.

The card implements ``voipgw.pstn.driver.Driver``; to everything above it is a card like any other. It paces all its ports by
absolute times of the event loop, so that it never drifts, and does several frames at once when it comes late. On a virtual
loop, with ``MemoryAudio`` in place of sockets, the same card runs in no time and repeatably.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from voipgw._native import g711
from voipgw.drivers.audio import AudioPairFactory, CardAudio, SocketAudio
from voipgw.drivers.telephone import SimTelephone
from voipgw.entropy import Entropy
from voipgw.errors import DriverError
from voipgw.pstn.driver import FxsPort
from voipgw.pstn.line import Feed, LineEvent, LineEventKind

Pcm = npt.NDArray[np.int16]

FRAME_SAMPLES = 160  #: 20 ms at 8000 Hz
_FRAME_S = FRAME_SAMPLES / 8000
_MOST_BEHIND = 50  # frames: a process that slept longer than a second goes on from where it wakes
_LAWS = {"PCMU": g711.ULAW, "PCMA": g711.ALAW}
_FULL_SCALE_RMS = 32767 / 2**0.5  # of a sine at +3.17 dBm0


@attrs.frozen
class LoopPhysics:
    """What lies between port and telephone."""

    attenuation_db: float = 0.0  #: of the loop, each way
    return_loss_db: float = 50.0  #: of the hybrid: how far below what the telephone hears its echo comes back
    noise_dbm0: float | None = None  #: white noise on the way to the port; None for none
    bounce_ms: float = 3.0  #: contacts bounce for up to this long; 0 for ideal ones
    trip_ms: float = 40.0  #: from lifting the handset under ringing voltage to the port's ring trip


class SimFxsPort:
    """One port: battery, ringing, loop current, and frames of audio for the telephone on its loop."""

    def __init__(self, number: int, law: str, audio: CardAudio, physics: LoopPhysics, noise_seed: int) -> None:
        self.number = number  #: from 1
        self.law = law  #: "PCMU" or "PCMA"
        self.frame_samples = FRAME_SAMPLES
        self.feed = Feed.NORMAL
        self.ringing = False  #: ringing voltage is on the loop
        self.audio = audio
        self.frames = 0  #: given to the engine so far
        self.telephone: SimTelephone  # joined by the card
        self._physics = physics
        self._law = _LAWS[law]
        self._silence = g711.encode(self._law, np.zeros(FRAME_SAMPLES, np.int16))
        self._noise = np.random.default_rng(noise_seed)
        self._gain = 10 ** (-physics.attenuation_db / 20)
        self._echo_gain = 10 ** (-physics.return_loss_db / 20)
        self._heard: Pcm | None = None  # the last frame that the telephone heard, for its echo
        self._contact = False
        self._reported = False  # loop current as the engine's side knows it
        self._trip: asyncio.TimerHandle | None = None
        self._deliver: Callable[[FxsPort, LineEvent], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- what a driver's port offers

    def fileno(self) -> int:
        """The engine's descriptor of the audio, -1 when it has none."""
        return self.audio.fileno()

    def ring(self, on: bool) -> None:
        """Ringing voltage on or off."""
        if on is self.ringing:
            return
        self.ringing = on
        self._cancel_trip()
        self.telephone.bell(on)
        if on and self._contact:
            self._expect_trip(self._now())
        elif not on:
            self._loop_changed(self._now())

    def set_feed(self, feed: Feed) -> None:
        """Change the battery; the loop current follows."""
        if feed is not self.feed:
            self.feed = feed
            self.telephone.feed_changed(feed)
            self._loop_changed(self._now())

    # -- the loop

    @property
    def current(self) -> bool:
        """Whether loop current flows."""
        return self._contact and self.feed is not Feed.OPEN

    def set_contact(self, closed: bool, at: float) -> None:
        """The telephone's contact moved at ``at``."""
        self._contact = closed
        if self.ringing:
            self._cancel_trip()
            if closed:
                self._expect_trip(at)
        else:
            self._loop_changed(at)

    def attach(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[FxsPort, LineEvent], None]) -> None:
        """Begin to report."""
        self._loop, self._deliver = loop, deliver
        self._loop_changed(loop.time())

    def alarm(self, on: bool) -> None:
        """Take the port out of service, or bring it back (a fault of the card, for tests and the lab)."""
        self._report(LineEventKind.ALARM if on else LineEventKind.ALARM_CLEARED, self._now())
        if not on and self.current:
            self._report(LineEventKind.LOOP_CLOSED, self._now())

    def close(self) -> None:
        """Take ringing off, end the audio."""
        self._cancel_trip()
        self._deliver = None
        self.ringing = False
        self.audio.close()

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0

    def _expect_trip(self, at: float) -> None:
        if self._loop is not None and self.feed is not Feed.OPEN:
            trip_at = at + self._physics.trip_ms / 1000
            self._trip = self._loop.call_at(trip_at, self._tripped, trip_at)

    def _cancel_trip(self) -> None:
        if self._trip is not None:
            self._trip.cancel()
            self._trip = None

    def _tripped(self, at: float) -> None:
        """Direct current under ringing voltage: the port takes the ringing off by itself and says so."""
        self._trip = None
        self.ringing = False
        self.telephone.bell(False)
        self._reported = True
        self._report(LineEventKind.RING_TRIP, at)

    def _loop_changed(self, at: float) -> None:
        if self.current is not self._reported and not self.ringing:
            self._reported = self.current
            self._report(LineEventKind.LOOP_CLOSED if self.current else LineEventKind.LOOP_OPENED, at)

    def _report(self, kind: LineEventKind, at: float) -> None:
        """In a turn of its own, since the change may come out of a handler of the last event."""
        if self._loop is not None:
            self._loop.call_soon(self._hand_over, LineEvent(kind, at))

    def _hand_over(self, event: LineEvent) -> None:
        if self._deliver is not None:
            self._deliver(self, event)

    # -- audio

    def exchange(self) -> None:
        """One frame each way."""
        self.frames += 1
        self.audio.give(self._spoken())
        for frame in self.audio.take():
            self._listen(frame)

    def _spoken(self) -> bytes:
        """What the telephone says, with echo and noise, as the port's octets."""
        said = self.telephone.speak(FRAME_SAMPLES) if self.current else None
        echo = self._heard if self.current else None
        noise = self._physics.noise_dbm0
        if said is not None and echo is None and noise is None and self._gain == 1.0:
            return g711.encode(self._law, said)
        if said is None and echo is None and noise is None:
            return self._silence
        mixed = np.zeros(FRAME_SAMPLES) if said is None else said * self._gain
        if echo is not None:
            mixed += echo * self._echo_gain
        if noise is not None:
            rms = _FULL_SCALE_RMS * 10 ** ((noise - 3.17) / 20)
            mixed += self._noise.normal(0.0, rms, FRAME_SAMPLES)
        return g711.encode(self._law, np.rint(mixed.clip(-32768, 32767)).astype(np.int16))

    def _listen(self, frame: bytes) -> None:
        """What the port sends reaches the telephone."""
        self._heard = None
        if frame == self._silence or self.feed is Feed.OPEN:
            self.telephone.hear(None, len(frame))
            return
        pcm = g711.decode(self._law, frame)
        if self._gain != 1.0:
            pcm = np.rint(pcm * self._gain).astype(np.int16)
        if len(pcm) == FRAME_SAMPLES:
            self._heard = pcm
        self.telephone.hear(pcm, len(frame))


class SimCard:
    """A board of simulated FXS ports, each with a telephone.

    ``country`` is that of the telephones (which tones and which caller ID they know). ``audio`` makes the audio of a port:
    sockets by default, ``MemoryAudio`` where the loop is virtual. ``clock_ppm`` lets the card's clock run fast.
    """

    def __init__(
        self,
        ports: int,
        *,
        entropy: Entropy,
        law: str = "PCMU",
        country: str = "us",
        audio: AudioPairFactory = SocketAudio,
        physics: LoopPhysics | None = None,
        clock_ppm: float = 0.0,
    ) -> None:
        if law not in _LAWS:
            raise DriverError(f"law {law!r} is neither PCMU nor PCMA")
        if ports < 1:
            raise DriverError(f"a card of {ports} ports; it needs one at least")
        physics = physics if physics is not None else LoopPhysics()
        self._ports = [SimFxsPort(n + 1, law, audio(), physics, entropy.bits(64)) for n in range(ports)]
        self.telephones = [SimTelephone(port, country, entropy, physics.bounce_ms / 1000) for port in self._ports]
        for port, telephone in zip(self._ports, self.telephones, strict=True):
            port.telephone = telephone
        self.frames_skipped = 0  #: frames that a process which slept more than a second left out
        self._period_s = _FRAME_S / (1 + clock_ppm * 1e-6)
        self._began = 0.0
        self._exchanged = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def fxs_ports(self) -> Sequence[SimFxsPort]:
        """The ports, number 1 first."""
        return self._ports

    def telephone(self, number: int) -> SimTelephone:
        """The telephone on port ``number``, from 1.

        Raises:
            DriverError: the card has no such port.
        """
        if not 1 <= number <= len(self._ports):
            raise DriverError(f"port {number} is not on this card; its ports are 1 to {len(self._ports)}")
        return self.telephones[number - 1]

    async def start(self, deliver: Callable[[FxsPort, LineEvent], None]) -> None:
        """Begin to feed, to report and to exchange audio.

        Raises:
            DriverError: the card has been started before.
        """
        if self._loop is not None:
            raise DriverError("the simulated card is in use already")
        loop = self._loop = asyncio.get_running_loop()
        for port, telephone in zip(self._ports, self.telephones, strict=True):
            telephone.attach(loop)
            port.attach(loop, deliver)
        self._began = loop.time()
        self._timer = loop.call_at(self._began + self._period_s, self._tick)

    async def close(self) -> None:
        """Stop the clock; ringing off, audio closed. A second call does nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for port in self._ports:
            port.close()

    def _tick(self) -> None:
        """Every frame that is due by now."""
        assert self._loop is not None
        due = int((self._loop.time() - self._began) / self._period_s + 1e-6)
        if due - self._exchanged > _MOST_BEHIND:
            self.frames_skipped += due - self._exchanged - _MOST_BEHIND
            self._exchanged = due - _MOST_BEHIND
        while self._exchanged < due:
            self._exchanged += 1
            for port in self._ports:
                port.exchange()
        self._timer = self._loop.call_at(self._began + (self._exchanged + 1) * self._period_s, self._tick)
