"""Who a caller is, and which realm it is asked for."""

from __future__ import annotations

import hashlib
import ipaddress

import attrs
import pytest

from voipgw.call.model import Source, SourceKind
from voipgw.entropy import SeededEntropy
from voipgw.gateway.access import Access
from voipgw.gateway.config import GatewayConfig, User
from voipgw.routing import Plan
from voipgw.sip import parse
from voipgw.sip.auth import Credentials, DigestClient
from voipgw.sip.effects import Arrival, Respond
from voipgw.sip.message import Request

ARRIVAL = Arrival(("192.0.2.9", 5060), ("192.0.2.1", 5060), "udp")


def invite(uri: str = "sip:100@gw.example", caller: str = "alice", domain: str = "phones.example") -> Request:
    text = (
        f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nFrom: <sip:{caller}@{domain}>;tag=1\r\n"
        f"To: <{uri}>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:{caller}@192.0.2.9>\r\nContent-Length: 0\r\n\r\n"
    )
    request = parse(text.encode())
    assert isinstance(request, Request)
    return request


def access(plan: Plan | None = None, **config: object) -> Access:
    return Access(attrs.evolve(GatewayConfig(), **config), (plan or Plan()).compile(), SeededEntropy(1))  # type: ignore[arg-type]


def challenge(gate: Access, request: Request) -> Respond:
    (answer,) = gate.source_of(request, ARRIVAL, 1.0)  # type: ignore[misc]
    assert isinstance(answer, Respond)
    return answer


def realm_asked(gate: Access, request: Request) -> str:
    field = challenge(gate, request).response.header("WWW-Authenticate") or ""
    return field.split('realm="')[1].split('"')[0]


def ha1(user: str, realm: str, password: str) -> str:
    return hashlib.md5(f"{user}:{realm}:{password}".encode()).hexdigest()


def test_a_stranger_stays_one_where_nobody_has_a_password() -> None:
    assert access().source_of(invite(), ARRIVAL, 1.0) == Source(SourceKind.ADDRESS, "192.0.2.9", "192.0.2.9", False)


def test_trust_by_option_and_by_the_plans_trunk() -> None:
    gate = access(trust=(ipaddress.ip_network("192.0.2.0/24"),))
    assert gate.source_of(invite(), ARRIVAL, 1.0) == Source(SourceKind.ADDRESS, "192.0.2.9", "192.0.2.9", True)
    plan = Plan()
    plan.trunk("carrier", "sip:192.0.2.9", trust=["192.0.2.9"])
    plan.route("in", to="carrier", when=~_from_carrier())
    assert access(plan).source_of(invite(), ARRIVAL, 1.0) == Source(SourceKind.TRUNK, "carrier", "192.0.2.9", True)


def _from_carrier():  # type: ignore[no-untyped-def]
    from voipgw.routing import source

    return source.trunk("carrier")


def test_a_right_password_makes_a_user_and_a_wrong_one_is_asked_again() -> None:
    gate = access(users={"alice": User("alice", "secret")})
    for password, right in (("secret", True), ("guess", False)):
        request = invite()
        answer = challenge(gate, request)
        client = DigestClient([Credentials("alice", "", password)], SeededEntropy(2))
        shown = client.answer(request, answer.response, 2)
        assert shown is not None
        found = gate.source_of(shown, ARRIVAL, 2.0)
        assert (found == Source(SourceKind.USER, "alice", "192.0.2.9", True)) is right


def test_the_realm_is_the_configured_one_or_that_of_the_hashes() -> None:
    plain = {"alice": User("alice", "secret")}
    hashed = {"bob": User("bob", "", "phones.example", ha1("bob", "phones.example", "pw"))}
    assert realm_asked(access(users=plain), invite()) == "voipgw"
    assert realm_asked(access(users=plain, realm="here"), invite()) == "here"
    assert realm_asked(access(users=hashed), invite()) == "phones.example"


def test_of_several_realms_the_one_of_the_called_domain_is_asked_for() -> None:
    users = {
        "a": User("a", "", "one.example", ha1("a", "one.example", "x")),
        "b": User("b", "", "two.example", ha1("b", "two.example", "x")),
    }
    assert realm_asked(access(users=users), invite("sip:1@two.example")) == "two.example"
    assert realm_asked(access(users=users), invite("sip:1@gw.example", domain="two.example")) == "two.example"
    assert realm_asked(access(users=users), invite("sip:1@gw.example")) == "one.example"


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_a_known_and_an_unknown_name_are_asked_alike(name: str) -> None:
    gate = access(users={"alice": User("alice", "secret")})
    answer = challenge(gate, invite(caller=name))
    assert answer.response.status == 401
    assert [field for field, _ in answer.response.fields()].count("WWW-Authenticate") == 2
