"""The RTP packet (RFC 3550 section 5.1)."""

from __future__ import annotations

import attrs
import pytest

import voipgw
from voipgw.errors import LocalProtocolError, ParseError
from voipgw.rtp import Extension, Packet

PLAIN = Packet(0, 65535, 160, 0xDEADBEEF, b"\xff" * 160, marker=True)
FULL = Packet(96, 1, 2, 3, b"abc", csrcs=(4, 5), extension=Extension(0xBEDE, b"\x10\x01\x00\x00"), padding_octets=5)


def test_the_octets_of_a_packet_are_those_of_the_figure() -> None:
    assert bytes(PLAIN)[:12].hex() == "8080ffff000000a0deadbeef"
    assert bytes(FULL).hex() == (
        "b260000100000002000000030000000400000005" + "bede000110010000" + "616263" + "0000000005"
    )


@pytest.mark.parametrize("packet", [PLAIN, FULL, Packet(127, 0, 0, 0)])
def test_a_packet_survives_the_wire(packet: Packet) -> None:
    assert voipgw.rtp.Packet.parse(bytes(packet)) == packet


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        ("", "12 to"),
        ("80" * 11, "12 to"),
        ("40" + "00" * 11, "version 1"),
        ("8f" + "00" * 20, "15 contributing"),
        ("90" + "00" * 11, "cut off"),
        ("90" + "00" * 11 + "00000001", "1 words"),
        ("a0" + "00" * 11, "padding"),
        ("a0" + "00" * 12, "padding of 0"),
        ("a0" + "00" * 11 + "0003", "padding of 3"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(octets: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        Packet.parse(bytes.fromhex(octets))


def test_more_than_a_datagram_is_refused() -> None:
    with pytest.raises(ParseError):
        Packet.parse(b"\x80" + bytes(65507))


@pytest.mark.parametrize(
    "change",
    [
        {"payload_type": 128},
        {"sequence": 65536},
        {"timestamp": -1},
        {"ssrc": 1 << 32},
        {"csrcs": tuple(range(16))},
        {"padding_octets": 256},
        {"extension": Extension(1, b"abc")},
    ],
)
def test_a_field_out_of_range_is_our_own_error(change: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        bytes(attrs.evolve(PLAIN, **change))
