"""``voipgw lab SCRIPT.py [--seed N]``: run a script in virtual time and say what came of it."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from voipgw.errors import ConfigurationError, ExpectationFailed, VoipGwError
from voipgw.gateway.loading import load_attribute
from voipgw.lab.clock import Stalled
from voipgw.lab.lab import InternalError
from voipgw.lab.lab import run as run_script
from voipgw.lab.peer import PeerError

#: what says that something did not hold, in a script that is itself in order
NOT_SO = (AssertionError, ExpectationFailed, PeerError, Stalled, TimeoutError, InternalError)


def run(file: Path, seed: int = 0, *, trace: Path | None = None, say: Callable[[str], None] = print) -> int:
    """Run ``main(lab)`` of ``file`` and print virtual and real time, speed, and the trace's length and hash.

    ``trace`` is a file for every line of the trace. Returns 0 when the script ended well, and 1 when something that it asserted or
    expected was not so, which one line on standard error names, with its place.

    Raises:
        ConfigurationError: no such file, no ``main`` in it, a file for the trace that cannot be written, or a script that is wrong.
    """
    main = load_attribute(file, "main", "`async def main(lab)`")
    if not inspect.iscoroutinefunction(main):
        raise ConfigurationError(f"{file}: 'main' is no coroutine function; it must be `async def main(lab)`")
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(_written(trace)) if trace is not None else None
        try:
            done = run_script(main, seed, trace_file=sink)
        except NOT_SO as error:
            print(f"voipgw lab: {_place(error, file)}: {_said(error, file)}", file=sys.stderr, flush=True)
            return 1
        except VoipGwError as error:
            raise ConfigurationError(f"{_place(error, file)}: {error}") from error
        except Exception as error:
            raise ConfigurationError(f"{_place(error, file)}: {type(error).__name__}: {error}") from error
    say(
        f"virtual {done.virtual_s:.3f} s, real {done.real_s:.2f} s, processor {done.cpu_s:.2f} s: "
        f"{done.virtual_s / max(done.real_s, 1e-9):.0f} times real time, {done.speed:.0f} times by the processor"
    )
    say(f"trace {done.lines} lines, seed {seed}, sha256 {done.hash}")
    return 0


def _written(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="ascii")
    except OSError as error:
        raise ConfigurationError(f"--trace: cannot write {path}: {error.strerror}") from error


def _frames(error: BaseException, file: Path) -> list[traceback.FrameSummary]:
    """The steps of the script itself on the way to the error."""
    own = file.resolve()
    return [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == own]


def _place(error: BaseException, file: Path) -> str:
    frames = _frames(error, file)
    return f"{file}:{frames[-1].lineno}" if frames else str(file)


def _said(error: BaseException, file: Path) -> str:
    """The error's words; those of the script for an assertion without any."""
    words = " ".join(str(error).split())
    if isinstance(error, AssertionError):
        frames = _frames(error, file)
        if not words and frames:
            words = linecache.getline(str(file), frames[-1].lineno or 0).strip()
        return f"not so: {words}"
    return words or type(error).__name__
