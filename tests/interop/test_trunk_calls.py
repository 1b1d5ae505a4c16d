"""Calls of sipp through ``examples/trunk_gateway.py`` to another sipp: sound, codecs, transports, recordings, captures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rig import captures, sounds
from rig.gateway import Gateway
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
ULAW = {"PT": "0", "CODEC": "PCMU"}
ALAW = {"PT": "8", "CODEC": "PCMA"}


@pytest.fixture
def tone(tmp_path: Path) -> str:
    """A second of 1000 Hz in mu-law, which sipp repeats."""
    (tmp_path / "tone.ul").write_bytes(sounds.ulaw(sounds.tone(1000, 1)))
    return "tone.ul"


def test_a_hundred_calls_with_sound_both_ways(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], tone: str, tmp_path: Path
) -> None:
    callee = sipp("callee_talks", "-rtp_echo", calls=100, RING_MS="100", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--capture", "calls.pcap")
    caller = sipp("caller_talks", "-r", "40", gateway.address(), calls=100, SOUND=tone, TALK_MS="2500", **ULAW)
    caller.succeeded(100, exact=True)
    callee.succeeded(100, exact=True)
    gateway.stop()
    records = gateway.records()
    assert len({record["call_id"] for record in records}) == len(records) == 100
    for record in records:
        assert (record["cause"], record["sip_status"]) == (16, 200)
        assert [attempt["sip_status"] for attempt in record["attempts"]] == [200]
        calling, called = record["media"]
        assert calling["codec"] == called["codec"] == "PCMU"
        assert calling["packets_lost"] == called["packets_lost"] == 0
        assert calling["packets_received"] >= 90 and called["packets_received"] >= 90
        assert called["packets_sent"] == calling["packets_received"]
    assert captures.complaints(tmp_path / "calls.pcap") == ""
    found = captures.streams(tmp_path / "calls.pcap")
    assert len(found) == 400
    assert all(packets >= 90 and lost == 0 for packets, lost in found)


@pytest.mark.parametrize("codecs", ["PCMA,PCMU", "PCMA"])
def test_a_caller_in_mu_law_and_a_callee_in_a_law_hear_each_other(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], tone: str, tmp_path: Path, codecs: str
) -> None:
    callee = sipp("callee_talks", "-rtp_echo", RING_MS="50", **ALAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--codecs", codecs, "--record", str(tmp_path))
    sipp("caller_talks", gateway.address(), SOUND=tone, TALK_MS="1500", **ULAW).succeeded()
    callee.succeeded()
    gateway.stop()
    [record] = gateway.records()
    assert [leg["codec"] for leg in record["media"]] == ["PCMU", "PCMA"]
    [recording] = tmp_path.glob("*.wav")
    left, right = sounds.read(recording)
    for side in (left, right):
        assert sounds.purity(side, 1000) > 0.99
        assert sounds.seconds_of(side, 1000) > 1.0


def test_a_recording_has_the_caller_left_and_the_called_party_right(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], tone: str, tmp_path: Path
) -> None:
    (tmp_path / "low.ul").write_bytes(sounds.ulaw(sounds.tone(400, 1)))
    callee = sipp("callee_talks", RING_MS="50", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--record", str(tmp_path))
    sipp("caller_talks", gateway.address(), SOUND="low.ul", TALK_MS="1000", **ULAW).succeeded()
    callee.succeeded()
    gateway.stop()
    [recording] = tmp_path.glob("*.wav")
    left, right = sounds.read(recording)
    assert sounds.seconds_of(left, 400) > 0.8
    assert sounds.seconds_of(right, 400) == 0


def test_without_media_of_ours_the_descriptions_pass_through(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], tone: str
) -> None:
    callee = sipp("callee_talks", "-rtp_echo", RING_MS="50", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--media", "none")
    caller = sipp("caller_talks", gateway.address(), SOUND=tone, TALK_MS="500", **ULAW)
    caller.succeeded()
    callee.succeeded()
    gateway.stop()
    answered = caller.messages.partition("SIP/2.0 200 OK")[2]
    assert f"m=audio {callee.media_port} RTP/AVP 0" in answered
    assert gateway.records()[0]["media"] == []


@pytest.mark.parametrize(("caller_way", "callee_way"), [("t1", "u1"), ("u1", "t1"), ("tn", "t1")])
def test_calls_change_between_tcp_and_udp(
    caller_way: str, callee_way: str, trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp]
) -> None:
    callee = sipp("callee_talks", "-t", callee_way, calls=20, RING_MS="20", **ULAW)
    to = callee.uri + (";transport=tcp" if callee_way == "t1" else "")
    gateway = trunk_gateway(*LOOPBACK, "--to", to, listen=("udp:127.0.0.1:0", "tcp:127.0.0.1:0"))
    index = 1 if caller_way.startswith("t") else 0
    more = ("-max_socket", "100") if caller_way == "tn" else ()
    caller = sipp(
        "caller_quiet", "-t", caller_way, *more, "-r", "50", gateway.address(index), calls=20, TALK_MS="100", **ULAW
    )
    caller.succeeded(20)
    callee.succeeded(20)
    gateway.stop()
    assert [record["cause"] for record in gateway.records()] == [16] * 20


def test_a_call_comes_in_over_ipv6_and_leaves_over_ipv4(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], tone: str
) -> None:
    callee = sipp("callee_talks", "-rtp_echo", RING_MS="50", **ULAW)
    gateway = trunk_gateway("--trust", "::1", "--to", callee.uri, listen=("udp:[::1]:0", "udp:127.0.0.1:0"))
    assert gateway.listen[0].startswith("udp:[::1]:")
    caller = sipp("caller_talks", "-i", "[::1]", "-mi", "[::1]", gateway.address(), SOUND=tone, TALK_MS="1500", **ULAW)
    caller.succeeded()
    callee.succeeded()
    gateway.stop()
    [record] = gateway.records()
    assert all(leg["packets_received"] > 20 for leg in record["media"])


def test_the_called_party_hangs_up(trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp]) -> None:
    callee = sipp("callee_hangs_up", TALK_MS="100", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri)
    sipp("caller_released", gateway.address(), **ULAW).succeeded()
    callee.succeeded()
    gateway.stop()
    assert gateway.records()[0]["cause"] == 16


def test_calls_succeed_where_a_tenth_of_the_datagrams_is_lost(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp]
) -> None:
    callee = sipp("callee_talks", "-lost", "10", calls=20, RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri)
    caller = sipp("caller_quiet", "-lost", "10", "-r", "20", gateway.address(), calls=20, TALK_MS="100", **ULAW)
    assert caller.wait(40) == 0, caller.errors
    gateway.stop()
    records = gateway.records()
    assert len({record["call_id"] for record in records}) == len(records) == 20
    assert all((record["cause"], record["sip_status"]) == (16, 200) for record in records)


@pytest.mark.parametrize(
    "listen",
    [("udp:0.0.0.0:0",), ("udp:127.0.0.3:0", "udp:127.0.0.1:0"), ("udp:0.0.0.0:0", "udp:127.0.0.1:0")],
    ids=" ".join,
)
def test_a_call_leaves_by_an_address_that_the_trunk_can_answer_to(
    listen: tuple[str, ...], trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], tone: str
) -> None:
    callee = sipp("callee_talks", "-rtp_echo", RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", f"sip:localhost:{callee.port}", listen=listen)
    port = gateway.listen[-1].rpartition(":")[2]
    caller = sipp("caller_talks", f"127.0.0.1:{port}", SOUND=tone, TALK_MS="1000", **ULAW)
    caller.succeeded()
    callee.succeeded()
    gateway.stop()
    for peer in (caller, callee):
        received = "".join(re.findall(r"message received.*?(?=-----|\Z)", peer.messages, re.S))
        assert set(re.findall(r"(?:Contact: <sip:|c=IN IP4 )([0-9.]+)", received)) == {"127.0.0.1"}
    assert all(leg["packets_received"] > 10 for leg in gateway.records()[0]["media"])
