"""What the repository promises about itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path

import voipgw

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_one_version_everywhere() -> None:
    assert voipgw.__version__ == PROJECT["project"]["version"]
    run = subprocess.run([sys.executable, "-m", "voipgw", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"voipgw {voipgw.__version__}\n"


def test_the_installed_package_carries_what_it_needs() -> None:
    for name in ("py.typed", "gateway/greeting.wav"):
        assert resources.files("voipgw").joinpath(name).is_file()


def test_scipy_and_matplotlib_are_not_needed_at_run_time() -> None:
    needs = " ".join(PROJECT["project"]["dependencies"])
    assert "scipy" not in needs
    assert "matplotlib" not in needs
    code = "import sys, voipgw.gateway, voipgw.dsp, voipgw.lab.lab; sys.exit(any(m in sys.modules for m in ('scipy', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_c_source_and_header_is_listed() -> None:
    (extension,) = PROJECT["tool"]["setuptools"]["ext-modules"]
    listed = {Path(name).name for name in (*extension["sources"], *extension["depends"])}
    assert {path.name for path in (ROOT / "src/voipgw/csrc").iterdir()} == listed


def test_the_noxfile_has_every_session() -> None:
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    sessions = re.findall(r"@nox\.session\ndef (\w+)", text)
    assert sessions == "demo tests lint types docs bench interop nightly fuzz sanitize".split()


def test_ci_runs_the_readmes_test_command() -> None:
    command = "python3 noxfile.py tests"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8")


def build(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "import build_ffi; build_ffi.BuildNative.explain_missing_headers()"
    )
    folder = str(Path(voipgw.__file__).parent / "_native")
    return subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=False,
        env={**os.environ, **environment}, cwd=tmp_path,
    )  # fmt: skip


def test_a_build_without_a_compiler_names_it_and_its_package_in_one_line(tmp_path: Path) -> None:
    run = build(tmp_path, CC="/nonexistent/cc")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "no C compiler" in run.stderr
    assert "apt-get install gcc libc6-dev" in run.stderr


def test_a_build_without_the_c_librarys_headers_names_them_in_one_line(tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'fatal error: stdlib.h: No such file or directory' >&2\nexit 1\n")
    compiler.chmod(0o755)
    run = build(tmp_path, CC=str(compiler))
    assert run.returncode == 1
    assert (
        run.stderr
        == "voipgw: stdlib.h is missing; install the C library's headers (Debian: apt-get install libc6-dev)\n"
    )


def test_the_distribution_is_named_and_licensed() -> None:
    found = (
        metadata.metadata("voipgw")
        if PROJECT["project"]["name"] in {d.name for d in metadata.distributions()}
        else None
    )
    assert PROJECT["project"]["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    if found is not None:
        assert found["License-Expression"] == "MIT"
