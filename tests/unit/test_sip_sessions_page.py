"""The examples of docs/sip-sessions.rst and docs/registration.rst run, and print what the pages say."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("sip-sessions.rst", "registration.rst")


def examples() -> list[str]:
    found, block = [], None
    lines = [line for page in PAGES for line in (DOCS / page).read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if line.startswith(".. code-block:: python"):
            block = []
        elif block is not None and line and not line.startswith(" "):
            found.append(textwrap.dedent("\n".join(block)))
            block = None
        elif block is not None:
            block.append(line)
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda text: text.split("import ")[1].split()[0])
def test_an_example_prints_what_the_page_says(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, "example", "exec"), {})
    said = [line[2:] for line in example.splitlines() if line.startswith("# ")]
    assert capsys.readouterr().out.splitlines() == said and said
