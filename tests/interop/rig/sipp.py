"""sipp in both roles, with the scenarios beside these tests."""

from __future__ import annotations

import csv
import re
import select
import time
from pathlib import Path

from rig.ports import free_port
from rig.processes import Process, need

SCENARIOS = Path(__file__).parents[1] / "scenarios"


class Sipp(Process):
    """One sipp. The marks ``@NAME@`` of its scenario are filled in from ``marks``."""

    def __init__(
        self, scenario: str, *options: str, cwd: Path, calls: int = 1, port: int = 0, seconds: int = 30, **marks: str
    ) -> None:
        program = need("sipp")
        self.port = port or free_port()
        self.name = f"{scenario}-{self.port}"
        self.media_port = free_port(4)
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for mark, value in marks.items():
            text = text.replace(f"@{mark}@", value)
        (cwd / f"{self.name}.xml").write_text(text)
        self._statistics = cwd / f"{self.name}.csv"
        self._errors = cwd / f"{self.name}.errors"
        self._messages = cwd / f"{self.name}.messages"
        super().__init__(
            [program, "-sf", f"{self.name}.xml", "-nostdin", "-i", "127.0.0.1", "-mi", "127.0.0.1",
             "-p", str(self.port), "-mp", str(self.media_port), "-m", str(calls), "-timeout", f"{seconds}s",
             "-timeout_error", "-trace_stat", "-stf", self._statistics.name, "-fd", "1",
             "-trace_err", "-error_file", self._errors.name,
             "-trace_msg", "-message_file", self._messages.name, *options],
            cwd,
        )  # fmt: skip

    @property
    def uri(self) -> str:
        """How it is called."""
        return f"sip:127.0.0.1:{self.port}"

    @property
    def errors(self) -> str:
        """What it complained of."""
        return self._errors.read_text() if self._errors.exists() else ""

    @property
    def messages(self) -> str:
        """What it sent and received."""
        return self._messages.read_text() if self._messages.exists() else ""

    def heard(self, pattern: str, count: int = 1, within: float = 15.0) -> None:
        """Wait until what it sent and received has ``pattern`` so many times."""
        until = time.monotonic() + within
        while len(re.findall(pattern, self.messages)) < count:
            assert time.monotonic() < until, f"{self.name}: not {count} times {pattern!r}:\n{self.messages}"
            select.select([], [], [], 0.02)

    def counted(self, name: str) -> int:
        """A column of the last row of its statistics, e.g. ``SuccessfulCall(C)``."""
        with self._statistics.open(newline="") as file:
            return int(list(csv.DictReader(file, delimiter=";"))[-1][name])

    def succeeded(self, calls: int = 1, within: float = 40.0, *, exact: bool = False) -> None:
        """It has ended, and all calls went as its scenario says, without any other message.

        ``exact``: and nothing was sent twice. Elsewhere a machine that is too busy to answer in half a second may do that.
        """
        status = self.wait(within)
        told = f"{self.name}: exit {status}\n{self.errors}\n{self.messages[-6000:]}"
        assert status == 0, told
        assert self.counted("SuccessfulCall(C)") == calls, told
        assert self.counted("FailedCall(C)") == 0, told
        again = self.counted("Retransmissions(C)")
        assert self.errors == "" or (again and not exact), told
        assert again == 0 or not exact, told
