"""Digest authentication, both sides."""

from __future__ import annotations

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.sip import Request, Response
from voipgw.sip.auth import (
    Challenged,
    Credentials,
    DigestClient,
    DigestServer,
    ServerSettings,
    Verified,
    common_algorithms,
)
from voipgw.sip.digest import Algorithm, Authorization, Challenge, ha1

REALM = "voipgw.example"
BOB = Credentials("bob", REALM, "zanzibar")


class Users:
    def __init__(self, *users: Credentials) -> None:
        self.users = users
        self.asked: list[str] = []

    def lookup(self, realm: str, username: str) -> Credentials | None:
        self.asked.append(username)
        return next((user for user in self.users if user.username == username), None)


def make_server(settings: ServerSettings | None = None, *users: Credentials, seed: int = 1) -> DigestServer:
    return DigestServer(b"0123456789abcdef", Users(*(users or (BOB,))), SeededEntropy(seed), settings)


def make_request(method: str = "INVITE", body: bytes = b"") -> Request:
    fields = [("From", "<sip:bob@voipgw.example>;tag=a"), ("To", "<sip:100@voipgw.example>")]
    fields += [("Call-ID", "one"), ("CSeq", f"1 {method}")]
    return Request.create(method, "sip:100@voipgw.example", fields, body, "application/sdp" if body else None)


def refusal(challenged: Challenged) -> Response:
    return Response.answer(make_request(), challenged.status, to_tag="x", fields=challenged.fields)


def round_trip(
    server: DigestServer, client: DigestClient, request: Request, now: float = 0.0
) -> tuple[Request | None, Verified | Challenged]:
    asked = server.verify(request, REALM, now)
    assert isinstance(asked, Challenged)
    answer = client.answer(request, refusal(asked), 2)
    return answer, asked if answer is None else server.verify(answer, REALM, now)


@pytest.mark.parametrize("algorithm", [Algorithm.MD5, Algorithm.SHA_256, Algorithm.SHA_512_256], ids=lambda a: a.value)
@pytest.mark.parametrize("qop", [("auth",), ("auth-int",), ("auth", "auth-int"), ()], ids=str)
@pytest.mark.parametrize("proxy", [False, True], ids=["401", "407"])
def test_client_and_server_agree(algorithm: Algorithm, qop: tuple[str, ...], proxy: bool) -> None:
    server = make_server(ServerSettings(algorithms=(algorithm,), qop=qop, proxy=proxy))
    client = DigestClient((BOB,), SeededEntropy(2))
    answer, verdict = round_trip(server, client, make_request(body=b"v=0\r\n"))
    assert verdict == Verified("bob", REALM)
    assert answer is not None and answer.cseq_number == 2
    assert (answer.header("Proxy-Authorization" if proxy else "Authorization") or "").startswith("Digest ")


def test_the_best_algorithm_is_asked_for_first_and_answered() -> None:
    server = make_server(ServerSettings(algorithms=(Algorithm.SHA_512_256, Algorithm.SHA_256, Algorithm.MD5)))
    asked = server.verify(make_request(), REALM, 0.0)
    assert isinstance(asked, Challenged)
    offered = [Challenge.parse(value) for _, value in asked.fields]
    assert [one.algorithm for one in offered] == ["SHA-512-256", "SHA-256", "MD5"]
    answer, verdict = round_trip(server, DigestClient((BOB,), SeededEntropy(2)), make_request())
    assert answer is not None and isinstance(verdict, Verified)
    assert Authorization.parse(answer.header("Authorization") or "").algorithm == "SHA-512-256"


def test_the_strongest_algorithm_is_answered_even_when_it_is_not_the_first() -> None:
    fields = [("WWW-Authenticate", str(Challenge(REALM, "n", name, ("auth",)))) for name in ("MD5", "NEW-9", "SHA-256")]
    response = Response.answer(make_request(), 401, to_tag="x", fields=fields)
    answer = DigestClient((BOB,), SeededEntropy(2)).answer(make_request(), response, 2)
    assert answer is not None and len(answer.headers("Authorization")) == 1
    assert Authorization.parse(answer.header("Authorization") or "").algorithm == "SHA-256"


