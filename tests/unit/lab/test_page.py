"""The page on the lab is true: its script runs, and every method that it lists is there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from voipgw.lab import Lab
from voipgw.lab.command import run
from voipgw.lab.network import Network

PAGE = Path(__file__).parents[3] / "docs" / "lab.rst"


def test_the_script_on_the_page_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = re.search(r"\.\. code-block:: python\n\n((?: {3}.*\n|\n)+)", PAGE.read_text(encoding="utf-8"))
    assert block is not None
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(block[1]), encoding="utf-8")
    assert run(script, 7) == 0
    assert "seed 7, sha256 " in capsys.readouterr().out


def test_what_the_page_lists_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    calls = set(re.findall(r"``(?:await )?lab\.(\w+)\(", text))
    assert calls == {"gateway", "peer", "card", "name", "directory", "entropy_of", "open"}
    assert all(callable(getattr(Lab, name)) for name in calls)
    assert all(callable(getattr(Network, name)) for name in re.findall(r"lab\.network\.(\w+)\(", text))
