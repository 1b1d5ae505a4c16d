"""Starts programs for a test and ends them with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from rig.baresip import Baresip
from rig.gateway import Gateway
from rig.kamailio import Kamailio
from rig.processes import Process, wait_for_port
from rig.sipp import Sipp

P = TypeVar("P", bound=Process)
Keep = Callable[[P], P]


@pytest.fixture
def keep() -> Iterator[Callable[[P], P]]:
    """Takes a process; it is gone when the test is."""
    with ExitStack() as stack:

        def kept(process: P) -> P:
            stack.callback(process.kill)
            return process

        yield kept


@pytest.fixture
def trunk_gateway(keep: Callable[[Gateway], Gateway], tmp_path: Path) -> Callable[..., Gateway]:
    """Starts ``examples/trunk_gateway.py`` and waits until it is ready."""

    def start(*options: str, **settings: object) -> Gateway:
        return keep(Gateway("trunk_gateway.py", *options, cwd=tmp_path, **settings))  # type: ignore[arg-type]

    return start


@pytest.fixture
def sipp(keep: Callable[[Sipp], Sipp], tmp_path: Path) -> Callable[..., Sipp]:
    """Starts a sipp; a callee is waited for until it listens."""

    def start(scenario: str, *options: str, **settings: object) -> Sipp:
        process = keep(Sipp(scenario, *options, cwd=tmp_path, **settings))  # type: ignore[arg-type]
        if scenario.startswith("callee"):
            wait_for_port(process, process.port)
        return process

    return start


@pytest.fixture
def analog_gateway(keep: Callable[[Gateway], Gateway], tmp_path: Path) -> Callable[..., Gateway]:
    """Starts ``examples/analog_gateway.py`` with a script and waits until it is ready."""

    def start(script: str, *options: str) -> Gateway:
        (tmp_path / "day.txt").write_text(script)
        return keep(Gateway("analog_gateway.py", "--script", "day.txt", *options, cwd=tmp_path))

    return start


@pytest.fixture
def baresip(keep: Callable[[Baresip], Baresip], tmp_path: Path) -> Callable[..., Baresip]:
    """Starts a baresip and waits until it can be called."""
    return lambda say, **settings: keep(Baresip(tmp_path, say, **settings))


@pytest.fixture
def program(keep: Callable[[Gateway], Gateway], tmp_path: Path) -> Callable[..., Gateway]:
    """Starts any of ``examples/`` and waits until it is ready."""
    return lambda name, *options, **settings: keep(Gateway(name, *options, cwd=tmp_path, **settings))


@pytest.fixture
def kamailio(keep: Callable[[Kamailio], Kamailio], tmp_path: Path) -> Callable[[str], Kamailio]:
    """Starts a Kamailio and waits until it is up."""
    return lambda name: keep(Kamailio(name, tmp_path))
