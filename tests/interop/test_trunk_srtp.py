"""SRTP with keys in the description: baresip and sipp through ``examples/trunk_gateway.py``, one side secure, one in clear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from rig import sounds
from rig.baresip import Baresip
from rig.gateway import Gateway
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
IN, OUT = ("--srtp-in", "sdes", "--sdes-in-clear"), ("--srtp-out", "sdes", "--sdes-in-clear")
LOW, HIGH = sounds.tone(440, 20), sounds.tone(1000, 20)
ULAW = {"PT": "0", "CODEC": "PCMU"}


def talk(caller: Baresip, callee: Baresip, gateway: Gateway, seconds: float = 1.5, *, tail: str = "") -> None:
    """A call in which both hear the other for so long."""
    caller.tell("dial", f"sip:100@{gateway.address()}{tail}")
    callee.event("CALL_ESTABLISHED")
    caller.event("CALL_ESTABLISHED")
    callee.listen(seconds)
    caller.listen(seconds)
    caller.tell("hangup")
    callee.event("CALL_CLOSED")
    caller.quit()
    callee.quit()
    gateway.stop()
    assert sounds.purity(callee.heard(), 440) > 0.9
    assert sounds.purity(caller.heard(), 1000) > 0.9
    assert sounds.seconds_of(callee.heard(), 440) > seconds - 0.5
    assert sounds.seconds_of(caller.heard(), 1000) > seconds - 0.5
    [record] = gateway.records()
    assert record["cause"] == 16
    assert all(side["packets_lost"] == 0 for side in record["media"])


def test_a_caller_in_clear_talks_to_a_secure_callee(
    trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip]
) -> None:
    callee, caller = baresip(HIGH, user="100", mediaenc="srtp-mand"), baresip(LOW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, *OUT)
    talk(caller, callee, gateway)
    assert "AEAD_AES_256_GCM" in str(callee.events("CALL_MENC"))


def test_a_secure_caller_talks_to_a_callee_in_clear(
    trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip], tmp_path: Path
) -> None:
    callee, caller = baresip(HIGH, user="100"), baresip(LOW, mediaenc="srtp-mand")
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, *IN, "--capture", "call.pcap")
    talk(caller, callee, gateway)
    assert caller.events("CALL_MENC")
    shown = (tmp_path / "call.pcap").read_bytes()
    assert shown.count(b"inline:xxxxxxxx") >= 2
    assert shown.count(b"inline:") == shown.count(b"inline:xxxxxxxx")


def test_both_sides_are_secure_under_different_keys_and_convert(
    trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip]
) -> None:
    callee = baresip(HIGH, user="100", mediaenc="srtp-mand", codecs="pcma")
    caller = baresip(LOW, mediaenc="srtp-mand", codecs="pcmu")
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, *IN, *OUT[:2])
    talk(caller, callee, gateway)


def test_a_caller_in_clear_is_refused_where_srtp_is_wanted(
    trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip], sipp: Callable[..., Sipp]
) -> None:
    callee, caller = baresip(HIGH, user="100"), baresip(LOW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, *IN)
    caller.tell("dial", f"sip:100@{gateway.address()}")
    assert "488" in caller.event("CALL_CLOSED")["param"]
    assert callee.events("CALL_INCOMING") == []
    gateway.stop()


def test_a_secure_caller_is_refused_where_srtp_is_off(
    trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip]
) -> None:
    callee, caller = baresip(HIGH, user="100"), baresip(LOW, mediaenc="srtp-mand")
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri)
    caller.tell("dial", f"sip:100@{gateway.address()}")
    assert "488" in caller.event("CALL_CLOSED")["param"]
    assert callee.events("CALL_INCOMING") == []
    gateway.stop()


def test_a_trunk_without_srtp_is_passed_over_for_one_that_has_it(
    trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip]
) -> None:
    plain, secure = baresip(HIGH, user="100"), baresip(HIGH, user="100", mediaenc="srtp-mand")
    caller = baresip(LOW)
    gateway = trunk_gateway(*LOOPBACK, "--to", plain.uri, "--to", secure.uri, *OUT)
    talk(caller, secure, gateway)
    [record] = gateway.records()
    assert [attempt["sip_status"] for attempt in record["attempts"]] == [488, 200]


@pytest.mark.parametrize("option", [("--srtp-in", "sdes"), ("--srtp-out", "sdes")], ids=" ".join)
def test_keys_in_clear_are_refused_before_the_first_call(
    trunk_gateway: Callable[..., Gateway], option: tuple[str, str]
) -> None:
    with pytest.raises(AssertionError, match="--sdes-in-clear"):
        trunk_gateway(*LOOPBACK, "--to", "sip:127.0.0.1:5999", *option)


def test_keys_over_tls_need_no_permission(
    trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip], tmp_path: Path
) -> None:
    leaf = trustme.CA().issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    callee, caller = baresip(HIGH, user="100"), baresip(LOW, mediaenc="srtp-mand")
    words = ("--cert", "cert.pem", "--key", "key.pem", "--srtp-in", "sdes")
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, *words, listen=("tls:127.0.0.1:0", "udp:127.0.0.1:0"))
    intruder = baresip(LOW, mediaenc="srtp-mand")
    intruder.tell("dial", f"sip:100@{gateway.address(1)}")
    assert "488" in intruder.event("CALL_CLOSED")["param"]
    talk(caller, callee, gateway, tail=";transport=tls")
