"""Values of header fields (RFC 3261 sections 20 and 25.1)."""

from __future__ import annotations

import pytest

from voipgw.errors import ParseError
from voipgw.sip import Auth, CSeq, NameAddr, Uri, Via
from voipgw.sip.headers import delta_seconds, parse_params, quote, split_list, unquote


@pytest.mark.parametrize(
    ("text", "name", "uri", "params"),
    [
        ("<sip:a@b>", "", "sip:a@b", ()),
        ("sip:a@b", "", "sip:a@b", ()),
        ("sip:a@b;tag=x", "", "sip:a@b", (("tag", "x"),)),
        ("<sip:a@b;tag=x>", "", "sip:a@b;tag=x", ()),
        ('"A. G. Bell" <sip:a@b> ;tag=a48s', "A. G. Bell", "sip:a@b", (("tag", "a48s"),)),
        ("Anonymous Person<sip:a@b>", "Anonymous Person", "sip:a@b", ()),
        ('"a \\"b\\" \\\\ <c>, d"<sip:a@b>;q=0.3', 'a "b" \\ <c>, d', "sip:a@b", (("q", "0.3"),)),
        ("Jörg <sip:j@b>", "Jörg", "sip:j@b", ()),
        ("<sip:a@b?Route=%3Csip:c%3E>;expires=60", "", "sip:a@b?Route=%3Csip:c%3E", (("expires", "60"),)),
        ('<sip:a@b>;+sip.instance="<urn:uuid:1>"', "", "sip:a@b", (("+sip.instance", '"<urn:uuid:1>"'),)),
        ("<tel:+4930123>", "", "tel:+4930123", ()),
    ],
)
def test_addresses_are_read(text: str, name: str, uri: str, params: tuple[tuple[str, str | None], ...]) -> None:
    address = NameAddr.parse(text)
    assert (address.display_name, str(address.uri), address.params) == (name, uri, params)
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:a@b?subject=x",
        "Bell, Alexander <sip:a@b>",
        '"open <sip:a@b>',
        "< sip:a@b >",
        "<sip:a@b",
        "<sip:a@b>;",
        "<sip:a@b>;;x",
        "<sip:a@b> x",
        "<sip:a@b>;x=",
        "alice",
    ],
)
def test_malformed_addresses_are_refused(text: str) -> None:
    with pytest.raises(ParseError):
        NameAddr.parse(text)


def test_parameters_are_found_in_any_case_and_without_quotes() -> None:
    address = NameAddr.parse('<sip:a@b>;Tag=1;+sip.instance="<urn:uuid:1>";lr')
    assert (address.tag, address.param("+sip.instance"), address.param("lr"), address.param("x")) == (
        "1",
        "<urn:uuid:1>",
        "",
        None,
    )


def test_a_parameter_is_replaced_in_its_place_or_added_behind() -> None:
    via = Via.parse("SIP/2.0/UDP a;rport;branch=z9hG4bK1")
    assert str(via.with_param("rport", "5062")) == "SIP/2.0/UDP a;rport=5062;branch=z9hG4bK1"
    assert str(via.with_param("received", "192.0.2.1")) == "SIP/2.0/UDP a;rport;branch=z9hG4bK1;received=192.0.2.1"
    assert NameAddr(Uri.parse("sip:a@b")).with_param("tag", "9").tag == "9"


def test_a_display_name_of_our_own_cannot_end_the_line() -> None:
    assert str(NameAddr(Uri.parse("sip:a@b"), 'x"\r\nVia: y')) == '"x\\"  Via: y" <sip:a@b>'


@pytest.mark.parametrize(
    ("text", "transport", "host", "port", "branch"),
    [
        ("SIP/2.0/UDP erlang.example.com:5060;branch=z9hG4bK87", "UDP", "erlang.example.com", 5060, "z9hG4bK87"),
        ("SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;branch=z9hG4bKa7.1", "UDP", "first.example.com", 4000, "z9hG4bKa7.1"),
        ("SIP/2.0/TLS [2001:db8::1]", "TLS", "[2001:db8::1]", None, None),
        ("SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks", "WSS", "df7jal23ls0d.invalid", None, "z9hG4bK56sdasks"),
    ],
)  # fmt: skip
def test_via_is_read(text: str, transport: str, host: str, port: int | None, branch: str | None) -> None:
    via = Via.parse(text)
    assert (via.transport, via.host, via.port, via.branch) == (transport, host, port, branch)
    assert Via.parse(str(via)) == via


