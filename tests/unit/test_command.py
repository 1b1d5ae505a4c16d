"""The command ``voipgw``: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import voipgw
from voipgw.__main__ import main

PLAN = """
from voipgw.routing import Plan, called, first, number_class
plan = Plan(country="gb")
plan.trunk("a", "sip:192.0.2.1")
plan.trunk("b", "sip:192.0.2.2")
plan.line(1, extension="101", did="+442079460101")
plan.route("emergency", when=number_class.emergency, to=first("a", "b"))
plan.route("out", when=called.prefix("+"), to=first("a", "b"))
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.py"
    path.write_text(PLAN)
    return path


def run(*words: object) -> int:
    try:
        return main([str(word) for word in words])
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"voipgw {voipgw.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["explain"],
        ["explain", "none.py", "line:1 100"],
        ["check", "none.py"],
        ["ladder", "none.pcap"],
        ["lab", "none.py"],
        ["echo", "--listen", "nonsense"],
        ["echo", "--listen", "udp:127.0.0.1:5060", "--drain", "-1"],
        ["tones", "x.wav"],
        ["audit", "x.py"],
    ],
)
def test_a_wrong_use_is_one_line_and_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("voipgw")


def test_explain_says_what_and_why_and_what_if(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "why.html"
    assert run("explain", plan, "line:1 02079460000 from 101", "--fail", "a=503", "--html", page) == 0
    text = capsys.readouterr().out
    assert "02079460000 is +442079460000" in text
    assert f"{plan}:8" in text
    assert "trunk:a: 503" in text
    assert text.strip().endswith("verdict: try trunk:a, then trunk:b")
    assert page.read_text().lstrip().lower().startswith("<!doctype html>")


def test_explain_as_json(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", plan, "line:1 999", "--json", "--at", "2026-12-24T18:00+01:00") == 0
    facts = json.loads(capsys.readouterr().out)
    assert [attempt["target"] for attempt in facts["attempts"]] == ["trunk:a", "trunk:b"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--at", "yesterday"], "--at: 'yesterday' is not a time"),
        (["--fail", "zzz=503"], "zzz"),
        (["--html", "/nonexistent/x.html"], "--html: cannot write /nonexistent/x.html"),
    ],
)
def test_explain_names_the_option_that_is_wrong(
    plan: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explain", plan, "line:1 999", *words) == 2
    assert says in capsys.readouterr().err


def test_check_finds_nothing_in_a_clean_plan_and_names_the_mistake_of_another(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", plan) == 0
    assert capsys.readouterr().out == f"{plan}: 0 findings\n"
    bad = tmp_path / "bad.py"
    bad.write_text(PLAN.replace('plan.route("emergency"', 'plan.trunk("c", "sip:192.0.2.3")\nplan.route("emergency"'))
    assert run("check", bad) == 1
    assert f"{bad}:7: unused-trunk" in capsys.readouterr().out


def test_diff_prints_each_call_that_would_be_decided_differently(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.py"
    other.write_text(
        PLAN.replace('when=called.prefix("+"), to=first("a", "b")', 'when=called.prefix("+"), to=first("b", "a")')
    )
    records = tmp_path / "calls.jsonl"
    calls = [("1", "02079460000"), ("2", "999")]
    lines = [
        json.dumps(
            {"call_id": name, "start": "2026-01-05T09:00:00Z", "source": "line:1", "calling": "101", "called": called}
        )
        for name, called in calls
    ]
    records.write_text("\n".join(lines) + "\n")
    assert run("diff", plan, other, records) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert captured.out.startswith("1 line:1 02079460000: ")
    assert captured.err == "1 of 2 calls are decided differently\n"
    records.write_text(lines[0] + "\nnonsense\n")
    assert run("diff", plan, other, records) == 2
    assert f"{records}:2: not a JSON object" in capsys.readouterr().err


def test_a_lab_script_is_run_and_its_hash_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text("import asyncio\n\nasync def main(lab):\n    await asyncio.sleep(86400)\n")
    hashes = []
    for _ in range(2):
        assert run("lab", script, "--seed", 5) == 0
        out = capsys.readouterr().out
        assert "virtual 86400" in out
        hashes.append(out.split("sha256 ")[1].split()[0])
    assert hashes[0] == hashes[1]
