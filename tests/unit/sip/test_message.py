"""Messages: read from their octets, changed without touching what is not named, made without a way to inject lines."""

from __future__ import annotations

import pytest

from voipgw.errors import LocalProtocolError, ParseError
from voipgw.sip import CSeq, NameAddr, Request, Response, Uri, Via, parse

INVITE = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\n"
    b"v: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds, SIP/2.0/TCP p.atlanta.com:5061\r\n"
    b"Via:SIP/2.0/UDP  [2001:db8::1] ; branch=z9hG4bK2\r\n"
    b"Max-Forwards: 70\r\n"
    b"Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n"
    b"Record-Route: <sip:r1.example.com;lr>\r\n"
    b"to: Bob <sip:bob@biloxi.com>\r\n"
    b'From: "Alice, A."\r\n <sip:alice@atlanta.com>;tag=1928301774\r\n'
    b"Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:alice@pc33.atlanta.com>\r\n"
    b"X-Odd : caf\xe9 \r\n"
    b"x-odd: again\r\n"
    b"Supported: timer,100rel\r\n"
    b"Timestamp: 54\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"v=0\n"
)


def invite() -> Request:
    message = parse(INVITE)
    assert isinstance(message, Request)
    return message


def test_a_request_is_read() -> None:
    request = invite()
    assert (request.method, request.uri_text, request.uri) == (
        "INVITE",
        "sip:bob@biloxi.com",
        Uri.parse("sip:bob@biloxi.com"),
    )
    assert (request.call_id, request.cseq) == ("a84b4c76e66710@pc33.atlanta.com", CSeq(314159, "INVITE"))
    assert (request.from_tag, request.to_tag, request.from_.display_name) == ("1928301774", None, "Alice, A.")
    assert request.to == NameAddr(Uri.parse("sip:bob@biloxi.com"), "Bob")
    assert (request.branch, request.sent_by) == ("z9hG4bK776asdhds", "pc33.atlanta.com")
    assert [via.sent_by for via in request.vias] == ["pc33.atlanta.com", "p.atlanta.com:5061", "[2001:db8::1]"]
    assert [str(route.uri) for route in request.routes] == ["sip:p1.example.com;lr", "sip:p2.example.com;lr"]
    assert [str(route.uri) for route in request.record_routes] == ["sip:r1.example.com;lr"]
    assert (request.max_forwards, request.content_type, request.body) == (70, "application/sdp", b"v=0\n")
    assert repr(request) == "<INVITE sip:bob@biloxi.com SIP/2.0>"


def test_fields_are_found_by_any_name_they_go_by() -> None:
    request = invite()
    for name in ("Supported", "supported", "SUPPORTED", "k", "K"):
        assert request.headers(name) == ("timer", "100rel")
        assert request.header(name) == "timer,100rel"
    assert request.headers("X-ODD") == ("café", "again")
    assert request.header("x-none") is None
    assert request.headers("Expires") == ()
    assert (
        request.header("Via") == "SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds, SIP/2.0/TCP p.atlanta.com:5061"
    )


def test_every_field_is_listed_as_it_came() -> None:
    fields = invite().fields()
    assert [name for name, _ in fields][:3] == ["v", "Via", "Max-Forwards"]
    assert ("X-Odd", "café") in fields
    assert ("From", '"Alice, A." <sip:alice@atlanta.com>;tag=1928301774') in fields
    assert len(fields) == 16


def test_messages_are_equal_by_their_octets() -> None:
    assert invite() == invite()
    assert hash(invite()) == hash(invite())
    assert invite() != invite().with_uri("sip:carol@biloxi.com")


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        invite().call_id = "x"  # type: ignore[misc]


