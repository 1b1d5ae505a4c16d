"""Registrations both ways: ``examples/registrar.py`` for softphones, and ``--register`` of ``examples/trunk_gateway.py``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rig import sounds
from rig.baresip import Baresip
from rig.gateway import Gateway
from rig.kamailio import Kamailio
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
ULAW = {"PT": "0", "CODEC": "PCMU"}
ONE = sounds.read(sounds.SPEECH / "callback.wav")[0]
OTHER = sounds.read(sounds.SPEECH / "reply.wav")[0]
Start = Callable[..., Sipp]
StartGateway = Callable[..., Gateway]
QUIET = ("-default_behaviors", "all,-bye")
PASSWORD = ("--username", "gw", "--password-env", "TRUNK_PASSWORD")
SECRET = {"TRUNK_PASSWORD": "gwpw"}


@pytest.fixture
def registrar(program: StartGateway, tmp_path: Path) -> StartGateway:
    """Starts ``examples/registrar.py`` with two users."""
    (tmp_path / "users").write_text("alice:alicepw\nbob:bobpw\n")
    return lambda *options, **settings: program(
        "registrar.py", "--users", "users", "--log-level", "info", *options, **settings
    )


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_two_softphones_register_and_call_each_other_and_both_hear_speech(
    transport: str, registrar: StartGateway, baresip: Callable[..., Baresip]
) -> None:
    gateway = registrar(listen=(f"{transport}:127.0.0.1:0",))
    home = gateway.address()
    alice = baresip(ONE, user="alice", password="alicepw", registrar=home, transport=transport)
    bob = baresip(OTHER, user="bob", password="bobpw", registrar=home, transport=transport)
    for user in ("alice", "bob"):
        gateway.line(f"user {user}: .* added")
    alice.tell("dial", f"sip:bob@{home};transport={transport}")
    for phone in (alice, bob):
        phone.event("CALL_ESTABLISHED")
    bob.listen(max(len(ONE), len(OTHER)) / sounds.RATE + 1)
    alice.tell("hangup")
    bob.event("CALL_CLOSED")
    for phone in (alice, bob):
        phone.quit()
    assert sounds.likeness(ONE, bob.heard()) > 0.97
    assert sounds.likeness(OTHER[len(OTHER) // 2 :], alice.heard()) > 0.97  # bob speaks as soon as he has answered
    gateway.line("user alice: .* removed")  # baresip unregisters when it ends
    gateway.stop()
    [record] = gateway.records()
    assert (record["source"], record["called"], record["sip_status"]) == ("user:alice", "bob", 200)
    assert [attempt["target"] for attempt in record["attempts"]] == ["user:bob"]


def test_a_wrong_password_is_never_registered(registrar: StartGateway, sipp: Start) -> None:
    gateway = registrar("--digest", "MD5", "--trust", "127.0.0.0/8")
    marks = {"USER": "alice", "EXPIRES": "300"}
    wrong = sipp(
        "phone_registers",
        *QUIET,
        "-au",
        "alice",
        "-ap",
        "bobpw",
        gateway.address(),
        STATUS="401",
        FIELD="nonce",
        **marks,
    )
    wrong.succeeded()
    other = sipp(
        "phone_registers", *QUIET, "-au", "bob", "-ap", "bobpw", gateway.address(), STATUS="403", FIELD="SIP", **marks
    )
    other.succeeded()
    assert "added" not in gateway.output
    gateway.stop()


def test_too_short_a_registration_is_refused_423(registrar: StartGateway, sipp: Start) -> None:
    gateway = registrar("--digest", "MD5")
    marks = {"USER": "bob", "STATUS": "423", "FIELD": "Min-Expires: 60"}
    sipp("phone_registers", *QUIET, "-au", "bob", "-ap", "bobpw", gateway.address(), EXPIRES="30", **marks).succeeded()
    gateway.stop()


def test_what_a_file_holds_is_there_after_a_restart(registrar: StartGateway, sipp: Start) -> None:
    first = registrar("--digest", "MD5", "--db", "registrations.sqlite")
    phone = sipp(
        "phone_registers", *QUIET, "-au", "bob", "-ap", "bobpw", first.address(), USER="bob", EXPIRES="300", STATUS="200",
        FIELD="expires=300",
    )  # fmt: skip
    phone.succeeded()
    first.kill()
    callee = sipp("callee_talks", RING_MS="20", port=phone.port, **ULAW)
    second = registrar("--digest", "MD5", "--db", "registrations.sqlite")
    caller = ("-au", "alice", "-ap", "alicepw", "-s", "bob")
    sipp("caller_with_password", *caller, second.address(), TALK_MS="50", **ULAW).succeeded()
    callee.succeeded()
    second.stop()


def test_a_trunk_registers_obeys_423_shows_its_password_and_leaves(trunk_gateway: StartGateway, sipp: Start) -> None:
    carrier = sipp("callee_registrar")
    gateway = trunk_gateway(
        "--to", "sip:127.0.0.1:9", "--register", carrier.uri, *PASSWORD, "--log-level", "info", env=SECRET
    )
    gateway.line("trunk register: registered at")
    gateway.stop()
    carrier.succeeded()
    assert "gwpw" not in gateway.output


def test_a_call_comes_by_the_registration_at_kamailio(
    trunk_gateway: StartGateway, sipp: Start, kamailio: Callable[[str], Kamailio]
) -> None:
    carrier = kamailio("registrar")
    callee = sipp("callee_talks", RING_MS="20", **ULAW)
    gateway = trunk_gateway(
        "--to", callee.uri, "--register", f"sip:gw@127.0.0.1:{carrier.port}", "--trust-registrar", *PASSWORD,
        "--log-level", "info", env=SECRET,
    )  # fmt: skip
    gateway.line("trunk register: registered at")
    carrier.until_registered(gateway.address())
    assert re.search(r'"Expires": (5\d\d|600)', carrier.registered())  # less was granted than we asked for
    sipp("caller_quiet", "-s", "gw", f"127.0.0.1:{carrier.port}", TALK_MS="50", **ULAW).succeeded()
    callee.succeeded()
    gateway.stop()
    carrier.until_registered(gateway.address(), there=False)
    [record] = gateway.records()
    assert (record["source"], record["called"]) == ("trunk:register", "gw")


def test_a_call_by_the_registration_is_a_strangers_unless_told(
    trunk_gateway: StartGateway, sipp: Start, kamailio: Callable[[str], Kamailio]
) -> None:
    carrier = kamailio("registrar")
    gateway = trunk_gateway(
        "--to",
        "sip:127.0.0.1:9",
        "--register",
        f"sip:127.0.0.1:{carrier.port}",
        *PASSWORD,
        "--log-level",
        "info",
        env=SECRET,
    )
    gateway.line("trunk register: registered at")
    sipp("caller_refused", "-s", "gw", f"127.0.0.1:{carrier.port}", STATUS="403", FIELD="SIP", **ULAW).succeeded()
    gateway.stop()


def test_callers_are_sent_to_where_a_table_says(program: StartGateway, sipp: Start, tmp_path: Path) -> None:
    (tmp_path / "table").write_text(
        "# who is where\n100 sip:bob@192.0.2.7:5070 sip:bob@192.0.2.8\nalice sip:a@192.0.2.9\n"
    )
    gateway = program("redirect.py", "--table", "table", "--trust", "127.0.0.1")
    found = sipp(
        "caller_refused",
        "-s",
        "100",
        gateway.address(),
        STATUS="302",
        FIELD="Contact: .sip:bob@192.0.2.7:5070.;q=1.0",
        **ULAW,
    )
    found.succeeded()
    assert "<sip:bob@192.0.2.8>;q=0.9" in found.messages
    sipp(
        "caller_refused", "-s", "alice", gateway.address(), STATUS="302", FIELD="Contact: .sip:a@192.0.2.9", **ULAW
    ).succeeded()
    sipp("caller_refused", "-s", "101", gateway.address(), STATUS="404", FIELD="SIP", **ULAW).succeeded()
    gateway.stop()
    assert [record["cause"] for record in gateway.records()] == [23, 23, 3]


def test_two_softphones_are_called_and_joined(
    registrar: StartGateway, program: StartGateway, baresip: Callable[..., Baresip], tmp_path: Path
) -> None:
    (tmp_path / "users").write_text("alice:alicepw\nbob:bobpw\ndialler:diallerpw\n")
    home = registrar()
    alice = baresip(ONE, user="alice", password="alicepw", registrar=home.address())
    bob = baresip(OTHER, user="bob", password="bobpw", registrar=home.address())
    for user in ("alice", "bob"):
        home.line(f"user {user}: .* added")
    (tmp_path / "dialler").mkdir()
    dialler = program(
        "click_to_dial.py", "--to", f"sip:{home.address()}", "--username", "dialler", "--password-env", "PASSWORD",
        "--cdr", "dialler.jsonl", "alice", "bob", env={"PASSWORD": "diallerpw"},
    )  # fmt: skip
    bob.event("CALL_ESTABLISHED")
    bob.listen(max(len(ONE), len(OTHER)) / sounds.RATE + 1)
    assert dialler.running
    bob.tell("hangup")
    alice.event("CALL_CLOSED")
    assert dialler.wait(15) == 0, dialler.output
    for phone in (alice, bob):
        phone.quit()
    assert sounds.likeness(OTHER, alice.heard()) > 0.97
    assert sounds.likeness(ONE[len(ONE) // 2 :], bob.heard()) > 0.9  # alice spoke from the moment she answered
    home.stop()
    assert [record["called"] for record in home.records() if record["source"] == "user:dialler"] == ["bob", "alice"]


def test_a_party_that_cannot_be_reached_ends_the_joining(program: StartGateway, sipp: Start) -> None:
    busy = sipp("callee_refuses", STATUS="486")
    dialler = program("click_to_dial.py", "--to", busy.uri, "101", "102")
    assert dialler.wait(15) == 1
    assert "click_to_dial: 101: 486 Busy Here" in dialler.output
