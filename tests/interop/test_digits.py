"""Digits through the gateways: RFC 4733 events, INFO and sound, between softphones, sipp and a simulated telephone."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from rig import sounds
from rig.baresip import Baresip
from rig.gateway import Gateway
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
QUIET = np.zeros(800, np.int16)
DIGITS = "159"


def press(softphone: Baresip, digits: str) -> None:
    """Press keys one after the other."""
    for number, digit in enumerate(digits, 1):
        softphone.tell("sndcode", digit)
        softphone.answers("sndcode", number)


def received(softphone: Baresip, digits: str) -> None:
    for digit in digits:
        softphone.event("CALL_DTMF_START", param=digit)
    assert "".join(event["param"] for event in softphone.events("CALL_DTMF_START")) == digits


def test_events_pass_from_leg_to_leg(trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip]) -> None:
    callee, caller = baresip(QUIET, user="100"), baresip(QUIET)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri)
    caller.tell("dial", f"sip:100@{gateway.address()}")
    callee.event("CALL_ESTABLISHED")
    caller.event("CALL_ESTABLISHED")
    press(caller, DIGITS)
    received(callee, DIGITS)
    gateway.stop()


def test_events_become_info(
    trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip], sipp: Callable[..., Sipp]
) -> None:
    callee, caller = sipp("callee_hears_info", PT="0", CODEC="PCMU"), baresip(QUIET)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--dtmf-out", "info", "--log-level", "info")
    caller.tell("dial", f"sip:100@{gateway.address()}")
    caller.event("CALL_ESTABLISHED")
    press(caller, DIGITS)
    callee.heard(r"CSeq: \d+ INFO", 6)
    caller.tell("hangup")
    callee.succeeded()
    gateway.stop()
    told = callee.messages.split("INFO sip:")[1:]
    assert [re.search(r"Signal ?= ?(\S)", message)[1] for message in told] == list(DIGITS)
    assert all("application/dtmf-relay" in message for message in told)


def test_events_become_sound(trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip]) -> None:
    callee, caller = baresip(QUIET, user="100"), baresip(QUIET)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--dtmf-out", "inband")
    caller.tell("dial", f"sip:100@{gateway.address()}")
    caller.event("CALL_ESTABLISHED")
    press(caller, DIGITS)
    callee.listen(2)
    caller.tell("hangup")
    callee.event("CALL_CLOSED")
    callee.quit()
    gateway.stop()
    assert sounds.keys(callee.heard()) == DIGITS
    assert callee.events("CALL_DTMF_START") == []


def test_a_telephone_presses_keys_in_a_call(
    analog_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip]
) -> None:
    callee = baresip(QUIET, user="12125550147")
    gateway = analog_gateway(
        "1 off-hook\n1 expect dial-tone\n1 dial 12125550147\n1 expect answer within 20\nwait 0.5\n"
        f"1 dial {DIGITS}\nwait 0.5\n1 on-hook\n",
        *LOOPBACK, "--to", callee.uri,
    )  # fmt: skip
    assert gateway.wait(60) == 0, gateway.output
    received(callee, DIGITS)
    callee.quit()
    assert all(ms < 40 for _, ms in sounds.key_runs(callee.heard()))  # less than any detector takes (ITU-T Q.24)
