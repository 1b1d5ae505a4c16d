"""Free ports on loopback, below the range that the kernel gives out, and another part of it for each worker of pytest-xdist."""

from __future__ import annotations

import itertools
import os
import socket

_WORKER = int((os.environ.get("PYTEST_XDIST_WORKER") or "gw0").removeprefix("gw"))
_LOW, _SIZE = 10_000 + 5_000 * (_WORKER % 4), 5_000
_next = itertools.cycle(range(_LOW + os.getpid() * 34 % _SIZE // 2 * 2, _LOW + _SIZE, 2))


def free_port(count: int = 2) -> int:
    """The first, even, of ``count`` ports in a row that nobody has; no call gives the same again."""
    while True:
        first = next(_next)
        if first + count > _LOW + _SIZE:
            continue
        if all(_free(port) for port in range(first, first + count)):
            for _ in range((count - 1) // 2):
                next(_next)
            return first


def _free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
