"""The trace of a lab run: one line for everything that passed a wire or a line, and one hash over all of it.

Two runs with the same script and the same seed give the same lines, byte for byte. A line is ``TIME KIND WHO WHAT`` with TIME in
microseconds since the start: ``sip`` (every octet of every message, escaped), ``rtp`` and ``rtcp`` (header and payload in
hexadecimal), ``line`` (what happened on a loop, and the digits heard in its sound), ``sound`` (the G.711 octets between a line and
the engine), ``call`` (records of calls that ended). A packet that the network lost says so.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import TextIO

from voipgw.lab.network import Frame
from voipgw.media.plane import DigitBegan, DigitHeard, MediaEvent
from voipgw.pstn.line import LineEvent

KEPT = 100_000  #: lines that ``Trace.lines`` keeps; the hash and the file have all


class Trace:
    """Takes lines and hashes them.

    ``lines`` holds the newest of them, without those of media, which are many. ``clock`` gives the virtual seconds.
    """

    def __init__(self, clock: Callable[[], float], file: TextIO | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT)
        self.count = 0  #: lines so far, those of media too
        self._clock = clock
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def hash(self) -> str:
        """SHA-256 of all lines so far, in hexadecimal."""
        return self._hash.hexdigest()

    def add(self, kind: str, who: str, what: str, *, keep: bool = True) -> None:
        """One line, now; ``keep`` it in ``lines`` too."""
        line = f"{round(self._clock() * 1e6)} {kind} {who} {what}"
        self.count += 1
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        if keep:
            self.lines.append(line)
        if self._file is not None:
            self._file.write(line + "\n")

    def frame(self, frame: Frame) -> None:
        """A packet was put on a wire of the network."""
        data = frame.data
        who = f"{_named(frame.source)}>{_named(frame.destination)}"
        lost = " (lost)" if frame.lost else ""
        if frame.protocol == "udp" and len(data) >= 8 and data[0] >> 6 == 2:
            if 192 <= data[1] <= 223:
                self.add("rtcp", who, data.hex() + lost, keep=False)
            else:
                self.add("rtp", who, f"{data[:12].hex()} {data[12:].hex()}{lost}", keep=False)
        else:
            self.add("sip", f"{frame.protocol} {who}", escaped(data) + lost)


def escaped(octets: bytes) -> str:
    """Octets on one line of ASCII: backslashes and all that is not printable as Python escapes them."""
    return octets.decode("latin-1").encode("unicode_escape").decode("ascii")


def _named(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class LineTracer:
    """Shows what happens on a gateway's lines; implements ``voipgw.gateway.lines.LineWatcher``."""

    def __init__(self, trace: Trace, gateway: str) -> None:
        self._trace = trace
        self._gateway = gateway

    def line_event(self, line: str, event: LineEvent, now: float) -> None:
        """A port saw something."""
        self._trace.add("line", f"{self._gateway}:{line}", f"{event.kind.name} at {round(event.at * 1e6)}")

    def media_event(self, line: str, event: MediaEvent, now: float) -> None:
        """Something happened in a line's sound."""
        if isinstance(event, DigitHeard):
            what = f"digit {event.symbol} {event.duration_ms} ms"
        elif isinstance(event, DigitBegan):
            what = f"digit {event.symbol} began"
        else:
            what = type(event).__name__
        self._trace.add("line", f"{self._gateway}:{line}", what)
