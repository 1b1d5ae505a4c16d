"""Reliable provisionals and session timers with sipp, where only one of the two sides knows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rig.gateway import Gateway
from rig.ports import free_port
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
ULAW = {"PT": "0", "CODEC": "PCMU"}


def test_a_callee_with_reliable_early_media_and_a_long_session_is_reached_by_a_caller_that_knows_neither(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp]
) -> None:
    port = free_port()
    callee = sipp("callee_wants_prack", calls=2, GATEWAY=str(port))
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, listen=(f"udp:127.0.0.1:{port}",))
    caller = sipp("caller_quiet", f"127.0.0.1:{port}", calls=2, TALK_MS="50", **ULAW)
    caller.succeeded(2)
    callee.succeeded(2)
    gateway.stop()


def test_a_caller_that_requires_reliable_ringing_and_a_short_session_reaches_a_callee_that_knows_neither(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp]
) -> None:
    callee = sipp("callee_talks", calls=2, RING_MS="400", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri)
    caller = sipp("caller_requires_prack", "-s", "49301", gateway.address(), calls=2)
    caller.succeeded(2)
    callee.succeeded(2)
    gateway.stop()
