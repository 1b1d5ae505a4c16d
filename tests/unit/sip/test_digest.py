"""Digest arithmetic and values."""

from __future__ import annotations

import pytest

from voipgw.errors import ParseError
from voipgw.sip.digest import Algorithm, Authorization, Challenge, ha1, response_of

RFC_7616 = {
    "username": "Mufasa",
    "realm": "http-auth@example.org",
    "password": "Circle of Life",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        (Algorithm.MD5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm.SHA_256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
def test_the_example_of_rfc_7616_section_3_9_1(algorithm: Algorithm, response: str) -> None:
    v = RFC_7616
    secret = ha1(algorithm, v["username"], v["realm"], v["password"])
    assert response == response_of(
        algorithm, secret, "GET", "/dir/index.html", v["nonce"], qop="auth", nc=1, cnonce=v["cnonce"]
    )


def test_the_example_of_rfc_7616_section_3_9_2_as_its_erratum_4897_corrects_it() -> None:
    secret = ha1(Algorithm.SHA_512_256, "Jäsøn Doe", "api@example.org", "Secret, or not?")
    assert response_of(
        Algorithm.SHA_512_256, secret, "GET", "/doe.json", "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        qop="auth", nc=1, cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    ) == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"  # fmt: skip


def test_the_example_of_rfc_2617_section_3_5() -> None:
    secret = ha1(Algorithm.MD5, "Mufasa", "testrealm@host.com", "Circle Of Life")
    assert secret == "939e7578ed9e3c518a452acee763bce9"
    assert response_of(
        Algorithm.MD5, secret, "GET", "/dir/index.html", "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        qop="auth", nc=1, cnonce="0a4f113b",
    ) == "6629fae49393a05397450978507c4ef1"  # fmt: skip


def test_without_qop_the_digest_is_that_of_rfc_2069() -> None:
    secret = ha1(Algorithm.MD5, "Mufasa", "testrealm@host.com", "Circle Of Life")
    found = response_of(Algorithm.MD5, secret, "GET", "/dir/index.html", "dcd98b7102dd2f0e8b11d0f600bfb0c093")
    assert found == "670fd8c2df070c60b045671b8b24ff02"


def test_auth_int_covers_the_body_and_the_session_variant_both_nonces() -> None:
    secret = ha1(Algorithm.MD5, "bob", "r", "zanzibar")
    plain = response_of(Algorithm.MD5, secret, "INVITE", "sip:x@y", "n", qop="auth-int", nc=1, cnonce="c", body=b"v=0")
    other = response_of(Algorithm.MD5, secret, "INVITE", "sip:x@y", "n", qop="auth-int", nc=1, cnonce="c", body=b"v=1")
    assert plain != other
    of_session = Algorithm.MD5.hash(f"{secret}:n:c".encode())
    assert response_of(
        Algorithm.MD5_SESS, secret, "INVITE", "sip:x@y", "n", qop="auth", nc=1, cnonce="c"
    ) == response_of(Algorithm.MD5, of_session, "INVITE", "sip:x@y", "n", qop="auth", nc=1, cnonce="c")


def test_a_challenge_is_read_and_written() -> None:
    text = 'Digest realm="a \\"b\\"", nonce="n,1", opaque="", stale=true, algorithm=SHA-256, qop="auth,auth-int"'
    challenge = Challenge.parse(text)
    assert challenge == Challenge('a "b"', "n,1", "SHA-256", ("auth", "auth-int"), "", True)
    assert Challenge.parse(str(challenge)) == challenge


def test_an_authorization_is_read_and_written() -> None:
    shown = Authorization("bob", "r", "n", "sip:a@b", "0" * 32, "MD5", "c", "auth", 255, "o")
    assert "nc=000000ff" in str(shown) and "qop=auth" in str(shown)
    assert Authorization.parse(str(shown)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic Zm9v",
        "Digest ",
        'Digest realm="r"',
        'Digest realm="r", realm="s", nonce="n"',
        'Digest realm="r, nonce="n"',
        'Digest nonce="' + "n" * 5000 + '", realm="r"',
    ],
)
def test_a_broken_challenge_raises_parse_error(text: str) -> None:
    with pytest.raises(ParseError):
        Challenge.parse(text)


@pytest.mark.parametrize("nc", ["", "1", "0000000g", "000000001"])
def test_an_authorization_with_qop_needs_a_whole_nonce_count(nc: str) -> None:
    head = 'Digest username="u", realm="r", nonce="n", uri="sip:x", response="0", qop=auth, cnonce="c"'
    with pytest.raises(ParseError):
        Authorization.parse(head + (f", nc={nc}" if nc else ""))
