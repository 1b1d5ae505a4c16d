"""Whatever a peer writes into the fields that sessions read, nothing but the stated errors comes out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from voipgw.entropy import SeededEntropy
from voipgw.errors import ParseError
from voipgw.sip import Request, Response
from voipgw.sip.auth import Challenged, Credentials, DigestClient, DigestServer, Verified
from voipgw.sip.digest import Algorithm, Authorization, Challenge
from voipgw.sip.dtmf_info import read_info, write_info
from voipgw.sip.reason import Reason, cause_from, parse_reasons
from voipgw.sip.session_events import session_description

LINE = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\u2028\u2029"), max_size=120)
PIECES = st.lists(
    st.sampled_from(
        ["Digest ", "realm=", "nonce=", "qop=", "nc=", "cnonce=", "response=", "uri=", "username=", "algorithm=", '"', "\\", ",",
         "=", " ", "auth", "MD5", "SHA-256", "00000001", "x", "stale=true", "é"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


@given(st.one_of(LINE, PIECES))
def test_a_challenge_is_read_or_refused(text: str) -> None:
    try:
        challenge = Challenge.parse(text)
    except ParseError:
        return
    assert Challenge.parse(str(challenge)).realm == challenge.realm


@given(st.one_of(LINE, PIECES))
def test_an_authorization_is_read_or_refused(text: str) -> None:
    try:
        shown = Authorization.parse(text)
    except ParseError:
        return
    assert Authorization.parse(str(shown)).username == shown.username


class Nobody:
    def lookup(self, realm: str, username: str) -> Credentials | None:
        return None


def request_with(*fields: tuple[str, str], body: bytes = b"", kind: str | None = None) -> Request:
    head = [("From", "<sip:a@a.example>;tag=1"), ("To", "<sip:b@b.example>"), ("Call-ID", "c"), ("CSeq", "1 INVITE")]
    return Request.create("INVITE", "sip:b@b.example", [*head, *fields], body, kind)


@given(st.lists(st.one_of(LINE, PIECES), max_size=3))
@settings(max_examples=60)
def test_a_digest_server_never_lets_nonsense_pass_and_a_client_never_fails_on_it(values: list[str]) -> None:
    server = DigestServer(b"0" * 16, Nobody(), SeededEntropy(1))
    request = request_with(*[("Authorization", value) for value in values])
    assert isinstance(server.verify(request, "r", 1.0), Challenged)
    response = Response.answer(request, 401, to_tag="x", fields=[("WWW-Authenticate", value) for value in values])
    DigestClient([Credentials("a", password="b")], SeededEntropy(2)).answer(request, response, 2)


class Everybody:
    def __init__(self, password: str) -> None:
        self.password = password

    def lookup(self, realm: str, username: str) -> Credentials | None:
        return Credentials(username, realm, self.password)


@given(LINE, LINE, LINE, st.sampled_from([Algorithm.MD5, Algorithm.SHA_256, Algorithm.SHA_512_256]))
@settings(max_examples=60)
def test_any_name_realm_and_password_come_through(name: str, realm: str, password: str, algorithm: Algorithm) -> None:
    from voipgw.sip.auth import ServerSettings

    server = DigestServer(b"0" * 16, Everybody(password), SeededEntropy(1), ServerSettings(algorithms=(algorithm,)))
    asked = server.verify(request_with(), realm, 1.0)
    assert isinstance(asked, Challenged)
    response = Response.answer(request_with(), 401, to_tag="x", fields=asked.fields)
    answer = DigestClient([Credentials(name, password=password)], SeededEntropy(2)).answer(request_with(), response, 2)
    assert answer is not None
    assert server.verify(answer, realm, 1.0) == Verified(name, realm)


@given(
    st.lists(
        st.one_of(LINE, st.sampled_from(["Q.850;cause=16", 'SIP;cause=486;text="x,;"', ";;", ",", "Q.850;cause="]))
    )
)
def test_reasons_are_hints_and_never_fail(values: list[str]) -> None:
    cause_from(parse_reasons(values))


@given(st.integers(0, 999), LINE)
def test_a_reason_is_read_as_it_was_written(cause: int, text: str) -> None:
    reason = Reason("Q.850", cause, text)
    assert parse_reasons([str(reason)]) == (reason,)


@given(st.sampled_from(["application/dtmf", "application/dtmf-relay", "text/plain"]), st.binary(max_size=300))
def test_an_info_body_is_read_or_left_alone(kind: str, body: bytes) -> None:
    told = read_info(kind, body)
    assert told is None or (told[0] in "0123456789*#ABCD!" and 1 <= told[1] <= 10_000)


@given(st.sampled_from("0123456789*#ABCD"), st.integers(1, 10_000))
def test_an_info_body_is_read_as_it_was_written(symbol: str, duration_ms: int) -> None:
    assert read_info("application/dtmf-relay", write_info(symbol, duration_ms)) == (symbol, duration_ms)


@given(LINE, st.binary(max_size=200))
def test_a_body_is_read_or_called_unreadable(kind: str, body: bytes) -> None:
    found = session_description(request_with(body=body, kind=kind or None))
    assert found is None or isinstance(found, bytes)


@given(st.binary(max_size=60), st.binary(max_size=60), st.text("abcXYZ019", min_size=1, max_size=10))
def test_a_description_is_found_in_a_multipart_body(before: bytes, description: bytes, boundary: str) -> None:
    mark = b"--" + boundary.encode()
    if b"\n" in before + description or mark in before + description:
        return
    body = b"\r\n".join(
        [mark, b"Content-Type: text/plain", b"", before, mark, b"Content-Type: application/sdp", b"", description, mark + b"--", b""]
    )  # fmt: skip
    request = request_with(body=body, kind=f"multipart/mixed; boundary={boundary}")
    assert session_description(request) == description
