"""Who may call through ``examples/trunk_gateway.py``, and how it shows itself to a trunk that asks who it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rig.gateway import Gateway
from rig.ports import free_port
from rig.processes import Process, need, wait_for_port
from rig.sipp import SCENARIOS, Sipp

pytestmark = pytest.mark.peer
ULAW = {"PT": "0", "CODEC": "PCMU"}
PASSWORD = ("--username", "gw", "--password-env", "TRUNK_PASSWORD")
Start = Callable[..., Sipp]
StartGateway = Callable[..., Gateway]


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def users(tmp_path: Path) -> str:
    """Two users, one known by HA1 only (RFC 7616 section 3.4.2) of realm voipgw and password secret2."""
    ha1 = md5("bob:voipgw:secret2")
    (tmp_path / "users").write_text(f"# who may call\nalice:secret1\nbob:voipgw:{ha1}\n")
    return "users"


def test_loopback_is_not_trusted_by_itself(trunk_gateway: StartGateway, sipp: Start) -> None:
    callee = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway("--to", callee.uri)
    sipp("caller_refused", gateway.address(), STATUS="403", FIELD="SIP/2.0", **ULAW).succeeded()
    gateway.stop()
    [record] = gateway.records()
    assert (record["cause"], record["sip_status"], record["attempts"]) == (21, 403, [])


@pytest.mark.parametrize(("user", "password"), [("alice", "secret1"), ("bob", "secret2")])
def test_a_user_calls_with_a_password(
    user: str, password: str, users: str, trunk_gateway: StartGateway, sipp: Start
) -> None:
    callee = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway("--users", users, "--digest", "MD5", "--to", callee.uri)
    caller = sipp("caller_with_password", "-au", user, "-ap", password, gateway.address(), TALK_MS="50", **ULAW)
    caller.succeeded()
    callee.succeeded()
    gateway.stop()
    [record] = gateway.records()
    assert user in record["source"]
    assert "secret" not in gateway.output


@pytest.mark.parametrize(("user", "password"), [("alice", "secret2"), ("nobody", "secret1")])
def test_a_wrong_password_and_an_unknown_user_are_challenged_alike(
    user: str, password: str, users: str, trunk_gateway: StartGateway, sipp: Start
) -> None:
    callee = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway("--users", users, "--digest", "MD5", "--to", callee.uri)
    sipp("caller_with_wrong_password", "-au", user, "-ap", password, gateway.address(), **ULAW).succeeded()
    gateway.stop()
    assert "INVITE" not in callee.messages


def test_trusted_networks_need_no_password(users: str, trunk_gateway: StartGateway, sipp: Start) -> None:
    callee = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway("--users", users, "--trust", "127.0.0.0/8", "--to", callee.uri)
    sipp("caller_quiet", gateway.address(), TALK_MS="50", **ULAW).succeeded()
    gateway.stop()


def test_options_is_answered_whoever_asks(trunk_gateway: StartGateway, sipp: Start) -> None:
    gateway = trunk_gateway("--to", "sip:127.0.0.1:9")
    sipp("caller_asks_options", gateway.address()).succeeded()
    gateway.stop()


def test_a_trunk_that_challenges_gets_the_password(trunk_gateway: StartGateway, sipp: Start) -> None:
    trunk = sipp("callee_challenges", **ULAW)
    gateway = trunk_gateway("--trust", "127.0.0.1", "--to", trunk.uri, *PASSWORD, env={"TRUNK_PASSWORD": "gwpw"})
    sipp("caller_quiet", gateway.address(), TALK_MS="50", **ULAW).succeeded()
    trunk.succeeded()
    gateway.stop()
    [record] = gateway.records()
    assert [attempt["sip_status"] for attempt in record["attempts"]] == [200]
    assert "gwpw" not in gateway.output


def test_a_trunk_that_challenges_as_a_proxy_gets_the_password(trunk_gateway: StartGateway, sipp: Start) -> None:
    trunk = sipp("callee_challenges_as_proxy", **ULAW)
    gateway = trunk_gateway("--trust", "127.0.0.1", "--to", trunk.uri, *PASSWORD, env={"TRUNK_PASSWORD": "gwpw"})
    sipp("caller_quiet", gateway.address(), TALK_MS="50", **ULAW).succeeded()
    trunk.succeeded()
    gateway.stop()
    shown, *_ = re.findall(r"^Proxy-Authorization: Digest (.*?)\r?$", trunk.messages, re.M)
    field = dict(re.findall(r'(\w+)="?([^",]*)"?', shown))
    ha1, ha2 = md5("gw:trunk.example:gwpw"), md5(f"INVITE:{field['uri']}")
    assert field["response"] == md5(f"{ha1}:{field['nonce']}:{field['nc']}:{field['cnonce']}:auth:{ha2}")


def test_a_challenge_that_we_cannot_answer_is_not_passed_on(trunk_gateway: StartGateway, sipp: Start) -> None:
    trunk = sipp("callee_refuses", STATUS="407")
    gateway = trunk_gateway("--trust", "127.0.0.1", "--to", trunk.uri)
    caller = sipp("caller_refused", gateway.address(), STATUS="403", FIELD="SIP/2.0", **ULAW)
    caller.succeeded()
    gateway.stop()
    [record] = gateway.records()
    assert [attempt["sip_status"] for attempt in record["attempts"]] == [407]


@pytest.mark.parametrize("password", ["gwpw", "wrong"])
def test_a_proxy_that_challenges_and_stays_in_the_path(
    password: str, trunk_gateway: StartGateway, sipp: Start, keep: Callable[[Process], Process], tmp_path: Path
) -> None:
    callee, port = sipp("callee_talks", RING_MS="20", **ULAW), free_port()
    text = (SCENARIOS / "challenging_proxy.cfg").read_text()
    (tmp_path / "proxy.cfg").write_text(text.replace("@PORT@", str(port)).replace("@CALLEE@", str(callee.port)))
    proxy = keep(Process([need("kamailio"), "-f", "proxy.cfg", "-DD", "-E", "-Y", str(tmp_path), "-m", "32"], tmp_path))
    wait_for_port(proxy, port)
    gateway = trunk_gateway(
        "--trust", "127.0.0.1", "--to", f"sip:127.0.0.1:{port}", *PASSWORD, env={"TRUNK_PASSWORD": password}
    )  # fmt: skip
    if password == "gwpw":
        sipp("caller_quiet", gateway.address(), TALK_MS="50", **ULAW).succeeded()
        callee.succeeded()
    else:
        sipp("caller_refused", gateway.address(), STATUS="403", FIELD="SIP/2.0", **ULAW).succeeded()
        assert "INVITE" not in callee.messages
    gateway.stop()
    [record] = gateway.records()
    assert [attempt["sip_status"] for attempt in record["attempts"]] == [200 if password == "gwpw" else 407]
