"""The C media engine as a ``MediaPlane``: with a thread that moves packets, or stepped by whoever owns it.

``MediaEngine`` is the plane; ``voipgw.net.media_io`` starts one with a thread. ``SteppedEngine`` is the same engine on a
clock of its owner's, for the lab and for tests: packets, frames and the time are brought to it, what it would send is
taken from it, and the same inputs at the same times give the same octets.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

import attrs
from attrs.validators import ge, in_, le

from voipgw._native import core
from voipgw.clock import Clock
from voipgw.entropy import Entropy
from voipgw.errors import ConfigurationError, LocalProtocolError, NegotiationError, ResourceError
from voipgw.media.plane import (
    AudioPort,
    DigitBegan,
    DigitHeard,
    MediaEvent,
    MediaPorts,
    MediaStarted,
    MediaStopped,
    PlaybackEnded,
    Stream,
)
from voipgw.media.recorder import Recorder
from voipgw.media.stream import EngineLineStream, EngineRtpStream, EngineStream

_1900 = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@attrs.frozen
class MediaSettings:
    """Bounds and policies of an engine."""

    max_streams: int = attrs.field(default=4096, validator=[ge(1), le(65536)])
    jitter_depth_ms: int = attrs.field(default=60, validator=[ge(0), le(500)])  #: of what goes to a line
    jitter_adaptive: bool = False  #: the depth follows the arrivals, by steps that can be heard in speech
    media_timeout_s: float = attrs.field(default=0.0, validator=ge(0))  #: silence that is reported; 0: never
    max_packets_s: int = attrs.field(
        default=300, validator=ge(0)
    )  #: a stream's packets beyond are dropped; 0: no limit
    latch: str = attrs.field(default="auto", validator=in_(core.LATCHES))  #: "auto" "sdp" "signalling" "any"
    dtmf_profile: str = attrs.field(default="q24", validator=in_(core.DTMF_PROFILES))
    detect_in_band: bool = False  #: look for DTMF in RTP's sound even where telephone-event is negotiated
    media_legs: bool = False  #: RTP to RTP through jitter buffers even where a relay would do
    realtime: bool = True  #: the thread at real-time priority where the system allows it (root, or RLIMIT_RTPRIO)
    events: int = 8192  #: that may wait, a power of two

    def of_core(self, utc_offset_us: int) -> dict[str, int]:
        """The C core's settings."""
        return {
            "max_legs": self.max_streams,
            "jitter_depth_ms": self.jitter_depth_ms,
            "jitter_adaptive": int(self.jitter_adaptive),
            "media_timeout_ms": round(self.media_timeout_s * 1000),
            "police_packets_s": self.max_packets_s,
            "events": self.events,
            "dtmf_profile": core.DTMF_PROFILES[self.dtmf_profile],
            "utc_offset_us": utc_offset_us,
        }


class EngineCore(Protocol):
    """What the engine needs of ``_native.core``: either class there."""

    wake_fd: int

    def apply(self, command: object) -> int:
        """Carry out a command, or hand it to the thread."""
        ...

    def events(self) -> list[core.Event]:
        """What happened since the last call."""
        ...

    def counters(self, leg: int) -> core.Counters | None:
        """Counters of a leg."""
        ...

    def thread_counters(self) -> dict[str, int]:
        """What the thread did."""
        ...

    def stop(self) -> None:
        """End the thread, if there is one."""
        ...


def utc_offset_us(clock: Clock) -> int:
    """Microseconds since 1900 at the zero of the clock's monotonic reading (NTP times of RTCP)."""
    return (clock.utc() - _1900) // _MICROSECOND - round(clock.monotonic() * 1e6)


