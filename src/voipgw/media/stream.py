"""One leg's media: the handles that ``MediaEngine`` gives out. They hold no sound and no packet, only a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from voipgw._native import core
from voipgw._native import srtp as native_srtp
from voipgw.call.model import Codec, Direction
from voipgw.errors import ConfigurationError, LocalProtocolError, NegotiationError, TransportError
from voipgw.media.plane import AudioPort, Pcm, PortPair, StreamStatistics, ToneSegment
from voipgw.media.player import tones_of
from voipgw.srtp.keys import PROFILES, KeyPair, MasterKey

if TYPE_CHECKING:
    from voipgw.media.engine import MediaEngine

RECEIVED_SSRCS = 16  #: that one key of a peer may be used for, authentic ones
DIGITS = frozenset("0123456789*#ABCD")
_FLOWS = {
    Direction.SENDRECV: core.SEND | core.RECEIVE,
    Direction.SENDONLY: core.SEND,
    Direction.RECVONLY: core.RECEIVE,
    Direction.INACTIVE: 0,
}


@attrs.frozen
class StreamDetails:
    """Counters of a stream beyond ``StreamStatistics``; the same moment's figures of the C core."""

    rejected: dict[str, int]  #: packets not used, by reason
    rtcp_sent: int
    rtcp_received: int
    ssrc_changes: int
    latched: int  #: times that a source address was learnt
    comfort_noise: int  #: packets of RFC 3389, not used
    unbridgeable: int  #: packets in a format that the bridged leg cannot take
    line_frames: int
    unprotected: int  #: packets that were not sent since SRTP could not protect them
    remote_jitter_ms: float  #: as the peer reported
    remote_lost: int  #: as the peer reported
    dropped_samples: int  #: taken out of a jitter buffer to follow a clock, or for want of room
    inserted_samples: int  #: put in to follow a clock
    resets: int  #: jumps of the timestamp that moved a jitter buffer's reading point
    source: tuple[str, int] | None  #: where packets come from


class EngineStream:
    """What RTP and line streams share."""

    __slots__ = ("_engine", "_last", "closed", "codec", "leg", "opaque", "serial", "started")

    def __init__(self, engine: MediaEngine, leg: int, codec: str) -> None:
        self._engine = engine
        self._last: core.Counters | None = None
        self.leg = leg  #: slot of the engine's pool
        self.codec = codec  #: encoding name, "" before it is agreed
        self.opaque = False  #: of a codec that is only relayed
        self.serial = 0  #: of the newest thing played; an older one's end is not reported
        self.closed = False
        self.started = True  #: packets or frames may flow

    def play_tones(self, cadence: Sequence[ToneSegment], *, repeat: bool = True) -> None:
        """See ``Stream.play_tones``.

        Raises:
            ConfigurationError: the cadence is out of range.
            NegotiationError: the stream's codec is one that we only relay.
        """
        self._playable()
        self._play(core.PLAY_TONES, tones_of(cadence, repeat), len(cadence), repeat)

    def play(self, pcm: Pcm, *, repeat: bool = False) -> None:
        """See ``Stream.play``.

        Raises:
            ConfigurationError: not int16[n], or empty.
            NegotiationError: the stream's codec is one that we only relay.
        """
        self._playable()
        if pcm.dtype != np.int16 or pcm.ndim != 1 or len(pcm) == 0:
            raise ConfigurationError(f"{pcm.dtype}{list(pcm.shape)} to be played; int16[n] at 8000 Hz is right")
        self._play(core.PLAY_PCM, core.copy_pcm(np.ascontiguousarray(pcm)), len(pcm), repeat)

    def stop_playing(self) -> None:
        """See ``Stream.stop_playing``."""
        self.serial += 1
        self._apply(core.STOP_PLAYING)

    def detect_digits(self, on: bool) -> None:
        """See ``Stream.detect_digits``."""
        self._apply(core.DETECT, flag=int(on))

    def send_digit(self, symbol: str, duration_ms: int = 100) -> None:
        """See ``Stream.send_digit``.

        Raises:
            ConfigurationError: no DTMF symbol, or not 40 to 8000 ms.
            LocalProtocolError: an RTP stream that has not been started.
        """
        if not self.started:
            raise LocalProtocolError("a digit to a stream that has not been started")
        if symbol not in DIGITS or not 40 <= duration_ms <= 8000:
            raise ConfigurationError(
                f"digit {symbol!r} of {duration_ms} ms; one of 0-9 * # A-D and 40 to 8000 ms are right"
            )
        self._apply(core.SEND_DIGIT, value=ord(symbol), length=duration_ms)

    def statistics(self) -> StreamStatistics:
        """See ``Stream.statistics``."""
        counters = self._counters()
        if counters is None:
            return StreamStatistics(codec=self.codec)
        return StreamStatistics(
            codec=self.codec,
            packets_sent=counters.packets_sent,
            octets_sent=counters.octets_sent,
            packets_received=counters.packets_received,
            octets_received=counters.octets_received,
            packets_lost=counters.packets_lost,
            packets_rejected=sum(counters.rejected),
            packets_late=counters.late,
            concealed_samples=counters.concealed,
            jitter_ms=counters.jitter_us / 1000,
            round_trip_ms=None if counters.round_trip_us < 0 else counters.round_trip_us / 1000,
        )

    def details(self) -> StreamDetails:
        """Counters beyond ``statistics``."""
        counters = self._counters()
        if counters is None:
            return StreamDetails({}, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0, 0, 0, 0, None)
        rejected = {reason: counters.rejected[at] for reason, at in core.REJECTIONS.items() if counters.rejected[at]}
        return StreamDetails(
            rejected=rejected,
            rtcp_sent=counters.rtcp_sent,
            rtcp_received=counters.rtcp_received,
            ssrc_changes=counters.ssrc_changes,
            latched=counters.latched,
            comfort_noise=counters.comfort_noise,
            unbridgeable=counters.unbridgeable,
            line_frames=counters.line_frames,
            unprotected=counters.unprotected,
            remote_jitter_ms=counters.remote_jitter_us / 1000,
            remote_lost=counters.remote_lost,
            dropped_samples=counters.dropped,
            inserted_samples=counters.inserted,
            resets=counters.resets,
            source=counters.source,
        )

    def close(self) -> None:
        """See ``Stream.close``."""
        if not self.closed:
            self._last = self._counters()
            self.closed = True
            self._engine.release(self)

    def released(self) -> None:
        """The engine has let go of the slot."""

    def _counters(self) -> core.Counters | None:
        return self._last if self.closed else self._engine.counters(self.leg)

    def _playable(self) -> None:
        if self.opaque:
            raise NegotiationError(f"{self.codec} is only relayed; no sound can be played in it")

    def _play(self, kind: int, data: object, length: int, repeat: bool) -> None:
        self.serial += 1
        if self.closed:
            core.drop(data)
            return
        self._engine.apply(
            core.command(kind, self.leg, data=data, length=length, flag=int(repeat), value=self.serial & 0x7FFFFFFF)
        )

    def _apply(self, kind: int, *, flag: int = 0, value: int = 0, length: int = 0) -> None:
        if not self.closed:
            self._engine.apply(core.command(kind, self.leg, flag=flag, value=value, length=length))


