"""The Driver protocol: what a card, real or simulated, must offer. Floor 5 implements it, everything above uses only this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from voipgw.pstn.line import Feed, LineEvent


class FxsPort(Protocol):
    """One FXS port: it feeds, rings and supervises one telephone. Calls never block."""

    @property
    def number(self) -> int:
        """Port number on its board, from 1."""
        ...

    @property
    def law(self) -> str:
        """The octets of its audio: "PCMU" or "PCMA"."""
        ...

    @property
    def frame_samples(self) -> int:
        """Samples of one audio frame at 8000 Hz, e.g. 160."""
        ...

    def fileno(self) -> int:
        """Descriptor of its audio (see ``voipgw.media.plane.AudioPort``), -1 in the lab."""
        ...

    def ring(self, on: bool) -> None:
        """Put ringing voltage on the loop, or take it off. The cadence is the caller's business."""
        ...

    def set_feed(self, feed: Feed) -> None:
        """Change the battery."""
        ...


class Driver(Protocol):
    """A board of ports."""

    @property
    def fxs_ports(self) -> Sequence[FxsPort]:
        """Its FXS ports, in order."""
        ...

    async def start(self, deliver: Callable[[FxsPort, LineEvent], None]) -> None:
        """Open the board; from now on each event of each port is given to ``deliver``, in the event loop's thread.

        Raises:
            DriverError: the board is not there, or is in use; the message names the device.
        """
        ...

    async def close(self) -> None:
        """Take ringing off every port and give the board back."""
        ...


class BChannel(Protocol):
    """The audio of one channel of a span while it is open (see ``voipgw.media.plane.AudioPort``)."""

    @property
    def number(self) -> int:
        """Its slot on the span."""
        ...

    @property
    def law(self) -> str:
        """The octets of its audio: "PCMU" or "PCMA"."""
        ...

    @property
    def frame_samples(self) -> int:
        """Samples of one audio frame at 8000 Hz, e.g. 160."""
        ...

    def fileno(self) -> int:
        """Descriptor of its audio, -1 in the lab."""
        ...


class SpanDriver(Protocol):
    """A span with a D-channel. Calls never block."""

    async def start(self, frame: Callable[[bytes], None]) -> None:
        """Open the span; each LAPD frame, without flags and FCS, is given to ``frame`` in the event loop's thread.

        Raises:
            DriverError: the span is not there, or is in use; the message names it.
        """
        ...

    def send(self, octets: bytes) -> None:
        """Put a LAPD frame on the D-channel."""
        ...

    def open_channel(self, number: int) -> BChannel:
        """The audio of a channel, for one call."""
        ...

    def close_channel(self, number: int) -> None:
        """Give it back; nothing happens when it is not open."""
        ...

    async def close(self) -> None:
        """Give the span back."""
        ...
