"""Every file of ``examples/`` and the README's first screen do what they say."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PROGRAMS = ("trunk_gateway.py", "analog_gateway.py", "pri_gateway.py")
SHORT = ("registrar.py", "redirect.py", "click_to_dial.py")  #: what each is about fits on a page


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(EXAMPLES), os.environ.get("PYTHONPATH", "")])),
    }


def ready(command: list[str]) -> dict[str, object]:
    """Start a program, wait for its READY line, stop it, and see that it ends well."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("READY "):
        process.kill()
        pytest.fail(f"no READY line: {line!r} {process.communicate()[1]}")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert errors == ""
    facts: dict[str, object] = json.loads(line.removeprefix("READY "))
    return facts


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_documents_its_options(name: str) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / name), "--help"], capture_output=True, text=True, check=True, env=environment()
    )
    for option in ("--listen", "--cdr", "--drain", "--metrics", "--log-level", "--trust", "--users", "--to"):
        assert option in run.stdout


@pytest.mark.parametrize(
    ("name", "arguments"), [("trunk_gateway.py", ["--to", "sip:127.0.0.1:9"]), ("analog_gateway.py", ["--lines", "2"])]
)
def test_a_program_says_ready_with_real_ports_and_ends_at_sigterm(name: str, arguments: list[str]) -> None:
    listen = ["--listen", "udp:127.0.0.1:0", "--listen", "tcp:127.0.0.1:0"]
    facts = ready([sys.executable, str(EXAMPLES / name), *listen, *arguments])
    assert [re.sub(r"\d+$", "N", str(text)) for text in facts["listen"]] == ["udp:127.0.0.1:N", "tcp:127.0.0.1:N"]  # type: ignore[attr-defined]
    assert not any(str(text).endswith(":0") for text in facts["listen"])  # type: ignore[attr-defined]


def test_the_pri_gateway_says_ready_while_its_span_is_still_silent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as far:
        far.bind(str(tmp_path / "span"))
        far.listen(1)
        program = [sys.executable, str(EXAMPLES / "pri_gateway.py"), "--listen", "udp:127.0.0.1:0"]
        assert len(ready([*program, "--span", f"unix:{tmp_path / 'span'}"])["listen"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--span", "dahdi:1"], "--span: 'dahdi:1' is not in this version yet; unix:PATH would be right"),
        (["--span", "unix:x", "--channels", "1-16"], "--channels: the span has no channel 16 for calls"),
        (["--span", "unix:x", "--channels", "1-b"], "--channels: '1-b' is no channel; a list such as 1-15,17-31 would be right"),
        (["--span", "unix:/nonexistent/span"], "span unix:/nonexistent/span: No such file or directory"),
        (["--span", "unix:x", "--script", "y"], "--script: not in this version yet; leave it out"),
    ],
)  # fmt: skip
def test_what_the_pri_gateway_cannot_do_is_said_in_one_line(arguments: list[str], said: str) -> None:
    command = [sys.executable, str(EXAMPLES / "pri_gateway.py"), "--listen", "udp:127.0.0.1:0", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=60)
    assert (run.returncode, run.stderr) == (2, f"pri_gateway: {said}\n")


@pytest.mark.parametrize("name", SHORT)
def test_a_short_program_stays_under_60_lines_and_documents_its_options(name: str) -> None:
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) < 60
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / name), "--help"], capture_output=True, text=True, check=True, env=environment()
    )
    for option in ("--listen", "--cdr", "--drain", "--metrics", "--log-level", "--trust", "--users"):
        assert option in run.stdout


def test_a_registrar_and_a_redirect_server_say_ready_and_end_at_sigterm(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("alice:secret\n", encoding="utf-8")
    (tmp_path / "table").write_text("100 sip:bob@192.0.2.7\n", encoding="utf-8")
    listen = ["--listen", "udp:127.0.0.1:0"]
    users, db = ["--users", str(tmp_path / "users")], ["--db", str(tmp_path / "registrations.sqlite")]
    assert ready([sys.executable, str(EXAMPLES / "registrar.py"), *listen, *users, *db])["listen"]
    assert ready([sys.executable, str(EXAMPLES / "redirect.py"), *listen, "--table", str(tmp_path / "table")])["listen"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["registrar.py"], "--users: a registrar without users"),
        (["registrar.py", "--users", "users", "--db", "missing/x.sqlite"], "--db: cannot open missing/x.sqlite"),
        (["redirect.py", "--table", "missing"], "--table: cannot read missing"),
        (["redirect.py", "--table", "users"], "users:1: "),
        (
            ["click_to_dial.py", "--to", "sip:127.0.0.1:9", "--media", "none", "1", "2"],
            "--media: none leaves no sound here",
        ),
        (
            ["trunk_gateway.py", "--to", "sip:127.0.0.1:9", "--register", "sip:h"],
            "--register: --username and --password-env",
        ),
        (
            [
                "trunk_gateway.py",
                "--to",
                "sip:127.0.0.1:9",
                "--username",
                "u",
                "--password-env",
                "PATH",
                "--register",
                "h",
            ],
            "--register: ",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(words: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("alice:secret\n", encoding="utf-8")
    files = [f"{tmp_path}/{word}" if word in ("users", "missing", "missing/x.sqlite") else word for word in words[1:]]
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / words[0]), "--listen", "udp:127.0.0.1:0", *files],
        capture_output=True, text=True, check=False, env=environment(), timeout=60,
    )  # fmt: skip
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert says in run.stderr.replace(f"{tmp_path}/", "")


def test_the_readme_begins_with_one_sentence_ten_lines_and_two_commands(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    (commands,) = re.findall(r"```sh\n(.*?)```", text, re.S)
    assert [line.split("#")[0].strip() for line in commands.splitlines()] == [
        "python3 noxfile.py demo",
        "python3 noxfile.py tests",
    ]
    program = tmp_path / "gateway.py"
    program.write_text(code, encoding="utf-8")
    facts = ready([sys.executable, str(program), "--listen", "udp:127.0.0.1:0"])
    assert len(facts["listen"]) == 1  # type: ignore[arg-type]


def test_the_plan_of_the_quickstart_runs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "quickstart.rst").read_text(encoding="utf-8")
    block = text.split(".. code-block:: python\n")[1].split("\n\nRun it with")[0]
    program = tmp_path / "gateway.py"
    program.write_text("\n".join(line.removeprefix("   ") for line in block.splitlines()), encoding="utf-8")
    assert ready([sys.executable, str(program), "--listen", "udp:127.0.0.1:0"])["listen"]


def test_the_demo_holds_over_real_sockets(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py"), "--out", str(tmp_path)],
        capture_output=True, text=True, timeout=100, check=False, env=environment(),
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert re.search(r"all \d+ checks held\.$", run.stdout.strip())
    for file in ("demo.pcap", "calls.jsonl", "calls.png", "call-1.svg", "call-2.svg"):
        assert (tmp_path / file).stat().st_size > 500
    records = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert [[attempt["sip_status"] for attempt in record["attempts"]] for record in records] == [[503, 200], [200]]
    for record in records:
        assert (tmp_path / f"{record['call_id']}.wav").exists()


def test_every_example_is_run_by_a_test() -> None:
    known = {*PROGRAMS, *SHORT, "demo.py", "demo_lab.py", "demo_report.py", "far_end.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == known
