"""The test that keeps the house standing: imports point down, and the core opens nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import voipgw

ROOT = Path(voipgw.__file__).parent
FLOORS = (
    "causes",
    "errors clock entropy",
    "_native",
    "sip sdp rtp srtp ice codecs dsp pstn call",
    "media routing policy",
    "b2bua",
    "net drivers stores trace cdr metrics",
    "gateway testing",
    "lab",
    "__init__ __main__",
)
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names.split()}
EDGE = FLOOR["net"]
BLOCKING = {
    "asyncio", "concurrent", "ctypes", "multiprocessing", "os", "queue", "random", "secrets", "select", "selectors",
    "socket", "sqlite3", "ssl", "subprocess", "threading", "time", "urllib",
}  # fmt: skip
FILE_CALLS = {"read_text", "read_bytes", "write_text", "write_bytes"}


def imported_names(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def opened(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id == "open":
                found.append("open")
            elif isinstance(function, ast.Attribute) and function.attr in FILE_CALLS:
                found.append(function.attr)
    return found


def violations(path: Path) -> list[str]:
    home = path.relative_to(ROOT).parts[0].removesuffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    build = path.name == "build_ffi.py"  # runs when the package is built, not when it is used
    found = []
    for name in imported_names(tree):
        top, package = [*name.split("."), ""][:2]
        if top == "voipgw" and package not in ("", home, "__version__") and FLOOR[package] >= FLOOR[home]:
            found.append(f"{home} imports {name}")
        if top in BLOCKING and FLOOR[home] < EDGE and home not in {"clock", "entropy"} and not build:
            found.append(f"{home} imports {name}")
        if top == "cffi" and home != "_native":
            found.append(f"{home} imports {name}")
    if FLOOR[home] < EDGE and not build:
        found += [f"{home} calls {name}" for name in opened(tree)]
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_and_the_core_opens_nothing(path: Path) -> None:
    assert violations(path) == []


def test_every_package_stands_on_a_floor() -> None:
    homes = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")}
    assert homes <= set(FLOOR)


def test_an_import_that_points_up_is_found() -> None:
    tree = ast.parse("if TYPE_CHECKING:\n    from voipgw.net import udp\nimport socket\n")
    assert sorted(imported_names(tree)) == ["socket", "voipgw.net.udp"]


@pytest.mark.parametrize(
    "path", [p for p in sorted(ROOT.rglob("*")) if p.suffix in {".py", ".c", ".h"}], ids=lambda p: p.name
)
def test_files_stay_under_500_lines(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines < 500 or "tables" in path.name, f"{path.name} has {lines} lines"
