"""The examples on the pages about session descriptions, call records and metrics run as they stand."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["sdp", "call-records", "metrics"])
def test_the_examples_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{page}.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"\.\. code-block:: python\n\n((?: {3}.*\n|\n)+)", text)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(textwrap.dedent(block), page, "exec"), names)
