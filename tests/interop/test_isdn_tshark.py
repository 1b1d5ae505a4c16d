"""Every frame that our spans send, read by tshark: LAPD and Q.931 decode without a complaint."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from voipgw.pstn.isdn.carried_elements import DateTime, Display, Facility, KeypadFacility, UserUser
from voipgw.pstn.isdn.elements import ChannelIdentification, NotificationIndicator, ProgressIndicator
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.numbers import CalledNumber, ConnectedNumber
from voipgw.pstn.isdn.parties import CallDetails, elements_of
from voipgw.pstn.isdn.q931_tables import MessageType as M
from voipgw.pstn.isdn.span import Span
from voipgw.pstn.isdn.switch_tables import SWITCHES
from voipgw.testing.isdn_wire import SpanWire

pytestmark = pytest.mark.peer
LAPD = 203  #: link type


def an_hour(switch: str) -> list[tuple[float, bytes]]:
    """A call each way with everything that a call can carry, restarts, enquiries, a link that drops."""
    profile = SWITCHES[switch]
    wire = SpanWire(profile=profile)
    wire.start()
    details = CallDetails(
        "+4930123", "5551234", "ADA", redirecting="77", redirecting_reason=1, keypad="*72", user_user=b"hello"
    )
    for caller in wire.spans:
        far = wire.other(caller)
        call, effects = caller.place(elements_of(details, profile), wire.now)
        wire.take(caller, effects)
        wire.run(0.1)
        (arrival,) = wire.arrivals()
        theirs = arrival.call

        def far_does(effects: list, span: Span = far, call: object = theirs) -> None:  # type: ignore[type-arg]
            wire.take(span, span.perform(call, effects, wire.now))  # type: ignore[arg-type]
            wire.run(0.1)

        far_does(theirs.setup_acknowledge(wire.now))
        wire.take(caller, caller.perform(call, call.information([CalledNumber("9")], wire.now), wire.now))
        wire.run(0.1)
        inband: list[Info] = [ProgressIndicator(8, 1)]
        far_does(theirs.proceeding(wire.now, inband))
        far_does(theirs.progress(inband, wire.now))
        far_does(theirs.alerting(wire.now))
        far_does(theirs.connect(wire.now, [ConnectedNumber("123", 2, 1, 0, 3), DateTime(26, 7, 4, 12, 30)]))
        far_does(theirs.send(M.NOTIFY, [NotificationIndicator(0)], wire.now))
        far_does(theirs.send(M.FACILITY, [Facility(bytes.fromhex("a203020101"))], wire.now))
        far_does(theirs.information([Display("HELLO"), KeypadFacility("1")], wire.now))
        far_does(theirs.send(M.USER_INFORMATION, [UserUser(b"x")], wire.now))
        far_does(theirs.enquire(wire.now))
        far_does(theirs.disconnect(16, wire.now))
        wire.take(caller, caller.perform(call, call.disconnect(16, wire.now), wire.now))
        wire.run(0.1)
        wire.take(caller, caller.restart((1, 2, 3), wire.now))
        wire.run(0.1)
    wire.cut = True
    wire.run(30.0)
    wire.cut = False
    wire.run(10.0)
    return [(when, octets) for when, _, octets in wire.frames]


@pytest.mark.parametrize("switch", SWITCHES)
def test_tshark_reads_every_frame(switch: str, tmp_path: Path) -> None:
    tshark = shutil.which("tshark")
    if tshark is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("tshark is not installed")
    frames = an_hour(switch)
    pcap = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LAPD))
    for when, octets in frames:
        pcap += struct.pack("<IIII", int(when), int(when % 1 * 1e6), len(octets), len(octets)) + octets
    (tmp_path / "d.pcap").write_bytes(pcap)

    def fields(*arguments: str) -> list[str]:
        command = [str(tshark), "-r", str(tmp_path / "d.pcap"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()

    bad = "_ws.malformed || _ws.expert.severity >= 0x600000"  # warnings and errors
    assert fields("-Y", bad, "-V") == []
    kinds = {line for line in fields("-Y", "q931", "-T", "fields", "-e", "q931.message_type") if line}
    wanted = {
        M.SETUP,
        M.SETUP_ACKNOWLEDGE,
        M.INFORMATION,
        M.CALL_PROCEEDING,
        M.PROGRESS,
        M.ALERTING,
        M.CONNECT,
        M.STATUS,
    }
    wanted |= {M.CONNECT_ACKNOWLEDGE, M.NOTIFY, M.FACILITY, M.DISCONNECT, M.RELEASE, M.RELEASE_COMPLETE, M.RESTART}
    assert {int(kind, 0) for kind in kinds} >= wanted
    slots = ChannelIdentification((1, 2, 3), slot_map=True, map_slots=SWITCHES[switch].map_slots).encode()
    assert any(slots in octets for _, octets in frames)
