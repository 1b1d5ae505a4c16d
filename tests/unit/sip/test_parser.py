"""Octets to messages: what is accepted, what is refused and with which status; checks that need no state."""

from __future__ import annotations

import threading

import pytest

from voipgw._native import sip as native
from voipgw.errors import ParseError
from voipgw.sip import Capabilities, Request, Response, check, keep_alive, parse, refusal

HEAD = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
)


def request(*lines: bytes, body: bytes = b"", head: bytes = HEAD) -> Request:
    message = parse(head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body)
    assert isinstance(message, Request)
    return message


def status_of(data: bytes) -> int:
    with pytest.raises(ParseError) as caught:
        parse(data)
    return caught.value.status


def test_line_ends_before_the_start_line_are_skipped() -> None:
    assert bytes(parse(b"\r\n\r\n" + HEAD + b"\r\n")) == HEAD + b"\r\n"


def test_octets_after_the_body_are_dropped_and_a_body_without_length_is_the_rest() -> None:
    assert bytes(request(b"Content-Length: 2", body=b"abcd")).endswith(b"\r\n\r\nab")
    assert request(body=b"abcd").body == b"abcd"
    assert request(b"l:0", body=b"abcd").body == b""


def test_a_body_shorter_than_its_length_is_refused() -> None:
    assert status_of(HEAD + b"Content-Length: 5\r\n\r\nabcd") == 400


@pytest.mark.parametrize("value", [b"", b"-1", b"1 2", b"0x1", b"+1", b"99999999999", b"1,1", b"\xd9\xa3"])
def test_a_content_length_that_is_no_number_is_refused(value: bytes) -> None:
    assert status_of(HEAD + b"Content-Length: " + value + b"\r\n\r\nabcd") == 400


def test_two_content_lengths_are_refused_even_when_they_agree() -> None:
    assert status_of(HEAD + b"Content-Length: 1\r\nl: 1\r\n\r\na") == 400


@pytest.mark.parametrize("line", [b"X: a\nY: b", b"X: a\rY: b", b"X: a\r\r\nY: b", b"X: a\n\r\n"])
def test_a_cr_or_lf_alone_is_refused(line: bytes) -> None:
    assert status_of(HEAD + line + b"\r\n\r\n") == 400


def test_lines_that_end_in_lf_alone_are_refused() -> None:
    assert status_of((HEAD + b"\r\n").replace(b"\r\n", b"\n")) == 400


@pytest.mark.parametrize(
    "line",
    [b"X", b": v", b"X Y: v", b"X\0: v", b"X\xc3\xa4: v", b" X: v", b"X(: v", b"Content\rLength: 0", b"Call\nID: 0"],
)
def test_a_name_that_is_no_token_is_refused(line: bytes) -> None:
    assert status_of(b"OPTIONS sip:a@b SIP/2.0\r\n" + line + b"\r\n" + HEAD.partition(b"\r\n")[2] + b"\r\n") == 400


def test_every_truncation_of_a_message_is_refused() -> None:
    data = HEAD + b"Content-Length: 3\r\n\r\nabc"
    for end in range(len(data)):
        with pytest.raises(ParseError):
            parse(data[:end])
    assert parse(data).body == b"abc"


@pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_a_message_without_one_of_the_five_fields_is_refused_by_name(name: bytes) -> None:
    lines = [line for line in HEAD.split(b"\r\n") if not line.startswith(name)]
    with pytest.raises(ParseError, match=f"{name.decode()} is missing"):
        parse(b"\r\n".join(lines) + b"\r\n")


@pytest.mark.parametrize("line", [b"f: <sip:e@f>", b"t: <sip:e@f>", b"i: y", b"CSEQ: 1 OPTIONS"])
def test_a_second_one_of_a_single_field_is_refused(line: bytes) -> None:
    assert status_of(HEAD + line + b"\r\n\r\n") == 400


@pytest.mark.parametrize(
    "start",
    [
        b"OPTIONS sip:a@b SIP/2.0 ", b"OPTIONS  sip:a@b SIP/2.0", b"OPTIONS sip:a@b", b"OPTIONS sip:a@b HTTP/1.1", b"OPTIONS",
        b" OPTIONS sip:a@b SIP/2.0", b"OPT\xffIONS sip:a@b SIP/2.0", b"OPTIONS <sip:a@b> SIP/2.0", b"OPTIONS sip:a@b?x=y SIP/2.0",
        b"OPTIONS sip:a@b\tSIP/2.0", b"OPTIONS b SIP/2.0", b"OPTIONS sip:a\0@b SIP/2.0", b"OPTIONS sip:\xc3\xa4@b SIP/2.0",
    ],
)  # fmt: skip
def test_malformed_request_lines_are_refused(start: bytes) -> None:
    assert status_of(HEAD.replace(b"OPTIONS sip:a@b SIP/2.0", start) + b"\r\n") == 400