class EngineRtpStream(EngineStream):
    """An RTP session; implements ``voipgw.media.plane.RtpStream``."""

    __slots__ = ("_keys", "_pair")

    def __init__(self, engine: MediaEngine, leg: int, pair: PortPair) -> None:
        super().__init__(engine, leg, "")
        self._pair = pair
        self._keys: KeyPair | None = None
        self.started = False

    @property
    def local(self) -> tuple[str, int]:
        """See ``RtpStream.local``."""
        return self._pair.address

    def start(
        self,
        remote: tuple[str, int],
        codec: Codec,
        *,
        receive_payload_type: int | None = None,
        telephone_event: int | None = None,
        receive_telephone_event: int | None = None,
        ptime_ms: int = 20,
        direction: Direction = Direction.SENDRECV,
        signalling: str | None = None,
        srtp: KeyPair | None = None,
    ) -> None:
        """See ``RtpStream.start``.

        Raises:
            LocalProtocolError: the codec carries no payload type, or the stream is closed.
            TransportError: ``remote`` is not a numeric address.
            ConfigurationError: a number is out of range.
        """
        if self.closed:
            raise LocalProtocolError("start on a stream that is closed")
        if codec.payload_type is None:
            raise LocalProtocolError(f"{codec.name} has no payload type")
        if not 5 <= ptime_ms <= 60:
            raise ConfigurationError(f"ptime {ptime_ms} ms; 5 to 60 ms is right")
        flow = _FLOWS[direction]
        if remote[0] in {"0.0.0.0", "::"}:  # hold as RFC 2543 had it: nothing is sent there
            flow &= ~core.SEND
        name = codec.name.upper()
        known = core.CODECS.get((name, codec.clock_rate_hz), core.OPAQUE) if codec.channels == 1 else core.OPAQUE
        receive = codec.payload_type if receive_payload_type is None else receive_payload_type
        receive_event = telephone_event if receive_telephone_event is None else receive_telephone_event
        try:
            command = core.command(
                core.START,
                self.leg,
                remote=remote,
                signalling=None if signalling is None else (signalling, 0),
                codec=known,
                clock_rate=codec.clock_rate_hz,
                send_payload_type=codec.payload_type,
                receive_payload_type=receive,
                send_event_type=-1 if telephone_event is None else telephone_event,
                receive_event_type=-1 if receive_event is None else receive_event,
                ptime_ms=ptime_ms,
                direction=flow,
                latch=core.LATCHES[self._engine.settings.latch],
                in_band=int(self._engine.settings.detect_in_band),
            )
        except ValueError as error:
            raise TransportError(f"{error}; a numeric address is right") from None
        self.opaque = known == core.OPAQUE
        self.codec = codec.name if self.opaque else name
        self.started = True
        self._add_keys(command, srtp)
        self._engine.apply(command)

    def _add_keys(self, command: object, keys: KeyPair | None) -> None:
        """Those of ``keys`` that are new go into the command, made ready here and not on the engine's thread."""
        before, self._keys = self._keys, keys
        if keys is None:
            return
        send = _srtp(keys.send, 1) if before is None or before.send != keys.send else None
        receive = None
        if before is None or before.receive != keys.receive:
            receive = _srtp(keys.receive, RECEIVED_SSRCS)
        core.secure(command, send, receive)

    def released(self) -> None:
        """Give the ports back."""
        self._pair.close()


def _srtp(master: MasterKey, streams: int) -> object:
    number = PROFILES[master.profile].number
    return native_srtp.new(number, native_srtp.SessionKeys.derive(number, master.key, master.salt), streams)


class EngineLineStream(EngineStream):
    """A line's audio; implements ``voipgw.media.plane.LineStream``."""

    __slots__ = ("port",)

    def __init__(self, engine: MediaEngine, leg: int, port: AudioPort, law: str) -> None:
        super().__init__(engine, leg, law)
        self.port = port
