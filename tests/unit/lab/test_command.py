"""``voipgw lab``: what it prints and how it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from voipgw.errors import ConfigurationError
from voipgw.lab.command import run


def script(directory: Path, *lines: str) -> Path:
    path = directory / "script.py"
    path.write_text("\n".join(["import asyncio", "async def main(lab):", *(f"    {line}" for line in lines)]) + "\n")
    return path


def test_a_script_that_holds_prints_its_times_and_its_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(
        tmp_path, "print('said')", "await asyncio.sleep(90)", "lab.trace.add('note', 'script', lab.entropy.token())"
    )
    hashes = []
    for seed in (1, 1, 2):
        assert run(path, seed) == 0
        said, times, trace = capsys.readouterr().out.splitlines()
        assert said == "said"
        assert times.startswith("virtual 90.000 s, real ")
        found = re.fullmatch(rf"trace 1 lines, seed {seed}, sha256 ([0-9a-f]{{64}})", trace)
        assert found is not None
        hashes.append(found[1])
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_trace_can_be_written_to_a_file(tmp_path: Path) -> None:
    path = script(tmp_path, "await asyncio.sleep(0.5)", "lab.trace.add('note', 'script', 'here')")
    assert run(path, trace=tmp_path / "trace.txt") == 0
    assert (tmp_path / "trace.txt").read_text() == "500000 note script here\n"
    with pytest.raises(ConfigurationError, match="--trace: cannot write"):
        run(path, trace=tmp_path / "none" / "trace.txt")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("assert 1 + 1 == 3", "not so: assert 1 + 1 == 3"),
        ("assert False, 'what was found'", "not so: what was found"),
        ("await (await lab.peer('a', '10.0.0.1')).next_call(within=2)", "expected a call within 2 s; none came"),
        ("await lab.loop.create_future()", "every task waits and no timer is set"),
    ],
)
def test_what_is_not_so_is_named_with_its_line_and_gives_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    path = script(tmp_path, line)
    assert run(path) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"voipgw lab: {path}")
    assert error.count("\n") == 1
    assert says in error
    if "future" not in line:
        assert f"{path}:3: " in error


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n", "defines no 'main'; it must define `async def main\\(lab\\)`"),
        ("def main(lab): return 1\n", "'main' is no coroutine function"),
        ("async def main(lab):\n    nothing()\n", r"script\.py:2: NameError"),
        ("async def main(lab)\n", r"script\.py:1: "),
        ("from voipgw.routing import Plan\nasync def main(lab):\n    Plan(country='atlantis')\n", r"script\.py"),
    ],
)
def test_a_script_that_is_wrong_itself_is_a_configuration_error(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "script.py"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        run(path)


def test_a_script_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        run(tmp_path / "none.py")
