"""The example programs, started as a user starts them."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from rig.processes import Process

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


def environment() -> dict[str, str]:
    """Finds voipgw where these tests found it, installed or not."""
    import voipgw

    source = str(Path(voipgw.__file__).parents[1])
    return {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")]), "PYTHONUNBUFFERED": "1"}


class Program(Process):
    """One of ``examples/``; ready as soon as it says READY."""

    def __init__(self, name: str, *options: str, cwd: Path, env: dict[str, str] | None = None) -> None:
        super().__init__(
            [sys.executable, "-W", "error", str(EXAMPLES / name), *options], cwd, {**environment(), **(env or {})}
        )
        self.cwd = cwd

    def ready(self, within: float = 20.0) -> dict[str, Any]:
        """The object of its READY line."""
        found: dict[str, Any] = json.loads(self.line(r"^READY (\{.*\})$", within)[1])
        return found

    def stop(self, within: float = 15.0) -> None:
        """SIGTERM; it has to end with 0 and to have complained of nothing."""
        self.signal(signal.SIGTERM)
        status = self.wait(within)
        assert status == 0, self.output
        assert "Traceback" not in self.output, self.output


class Gateway(Program):
    """A gateway program that listens on loopback and writes records."""

    def __init__(
        self,
        name: str,
        *options: str,
        cwd: Path,
        listen: tuple[str, ...] = ("udp:127.0.0.1:0",),
        env: dict[str, str] | None = None,
        cdr: str = "calls.jsonl",
    ) -> None:
        self._cdr = cdr
        words = [word for where in listen for word in ("--listen", where)]
        super().__init__(name, *words, "--cdr", cdr, *options, cwd=cwd, env=env)
        try:
            self.listen: list[str] = self.ready()["listen"]
        except BaseException:
            self.kill()
            raise

    def address(self, index: int = 0) -> str:
        """HOST:PORT of a listener."""
        return self.listen[index].partition(":")[2]

    def records(self) -> list[dict[str, Any]]:
        """The records so far; all of them after ``stop``."""
        path = self.cwd / self._cdr
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