def test_rport_is_asked_for_or_given_or_absent() -> None:
    asked, given, absent = (Via.parse(f"SIP/2.0/UDP a{tail}") for tail in (";rport", ";rport=9", ""))
    assert (asked.rport, asked.wants_rport) == (None, True)
    assert (given.rport, given.wants_rport) == (9, True)
    assert (absent.rport, absent.wants_rport) == (None, False)


@pytest.mark.parametrize(
    "text", ["", "SIP/2.0 a", "SIP/2.0/UDP", "SIP/2.0/UDP a:b", "SIP/2.0/UDP a:70000", "SIP/2.0/UDP a;;"]
)
def test_malformed_via_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Via.parse(text)


def test_cseq_is_a_32_bit_number_and_a_method() -> None:
    assert CSeq.parse("0009 INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(4294967295, "ACK")) == "4294967295 ACK"
    for text in ("4294967296 INVITE", "9", "INVITE", "9 INVITE x", "-1 INVITE", "9" * 5000 + " INVITE", "٣ INVITE"):
        with pytest.raises(ParseError):
            CSeq.parse(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a, b,c", ["a", "b", "c"]),
        ("", []),
        (" , ,a,,", ["a"]),
        ('"x, y" <sip:a@b;p=1,2>, <sip:c,d@e>', ['"x, y" <sip:a@b;p=1,2>', "<sip:c,d@e>"]),
        ('"a\\",b",c', ['"a\\",b"', "c"]),
        ('a,"open, b', ["a", '"open, b']),
        ("a,<open, b", ["a", "<open, b"]),
    ],
)
def test_commas_separate_values_outside_quotes_and_brackets(text: str, values: list[str]) -> None:
    assert split_list(text) == values


def test_quoting_and_unquoting_are_inverse() -> None:
    for text in ("", "plain", 'with "quotes"', "back\\slash", "\\", 'a\\"b'):
        assert unquote(quote(text)) == text
    assert unquote("token") == "token"
    assert unquote('"') == '"'


def test_seconds_are_numbers_and_large_ones_are_bounded() -> None:
    assert delta_seconds("3600") == 3600
    assert delta_seconds("9" * 100) == 0xFFFFFFFF
    for text in ("", "-1", "1.5", "soon", "²"):
        with pytest.raises(ParseError):
            delta_seconds(text)


def test_parameters_alone_are_read_from_an_offset() -> None:
    assert parse_params("1800;refresher=uac; x", 4) == (("refresher", "uac"), ("x", None))
    with pytest.raises(ParseError):
        parse_params("1800 refresher", 4)


def test_a_digest_challenge_is_read_and_written() -> None:
    text = 'Digest realm="a, \\"b\\"", nonce="84a4", qop="auth,auth-int", algorithm=SHA-256, stale=FALSE'
    challenge = Auth.parse(text)
    assert challenge.scheme == "Digest"
    assert challenge.param("realm") == 'a, "b"'
    assert challenge.param("qop") == "auth,auth-int"
    assert str(challenge) == text


def test_qop_is_a_token_in_credentials_and_quoted_in_a_challenge() -> None:
    text = 'Digest username="bob", uri="sip:biloxi.com", qop=auth, nc=00000001, cnonce="0a4f", response="6629"'
    assert str(Auth.parse(text)) == text


def test_an_unknown_scheme_is_kept_as_it_came() -> None:
    assert Auth.parse("NoOneKnowsThisScheme opaque-data=here").params == (("opaque-data", "here"),)
    assert str(Auth.parse("Bearer abc.def==")) == "Bearer abc.def=="
    assert str(Auth.parse("Negotiate")) == "Negotiate"


@pytest.mark.parametrize("text", ["", "Digest realm", 'Digest realm="open', 'Digest realm="a" nonce="b"'])
def test_malformed_challenges_are_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Auth.parse(text)