@pytest.mark.parametrize("version", [b"SIP/1.0", b"SIP/2.1", b"SIP/3.0", b"SIP/20.0", b"SIP/2.00"])
def test_another_version_is_505(version: bytes) -> None:
    assert status_of(HEAD.replace(b"SIP/2.0\r\n", version + b"\r\n", 1) + b"\r\n") == 505


def test_the_version_is_read_in_any_case() -> None:
    assert request(head=HEAD.replace(b"b SIP/2.0", b"b sip/2.0")).method == "OPTIONS"


@pytest.mark.parametrize(
    "start", [b"SIP/2.0 99 x", b"SIP/2.0 700 x", b"SIP/2.0 20 x", b"SIP/2.0 2000 x", b"SIP/2.0 200x", b"SIP/2.0"]
)
def test_malformed_status_lines_are_refused(start: bytes) -> None:
    data = HEAD.replace(b"OPTIONS sip:a@b SIP/2.0", start, 1) + b"\r\n"
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert refusal(data, caught.value) is None


def test_a_status_line_may_lack_its_phrase_and_the_blank_before_it() -> None:
    for start in (b"SIP/2.0 200 ", b"SIP/2.0 200"):
        message = parse(HEAD.replace(b"OPTIONS sip:a@b SIP/2.0", start, 1) + b"\r\n")
        assert isinstance(message, Response)
        assert (message.status, message.reason, message.cseq_method) == (200, "", "OPTIONS")


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        (b"X: " + b"a" * 16400, 513),
        (b"X" * 201 + b": a", 400),
        (b"\r\n".join([b"X: a"] * 251), 513),
        (b"\r\n".join([b"X: " + b"a" * 1000] * 60), 513),
        (b"X: " + b"a\r\n " * 6000, 513),
    ],
)  # fmt: skip
def test_every_limit_has_its_refusal(line: bytes, limit: int) -> None:
    assert status_of(HEAD + line + b"\r\n\r\n") == limit


def test_a_message_over_the_limit_is_refused() -> None:
    assert status_of(HEAD + b"\r\n" + b"a" * native.MAX_MESSAGE) == 513


def test_texts_that_are_too_long_for_the_index_are_read_all_the_same() -> None:
    data = HEAD.replace(b"sip:a@b SIP", b"sip:" + b"a" * 3000 + b"@b SIP").replace(b"h;branch", b"HOST : 5062;branch")
    message = request(head=data.replace(b"OPTIONS", b"XMETHOD"))
    assert (len(message.uri.user), message.branch, message.sent_by) == (3000, "z9hG4bK1", "host:5062")
    assert (message.method, message.call_id, message.from_tag, message.to_tag) == ("XMETHOD", "x", "1", None)
    assert request(head=data).method == "OPTIONS"


def test_date_is_checked_in_requests_and_left_alone_in_responses() -> None:
    assert request(b"Date: Sat, 13 Nov 2010 23:29:00 GMT").header("date") == "Sat, 13 Nov 2010 23:29:00 GMT"
    assert status_of(HEAD + b"Date: Sat, 13 Nov 2010 23:29:00 CET\r\n\r\n") == 400
    assert status_of(HEAD + b"Date: tomorrow\r\n\r\n") == 400
    assert parse(HEAD.replace(b"OPTIONS sip:a@b SIP/2.0", b"SIP/2.0 200 OK") + b"Date: tomorrow\r\n\r\n").header("date")


def test_known_names_have_one_number_each_in_every_spelling() -> None:
    for number, name in enumerate(native.HEADERS):
        if number:
            for form in (name, name.upper(), name.lower(), native.COMPACT.get(number, name)):
                assert native.header_id(form.encode()) == number, form
    for other in (b"", b"Vib", b"Fron", b"Content-Lengtg", b"Call_ID", b"z", b"1", b"X" * 300, b"CaLl\rID"):
        assert native.header_id(other) == 0