class MediaEngine:
    """A plane over the C core; implements ``voipgw.media.plane.MediaPlane``.

    Args:
        engine: the core, stepped or with its thread running.
        ports: where RTP port pairs come from.
        entropy: SSRCs, first sequence numbers and timestamps, canonical names.
        settings: bounds and policies, those that ``engine`` was made with.
        open_file: opens a recording's file for writing; without it there are no recordings.
    """

    def __init__(
        self,
        engine: EngineCore,
        ports: MediaPorts,
        entropy: Entropy,
        settings: MediaSettings,
        *,
        open_file: Callable[[Path], BinaryIO] | None = None,
    ) -> None:
        self._engine = engine
        self._ports = ports
        self._entropy = entropy
        self._open_file = open_file
        self._streams: dict[int, EngineStream] = {}
        self._free = list(range(settings.max_streams - 1, -1, -1))
        self._recorders: dict[int, Recorder] = {}
        self._record_serial = 0
        self._capture: core.Capture | None = None
        self._old_captures: list[core.Capture] = []
        self._pending: list[MediaEvent] = []
        self._closed = False
        self.settings = settings

    @property
    def wake_fd(self) -> int:
        """See ``MediaPlane.wake_fd``."""
        return self._engine.wake_fd

    @property
    def open_streams(self) -> int:
        """Streams that are not closed yet."""
        return sum(not stream.closed for stream in self._streams.values())

    def open_rtp(self, host: str) -> EngineRtpStream:
        """See ``MediaPlane.open_rtp``.

        Raises:
            ResourceError: every slot or every port is in use.
            TransportError: ``host`` is not an address of this machine.
        """
        leg = self._take_slot()
        try:
            pair = self._ports.open_pair(host)
        except BaseException:
            self._free.append(leg)
            raise
        stream = EngineRtpStream(self, leg, pair)
        self._streams[leg] = stream
        entropy = self._entropy
        self.apply(
            core.command(
                core.OPEN_RTP,
                leg,
                local=pair.address,
                ssrc=entropy.bits(32),
                sequence=entropy.bits(16),
                timestamp=entropy.bits(32),
                seed=entropy.bits(32),
                cname=entropy.token().encode(),
                rtp_fd=pair.rtp_fd,
                rtcp_fd=pair.rtcp_fd,
            )
        )
        return stream

    def open_line(self, port: AudioPort, *, law: str = "PCMU", frame_samples: int = 160) -> EngineLineStream:
        """See ``MediaPlane.open_line``.

        Raises:
            ResourceError: every slot is in use.
            ConfigurationError: another law, or frames of less than 1 or more than 480 samples.
        """
        if law not in core.LAWS or not 1 <= frame_samples <= core.MAX_FRAME_SAMPLES:
            raise ConfigurationError(
                f"a line of {law!r} with {frame_samples} samples a frame; PCMU or PCMA and 1 to 480 is right"
            )
        leg = self._take_slot()
        stream = EngineLineStream(self, leg, port, law)
        self._streams[leg] = stream
        self.apply(
            core.command(core.OPEN_LINE, leg, codec=core.LAWS[law], frame_samples=frame_samples, rtp_fd=port.fileno())
        )
        return stream

    def bridge(self, one: Stream, other: Stream) -> None:
        """See ``MediaPlane.bridge``.

        Raises:
            NegotiationError: one side's codec is only relayed and the other side does not have it.
            LocalProtocolError: a stream is closed.
        """
        a, b = self._own(one), self._own(other)
        only_relayed = [s.codec for s in (a, b) if s.opaque]
        if only_relayed and a.codec and b.codec and a.codec.lower() != b.codec.lower():
            raise NegotiationError(f"{a.codec} to {b.codec}: no conversion")
        self.apply(core.command(core.BRIDGE, a.leg, other=b.leg, value=int(self.settings.media_legs)))

    def unbridge(self, stream: Stream) -> None:
        """See ``MediaPlane.unbridge``."""
        own = self._own(stream)
        self.apply(core.command(core.UNBRIDGE, own.leg))

    def record(self, one: Stream, other: Stream, path: Path) -> None:
        """See ``MediaPlane.record``.

        Raises:
            ConfigurationError: this engine was not given a way to open files.
            OSError: the file cannot be opened.
        """
        a, b = self._own(one), self._own(other)
        if self._open_file is None:
            raise ConfigurationError(f"no recording to {path}: this engine was given no way to open files")
        recorder = Recorder(self._open_file(path))
        self._record_serial += 1
        serial = self._record_serial
        self._recorders[serial] = recorder
        self.apply(core.command(core.RECORD, a.leg, other=b.leg, data=recorder.record.handle, value=serial))

    @property
    def recorders(self) -> tuple[Recorder, ...]:
        """Recordings that go on, oldest first."""
        return tuple(self._recorders.values())

    def thread_counters(self) -> dict[str, int]:
        """What the engine's thread did (``wakeups``, ``packets_in``, ``send_errors``, ``cpu_us`` ...); empty without one."""
        return {} if self._closed else self._engine.thread_counters()

    def start_capture(self, octets: int = 1 << 22) -> None:
        """Keep copies of every packet in and out for ``take_capture``, up to ``octets`` of them between two calls."""
        self.stop_capture()
        self._capture = core.Capture(octets)
        self.apply(core.command(core.CAPTURE, data=self._capture.handle))

    def stop_capture(self) -> None:
        """Keep no more copies."""
        if self._capture is not None:
            self._old_captures.append(self._capture)
            self._capture = None
            self.apply(core.command(core.CAPTURE))

    def take_capture(self) -> list[core.Captured]:
        """Packets since the last call, oldest first; empty while nothing is captured."""
        return self._capture.read() if self._capture is not None else []

    def take_capture_records(self, until_us: int, epoch_us: int = 0) -> bytes:
        """What ``take_capture`` would return, up to ``until_us``, as records of a pcap file of raw IP packets.

        ``epoch_us`` is added to every time; the file counts from 1970.
        """
        return self._capture.records(until_us, epoch_us) if self._capture is not None else b""

    @property
    def capture_lost(self) -> int:
        """Packets that were not captured because nobody had taken those before."""
        return self._capture.lost if self._capture is not None else 0

    def take_events(self) -> list[MediaEvent]:
        """See ``MediaPlane.take_events``."""
        self._collect()
        events, self._pending = self._pending, []
        return events

    def close(self) -> None:
        """See ``MediaPlane.close``."""
        if self._closed:
            return
        for stream in list(self._streams.values()):
            stream.close()
        self.stop_capture()
        self._collect()
        self._closed = True
        self._engine.stop()
        for stream in self._streams.values():
            stream.released()
        self._streams.clear()
        for recorder in self._recorders.values():
            recorder.finish()
        self._recorders.clear()
        self._old_captures.clear()

    def apply(self, command: object) -> None:
        """Carry out a command of ``_native.core``, for streams.

        Raises:
            ResourceError: the engine's thread has not taken any command for a tenth of a second.
        """
        if self._closed:
            raise LocalProtocolError("the media engine is closed")
        if self._engine.apply(command) == core.FULL:
            raise ResourceError("the media engine takes no more commands")

    def counters(self, leg: int) -> core.Counters | None:
        """Counters of a slot, for streams."""
        return None if self._closed else self._engine.counters(leg)

    def release(self, stream: EngineStream) -> None:
        """Close a stream's slot, for streams; its ports follow when the engine has let go of them."""
        if not self._closed:
            self.apply(core.command(core.CLOSE, stream.leg))

    def _take_slot(self) -> int:
        if self._closed:
            raise LocalProtocolError("the media engine is closed")
        if not self._free:
            self._collect()
        if not self._free:
            raise ResourceError(f"all {self.settings.max_streams} media streams are in use")
        return self._free.pop()

    def _own(self, stream: Stream) -> EngineStream:
        if not isinstance(stream, EngineStream) or stream.closed:
            raise LocalProtocolError("a stream of another engine, or one that is closed")
        return stream

    def _collect(self) -> None:
        for event in self._engine.events():
            if event.kind == core.RECORDED:
                if (recorder := self._recorders.get(event.a)) is not None:
                    recorder.drain()
            elif event.kind == core.RECORD_ENDED:
                if (recorder := self._recorders.pop(event.a, None)) is not None:
                    recorder.finish()
            elif event.kind == core.CAPTURE_ENDED:
                del self._old_captures[:1]
            elif event.kind == core.CLOSED:
                stream = self._streams.pop(event.leg)
                self._free.append(event.leg)
                stream.released()
            else:
                self._report(event)

    def _report(self, event: core.Event) -> None:
        stream = self._streams.get(event.leg)
        if stream is None or stream.closed:
            return
        if event.kind == core.DIGIT_BEGAN:
            self._pending.append(DigitBegan(stream, chr(event.a)))
        elif event.kind == core.DIGIT_ENDED:
            self._pending.append(
                DigitHeard(stream, chr(event.a), event.c, bool(event.b & core.IN_BAND), bool(event.b & core.PASSED_ON))
            )
        elif event.kind == core.PLAYED:
            if event.a == stream.serial & 0x7FFFFFFF:
                self._pending.append(PlaybackEnded(stream))
        elif event.kind == core.STARTED:
            self._pending.append(MediaStarted(stream))
        elif event.kind == core.STOPPED:
            self._pending.append(MediaStopped(stream, event.c / 1000))


