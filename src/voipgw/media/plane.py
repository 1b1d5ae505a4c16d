"""What a media engine offers, whichever it is: the C engine here, the same engine in the lab, or rtpengine.

A plane makes streams; a stream is one leg's media. Calls return at once; what happens later comes back as media events
through ``MediaPlane.take_events``, which whoever drives the plane calls when ``MediaPlane.wake_fd`` is readable (or, in the
lab, after each step).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

from voipgw.call.model import Codec, Direction
from voipgw.srtp.keys import KeyPair

Pcm = npt.NDArray[np.int16]


@attrs.frozen
class ToneSegment:
    """A part of a cadence: up to four frequencies for a time; no frequency is silence."""

    frequencies_hz: tuple[float, ...]
    duration_ms: int  #: 0: without end
    level_dbm0: float = -13.0  #: of each frequency


@attrs.frozen
class StreamStatistics:
    """What a stream sent and received so far (RFC 3550 section 6.4, appendix A.3 and A.8)."""

    codec: str = ""
    packets_sent: int = 0
    octets_sent: int = 0
    packets_received: int = 0
    octets_received: int = 0
    packets_lost: int = 0  #: cumulative, duplicates subtracted
    packets_rejected: int = 0  #: wrong source, version, payload type or length
    packets_late: int = 0  #: arrived after their time to play
    concealed_samples: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None


@attrs.frozen
class MediaEvent:
    """Root of what a plane reports."""

    stream: Stream


@attrs.frozen
class DigitHeard(MediaEvent):
    """A DTMF digit ended: in band (by the detector) or as RFC 4733 events."""

    symbol: str
    duration_ms: int
    in_band: bool
    passed_on: bool = False  #: the bridged party has it already: as sound, or as RFC 4733 events that were relayed


@attrs.frozen
class DigitBegan(MediaEvent):
    """A DTMF digit has been recognised and still sounds; comes before its DigitHeard."""

    symbol: str


@attrs.frozen
class PlaybackEnded(MediaEvent):
    """What ``play`` or a finite ``play_tones`` was given has been played to the end (not sent when it was stopped)."""


@attrs.frozen
class MediaStarted(MediaEvent):
    """The first acceptable packet of a stream arrived."""


@attrs.frozen
class MediaStopped(MediaEvent):
    """No packet for the settable time."""

    silent_s: float


class Stream(Protocol):
    """One leg's media. What is *played* on a stream is heard by the party at the end of that stream."""

    def play_tones(self, cadence: Sequence[ToneSegment], *, repeat: bool = True) -> None:
        """Play a cadence until stopped (``repeat``) or once; replaces what was being played; the bridge is muted meanwhile."""
        ...

    def play(self, pcm: Pcm, *, repeat: bool = False) -> None:
        """Play int16[n] samples at 8000 Hz; replaces what was being played; the bridge is muted meanwhile."""
        ...

    def stop_playing(self) -> None:
        """Silence the player; the bridge is heard again. Nothing happens when nothing plays."""
        ...

    def detect_digits(self, on: bool) -> None:
        """Report the party's digits: RFC 4733 events where negotiated, the in-band DTMF detector."""
        ...

    def send_digit(self, symbol: str, duration_ms: int = 100) -> None:
        """Send a digit to the party: as RFC 4733 events where negotiated, else as sound."""
        ...

    def statistics(self) -> StreamStatistics:
        """Counters up to now; still right after ``close``."""
        ...

    def close(self) -> None:
        """Leave any bridge and free everything. A second call does nothing."""
        ...


class RtpStream(Stream, Protocol):
    """An RTP and RTCP session with one peer; the local port is open from the start, packets flow after ``start``."""

    @property
    def local(self) -> tuple[str, int]:
        """Address and port for our SDP; RTCP is the next port."""
        ...

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
        """Begin, or go on with other parameters after a new offer and answer (same SSRC, sequence and timestamps).

        With ``srtp``, everything is sent as SRTP and SRTCP, and nothing else is taken; the same keys again go on as before.

        ``signalling`` is the IP address that the peer's signalling came from; where ``remote`` is a private address, media
        is taken from there.

        ``codec.payload_type`` is what we send; ``receive_payload_type`` what we accept (None: the same); the
        ``telephone_event`` numbers likewise (None: not negotiated). ``direction`` is seen from us.
        """
        ...


class LineStream(Stream, Protocol):
    """The audio of an analog port or a B-channel, clocked by the card: each frame in gives one frame out."""


class AudioPort(Protocol):
    """The engine's end of a line's audio: the driver (floor 5) makes it, ``MediaPlane.open_line`` takes it.

    ``fileno`` is a non-blocking descriptor of packets (or a DAHDI channel): each read is one frame of G.711 octets in
    the law of the card, each write one frame of the same size. A lab's port has no descriptor: ``fileno`` is -1 and the
    lab carries its frames.
    """

    def fileno(self) -> int:
        """The descriptor, or -1."""
        ...


class PortPair(Protocol):
    """Two bound, non-blocking UDP sockets for RTP and RTCP, or the lab's stand-in."""

    address: tuple[str, int]  #: of RTP; RTCP is one above
    rtp_fd: int  #: -1 in the lab
    rtcp_fd: int  #: -1 in the lab

    def close(self) -> None:
        """Give both ports back, after their drain time."""
        ...


class MediaPorts(Protocol):
    """Where RTP port pairs come from (floor 5, or the lab)."""

    def open_pair(self, host: str) -> PortPair:
        """A free even port and the next one on ``host``.

        Raises:
            ResourceError: every pair of the range is in use.
            TransportError: ``host`` is not an address of this machine.
        """
        ...


class MediaPlane(Protocol):
    """A media engine."""

    @property
    def wake_fd(self) -> int:
        """Readable when events wait; -1 where the driver needs no descriptor."""
        ...

    def open_rtp(self, host: str) -> RtpStream:
        """A stream with a fresh port pair on the local address ``host``."""
        ...

    def open_line(self, port: AudioPort, *, law: str = "PCMU", frame_samples: int = 160) -> LineStream:
        """A stream over a line's audio; ``law`` is "PCMU" or "PCMA"."""
        ...

    def bridge(self, one: Stream, other: Stream) -> None:
        """Let both parties hear each other: relayed bit for bit where both formats are the same, converted where not.

        A stream bridged to itself is an echo.
        Digits that come as sound go on as sound; those that come as RFC 4733 events go on as such where the other party
        negotiated them. ``DigitHeard.passed_on`` says so; whoever carries digits between legs leaves those alone.
        A stream bridged to itself is an echo: its party hears what it says.
        """
        ...

    def unbridge(self, stream: Stream) -> None:
        """Part a stream from its peer; both go on alone."""
        ...

    def record(self, one: Stream, other: Stream, path: Path) -> None:
        """Record both parties' sound to a stereo WAV at 8000 Hz (left ``one``, right ``other``) until either closes."""
        ...

    def take_events(self) -> list[MediaEvent]:
        """Everything that happened since the last call, oldest first."""
        ...

    def close(self) -> None:
        """Close every stream, stop threads, finish recordings."""
        ...
