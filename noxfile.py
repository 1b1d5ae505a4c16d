"""Everything that is run on the repository: ``python3 noxfile.py SESSION`` or ``nox -s SESSION``.

``python3 noxfile.py demo`` runs the main job and ``python3 noxfile.py tests`` passes the tests on a machine that has nothing
but Python 3.11 and a C compiler: where nox is missing, this file makes an environment of its own (``.nox-venv``) and runs
itself there, which also works where the system's Python takes no packages (PEP 668).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE / ".nox-venv"
#: Debian packages of the real programs that the tests talk to
PEERS = {"sipp": "sip-tester", "baresip": "baresip-core", "tshark": "tshark", "espeak-ng": "espeak-ng"}
NIGHTLY_PEERS = {"kamailio": "kamailio", "sox": "sox", "clang": "clang"}


def may_use_apt() -> bool:
    """Whether packages can be installed: by root, with apt at hand, and not forbidden by ``VOIPGW_NO_APT=1``."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and os.environ.get("VOIPGW_NO_APT") != "1"


def apt_install(packages: list[str]) -> bool:
    """Install Debian packages without questions and without starting their services; True when that worked."""
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists() and policy.parent.is_dir()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    print(f"installing {' '.join(packages)} with apt-get", flush=True)
    try:
        if made:
            policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
            policy.chmod(0o755)
        subprocess.run(["apt-get", "-qq", "update"], env=environment, stdout=subprocess.DEVNULL, check=False)
        command = ["apt-get", "-qq", "-y", *wait, "install", "--no-install-recommends", *packages]
        return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0
    finally:
        if made:
            policy.unlink(missing_ok=True)


def missing_for_build() -> dict[str, str]:
    """What the build of the C layer needs and this machine lacks: the thing and the Debian package that has it."""
    missing = {}
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None and shutil.which("gcc") is None:
        missing["a C compiler"] = "gcc"
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        missing["Python.h"] = "python3-dev"
    if shutil.which("gcc") is not None:
        for header, package in (("stdlib.h", "libc6-dev"), ("openssl/evp.h", "libssl-dev")):
            source = f"#include <{header}>\n".encode()
            probe = subprocess.run(["gcc", "-E", "-x", "c", "-"], input=source, capture_output=True, check=False)
            if probe.returncode != 0:
                missing[header] = package
    return missing


def require_build_tools() -> None:
    """Install what the build needs, or end with one line that names it."""
    missing = missing_for_build()
    if missing and may_use_apt():
        apt_install(sorted(set(missing.values())))
        missing = missing_for_build()
    if missing:
        things = ", ".join(f"{thing} (Debian package {package})" for thing, package in missing.items())
        sys.exit(f"noxfile.py: missing for the build: {things}")


def nox_arguments(words: list[str]) -> list[str]:
    """``SESSION ... [-- ARGUMENTS]`` as nox wants it; without a session, the list of them."""
    at = words.index("--") if "--" in words else len(words)
    chosen = [word.removeprefix("-s") for word in words[:at] if word.removeprefix("-s")]
    return ["-s", *chosen, *words[at:]] if chosen else ["-l"]


def bootstrap(arguments: list[str]) -> int:
    """Make ``.nox-venv``, put nox into it and run this file's sessions with it."""
    if sys.version_info < (3, 11):  # noqa: UP036  # this file is also run by whatever python3 there is
        sys.exit(f"noxfile.py: Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    python = HOME / "bin" / "python"
    if (
        subprocess.run([python, "-c", "import nox"], capture_output=True, check=False).returncode
        if python.exists()
        else True
    ):
        shutil.rmtree(HOME, ignore_errors=True)
        print(f"making {HOME.name} with nox in it", flush=True)
        make = [sys.executable, "-m", "venv", str(HOME)]
        made = subprocess.run(make, capture_output=True, check=False)
        if made.returncode != 0 and may_use_apt():
            shutil.rmtree(HOME, ignore_errors=True)
            apt_install(["python3-venv"])
            made = subprocess.run(make, capture_output=True, check=False)
        if made.returncode != 0:
            sys.exit("noxfile.py: python3 -m venv failed: install Python's venv module (Debian package python3-venv)")
        installed = subprocess.run(
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "nox"], check=False
        )
        if installed.returncode != 0:
            sys.exit("noxfile.py: pip could not install nox: see its message above")
    return subprocess.run([python, "-m", "nox", "-f", str(HERE / "noxfile.py"), *arguments], check=False).returncode


try:
    import nox
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    sys.exit(bootstrap(nox_arguments(sys.argv[1:])))

nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True


