"""Programs started by a test: their lines are awaited, and none outlives its test."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest


def need(program: str) -> str:
    """The path of a program; without it the test is skipped, or fails where everything has to be there (CI=true)."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is not installed, and CI=true")
        pytest.skip(f"{program} is not installed")
    return found


class Process:
    """A running program, with every line it has said on either output."""

    def __init__(self, command: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> None:
        self.command = list(command)
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            self.command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None and self._process.stderr is not None
        self.pid = self._process.pid
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._process.stdout, self._process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def output(self) -> str:
        """Everything it has said so far."""
        return "\n".join(self.lines)

    def line(self, pattern: str, within: float = 15.0) -> re.Match[str]:
        """The first line with ``pattern`` in it, from the start of the program on."""
        regex, until, seen = re.compile(pattern), time.monotonic() + within, 0
        with self._news:
            while True:
                while seen < len(self.lines):
                    found = regex.search(self.lines[seen])
                    if found:
                        return found
                    seen += 1
                over = not any(reader.is_alive() for reader in self._readers)
                if over or not self._news.wait(until - time.monotonic()):
                    why = "ended" if over else f"did not say so within {within} s"
                    raise AssertionError(f"no line like {pattern!r}: {self.command[0]} {why}:\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, within: float = 20.0) -> int:
        """Its exit status, with every line read."""
        try:
            status = self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command[0]} did not end within {within} s:\n{self.output}") from None
        for reader in self._readers:
            reader.join(5)
        return status

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait(10)
        for reader in self._readers:
            reader.join(5)


def wait_for_port(process: Process, port: int, within: float = 10.0) -> None:
    """Until somebody has ``port``, for programs that do not say when they are ready: the kernel is asked."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        for table in ("udp", "tcp"):
            rows = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            if any(row.split()[1].endswith(f":{port:04X}") for row in rows):
                return
        assert process.running, process.output
        select.select([], [], [], 0.01)
    raise AssertionError(f"{process.command[0]} does not listen on {port}")
