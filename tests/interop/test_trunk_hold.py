"""Hold in mid-call between two sipps through ``examples/trunk_gateway.py``, asked for by a re-INVITE without an offer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rig.gateway import Gateway
from rig.ports import free_port
from rig.sipp import Sipp

pytestmark = pytest.mark.peer


@pytest.mark.parametrize(
    ("transport", "option", "contact"),
    [
        ("udp", "u1", "[local_ip]:[local_port]"),
        ("tcp", "t1", "192.0.2.9:9"),  # nobody is there: requests have to come back over the caller's connection
    ],
)
def test_a_hold_by_late_offer_and_a_bye_reach_the_caller(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], transport: str, option: str, contact: str
) -> None:
    port = free_port()
    callee = sipp("callee_holds_by_late_offer", "-t", option, calls=3, GATEWAY=str(port))
    tail = ";transport=tcp" if transport == "tcp" else ""
    trust = ("--trust", "127.0.0.1/32")
    gateway = trunk_gateway(*trust, "--to", callee.uri + tail, listen=(f"{transport}:127.0.0.1:{port}",))
    caller = sipp("caller_is_held", "-t", option, "-s", "49301", f"127.0.0.1:{port}", calls=3, CONTACT=contact)
    caller.succeeded(3)
    callee.succeeded(3)
    gateway.stop()
