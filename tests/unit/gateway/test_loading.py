from __future__ import annotations

from pathlib import Path

import pytest

from voipgw.errors import ConfigurationError
from voipgw.gateway.loading import load_attribute, load_module


def test_a_file_is_run_and_its_name_found(tmp_path: Path) -> None:
    path = tmp_path / "plan.py"
    path.write_text("plan = 40 + 2\n")
    assert load_attribute(path, "plan", "a Plan called plan") == 42


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\nplan = undefined\n", "plan.py:2: NameError"),
        ("def plan(:\n", "plan.py:1: "),
        ("plans = 1\n", "defines no 'plan'; it must define a Plan called plan"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "plan.py"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_attribute(path, "plan", "a Plan called plan")
    assert says in str(caught.value)


def test_a_file_that_is_not_there_or_not_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        load_module(tmp_path / "none.py")
    (tmp_path / "plan.txt").write_text("plan = 1\n")
    with pytest.raises(ConfigurationError, match=r"must end in \.py"):
        load_module(tmp_path / "plan.txt")
