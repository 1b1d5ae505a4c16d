"""URIs: RFC 3261 section 19.1 and its examples of section 19.1.4, RFC 3966."""

from __future__ import annotations

import attrs
import pytest

from voipgw.errors import ParseError
from voipgw.sip import Uri


def test_the_parts_of_a_sip_uri() -> None:
    uri = Uri.parse("sips:alice:secret@atlanta.com:5061;transport=TCP;lr?subject=project%20x&priority=urgent")
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == ("sips", "alice", "secret", "atlanta.com", 5061)
    assert uri.params == (("transport", "TCP"), ("lr", None))
    assert uri.headers == (("subject", "project x"), ("priority", "urgent"))
    assert (uri.transport, uri.param("lr"), uri.param("maddr")) == ("tcp", "", None)
    assert uri.hostport == "atlanta.com:5061"


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:[2001:db8::10]:5070;lr",
        "sip:*72%23@gw.example.com",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "http://www.example.com",
        "urn:service:sos",
    ],
)
def test_the_text_of_a_uri_is_kept_and_can_be_made_anew(text: str) -> None:
    uri = Uri.parse(text)
    assert str(uri) == text
    anew = attrs.evolve(uri)
    assert anew == uri
    assert Uri.parse(str(anew)) == uri
    assert Uri.parse(str(anew)).matches(uri)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@example.com",
        "sip:alice@",
        "sip:alice@exa mple.com",
        "sip:alice@example.com:port",
        "sip:alice@example.com:65536",
        "sip:alice@example.com:",
        "sip:alice@example.com;",
        "sip:alice@example.com;;lr",
        "sip:alice@example.com;transport=",
        "sip:alice@example.com?subject",
        "sip:al%ZZice@example.com",
        "sip:alice%4",
        "sip:2001:db8::10",
        "sip:[2001:db8]",
        "sip:[2001:db8::1",
        "sip:alice@bob@example.com",
        "<sip:alice@example.com>",
        "sip:alice@example.com\r\nVia: x",
        "tel:",
        "tel:+",
        "tel:letters",
        "alice@example.com",
        "1sip:alice@example.com",
        "sip:älice@example.com",
    ],
)
def test_malformed_uris_are_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Uri.parse(text)


EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
    ("tel:7042;phone-context=Example.com", "tel:7042;phone-context=example.com"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;maddr=192.0.2.1"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;user=ip"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;ttl=1"),
    ("sip:bob:one@biloxi.com", "sip:bob:two@biloxi.com"),
    ("tel:+12015550123", "tel:12015550123;phone-context=+1"),
    ("tel:+12015550123", "sip:+12015550123@example.com"),
    ("http://a.example.com", "http://b.example.com"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_uris_match_both_ways(one: str, other: str) -> None:
    assert Uri.parse(one).matches(Uri.parse(other))
    assert Uri.parse(other).matches(Uri.parse(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris_match_neither_way(one: str, other: str) -> None:
    assert not Uri.parse(one).matches(Uri.parse(other))
    assert not Uri.parse(other).matches(Uri.parse(one))


def test_matching_is_not_transitive() -> None:
    plain, on, off = (Uri.parse(f"sip:carol@chicago.com{tail}") for tail in ("", ";security=on", ";security=off"))
    assert plain.matches(on)
    assert plain.matches(off)
    assert not on.matches(off)


def test_what_a_user_part_may_not_hold_is_escaped_when_it_is_made() -> None:
    uri = Uri("sip", "a b@c:d#é\r\n", "example.com", params=(("x y", "1=2"),), headers=(("h", "a&b"),), password="p@q")
    assert str(uri) == "sip:a%20b%40c%3Ad%23%C3%A9%0D%0A:p%40q@example.com;x%20y=1%3D2?h=a%26b"
    assert Uri.parse(str(uri)) == uri


def test_an_evolved_uri_does_not_keep_the_old_text() -> None:
    uri = attrs.evolve(Uri.parse("sip:alice@example.com"), host="192.0.2.1", port=5070)
    assert str(uri) == "sip:alice@192.0.2.1:5070"


def test_escapes_that_are_not_utf8_are_read_as_latin_1() -> None:
    assert Uri.parse("sip:caf%E9@example.com").user == "café"
    assert Uri.parse("sip:caf%C3%A9@example.com").user == "café"
