"""What every program of ``examples/`` obeys: signals, draining, reloading, records that survive a kill, metrics, exit statuses."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from rig.gateway import EXAMPLES, Gateway, environment
from rig.ports import free_port
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
LOOPBACK = ("--trust", "127.0.0.1/32")
ULAW = {"PT": "0", "CODEC": "PCMU"}
PROGRAMS = ("trunk_gateway.py", "analog_gateway.py")
TRUNK = ["trunk_gateway.py", "--to", "sip:127.0.0.1:9", "--listen", "udp:127.0.0.1:0"]
Start = Callable[..., Sipp]
StartGateway = Callable[..., Gateway]


def run(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """A program that ends by itself."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / words[0]), *words[1:]]
    return subprocess.run(
        command, check=False, cwd=cwd, env={**os.environ, **environment()}, capture_output=True, text=True, timeout=60
    )


Refused = Callable[..., None]


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Runs a program in this process, which has to end with 2 and one line that has every one of ``named``, before READY."""

    def check(words: list[str], *named: str) -> None:
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(EXAMPLES / words[0]), run_name="__main__")
        said = capfd.readouterr()
        assert (ended.value.code, said.out, len(said.err.splitlines())) == (2, "", 1), said.err
        for name in named:
            assert name in said.err

    return check


@pytest.fixture
def talking(trunk_gateway: StartGateway, sipp: Start) -> Callable[..., tuple[Gateway, Sipp, Sipp]]:
    """A gateway with a call that was answered, its caller and its callee."""

    def start(*options: str, caller: str = "caller_released", **marks: str) -> tuple[Gateway, Sipp, Sipp]:
        callee = sipp("callee_talks", RING_MS="20", **ULAW)
        gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--log-level", "info", *options)
        calling = sipp(caller, gateway.address(), **ULAW, **marks)
        gateway.line("answered by")
        return gateway, calling, callee

    return start


def test_sigterm_releases_live_calls_with_bye_and_leaves_nothing_behind(
    talking: Callable[..., tuple[Gateway, Sipp, Sipp]],
) -> None:
    gateway, caller, callee = talking()
    gateway.stop()
    caller.succeeded()
    callee.succeeded()
    [record] = gateway.records()
    assert (record["cause"], record["sip_status"]) == (38, 200)
    assert record["end"] is not None
    assert sorted(path.name for path in gateway.cwd.glob("calls.jsonl*")) == ["calls.jsonl"]
    with pytest.raises(ProcessLookupError):
        os.killpg(gateway.pid, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", int(gateway.address().rpartition(":")[2])))


def test_while_draining_new_calls_get_503_and_live_ones_go_on_to_their_end(
    talking: Callable[..., tuple[Gateway, Sipp, Sipp]], sipp: Start
) -> None:
    gateway, caller, callee = talking("--drain", "30", caller="caller_quiet", TALK_MS="3000")
    gateway.signal(signal.SIGTERM)
    gateway.line("no more calls are taken; 1 in progress")
    sipp("caller_refused", gateway.address(), STATUS="503", FIELD="Retry-After: [1-9]", **ULAW).succeeded()
    caller.succeeded()
    callee.succeeded()
    assert gateway.wait(10) == 0
    assert [record["cause"] for record in gateway.records()] == [16]


def test_what_outlives_the_drain_is_released(talking: Callable[..., tuple[Gateway, Sipp, Sipp]]) -> None:
    gateway, caller, callee = talking("--drain", "0.5")
    gateway.stop()
    caller.succeeded()
    callee.succeeded()
    assert len(gateway.records()) == 1


def test_a_second_sigterm_ends_at_once(talking: Callable[..., tuple[Gateway, Sipp, Sipp]]) -> None:
    gateway, caller, _ = talking("--drain", "60")
    gateway.signal(signal.SIGTERM)
    gateway.line("no more calls are taken")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(5) == 0
    caller.succeeded()
    assert len(gateway.records()) == 1


def test_a_killed_gateway_leaves_a_record_that_the_next_start_completes(
    talking: Callable[..., tuple[Gateway, Sipp, Sipp]], trunk_gateway: StartGateway
) -> None:
    gateway, _, _ = talking()
    gateway.signal(signal.SIGKILL)
    assert gateway.wait() == -signal.SIGKILL
    assert gateway.records() == []
    again = trunk_gateway("--to", "sip:127.0.0.1:9")
    [record] = again.records()
    assert record["recovered"] is True
    assert None not in (record["answer"], record["end"], record["cause"])
    again.stop()
    assert len(again.records()) == 1


def test_sighup_takes_a_good_users_file_and_refuses_a_bad_one(
    trunk_gateway: StartGateway, sipp: Start, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_text("alice:first\n")
    callee = sipp("callee_talks", calls=3, RING_MS="20", **ULAW)
    gateway = trunk_gateway("--users", "users", "--digest", "MD5", "--to", callee.uri, "--log-level", "info")

    def call(password: str) -> None:
        sipp(
            "caller_with_password", "-au", "alice", "-ap", password, gateway.address(), TALK_MS="20", **ULAW
        ).succeeded()

    call("first")
    users.write_text("alice:second\n")
    gateway.signal(signal.SIGHUP)
    gateway.line("reloaded plan")
    call("second")
    users.write_text("alice:third\nbob\n")
    gateway.signal(signal.SIGHUP)
    gateway.line(r"reload refused.*users:2")
    call("second")
    callee.succeeded(3)
    gateway.stop()
    assert not any(word in gateway.output for word in ("first", "second", "third"))


def test_metrics_are_served_as_prometheus_reads_them(trunk_gateway: StartGateway, sipp: Start) -> None:
    callee, port = sipp("callee_talks", RING_MS="20", **ULAW), free_port()
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, "--metrics", f"127.0.0.1:{port}")
    sipp("caller_quiet", gateway.address(), TALK_MS="20", **ULAW).succeeded()
    callee.succeeded()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        lines = answer.read().decode().splitlines()
    assert 'voipgw_calls_total{source="address"} 1' in lines
    assert 'voipgw_calls_ended_total{outcome="answered"} 1' in lines
    assert "voipgw_calls_in_progress 0" in lines
    assert "voipgw_answer_delay_seconds_count 1" in lines
    gateway.stop()


def test_several_listeners_are_told_in_their_order(trunk_gateway: StartGateway) -> None:
    where = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:[::1]:0", "udp:127.0.0.2:0")
    gateway = trunk_gateway("--to", "sip:127.0.0.1:9", listen=where)
    for asked, got in zip(where, gateway.listen, strict=True):
        assert got.rpartition(":")[0] == asked.rpartition(":")[0]
        assert int(got.rpartition(":")[2]) > 0
    gateway.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_port_in_use_is_named(transport: str, refused: Refused) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        if transport == "tcp":
            taken.listen()
        where = f"{transport}:127.0.0.1:{taken.getsockname()[1]}"
        refused(["trunk_gateway.py", "--to", "sip:127.0.0.1:9", "--listen", where], "--listen", where, "in use")


def test_a_metrics_port_in_use_is_named(refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        refused([*TRUNK, "--metrics", where], "--metrics", where, "in use")


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_every_option_that_works(program: str, tmp_path: Path) -> None:
    told = run([program, "--help"], tmp_path)
    assert told.returncode == 0 and told.stderr == ""
    common = "--listen --cdr --drain --metrics --log-level --trust --users --digest --media --media-host --media-ports --codecs"
    own = {"trunk_gateway.py": "", "analog_gateway.py": " --lines --country --driver --script"}[program]
    for option in (common + " --dtmf-out --record --username --password-env --to" + own).split():
        assert option in told.stdout


def test_a_mistake_ends_the_process_with_2(tmp_path: Path) -> None:
    done = run([*TRUNK, "--codecs", "PCMX"], tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    "words",
    [
        ["--srtp-in", "dtls"], ["--srtp-out", "dtls"], ["--ice", "lite"], ["--workers", "4"], ["--media-legs"], ["--media-latch", "any"],
        ["--public-address", "192.0.2.1"], ["--media", "rtpengine:127.0.0.1:2223"],
        ["--codecs", "opus,PCMU"],
    ],
    ids="".join,
)  # fmt: skip
def test_what_a_later_version_brings_is_refused_by_name(words: list[str], refused: Refused) -> None:
    refused([*TRUNK, *words], words[0], "not in this version yet")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--listen", "127.0.0.1:5060"], "TRANSPORT:HOST:PORT"), (["--listen", "udp:127.0.0.1:99999"], "65535"),
        (["--trust", "10.0.0.1/8"], "10.0.0.1/8"), (["--codecs", "PCMX"], "PCMX"), (["--drain", "soon"], "--drain"),
        (["--drain", "-1"], "--drain"), (["--users", "missing"], "missing"), (["--digest", "SHA-1"], "SHA-1"),
        (["--cdr", "missing/calls.jsonl"], "missing/calls.jsonl"), (["--record", "missing"], "--record"),
        (["--capture", "missing/x.pcap"], "--capture"), (["--metrics", "here"], "HOST:PORT"),
        (["--media-ports", "9-10"], "--media-ports"), (["--username", "gw"], "--password-env"),
        (["--password-env", "NO_SUCH_NAME", "--username", "gw"], "NO_SUCH_NAME"), (["--media-host", "192.0.2.1"], "192.0.2.1"), (["--to", "carrier"], "carrier"),
        (["--dtmf-out", "morse"], "--dtmf-out"), (["--no-such-option"], "--no-such-option"),
        (["--listen", "tls:127.0.0.1:0"], "--cert"), (["--cert", "x.pem"], "--key"), (["--ca", "missing.pem"], "missing.pem"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_wrong_option_is_one_line_that_names_it(words: list[str], named: str, refused: Refused) -> None:
    refused([*TRUNK, *words], words[0], named)


def test_a_plan_with_a_loop_is_named_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(
        "from voipgw.gateway import Program\n"
        "from voipgw.routing import Plan, called, dial\n\n\n"
        "def setup(options):\n"
        "    plan = Plan()\n"
        "    plan.route('round', when=called.exact('300'), to=dial('300'))\n"
        "    return plan\n\n\n"
        "raise SystemExit(Program('loop', '', setup, listen='udp:127.0.0.1:0').run())\n"
    )
    done = run([str(tmp_path / "loop.py")], tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done
    assert "loop.py:7" in done.stderr and "loop" in done.stderr.partition("loop.py:7")[2]
