"""``examples/analog_gateway.py`` under scripts of its telephones, with sipp as the trunk."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rig.gateway import Gateway
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
ULAW = {"PT": "0", "CODEC": "PCMU"}
DIAL = "1 off-hook\n1 expect dial-tone within 5\n1 dial 12125550147\n"
Start = Callable[..., Sipp]
StartGateway = Callable[..., Gateway]


def held(gateway: Gateway, within: float = 60.0) -> None:
    assert gateway.wait(within) == 0, gateway.output


def test_one_telephone_calls_the_other(analog_gateway: StartGateway) -> None:
    gateway = analog_gateway(
        "1 off-hook\n1 expect dial-tone\n1 dial 102\n2 expect ring within 10\n1 expect ringback\n2 expect caller-id 101 within 8\n"
        "2 off-hook\n1 expect answer\n1 on-hook\n2 on-hook\n",
        "--lines", "2",
    )  # fmt: skip
    held(gateway)
    [record] = gateway.records()
    assert (record["source"], record["calling"], record["called"], record["cause"]) == ("line:1", "101", "102", 16)


def test_a_caller_that_hangs_up_at_ringback_cancels_the_call(analog_gateway: StartGateway, sipp: Start) -> None:
    carrier = sipp("callee_cancelled")
    gateway = analog_gateway(DIAL + "1 expect ringback within 10\n1 on-hook\n", "--to", carrier.uri)
    held(gateway)
    carrier.succeeded()
    [record] = gateway.records()
    assert (record["answer"], record["cause"], record["sip_status"]) == (None, 16, 487)


@pytest.mark.parametrize(("status", "sound"), [("486", "busy"), ("503", "congestion"), ("404", "congestion")])
def test_a_refused_call_sounds_like_its_cause(
    status: str, sound: str, analog_gateway: StartGateway, sipp: Start
) -> None:
    carrier = sipp("callee_refuses", STATUS=status)
    gateway = analog_gateway(DIAL + f"1 expect {sound} within 15\n1 on-hook\n", "--to", carrier.uri)
    held(gateway)
    carrier.succeeded()
    assert gateway.records()[0]["attempts"][0]["sip_status"] == int(status)


def test_a_telephone_in_use_is_busy_for_the_trunk(analog_gateway: StartGateway, sipp: Start) -> None:
    gateway = analog_gateway("1 off-hook\n1 expect dial-tone\nwait 4\n1 on-hook\n", *LOOPBACK)
    gateway.line("dial-tone.*ok")
    caller = sipp("caller_refused", "-s", "101", gateway.address(), STATUS="486", FIELD="cause=17", **ULAW)
    caller.succeeded()
    held(gateway)


def test_a_telephone_that_rings_stops_when_the_caller_gives_up(analog_gateway: StartGateway, sipp: Start) -> None:
    gateway = analog_gateway("1 expect ring within 20\nwait 3\n1 off-hook\n1 expect dial-tone\n1 on-hook\n", *LOOPBACK)
    sipp("caller_cancels", "-s", "101", gateway.address(), RING_MS="1500", **ULAW).succeeded()
    held(gateway)


def test_a_dial_makes_pulses_that_are_counted(analog_gateway: StartGateway, sipp: Start) -> None:
    gateway = analog_gateway(
        "1 off-hook\n1 expect dial-tone\n1 pulse 102\n2 expect ring within 15\n2 off-hook\n1 expect answer\n1 on-hook\n2 on-hook\n",
        "--lines", "2",
    )  # fmt: skip
    held(gateway)
    assert gateway.records()[0]["called"] == "102"


def test_a_step_that_does_not_hold_is_named_and_ends_the_program_with_1(analog_gateway: StartGateway) -> None:
    gateway = analog_gateway("1 off-hook\n1 expect busy within 1\n1 on-hook\n")
    assert gateway.wait() == 1
    assert "day.txt:2: `1 expect busy within 1` did not hold" in gateway.output
    assert "1 on-hook" not in gateway.output
