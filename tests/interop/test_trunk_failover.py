"""Which carrier gets a call, and what becomes of it, where carriers fail in each their way."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from rig.gateway import Gateway
from rig.ports import free_port
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
ULAW = {"PT": "0", "CODEC": "PCMU"}
Start = Callable[..., Sipp]
StartGateway = Callable[..., Gateway]


@pytest.fixture
def silent() -> Iterator[str]:
    """A carrier that takes datagrams and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as quiet:
        quiet.bind(("127.0.0.1", 0))
        yield f"sip:127.0.0.1:{quiet.getsockname()[1]}"


def attempts(gateway: Gateway) -> list[tuple[int, int | None]]:
    """Cause and status of each attempt of the only record."""
    [record] = gateway.records()
    return [(attempt["cause"], attempt["sip_status"]) for attempt in record["attempts"]]


@pytest.mark.parametrize(("status", "cause"), [("503", 41), ("500", 41), ("502", 38), ("407", 21)])
def test_a_failure_of_the_carrier_leads_to_the_next_carrier(
    status: str, cause: int, trunk_gateway: StartGateway, sipp: Start
) -> None:
    first, second = sipp("callee_refuses", STATUS=status), sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", first.uri, "--to", second.uri)
    sipp("caller_quiet", gateway.address(), TALK_MS="50", **ULAW).succeeded()
    first.succeeded()
    second.succeeded()
    gateway.stop()
    assert attempts(gateway) == [(cause, int(status)), (16, 200)]


def test_a_port_that_nobody_has_leads_to_the_next_carrier_at_once(trunk_gateway: StartGateway, sipp: Start) -> None:
    second = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", f"sip:127.0.0.1:{free_port()}", "--to", second.uri)
    caller = sipp("caller_quiet", gateway.address(), TALK_MS="50", **ULAW)
    caller.succeeded(within=3)
    gateway.stop()
    assert attempts(gateway) == [(38, 503), (16, 200)]


def test_a_silent_carrier_is_given_four_seconds(trunk_gateway: StartGateway, sipp: Start, silent: str) -> None:
    second = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", silent, "--to", second.uri)
    sipp("caller_quiet", gateway.address(), TALK_MS="50", **ULAW).succeeded(within=8)
    gateway.stop()
    assert attempts(gateway) == [(102, 408), (16, 200)]


@pytest.mark.parametrize(("status", "cause"), [("486", 17), ("480", 18), ("404", 1), ("603", 21), ("484", 28)])
def test_what_another_carrier_cannot_cure_is_final(
    status: str, cause: int, trunk_gateway: StartGateway, sipp: Start
) -> None:
    first, second = sipp("callee_refuses", STATUS=status), sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", first.uri, "--to", second.uri)
    sipp("caller_refused", gateway.address(), STATUS=status, FIELD="SIP/2.0", **ULAW).succeeded()
    first.succeeded()
    gateway.stop()
    assert attempts(gateway) == [(cause, int(status))]
    assert gateway.records()[0]["cause"] == cause
    assert "INVITE" not in second.messages


def test_a_called_party_that_rang_and_refused_is_not_tried_elsewhere(trunk_gateway: StartGateway, sipp: Start) -> None:
    first, second = (
        sipp("callee_rings_and_refuses", RING_MS="100", STATUS="486"),
        sipp("callee_talks", RING_MS="20", **ULAW),
    )
    gateway = trunk_gateway(*LOOPBACK, "--to", first.uri, "--to", second.uri)
    sipp("caller_refused", gateway.address(), STATUS="486", FIELD="SIP/2.0", **ULAW).succeeded()
    gateway.stop()
    assert attempts(gateway) == [(17, 486)]


def test_when_every_carrier_fails_the_caller_gets_the_last_word(trunk_gateway: StartGateway, sipp: Start) -> None:
    first, second = sipp("callee_refuses", STATUS="503"), sipp("callee_refuses", STATUS="502")
    gateway = trunk_gateway(*LOOPBACK, "--to", first.uri, "--to", second.uri)
    sipp("caller_refused", gateway.address(), STATUS="502", FIELD="SIP/2.0", **ULAW).succeeded()
    gateway.stop()
    assert [status for _, status in attempts(gateway)] == [503, 502]
    assert gateway.records()[0]["sip_status"] == 502


def test_a_caller_that_hangs_up_while_it_rings_cancels_the_attempt(trunk_gateway: StartGateway, sipp: Start) -> None:
    callee = sipp("callee_cancelled")
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri)
    sipp("caller_cancels", gateway.address(), RING_MS="100", **ULAW).succeeded()
    callee.succeeded()
    gateway.stop()
    [record] = gateway.records()
    assert (record["answer"], record["sip_status"], record["duration_s"]) == (None, 487, 0)
    assert len(record["attempts"]) == 1
