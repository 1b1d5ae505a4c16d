"""The 12 IPv6 torture messages of RFC 5118, section by section."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voipgw.errors import ParseError
from voipgw.sip import Request, Response, parse, refusal

VECTORS = Path(os.environ.get("VOIPGW_VECTORS", Path(__file__).parents[2] / ".." / "shared" / "vectors"))
MESSAGES = VECTORS / "sip" / "rfc5118"

pytestmark = pytest.mark.skipif(not MESSAGES.is_dir(), reason=f"the messages of RFC 5118 are not in {MESSAGES}")

ACCEPTED = (
    "ipv6-good",
    "port-ambiguous",
    "port-unambiguous",
    "via-received-param-no-delim",
    "via-received-param-with-delim",
    "ipv6-in-sdp",
    "mult-ip-in-header",
    "mult-ip-in-sdp",
    "ipv4-mapped-ipv6",
    "ipv6-bug-abnf-3-colons",
    "ipv6-correct-abnf-2-colons",
)


def octets(name: str) -> bytes:
    return (MESSAGES / name).read_bytes()


def request(name: str) -> Request:
    message = parse(octets(name))
    assert isinstance(message, Request)
    return message


def test_every_message_of_the_rfc_is_here() -> None:
    assert sorted(path.name for path in MESSAGES.iterdir()) == sorted([*ACCEPTED, "ipv6-bad"])


@pytest.mark.parametrize("name", ACCEPTED)
def test_valid_messages_are_accepted_written_back_and_answered(name: str) -> None:
    message = request(name)
    assert octets(name).startswith(bytes(message))  # three of them have more body than Content-Length says
    answer = parse(bytes(Response.answer(message, 200, to_tag="a")))
    assert answer.vias == message.vias


def test_4_1_an_ipv6_reference_stands_in_brackets() -> None:
    message = request("ipv6-good")
    assert (message.uri.host, message.uri.address, message.uri.port) == ("[2001:db8::10]", "2001:db8::10", None)
    assert (message.via.host, message.sent_by) == ("[2001:db8::9:1]", "[2001:db8::9:1]")


def test_4_2_an_ipv6_address_without_brackets_is_refused() -> None:
    with pytest.raises(ParseError) as caught:
        parse(octets("ipv6-bad"))
    assert caught.value.status == 400
    answer = refusal(octets("ipv6-bad"), caught.value)
    assert answer is not None
    assert parse(bytes(answer)).cseq_number == 98176


def test_4_3_what_looks_like_a_port_inside_the_brackets_is_part_of_the_address() -> None:
    assert (request("port-ambiguous").uri.address, request("port-ambiguous").uri.port) == ("2001:db8::10:5070", None)


def test_4_4_a_port_follows_the_brackets() -> None:
    assert (request("port-unambiguous").uri.address, request("port-unambiguous").uri.port) == ("2001:db8::10", 5070)


def test_4_5_received_is_read_with_and_without_brackets() -> None:
    assert request("via-received-param-with-delim").via.received == "2001:db8::9:255"
    assert request("via-received-param-no-delim").via.received == "2001:db8::9:255"
    assert request("via-received-param-no-delim").branch == "z9hG4bKas3"


def test_4_6_and_4_8_addresses_in_the_body_are_left_alone() -> None:
    assert request("ipv6-in-sdp").body == octets("ipv6-in-sdp").partition(b"\r\n\r\n")[2][:241]
    assert b"c=IN IP6 2001:db8::1\r\n" in request("mult-ip-in-sdp").body


def test_4_7_versions_of_ip_mix_in_via() -> None:
    hosts = [(via.host, via.port, via.received) for via in request("mult-ip-in-header").vias]
    assert hosts == [
        ("[2001:db8::9:1]", 6050, None),
        ("192.0.2.1", None, None),
        ("[2001:db8::9:255]", None, "192.0.2.200"),
    ]


def test_4_9_an_ipv4_mapped_address_is_an_ipv6_address() -> None:
    message = request("ipv4-mapped-ipv6")
    assert message.via.port == 19823
    assert message.contacts[0].uri.address == "::ffff:192.0.2.2"


def test_4_10_both_forms_of_the_grammar_are_read() -> None:
    assert request("ipv6-correct-abnf-2-colons").uri.address == "2001:db8::192.0.2.1"
    assert request("ipv6-bug-abnf-3-colons").uri.address == "2001:db8:::192.0.2.1"
