"""Ladder diagrams as text: what passed between whom, and when. Values in, text out; ``voipgw.trace.svg`` draws the same.

An event between two participants is an arrow; an event of one participant (off-hook, a digit, ringing) is a mark on its line.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import attrs

from voipgw.errors import ParseError
from voipgw.sip.message import Request
from voipgw.sip.parser import parse
from voipgw.trace.pcap import Address, SeenMessage


@attrs.frozen
class LadderEvent:
    """One row of a ladder."""

    time: float  #: seconds; the diagram shows them from its first event on
    source: str  #: who did it
    destination: str  #: whom it reached; the same as ``source``, or "", for what concerns one alone
    label: str
    detail: str = ""  #: the whole of it, shown by the SVG when pointed at
    call: str = ""  #: Call-ID or another key, for grouping
    again: bool = False  #: a retransmission
    kind: str = ""  #: "request", "provisional", "success", "failure", "media", "line" or "": chooses the colour

    @property
    def alone(self) -> bool:
        """Whether it concerns one participant."""
        return self.destination in ("", self.source)


@attrs.frozen
class Style:
    """The characters of a text ladder."""

    line: str = "│"
    dash: str = "─"
    again: str = "╌"
    right: str = "►"
    left: str = "◄"
    mark: str = "●"
    rule: str = "┬"


UNICODE = Style()
ASCII = Style("|", "-", ".", ">", "<", "*", "+")
_KINDS = {1: "provisional", 2: "success"}


def name_of(address: Address) -> str:
    """``host:port``, an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def event_of(time: float, source: str, destination: str, data: bytes, *, again: bool = False) -> LadderEvent:
    """The row of a SIP message; octets that are none get the row ``(malformed)``."""
    detail = data.decode("utf-8", "replace")
    try:
        message = parse(data)
    except ParseError as error:
        return LadderEvent(time, source, destination, f"(malformed: {error})", detail, "", again, "failure")
    body = " (SDP)" if message.body and (message.content_type or "").lower().startswith("application/sdp") else ""
    if isinstance(message, Request):
        label, kind = message.method + body, "request"
        if message.to_tag and message.method == "INVITE":
            label = "re-INVITE" + body
    else:
        label = f"{message.status} {message.reason} ({message.cseq_method}){body}"
        kind = _KINDS.get(message.status // 100, "failure")
    return LadderEvent(time, source, destination, label, detail, message.call_id, again, kind)


class LadderRecorder:
    """Collects the rows of a live endpoint as one of its observers; other events are added by hand."""

    def __init__(self, names: Mapping[Address, str] | None = None, *, most: int = 10_000) -> None:
        """``names`` says what addresses are called; ``most`` rows are kept, the oldest are let go."""
        self.names: dict[Address, str] = dict(names or {})
        self.events: list[LadderEvent] = []
        self._most = most
        self._seen: dict[tuple[str, str, bytes], None] = {}

    def observe(self, message: SeenMessage) -> None:
        """A message that came or went."""
        local = self.names.get(message.local) or name_of(message.local)
        remote = self.names.get(message.remote) or name_of(message.remote)
        source, destination = (local, remote) if message.direction == "out" else (remote, local)
        key = (source, destination, message.data)
        again = key in self._seen
        if len(self._seen) >= self._most:
            self._seen.clear()
        self._seen[key] = None
        self.add(event_of(message.time, source, destination, message.data, again=again))

    def add(self, event: LadderEvent) -> None:
        """Any other event: off-hook, a digit, the first RTP packet."""
        if len(self.events) >= self._most:
            del self.events[: self._most // 10]
        self.events.append(event)

    def of_call(self, *calls: str) -> list[LadderEvent]:
        """The rows of these calls, those without a call among them, in order of time."""
        return sorted((e for e in self.events if e.call in calls or not e.call), key=lambda event: event.time)


def participants_of(events: Iterable[LadderEvent], order: Sequence[str] = ()) -> list[str]:
    """Who takes part: first those of ``order`` that do, then the others as they appear."""
    found = dict.fromkeys(name for event in events for name in (event.source, event.destination) if name)
    return [*(name for name in order if name in found), *(name for name in found if name not in order)]


def draw_text(
    events: Sequence[LadderEvent], *, order: Sequence[str] = (), title: str = "", style: Style = UNICODE
) -> str:
    """The diagram as lines of text, each ended; "" without events. Times are seconds from the first event."""
    events = sorted(events, key=lambda event: event.time)
    if not events:
        return ""
    names = participants_of(events, order)
    columns = _columns(events, names)
    width = columns[-1] + 1
    lines = [title] if title else []
    head = [" "] * (width + len(names[-1]) + 12)
    for name, at in zip(names, columns, strict=True):
        _put(head, max(at - len(name) // 2, 0), name)
    lines.append("".join(head).rstrip())
    lines.append(_rule(columns, width, style.rule))
    start = events[0].time
    for event in events:
        row = [" "] * (width + 64 + len(event.label))
        for at in columns:
            row[at] = style.line
        _put(row, 0, f"{event.time - start:8.3f}")
        _draw(row, event, names, columns, style)
        lines.append("".join(row).rstrip())
    lines.append(_rule(columns, width, style.line))
    return "\n".join(lines) + "\n"


def _columns(events: Sequence[LadderEvent], names: Sequence[str]) -> list[int]:
    """Where each participant's line stands: as far apart as names and labels need."""
    index = {name: at for at, name in enumerate(names)}
    gaps = [0, *(max(18, (len(a) + len(b)) // 2 + 3) for a, b in itertools.pairwise(names))]
    for event in sorted(events, key=lambda e: abs(index.get(e.destination, 0) - index[e.source])):
        near = index[event.source]
        if event.alone:
            if near + 1 < len(names):
                gaps[near + 1] = max(gaps[near + 1], len(event.label) + 6)
            continue
        left, right = sorted((near, index[event.destination]))
        missing = len(event.label) + 8 - sum(gaps[left + 1 : right + 1])
        if missing > 0:
            gaps[right] += missing
    at, columns = 10 + len(names[0]) // 2, []
    for gap in gaps:
        at += gap
        columns.append(at)
    return columns


def _draw(row: list[str], event: LadderEvent, names: Sequence[str], columns: Sequence[int], style: Style) -> None:
    here = columns[names.index(event.source)]
    if event.alone:
        _put(row, here, f"{style.mark} {event.label}")
        return
    there = columns[names.index(event.destination)]
    left, right = min(here, there), max(here, there)
    dash = style.again if event.again else style.dash
    for at in range(left + 1, right):
        row[at] = dash
    if there > here:
        row[right - 1] = style.right
    else:
        row[left + 1] = style.left
    label = f" {event.label} "
    _put(row, left + 1 + max((right - left - 1 - len(label)) // 2, 2), label)


def _rule(columns: Sequence[int], width: int, mark: str) -> str:
    row = [" "] * width
    for at in columns:
        row[at] = mark
    return "".join(row).rstrip()


def _put(row: list[str], at: int, text: str) -> None:
    row[at : at + len(text)] = list(text)
