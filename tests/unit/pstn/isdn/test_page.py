"""The examples of docs/isdn.rst run."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "docs/isdn.rst"


def test_the_examples_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(textwrap.dedent(block), str(PAGE), "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["100", "ACTIVE 1"]
