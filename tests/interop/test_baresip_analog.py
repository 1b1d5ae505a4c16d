"""baresip and the simulated telephones of ``examples/analog_gateway.py`` call each other and hear each other speak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rig import sounds
from rig.baresip import Baresip
from rig.gateway import Gateway

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
SECONDS = 3
TELEPHONE = sounds.read(sounds.SPEECH / "reply.wav")[0][: SECONDS * sounds.RATE]
SOFTPHONE = sounds.read(sounds.SPEECH / "callback.wav")[0][: SECONDS * sounds.RATE]


def test_baresip_calls_a_telephone_and_both_hear_speech(
    analog_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip], tmp_path: Path
) -> None:
    sounds.write(tmp_path / "say.wav", TELEPHONE)
    softphone = baresip(SOFTPHONE)
    gateway = analog_gateway(
        "1 expect ring within 20\n1 off-hook\n1 record heard.wav 4.5\n1 play say.wav\nwait 0.5\n1 on-hook\n",
        *LOOPBACK,
    )
    softphone.tell("dial", f"sip:101@{gateway.address()}")
    assert gateway.wait(60) == 0, gateway.output
    softphone.event("CALL_CLOSED")
    softphone.quit()
    assert sounds.likeness(SOFTPHONE, sounds.read(tmp_path / "heard.wav")[0]) > 0.97
    assert sounds.likeness(TELEPHONE, softphone.heard()) > 0.97


def test_a_telephone_calls_baresip_by_dtmf_and_both_hear_speech(
    analog_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip], tmp_path: Path
) -> None:
    sounds.write(tmp_path / "say.wav", TELEPHONE)
    softphone = baresip(SOFTPHONE, user="12125550147")
    gateway = analog_gateway(
        "1 off-hook\n1 expect dial-tone within 5\n1 dial 12125550147\n1 expect answer within 20\n"
        "1 record heard.wav 4.5\n1 play say.wav\nwait 0.5\n1 on-hook\n",
        *LOOPBACK, "--to", softphone.uri,
    )  # fmt: skip
    assert gateway.wait(60) == 0, gateway.output
    assert softphone.event("CALL_CLOSED")
    softphone.quit()
    assert sounds.likeness(SOFTPHONE, sounds.read(tmp_path / "heard.wav")[0]) > 0.97
    assert sounds.likeness(TELEPHONE, softphone.heard()) > 0.97
    [record] = gateway.records()
    assert (record["cause"], record["sip_status"]) == (16, 200)
    assert record["called"] == "12125550147"