def test_what_is_not_named_is_copied_octet_for_octet() -> None:
    changed = invite().with_fields(
        remove=("Route", "x-odd"), prepend=[("Via", "SIP/2.0/UDP new;branch=z9hG4bKn")], append=[("X-New", "1")]
    )
    expected = INVITE.replace(b"Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\n", b"", 1)
    expected = expected.replace(b"X-Odd : caf\xe9 \r\nx-odd: again\r\n", b"")
    expected = expected.replace(b"SIP/2.0\r\n", b"SIP/2.0\r\nVia: SIP/2.0/UDP new;branch=z9hG4bKn\r\n", 1)
    expected = expected.replace(b"Content-Length: 4\r\n", b"Content-Length: 4\r\nX-New: 1\r\n")
    assert bytes(changed) == expected
    assert isinstance(changed, Request)
    assert changed.branch == "z9hG4bKn"
    assert bytes(invite().with_fields()) == INVITE


def test_a_new_body_brings_its_own_content_fields() -> None:
    changed = invite().with_fields(body=b"hello", content_type="text/plain")
    assert (changed.body, changed.content_type, changed.header("l")) == (b"hello", "text/plain", "5")
    assert bytes(changed).count(b"Content-") == 2
    empty = invite().with_fields(body=b"")
    assert (empty.body, empty.content_type, empty.header("Content-Length")) == (b"", None, "0")
    assert len(parse(bytes(empty)).body) == 0


def test_another_request_uri() -> None:
    assert bytes(invite().with_uri(Uri.parse("sip:carol@example.com;lr"))) == INVITE.replace(
        b"sip:bob@biloxi.com SIP", b"sip:carol@example.com;lr SIP", 1
    )


def test_the_top_via_is_replaced_or_taken_off_and_no_other() -> None:
    request = invite()
    seen = request.with_via(request.via.with_param("received", "192.0.2.1"))
    assert bytes(seen) == INVITE.replace(b"776asdhds,", b"776asdhds;received=192.0.2.1,")
    once = request.without_top_via()
    twice = once.without_top_via()
    assert [via.host for via in once.vias] == ["p.atlanta.com", "[2001:db8::1]"]
    assert bytes(twice) == INVITE.replace(INVITE[35 : INVITE.index(b"Via:")], b"")
    assert twice.without_top_via().vias == ()


def test_a_quoted_comma_does_not_end_a_via() -> None:
    request = parse(INVITE.replace(b";branch=z9hG4bK776asdhds", b';x="a, b";branch=z9hG4bK776asdhds'))
    assert [via.host for via in request.without_top_via().vias] == ["p.atlanta.com", "[2001:db8::1]"]
    assert request.with_via(Via("UDP", "h")).vias[0] == Via("UDP", "h")


def test_a_request_is_made_from_its_fields() -> None:
    request = Request.create(
        "MESSAGE",
        Uri("sip", "bob", "example.com"),
        [
            ("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"),
            ("From", "<sip:a@b>;tag=1"),
            ("To", "<sip:c@d>"),
            ("Call-ID", "x"),
            ("CSeq", "1 MESSAGE"),
            ("Subject", "Grüße"),
        ],
        "Grüße".encode(),
        "text/plain;charset=UTF-8",
    )
    assert (
        bytes(request)
        == (
            "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
            "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\nSubject: Grüße\r\n"
            "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 7\r\n\r\nGrüße"
        ).encode()
    )
    assert parse(bytes(request)) == request
    assert request.call_id == "x"


def test_a_request_without_via_waits_for_one() -> None:
    request = Request.create("OPTIONS", "sip:a@b", [("From", "<sip:a@b>;tag=1"), ("To", "<sip:c@d>")])
    assert (request.vias, request.branch, request.call_id) == ((), None, "")
    with pytest.raises(ParseError):
        _ = request.via
    assert request.with_fields(prepend=[("Via", "SIP/2.0/UDP h;branch=z9hG4bK1")]).branch == "z9hG4bK1"