def test_a_stored_hash_serves_its_own_algorithm_only() -> None:
    stored = Credentials("bob", REALM, ha1=ha1(Algorithm.MD5, "bob", REALM, "zanzibar"))
    server = make_server(None, stored)
    client = DigestClient((stored,), SeededEntropy(2))
    answer, verdict = round_trip(server, client, make_request())
    assert verdict == Verified("bob", REALM)
    assert answer is not None and Authorization.parse(answer.header("Authorization") or "").algorithm == "MD5"


def test_a_realm_that_is_not_configured_is_never_answered() -> None:
    client = DigestClient((Credentials("bob", "other.example", "zanzibar"),), SeededEntropy(2))
    answer, _ = round_trip(make_server(), client, make_request())
    assert answer is None


def test_refused_credentials_are_not_shown_again_unless_they_were_stale() -> None:
    client = DigestClient((Credentials("bob", REALM, "wrong"),), SeededEntropy(2))
    answer, verdict = round_trip(make_server(), client, make_request())
    assert answer is not None and isinstance(verdict, Challenged)
    assert client.answer(answer, refusal(verdict), 3) is None


def test_a_stale_nonce_is_answered_with_the_new_one() -> None:
    server, client = make_server(), DigestClient((BOB,), SeededEntropy(2))
    asked = server.verify(make_request(), REALM, 0.0)
    assert isinstance(asked, Challenged)
    late = client.answer(make_request(), refusal(asked), 2)
    assert late is not None
    verdict = server.verify(late, REALM, 301.0)
    assert isinstance(verdict, Challenged)
    assert all(Challenge.parse(value).stale for _, value in verdict.fields)
    again = client.answer(late, refusal(verdict), 3)
    assert again is not None and server.verify(again, REALM, 301.0) == Verified("bob", REALM)


def test_a_nonce_of_an_earlier_run_is_stale_for_the_right_password_only() -> None:
    before = make_server()
    after = DigestServer(b"fedcba9876543210", Users(BOB), SeededEntropy(3))
    for password, stale in (("zanzibar", True), ("guess", False)):
        client = DigestClient((Credentials("bob", REALM, password),), SeededEntropy(2))
        asked = before.verify(make_request(), REALM, 0.0)
        assert isinstance(asked, Challenged)
        answer = client.answer(make_request(), refusal(asked), 2)
        assert answer is not None
        verdict = after.verify(answer, REALM, 0.0)
        assert isinstance(verdict, Challenged)
        assert Challenge.parse(verdict.fields[0][1]).stale is stale


def test_a_request_seen_before_is_refused_as_stale() -> None:
    server = make_server()
    answer, verdict = round_trip(server, DigestClient((BOB,), SeededEntropy(2)), make_request())
    assert answer is not None and isinstance(verdict, Verified)
    replayed = server.verify(answer, REALM, 1.0)
    assert isinstance(replayed, Challenged) and "used before" in replayed.why


@pytest.mark.parametrize("counts", [[2, 1], [5, 3, 4, 1], [70, 7]], ids=str)
def test_counts_may_arrive_out_of_order_within_the_window(counts: list[int]) -> None:
    server = make_server()
    made = numbered(server, max(counts))
    for count in counts:
        assert isinstance(server.verify(made[count], REALM, 1.0), Verified)
        assert isinstance(server.verify(made[count], REALM, 1.0), Challenged)


def test_a_count_below_the_window_is_refused() -> None:
    server = make_server()
    made = numbered(server, 70)
    assert isinstance(server.verify(made[70], REALM, 1.0), Verified)
    assert isinstance(server.verify(made[6], REALM, 1.0), Challenged)


def numbered(server: DigestServer, highest: int) -> dict[int, Request]:
    """Requests with the counts 1 to ``highest`` of one nonce."""
    asked = server.verify(make_request(), REALM, 0.0)
    assert isinstance(asked, Challenged)
    client = DigestClient((BOB,), SeededEntropy(2))
    found = {}
    for _ in range(highest):
        answer = client.answer(make_request(), refusal(asked), 2)
        assert answer is not None
        found[Authorization.parse(answer.header("Authorization") or "").nc] = answer
    return found


