"""The calls of a capture: messages grouped by Call-ID, legs of one gateway put together, media joined to its call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from voipgw.errors import ParseError
from voipgw.sip.framing import Framer, StreamError
from voipgw.sip.message import Request
from voipgw.sip.parser import parse
from voipgw.trace.capture import Address, Packet, read_packets
from voipgw.trace.ladder import LadderEvent, event_of, name_of

_START = re.compile(rb"(?:[A-Z]{3,12} (?:sips?|tel):|SIP/2\.0 \d{3})", re.I)
_MEDIA = re.compile(rb"\r?\nm=audio (\d+) ")
_CONNECTION = re.compile(rb"\r?\nc=IN IP[46] ([^\s/]+)")
_LEG_WAIT_S = 10.0  #: a leg out begins so soon after the leg in, or it belongs to another call
_LIKE_DIGITS = 4  #: numbers of two legs that end in so many equal digits are taken for the same


@attrs.define
class CapturedCall:
    """One Call-ID of a capture."""

    call_id: str
    events: list[LadderEvent] = attrs.field(factory=list)
    method: str = ""  #: of its first request
    called: str = ""  #: user part of the first request URI
    source: str = ""  #: who sent the first request
    destination: str = ""
    media: dict[Address, str] = attrs.field(factory=dict)  #: RTP addresses that its SDP names, and whose they are

    @property
    def begun(self) -> float:
        """Time of its first message."""
        return self.events[0].time

    @property
    def ended(self) -> float:
        """Time of its last message."""
        return self.events[-1].time


def read_calls(path: Path) -> list[CapturedCall]:
    """Every call of a capture, in order of their first messages, with a row for each RTP stream that their SDP names.

    Raises:
        ParseError: the file is no capture.
        OSError: it cannot be read.
    """
    packets = list(read_packets(path))
    calls: dict[str, CapturedCall] = {}
    aliases: dict[Address, Address] = {}
    seen: set[tuple[Address, Address, bytes]] = set()
    for packet, data in _messages(packets):
        _learn_alias(packet, data, aliases)
        ends = (aliases.get(packet.source, packet.source), aliases.get(packet.destination, packet.destination))
        again = packet.protocol == "udp" and (*ends, data) in seen
        seen.add((*ends, data))
        event = event_of(packet.time, name_of(ends[0]), name_of(ends[1]), data, again=again)
        _add(calls.setdefault(event.call, CapturedCall(event.call)), event, data)
    _add_media(calls.values(), packets)
    return [call for call in calls.values() if call.call_id]


def merge_legs(calls: Iterable[CapturedCall]) -> list[list[CapturedCall]]:
    """Legs of the same call through a gateway put together, the incoming one first.

    A call is taken for a leg of another when it was begun by whoever that one was sent to, soon after it, while it went on,
    and towards the same number as far as both end in the same digits.
    """
    groups: list[list[CapturedCall]] = []
    for call in sorted(calls, key=lambda c: c.begun):
        for group in groups:
            if call.method == "INVITE" and any(_is_leg(call, of) for of in group):
                group.append(call)
                break
        else:
            groups.append([call])
    return groups


def events_of(calls: Iterable[CapturedCall]) -> list[LadderEvent]:
    """All rows of these calls in order of time."""
    return sorted((event for call in calls for event in call.events), key=lambda event: event.time)


def _is_leg(call: CapturedCall, of: CapturedCall) -> bool:
    if of.method != "INVITE" or call.source.rpartition(":")[0] != of.destination.rpartition(":")[0]:
        return False
    if not of.begun <= call.begun <= min(of.begun + _LEG_WAIT_S, of.ended):
        return False
    digits, others = (re.sub(r"\D", "", c.called)[-_LIKE_DIGITS:] for c in (call, of))
    return digits == others


def _messages(packets: Iterable[Packet]) -> Iterator[tuple[Packet, bytes]]:
    """SIP messages among the packets."""
    framers: dict[tuple[Address, Address], Framer] = {}
    for packet in packets:
        if packet.protocol == "udp":
            if _START.match(packet.payload.lstrip(b"\r\n")):
                yield packet, packet.payload
            continue
        ends = (packet.source, packet.destination)
        framer = framers.get(ends)
        if framer is None:
            if not _START.match(packet.payload.lstrip(b"\r\n")):
                continue
            framer = framers[ends] = Framer()
        try:
            found = framer.feed(packet.payload)
        except StreamError as error:
            found = error.frames
            del framers[ends]
        yield from ((packet, data) for data in found if isinstance(data, bytes))


def _learn_alias(packet: Packet, data: bytes, aliases: dict[Address, Address]) -> None:
    """The port that a client's connection leaves from tells nothing; the sent-by of its requests says who it is."""
    if packet.protocol != "tcp" or packet.source in aliases:
        return
    try:
        message = parse(data)
        via = message.via
    except ParseError:
        return
    if isinstance(message, Request) and via.host.strip("[]") == packet.source[0]:
        aliases[packet.source] = (packet.source[0], via.port or 5060)


def _add(call: CapturedCall, event: LadderEvent, data: bytes) -> None:
    call.events.append(event)
    if not call.method and event.kind == "request":
        call.method = event.label.split()[0]
        uri = data.split(b" ", 2)[1].decode("utf-8", "replace")
        call.called = uri.partition(":")[2].partition("@")[0]
        call.source, call.destination = event.source, event.destination
    body = data.partition(b"\r\n\r\n")[2]
    port, host = _MEDIA.search(body), _CONNECTION.search(body)
    if port and host:
        call.media[host[1].decode("ascii", "replace"), int(port[1])] = event.source


def _add_media(calls: Iterable[CapturedCall], packets: Iterable[Packet]) -> None:
    """One row for each RTP stream, at its first packet."""
    owner = {address: (call, name) for call in calls for address, name in call.media.items()}
    streams: dict[tuple[Address, Address, bytes], list[Packet]] = {}
    for packet in packets:
        data = packet.payload
        if packet.protocol != "udp" or len(data) < 12 or data[0] >> 6 != 2 or 72 <= data[1] & 0x7F <= 79:
            continue
        if packet.destination in owner or packet.source in owner:
            streams.setdefault((packet.source, packet.destination, data[8:12]), []).append(packet)
    for (source, destination, ssrc), found in streams.items():
        call, to = owner.get(destination) or (owner[source][0], name_of(destination))
        by = owner[source][1] if source in owner else name_of(source)
        seconds = found[-1].time - found[0].time
        label = f"RTP type {found[0].payload[1] & 0x7F}: {len(found)} packets, {seconds:.1f} s"
        detail = f"{name_of(source)} > {name_of(destination)} SSRC {ssrc.hex()}"
        call.events.append(LadderEvent(found[0].time, by, to, label, detail, call.call_id, kind="media"))
        call.events.sort(key=lambda event: event.time)
