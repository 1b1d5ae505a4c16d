"""RTCP packets (RFC 3550 section 6)."""

from __future__ import annotations

import attrs
import pytest

from voipgw.errors import LocalProtocolError, ParseError
from voipgw.rtp.rtcp import (
    App,
    Bye,
    Chunk,
    Other,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    Sdes,
    SenderReport,
    SourceDescription,
    build_compound,
    parse_compound,
)

BLOCK = ReportBlock(0x01020304, 25, -2, 0x00010005, 77, 0x11223344, 0x8000)
SR = SenderReport(1, 0x0123456789ABCDEF, 160, 10, 1600, (BLOCK, attrs.evolve(BLOCK, packets_lost=8388607)))
RR = ReceiverReport(1, (BLOCK,), b"extn")
SDES = SourceDescription((Chunk(1, ((Sdes.CNAME, b"a@b"), (Sdes.TOOL, b""))), Chunk(2)))
BYE = Bye((1, 2), b"gone")
APP = App(1, b"test", 3, b"data")
XR = Other(207, 0, b"\x00\x00\x00\x01")


@pytest.mark.parametrize(
    "packets", [(SR,), (RR,), (RR, SDES), (SR, SDES, BYE), (RR, APP), (RR, XR), (RR, Bye()), (RR, Bye((1,), b""))]
)
def test_a_compound_survives_the_wire(packets: tuple[RtcpPacket, ...]) -> None:
    octets = build_compound(packets)
    assert len(octets) % 4 == 0
    assert parse_compound(octets) == packets


def test_the_cname_is_found() -> None:
    assert SDES.cname == "a@b"
    assert SourceDescription((Chunk(1),)).cname is None


def test_the_octets_of_a_report() -> None:
    octets = build_compound([ReceiverReport(1, (BLOCK,))])
    assert octets.hex() == "81c90007" + "00000001" + "0102030419fffffe" + "000100050000004d" + "1122334400008000"


def test_a_report_comes_first_unless_reduced_size_is_agreed() -> None:
    octets = build_compound([SDES])
    with pytest.raises(ParseError, match="begins with a report"):
        parse_compound(octets)
    assert parse_compound(octets, reduced_size=True) == (SDES,)


def test_padding_is_removed_from_the_last_packet_only() -> None:
    padded = bytes.fromhex("a0c90002") + bytes.fromhex("00000001") + bytes.fromhex("00000004")
    assert parse_compound(padded) == (ReceiverReport(1),)
    with pytest.raises(ParseError, match="only the last"):
        parse_compound(padded + build_compound([RR]))


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "80c9",
        "40c9000100000001",
        "80c9000200000001",
        "81c9000100000001",
        "80c90000",
        "80c8000100000001",
        "80c900010000000181ca0001" + "00000001",
        "80c900010000000181ca0002" + "00000001" + "01ff6162",
        "80c900010000000181cb0002" + "00000001" + "ff616263",
        "80c900010000000180cc0001" + "00000001",
        "a0c9000100000000",
        "a0c9000100000003",
        "a0c9000100000008",
    ],
)
def test_lengths_that_do_not_fit_are_refused(octets: str) -> None:
    with pytest.raises(ParseError):
        parse_compound(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "packet",
    [
        SenderReport(1 << 32, 0, 0, 0, 0),
        ReceiverReport(1, (BLOCK,) * 32),
        SourceDescription((Chunk(1, ((Sdes.CNAME, bytes(256)),)),)),
        SourceDescription((Chunk(1, ((0, b""),)),)),
        Bye((1,), bytes(256)),
        App(1, b"abc"),
        App(1, b"abcd", 0, b"x"),
    ],
)
def test_a_field_out_of_range_is_our_own_error(packet: RtcpPacket) -> None:
    with pytest.raises(LocalProtocolError):
        build_compound([packet])