def test_threads_do_not_share_what_they_parse_into() -> None:
    faults: list[str] = []

    def work(name: str) -> None:
        data = HEAD.replace(b"Call-ID: x", b"Call-ID: " + name.encode()) + b"\r\n"
        faults.extend(name for _ in range(3000) if parse(data).call_id != name)

    threads = [threading.Thread(target=work, args=(f"call{i}" * (i + 1),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_other_kinds_of_octets_are_taken_too() -> None:
    assert parse(bytearray(HEAD + b"\r\n")) == parse(memoryview(HEAD + b"\r\n")) == request()  # type: ignore[arg-type]


def test_keep_alives_are_told_from_messages() -> None:
    for data in (b"", b"\r\n\r\n", b"\0", b"\0\0\0\0", b"\r\n"):
        assert keep_alive(data)
        with pytest.raises(ParseError):
            parse(data)
    assert not keep_alive(HEAD)


def test_a_refusal_repeats_what_can_be_read_and_gives_a_retransmission_the_same_tag() -> None:
    data = HEAD.replace(b"To: <sip:c@d>", b"To:\r\n\t<sip:c@d>") + b"Max-Forwards: x\r\n\r\n"
    with pytest.raises(ParseError) as caught:
        parse(data)
    answer = refusal(data, caught.value)
    assert answer is not None
    assert answer.reason == "malformed Max-Forwards"
    assert (answer.status, answer.call_id, answer.from_tag, answer.branch) == (400, "x", "1", "z9hG4bK1")
    assert answer.to_tag
    assert answer == refusal(data, caught.value)
    assert parse(bytes(answer)) == answer


@pytest.mark.parametrize(
    "data", [b"ACK" + HEAD[7:] + b"X\r\n\r\n", b"\x16\x03\x01\x02", b"junk", HEAD[:25] + b"X\r\n\r\n", b"SIP/2.0 x"]
)
def test_no_refusal_is_due_to_an_ack_or_to_what_is_no_request(data: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert refusal(data, caught.value) is None


CAPABLE = Capabilities(extensions=frozenset({"timer"}))


def test_checks_come_in_the_order_of_section_8_2() -> None:
    other = HEAD.replace(b"sip:a@b SIP", b"mailto:a@b SIP").replace(b"OPTIONS", b"BREW")
    bad = [b"Require: x", b"Max-Forwards: 0"]
    assert check(request(*bad, head=other), CAPABLE).status == 501  # type: ignore[union-attr]
    assert check(request(*bad, head=other.replace(b"BREW", b"OPTIONS")), CAPABLE).status == 416  # type: ignore[union-attr]
    assert check(request(*bad), CAPABLE, forwarding=True).status == 483  # type: ignore[union-attr]
    assert check(request(*bad), CAPABLE).status == 420  # type: ignore[union-attr]
    assert check(request(b"Require: timer"), CAPABLE) is None


def test_a_known_method_that_is_not_allowed_is_405_with_allow() -> None:
    objection = check(request(head=HEAD.replace(b"OPTIONS", b"PUBLISH")), CAPABLE)
    assert objection is not None
    assert (objection.status, objection.fields) == (405, (("Allow", "ACK, BYE, CANCEL, INVITE, OPTIONS"),))


def test_a_body_of_unknown_type_is_415_unless_it_is_optional() -> None:
    assert check(request(b"c: text/x ; a=b", body=b"x"), CAPABLE).status == 415  # type: ignore[union-attr]
    assert check(request(b"c: Application/SDP", body=b"x"), CAPABLE) is None
    assert check(request(b"c: text/x"), CAPABLE) is None
    assert check(request(b"c: text/x", b"Content-Disposition: x; handling=optional", body=b"x"), CAPABLE) is None
    assert check(request(b"e: gzip", b"c: application/sdp", body=b"x"), CAPABLE).status == 415  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("accept", "good"),
    [(b"application/sdp", True), (b"text/x, application/*;q=0.1", True), (b"*/*", True), (b"text/x", False)],
)
def test_an_invite_that_does_not_accept_sdp_is_406(accept: bytes, good: bool) -> None:
    objection = check(request(b"Accept: " + accept, head=HEAD.replace(b"OPTIONS", b"INVITE")), CAPABLE)
    assert (objection is None) is good
    assert objection is None or objection.status == 406


def test_ack_and_cancel_are_never_refused_for_what_they_require() -> None:
    for method in (b"ACK", b"CANCEL"):
        assert (
            check(request(b"Require: x", b"c: text/x", body=b"x", head=HEAD.replace(b"OPTIONS", method)), CAPABLE)
            is None
        )


def test_lines_are_copied_only_from_the_message_that_was_indexed() -> None:
    octets = HEAD + b"\r\n"
    index, _ = native.scan(octets)
    copied = native.copy_lines(octets, index, bytes((native.CSEQ, native.TO, native.VIA)), b"t")
    assert copied == b"CSeq: 1 OPTIONS\r\nTo: <sip:c@d>;tag=t\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
    assert native.copy_lines(octets, index, b"") == b""
    for other, its_index in ((octets[:60], index), (octets, index[:-1]), (octets, b"")):
        with pytest.raises(ValueError, match="cannot be copied"):
            native.copy_lines(other, its_index, bytes((native.CSEQ,)))
    with pytest.raises(ValueError, match="cannot be copied"):
        native.copy_lines(octets, index, bytes((native.VIA,)) * 5000)


def test_a_refusal_that_would_have_too_many_fields_is_none() -> None:
    data = b"INVITE sip:a@b SIP/2.0\r\n" + b"Via: SIP/2.0/UDP c;branch=z9hG4bK1\r\n" * 500 + b"\r\n"
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert refusal(data, caught.value) is None