def test_what_was_forgotten_for_want_of_room_stays_refused() -> None:
    server = make_server(ServerSettings(nonces=2))
    used = []
    for moment in range(4):
        answer, verdict = round_trip(server, DigestClient((BOB,), SeededEntropy(moment)), make_request(), float(moment))
        assert answer is not None and isinstance(verdict, Verified)
        used.append(answer)
    assert all(isinstance(server.verify(answer, REALM, 4.0), Challenged) for answer in used)


def test_without_qop_a_nonce_is_good_once() -> None:
    server = make_server(ServerSettings(qop=()))
    answer, verdict = round_trip(server, DigestClient((BOB,), SeededEntropy(2)), make_request())
    assert answer is not None and isinstance(verdict, Verified)
    assert isinstance(server.verify(answer, REALM, 0.5), Challenged)


def test_qop_can_be_demanded() -> None:
    lax = make_server(ServerSettings(qop=()))
    strict = make_server(ServerSettings(require_qop=True))
    asked = lax.verify(make_request(), REALM, 0.0)
    assert isinstance(asked, Challenged)
    answer = DigestClient((BOB,), SeededEntropy(2)).answer(make_request(), refusal(asked), 2)
    assert answer is not None and isinstance(strict.verify(answer, REALM, 0.0), Challenged)


def test_unknown_user_wrong_password_and_nothing_at_all_look_alike() -> None:
    server = make_server()
    shapes = []
    for credentials in (Credentials("eve", REALM, "zanzibar"), Credentials("bob", REALM, "wrong")):
        _, verdict = round_trip(server, DigestClient((credentials,), SeededEntropy(2)), make_request())
        assert isinstance(verdict, Challenged)
        shapes.append(shape(verdict))
    nothing = server.verify(make_request(), REALM, 0.0)
    assert isinstance(nothing, Challenged)
    assert shapes == [shape(nothing)] * 2


def shape(challenged: Challenged) -> list[tuple[str, str, bool]]:
    parsed = [(name, Challenge.parse(value)) for name, value in challenged.fields]
    return [(name, one.algorithm, one.stale) for name, one in parsed]


def test_auth_int_finds_a_changed_body() -> None:
    server = make_server(ServerSettings(qop=("auth-int",)))
    answer, verdict = round_trip(server, DigestClient((BOB,), SeededEntropy(2)), make_request(body=b"v=0\r\n"))
    assert answer is not None and isinstance(verdict, Verified)
    changed = answer.with_fields(body=b"v=1\r\n", content_type="application/sdp")
    other = server.verify(changed, REALM, 0.0)
    assert isinstance(other, Challenged) and "password" in other.why


def test_two_proxies_are_answered_side_by_side() -> None:
    credentials = (Credentials("bob", "one", "x"), Credentials("bob", "two", "y"))
    client = DigestClient(credentials, SeededEntropy(2))
    first = Response.answer(
        make_request(), 407, to_tag="x", fields=[("Proxy-Authenticate", str(Challenge("one", "n1")))]
    )
    once = client.answer(make_request(), first, 2)
    assert once is not None
    second = Response.answer(once, 407, to_tag="x", fields=[("Proxy-Authenticate", str(Challenge("two", "n2")))])
    twice = client.answer(once, second, 3)
    assert twice is not None
    shown = [Authorization.parse(value).realm for value in twice.headers("Proxy-Authorization")]
    assert shown == ["one", "two"]


def test_passwords_do_not_show_in_a_repr() -> None:
    assert "zanzibar" not in repr(BOB)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 octets"):
        DigestServer(b"short", Users(), SeededEntropy(1))


def test_a_user_stored_as_a_hash_decides_what_everybody_is_asked_for() -> None:
    wanted = (Algorithm.SHA_512_256, Algorithm.SHA_256, Algorithm.MD5)
    by_md5 = Credentials("a", REALM, ha1="0" * 32)
    by_sha = Credentials("b", REALM, ha1="0" * 64, ha1_algorithm=Algorithm.SHA_256)
    assert common_algorithms([BOB], wanted) == wanted
    assert common_algorithms([BOB, by_md5], wanted) == (Algorithm.MD5,)
    assert common_algorithms([by_sha], wanted) == (Algorithm.SHA_256,)
    assert common_algorithms([by_sha, by_md5], wanted) == wanted
