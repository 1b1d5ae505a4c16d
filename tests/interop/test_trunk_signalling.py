"""What goes wrong on the wire has a defined outcome, and the next call works."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from rig.gateway import Gateway
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
ULAW = {"PT": "0", "CODEC": "PCMU"}
Start = Callable[..., Sipp]
StartGateway = Callable[..., Gateway]

GARBAGE = [
    b"", b"\r\n\r\n", b"\0" * 1400, b"GET / HTTP/1.1\r\n\r\n", b"INVITE\r\n\r\n", b"INVITE sip:x SIP/2.0\r\n\r\n",
    b"INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP z\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n", b"SIP/2.0 999\r\n\r\n", bytes(range(256)) * 5,
    b"INVITE sip:x@y SIP/2.0\r\n" + b"Via: SIP/2.0/UDP z;branch=z9hG4bK1\r\n" * 500 + b"\r\n",
    b"INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKq\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:9>\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nm=\xff\r\n",
]  # fmt: skip


def test_garbage_does_not_stop_the_next_call(trunk_gateway: StartGateway, sipp: Start) -> None:
    callee = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, listen=("udp:127.0.0.1:0", "tcp:127.0.0.1:0"))
    host, _, port = gateway.address().rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for octets in GARBAGE:
            stranger.sendto(octets, (host, int(port)))
    host, _, port = gateway.address(1).rpartition(":")
    for octets in GARBAGE:
        with socket.create_connection((host, int(port)), 5) as stream:
            stream.sendall(octets)
    sipp("caller_quiet", gateway.address(), TALK_MS="20", **ULAW).succeeded()
    callee.succeeded()
    gateway.stop()
    assert "Task exception" not in gateway.output and "could not be handled" not in gateway.output


def test_a_description_without_a_common_codec_is_refused_with_488(trunk_gateway: StartGateway, sipp: Start) -> None:
    callee = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri)
    sipp("caller_refused", gateway.address(), STATUS="488", FIELD="Warning: 305", PT="18", CODEC="G729").succeeded()
    sipp("caller_quiet", gateway.address(), TALK_MS="20", **ULAW).succeeded()
    callee.succeeded()
    gateway.stop()


def test_a_carrier_that_answers_in_a_codec_that_was_not_offered_ends_the_call(
    trunk_gateway: StartGateway, sipp: Start
) -> None:
    callee = sipp("callee_talks", RING_MS="20", PT="18", CODEC="G729")
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri)
    caller = sipp("caller_refused", gateway.address(), STATUS="488", FIELD="SIP/2.0", **ULAW)
    caller.succeeded()
    callee.succeeded()
    gateway.stop()


def test_a_trunk_that_leads_back_to_us_ends_as_a_loop(trunk_gateway: StartGateway, sipp: Start) -> None:
    probe = trunk_gateway("--to", "sip:127.0.0.1:9")
    where = probe.address()
    probe.stop()
    gateway = trunk_gateway(*LOOPBACK, "--to", f"sip:{where}", listen=(f"udp:{where}",))
    sipp("caller_refused", gateway.address(), STATUS="483", FIELD="SIP/2.0", **ULAW).succeeded()
    gateway.stop()
    assert len(gateway.records()) <= 71
