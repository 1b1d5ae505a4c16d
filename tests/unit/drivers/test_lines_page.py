"""The examples of docs/lines.rst run."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from voipgw.drivers.script import parse_script
from voipgw.drivers.wav import write_wav

PAGE = Path(__file__).parents[3] / "docs" / "lines.rst"


def blocks(mark: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return [textwrap.dedent(found) for found in re.findall(rf"{re.escape(mark)}\n\n((?:(?:   .*)?\n)+)", text)]


def test_the_python_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    examples = blocks(".. code-block:: python")
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), {"__name__": "page"})
    printed = capsys.readouterr().out
    assert "[Seized(), ListenForDigits(on=True), StartTone(tone=<Tone.DIAL: 'dial'>)]" in printed
    assert "port 1: loop closed" in printed and "port 1: loop opened" in printed


def test_the_script_on_the_page_is_one(tmp_path: Path) -> None:
    import numpy as np

    write_wav(tmp_path / "hello.wav", np.zeros(80, np.int16))
    [script] = blocks("plays a script of one step a line::")
    assert len(parse_script(script, 1, folder=tmp_path).steps) == 7