@attrs.frozen
class OutgoingPacket:
    """A packet that a stepped engine wants sent."""

    source: tuple[str, int]
    destination: tuple[str, int]
    data: bytes
    rtcp: bool


class SteppedEngine(MediaEngine):
    """A plane whose owner is its clock, its wires and its cards. Commands happen at ``clock.monotonic()``."""

    def __init__(
        self,
        ports: MediaPorts,
        entropy: Entropy,
        clock: Clock,
        settings: MediaSettings | None = None,
        *,
        open_file: Callable[[Path], BinaryIO] | None = None,
    ) -> None:
        chosen = settings or MediaSettings()
        self._stepped = core.SteppedCore(**chosen.of_core(utc_offset_us(clock)))
        self._clock = clock
        self._locals: dict[int, tuple[str, int]] = {}
        super().__init__(self._stepped, ports, entropy, chosen, open_file=open_file)

    def apply(self, command: object) -> None:
        """See ``MediaEngine.apply``."""
        self._set_time(self._clock.monotonic())
        super().apply(command)

    def deliver_packet(
        self, stream: EngineStream, data: bytes, source: tuple[str, int], now: float, *, rtcp: bool = False
    ) -> None:
        """A packet arrived from ``source`` at the stream's RTP port, or at the next one (``rtcp``)."""
        if not stream.closed:
            self._set_time(now)
            self._stepped.packet(stream.leg, core.RTCP if rtcp else core.RTP, data, source)

    def line_frame(self, stream: EngineStream, octets: bytes, now: float) -> bytes:
        """A frame of G.711 octets came from a line; the frame that goes back to it.

        Raises:
            LocalProtocolError: not an open line stream, or a frame of no or more than 480 octets.
        """
        self._set_time(now)
        back = None if stream.closed else self._stepped.line_frame(stream.leg, octets)
        if back is None:
            raise LocalProtocolError(f"a frame of {len(octets)} octets for a stream that is no open line")
        return back

    def step(self, now: float) -> None:
        """Do what is due at ``now``."""
        self._set_time(now)
        self._stepped.tick()

    def next_deadline(self) -> float:
        """When ``step`` is wanted next, in seconds; infinity for never."""
        at_us = self._stepped.deadline_us
        return float("inf") if at_us is None else at_us / 1e6

    def events_wait(self) -> bool:
        """Whether ``take_events`` has something to give; recordings are written and ports given back as far as they can be."""
        self._collect()
        return bool(self._pending)

    def take_output(self) -> list[OutgoingPacket]:
        """Packets to be sent since the last call, in order."""
        packets = []
        for output in self._stepped.outputs():
            host, port = self._locals[output.leg]
            rtcp = output.channel == core.RTCP
            packets.append(OutgoingPacket((host, port + rtcp), output.destination, output.data, rtcp))
        return packets

    def open_rtp(self, host: str) -> EngineRtpStream:
        """See ``MediaPlane.open_rtp``."""
        stream = super().open_rtp(host)
        self._locals[stream.leg] = stream.local
        return stream

    def _set_time(self, now: float) -> None:
        # the core's 0 means "not yet", so that a clock that begins with 0 is a microsecond late there
        self._stepped.now_us = max(self._stepped.now_us, round(now * 1e6), 1)