def install(session: nox.Session, *extras: str, **environment: str) -> None:
    """Build the package from this tree and install it with its extras."""
    require_build_tools()
    wanted = f".[{','.join(extras)}]" if extras else "."
    session.install("--disable-pip-version-check", wanted, env=environment or None)


def peers(session: nox.Session, programs: dict[str, str]) -> None:
    """Install the real programs that tests talk to, where that is allowed; what stays missing is skipped by its test."""
    missing = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    if missing and may_use_apt() and not apt_install(missing):
        session.warn(f"not installed: {' '.join(missing)}")


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: a telephone on an FXS port talks to a SIP trunk, over real sockets, in about half a minute."""
    install(session, "plot")
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Every quick test, those against real programs included where these can be had."""
    install(session, "test")
    peers(session, PEERS)
    pytest = ("python", "-m", "pytest", "-q", "-n", "2", "-m", "not nightly")
    if session.posargs:
        session.run(*pytest, *session.posargs)
        return
    real_time = ("tests/interop", "tests/examples")  # apart, so that nothing busy competes with what runs in real time
    session.run(*pytest, *(f"--ignore={folder}" for folder in real_time))
    session.run(*pytest, *real_time)


@nox.session
def lint(session: nox.Session) -> None:
    """Style of Python: ruff's rules and its format."""
    session.install("ruff==0.17.*")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy, strict."""
    install(session, "lint", "test")
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, warnings as errors."""
    install(session, "docs", "plot")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """The quick benchmarks."""
    install(session, "bench")
    session.run(
        "python",
        "-m",
        "pytest",
        "-q",
        "-o",
        "python_files=bench_*.py",
        "-o",
        "timeout=600",
        "benchmarks",
        *session.posargs,
    )


@nox.session
def interop(session: nox.Session) -> None:
    """Tests against real programs only."""
    install(session, "test")
    peers(session, PEERS | NIGHTLY_PEERS)
    session.run("python", "-m", "pytest", "-q", "-m", "peer", "tests/interop", *session.posargs)


@nox.session
def nightly(session: nox.Session) -> None:
    """Everything, the slow tests included."""
    install(session, "test")
    peers(session, PEERS | NIGHTLY_PEERS)
    session.run("python", "-m", "pytest", "-q", "-o", "timeout=1800", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Each C unit that reads foreign octets under libFuzzer, AddressSanitizer and UBSan; seconds a target: ``-- 60``."""
    runtime = list(Path("/usr/lib").glob("llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*"))
    if (shutil.which("clang") is None or not runtime) and may_use_apt():
        apt_install(["clang", "libclang-rt-14-dev"])
    if shutil.which("clang") is None:
        session.error("clang with libFuzzer is needed (Debian packages clang and libclang-rt-14-dev)")
    seconds = session.posargs[0] if session.posargs else "20"
    work = Path(session.create_tmp())
    for target in sorted((HERE / "tests" / "fuzz").glob("fuzz_*.c")):
        unit = target.stem.removeprefix("fuzz_")
        binary, corpus = work / target.stem, work / f"corpus_{unit}"
        corpus.mkdir(exist_ok=True)
        seeds = [str(path) for path in [HERE / "tests" / "fuzz" / f"corpus_{unit}"] if path.is_dir()]
        sources = sorted(str(path) for path in (HERE / "src" / "voipgw" / "csrc").glob("vg_*.c"))
        flags = [
            "-g",
            "-O1",
            "-std=gnu11",
            "-fsanitize=fuzzer,address,undefined",
            "-fno-sanitize-recover=all",
            "-Wno-everything",
        ]
        session.run(
            "clang",
            *flags,
            "-Isrc/voipgw/csrc",
            str(target),
            *sources,
            "-lm",
            "-lpthread",
            "-lcrypto",
            "-o",
            str(binary),
            external=True,
        )
        session.run(str(binary), f"-max_total_time={seconds}", "-timeout=5", str(corpus), *seeds, external=True)


@nox.session
def sanitize(session: nox.Session) -> None:
    """The unit tests with the C layer built under AddressSanitizer and UBSan."""
    install(session, "test", VOIPGW_SANITIZE="address,undefined", VOIPGW_WERROR="1")
    library = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = {
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    where = session.posargs or ["tests/unit", "tests/property", "tests/conformance"]
    session.run(
        "python", "-m", "pytest", "-q", "-m", "not nightly and not peer", "-o", "timeout=600", *where, env=environment
    )


if __name__ == "__main__":
    command = [sys.executable, "-m", "nox", "-f", str(HERE / "noxfile.py"), *nox_arguments(sys.argv[1:])]
    sys.exit(subprocess.run(command, check=False).returncode)
