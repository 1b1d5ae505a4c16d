"""The demo's two calls in the lab: they hold, they are fast, and a seed says everything about them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import voipgw
from voipgw.gateway.loading import load_attribute
from voipgw.lab import Lab, Run, run

SCRIPT = Path(__file__).parents[3] / "examples" / "demo_lab.py"
AGAIN = """
import sys
from pathlib import Path
from voipgw.gateway.loading import load_attribute
from voipgw.lab import run
done = run(load_attribute(Path(sys.argv[1]), "main", ""), int(sys.argv[2]))
print(done.lines, done.hash)
"""

Script = Callable[[Lab], Coroutine[Any, Any, list[str]]]


@pytest.fixture(scope="module")
def done() -> Run[list[str]]:
    main: Script = load_attribute(SCRIPT, "main", "`async def main(lab)`")  # type: ignore[assignment]
    return run(main, 1)


def in_a_process_of_its_own(seed: int, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(voipgw.__file__).parents[1])}
    command = [sys.executable, "-c", AGAIN, str(SCRIPT), str(seed)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True)
    return ended.stdout.splitlines()[-1]


def test_both_calls_of_the_demo_hold_in_the_lab(done: Run[list[str]]) -> None:
    assert len(done.result) == 10
    assert done.result.count("speech telephone to carrier") == done.result.count("speech carrier to telephone") == 2
    assert 20 < done.virtual_s < 40


def test_the_demo_is_at_least_20_times_faster_than_real_time(done: Run[list[str]]) -> None:
    # virtual seconds for each second that the processor worked for this process: the machine's load does not count
    assert done.speed >= 20


def test_the_same_seed_gives_the_same_trace_in_any_process_and_another_seed_another(done: Run[list[str]]) -> None:
    assert in_a_process_of_its_own(1, "0") == in_a_process_of_its_own(1, "4711") == f"{done.lines} {done.hash}"
    assert in_a_process_of_its_own(2, "0") != f"{done.lines} {done.hash}"
