"""The page that teaches the plan is true: its example runs, and its lists are the code's."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

import voipgw.routing
from voipgw.routing import Plan
from voipgw.routing.check import check
from voipgw.routing.explain import decide_text
from voipgw.routing.numbering_tables import COUNTRIES

PAGE = Path(__file__).parents[3] / "docs" / "routing.rst"


@pytest.fixture
def text() -> str:
    if not PAGE.exists():
        pytest.skip("docs/ is not beside the tests")
    return PAGE.read_text(encoding="utf-8")


def test_the_example_runs_and_has_no_mistake(text: str) -> None:
    block = re.search(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text)
    assert block is not None
    names: dict[str, object] = {"__name__": "plan"}
    exec(compile(re.sub(r"^   ", "", block[1], flags=re.MULTILINE), "plan.py", "exec"), names)
    plan = names["plan"]
    assert isinstance(plan, Plan)
    assert check(plan) == []
    night = dt.datetime(2026, 1, 5, 21, tzinfo=dt.UTC)
    for call, rule in (("line:1 02079460000", "by night"), ("line:1 79460000", "by night"), ("line:2 200", "line 1 (extension 201)"),
                       ("line:1 999", "emergency"), ("line:1 09061234567", "no premium"), ("line:1 0012125551234", "world")):  # fmt: skip
        assert decide_text(plan.compile(), call, night).rule == rule


def test_the_lists_are_those_of_the_code(text: str) -> None:
    countries = re.search(r"Countries: ([a-z ]+)\.", text)
    assert countries is not None
    assert countries[1].split() == sorted(COUNTRIES)
    named = set(re.findall(r"[a-z]+(?:-[a-z]+)+|loop", text.partition("keeps a plan from")[2].partition("\n\n")[0]))
    assert check.__doc__ is not None
    assert named == set(re.findall(r"[a-z]+(?:-[a-z]+)+|loop", check.__doc__))
    assert len(named) == 24


def test_every_name_of_the_page_exists(text: str) -> None:
    for name in (
        "first",
        "line",
        "trunk",
        "dial",
        "reject",
        "e164",
        "national",
        "strip",
        "prepend",
        "replace",
        "header",
        "at",
    ):
        assert f"{name}" in text
        assert hasattr(voipgw.routing, name)
