"""A capture that is damaged in any way is read as far as it goes, or refused as no capture."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from voipgw.errors import ParseError
from voipgw.trace.calls import merge_legs, read_calls
from voipgw.trace.ladder import draw_text
from voipgw.trace.pcap import PcapWriter
from voipgw.trace.svg import draw_svg

MESSAGE = (
    b"OPTIONS sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
    b"To: <sip:b@x>\r\nCall-ID: 1@x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_capture_raises_parse_error_and_nothing_else(seed: int, tmp_path: Path) -> None:
    file = io.BytesIO()
    pcap = PcapWriter(file)
    for number in range(4):
        for source, destination in (
            (("192.0.2.9", 5060), ("192.0.2.1", 5060)),
            (("2001:db8::9", 5060), ("2001:db8::1", 5060)),
        ):
            pcap.udp(number, source, destination, MESSAGE)
            pcap.tcp(number, source, destination, MESSAGE)
            pcap.udp(number, source, destination, b"\x80\x00" + bytes(170))
    whole = file.getvalue()
    draw = random.Random(seed)
    path = tmp_path / "x.pcap"
    for _ in range(150):
        octets = bytearray(whole)
        for _ in range(draw.randrange(1, 30)):
            octets[draw.randrange(len(octets))] = draw.randrange(256)
        path.write_bytes(octets[: draw.randrange(len(octets))] if draw.random() < 0.3 else octets)
        try:
            calls = read_calls(path)
        except ParseError:
            continue
        for group in merge_legs(calls):
            draw_text(group[0].events)
            draw_svg(group[0].events)
