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