def test_a_response_copies_what_section_8_2_6_2_names_as_it_came() -> None:
    answer = Response.answer(invite(), 180, to_tag="8321234356", fields=[("Contact", "<sip:bob@192.0.2.4>")])
    copied = [line for line in INVITE.split(b"\r\n") if line[:2] in (b"v:", b"Vi", b"Re")]
    assert bytes(answer) == (
        b"SIP/2.0 180 Ringing\r\n" + b"".join(line + b"\r\n" for line in copied) +
        b'From: "Alice, A."\r\n <sip:alice@atlanta.com>;tag=1928301774\r\n'
        b"to: Bob <sip:bob@biloxi.com>;tag=8321234356\r\n"
        b"Call-ID: a84b4c76e66710@pc33.atlanta.com\r\nCSeq: 314159 INVITE\r\n"
        b"Contact: <sip:bob@192.0.2.4>\r\nContent-Length: 0\r\n\r\n"
    )  # fmt: skip
    assert (answer.status, answer.reason, answer.to_tag, answer.cseq_method) == (180, "Ringing", "8321234356", "INVITE")


def test_record_route_goes_into_responses_that_make_a_dialog_and_timestamp_into_100() -> None:
    for status, record_route, timestamp in (
        (100, False, True),
        (183, True, False),
        (200, True, False),
        (404, False, False),
    ):
        answer = Response.answer(invite(), status)
        assert bool(answer.record_routes) is record_route
        assert (answer.header("Timestamp") is not None) is timestamp


def test_a_to_tag_that_is_there_stays() -> None:
    request = parse(INVITE.replace(b"Bob <sip:bob@biloxi.com>", b"Bob <sip:bob@biloxi.com>;tag=old"))
    assert isinstance(request, Request)
    assert Response.answer(request, 200, to_tag="new").to_tag == "old"


def test_a_response_is_made_from_its_fields() -> None:
    response = Response.create(200, None, [("From", "<sip:a@b>;tag=1"), ("CSeq", "7 SUBSCRIBE")], b"x", "text/plain")
    assert (response.status, response.reason, response.cseq, response.body) == (200, "OK", CSeq(7, "SUBSCRIBE"), b"x")
    assert Response.create(487, "Cancelled", []).reason == "Cancelled"


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nEvil: 1", "a\rEvil: 1", "a\0b", "a\r\n folded", "\r\n\r\nbody"])
def test_no_value_of_our_callers_ends_a_line(value: str) -> None:
    request = invite()
    with pytest.raises(LocalProtocolError):
        request.with_fields(append=[("X-Value", value)])
    with pytest.raises(LocalProtocolError):
        Request.create("OPTIONS", "sip:a@b", [("Subject", value)])
    with pytest.raises(LocalProtocolError):
        Response.answer(request, 200, fields=[("Subject", value)])
    with pytest.raises(LocalProtocolError):
        Response.answer(request, 200, value)
    with pytest.raises(LocalProtocolError):
        Response.answer(request, 200, to_tag=value)
    with pytest.raises(LocalProtocolError):
        request.with_fields(body=b"", content_type=value)
    with pytest.raises(LocalProtocolError):
        request.with_uri(f"sip:{value}@b")
    with pytest.raises(LocalProtocolError):
        request.with_via(Via("UDP", value))
    with pytest.raises(LocalProtocolError):
        Request.create(value, "sip:a@b", [])


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nY", "Ü", "Content-Length", "content-length", "l"])
def test_no_name_of_our_callers_breaks_a_field(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        invite().with_fields(append=[(name, "v")])


@pytest.mark.parametrize(
    "field",
    [
        ("Contact", "nonsense"),
        ("From", "Bell, A <sip:a@b>"),
        ("Via", "x"),
        ("CSeq", "x"),
        ("Max-Forwards", "256"),
        ("Route", "sip:a"),
    ],
)
def test_a_malformed_value_of_our_callers_is_found_before_it_is_sent(field: tuple[str, str]) -> None:
    with pytest.raises(LocalProtocolError):
        Request.create("OPTIONS", "sip:a@b", [field])


def test_a_status_out_of_range_is_refused() -> None:
    for status in (99, 700, 1000, -1):
        with pytest.raises(LocalProtocolError):
            Response.answer(invite(), status)


def test_text_that_cannot_be_encoded_is_sent_with_marks() -> None:
    assert invite().with_fields(append=[("X", "a\udcffb")]).header("X") == "a?b"
