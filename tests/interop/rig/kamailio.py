"""Kamailio with the configurations beside these tests."""

from __future__ import annotations

import json
import select
import socket
import time
from pathlib import Path
from typing import Any

from rig.ports import free_port
from rig.processes import Process, need

CONFIGURATIONS = Path(__file__).parents[1] / "kamailio"


class Kamailio(Process):
    """One Kamailio on loopback, up when it answers over its control port."""

    def __init__(self, name: str, cwd: Path) -> None:
        program = need("kamailio")
        self.port, self._rpc = free_port(2), free_port(2)
        text = (CONFIGURATIONS / f"{name}.cfg").read_text()
        (cwd / "kamailio.cfg").write_text(text.replace("@PORT@", str(self.port)).replace("@RPC@", str(self._rpc)))
        folder = str(cwd)
        super().__init__(
            [program, "-f", "kamailio.cfg", "-DD", "-E", "-w", folder, "-Y", folder, "-P", f"{folder}/kamailio.pid",
             "-m", "32", "-M", "4"],
            cwd,
        )  # fmt: skip
        try:
            self.ask("core.version")
        except BaseException:
            self.kill()
            raise

    def ask(self, method: str, within: float = 10.0) -> Any:
        """What it says over its control port."""
        until = time.monotonic() + within
        octets = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1}).encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.connect(("127.0.0.1", self._rpc))
            while time.monotonic() < until:
                assert self.running, self.output
                try:
                    control.send(octets)
                    if select.select([control], [], [], 0.1)[0]:
                        return json.loads(control.recv(65536))
                except ConnectionRefusedError:
                    select.select([], [], [], 0.05)
        raise AssertionError(f"kamailio does not answer:\n{self.output}")

    def registered(self) -> str:
        """All its registrations, as text."""
        return json.dumps(self.ask("ul.dump"))

    def until_registered(self, text: str, there: bool = True, within: float = 10.0) -> None:
        """Wait until ``text`` is among its registrations, or no longer."""
        until = time.monotonic() + within
        while (text in self.registered()) is not there:
            assert time.monotonic() < until, self.registered()
            select.select([], [], [], 0.05)
