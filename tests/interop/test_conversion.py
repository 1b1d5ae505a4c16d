"""A softphone with one codec and another with another, and the trunk gateway that converts between them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rig import sounds
from rig.baresip import Baresip
from rig.gateway import Gateway

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
# baresip names its codec G726-32 and packs it as AAL2-G726-32, which RFC 3551 section 4.5.4 forbids; so do many devices.
CODECS = {  # ours: baresip's
    "G722": "g722/16000/1",
    "G726-16": "G726-16/8000/1",
    "G726-32": "G726-32/8000/1",
    "G726-40": "G726-40/8000/1",
    "GSM": "gsm/8000/1",
    "L16/16000": "L16/16000/1",
}


def purity(softphone: Baresip, hz: float) -> float:
    pcm, rate = softphone.heard_at()
    return sounds.purity(pcm, hz * sounds.RATE / rate)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PCMU", "G722"),
        ("PCMU", "G726-32"),
        ("PCMU", "GSM"),
        ("PCMU", "L16/16000"),
        ("G722", "GSM"),
        pytest.param("PCMU", "G726-16", marks=pytest.mark.nightly),
        pytest.param("PCMU", "G726-40", marks=pytest.mark.nightly),
        pytest.param("GSM", "G726-32", marks=pytest.mark.nightly),
    ],
)
def test_each_hears_the_other_in_its_own_codec(
    one: str, other: str, trunk_gateway: Callable[..., Gateway], baresip: Callable[..., Baresip]
) -> None:
    callee = baresip(sounds.tone(500, 20), user="100", codecs=CODECS[other])
    caller = baresip(sounds.tone(800, 20), codecs=CODECS.get(one, "pcmu"))
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--codecs", f"{one},{other}", "--g726-packing", "aal2")
    caller.tell("dial", f"sip:100@{gateway.address()}")
    callee.event("CALL_ESTABLISHED")
    caller.event("CALL_ESTABLISHED")
    caller.listen(2)
    callee.listen(2)
    caller.tell("hangup")
    callee.event("CALL_CLOSED")
    for softphone in (caller, callee):
        softphone.quit()
    gateway.stop()
    floor = 0.9 if "G726-16" in {one, other} else 0.95
    assert purity(callee, 800) > floor
    assert purity(caller, 500) > floor
    [record] = gateway.records()
    names = [name.partition("/")[0].replace("G726", "AAL2-G726") for name in (one, other)]
    assert [leg["codec"] for leg in record["media"]] == names
