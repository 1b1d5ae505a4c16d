"""The journal of running calls: what a killed process leaves behind, so that the next start can complete it.

It is ``FILE.open.N``, locked as long as its process lives: a ``+`` line begins a call, a ``-`` line ends one. It is touched
while calls run; what was open in a journal without an owner ended when it was last touched.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from voipgw.cdr.record import CallRecord, recovered
from voipgw.errors import ConfigurationError, ParseError

_SLOTS = 256  # processes that may write to one file
_COMPACT_OCTETS = 1 << 18
_OPEN = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC


class Journal:
    """The running calls of this process: ``+`` lines begin one, ``-`` lines end one."""

    def __init__(self, path: Path, fsync: bool) -> None:
        self._fsync = fsync
        self._live: dict[str, bytes] = {}
        self._live_octets = 0
        self._size = 0
        self._behind = False  # the file lacks something, since it could not be written
        for slot in range(_SLOTS):
            self._path = Path(f"{path}.open.{slot}")
            fd = _locked(self._path, create=True)
            if fd is not None and os.fstat(fd).st_size == 0:
                self._fd = fd
                return
            if fd is not None:
                os.close(fd)
        raise ConfigurationError(f"{path}: {_SLOTS} processes write call records there already")

    def begin(self, call_id: str, line: bytes) -> None:
        """Note an answered call; ``line`` is its record so far, as JSON."""
        self._live[call_id] = line
        self._live_octets += len(line)
        self._append(b"+" + line + b"\n")

    def end(self, call_id: str) -> None:
        """Its record has been taken over."""
        line = self._live.pop(call_id, None)
        if line is not None:
            self._live_octets -= len(line)
            self._append(b"-" + json.dumps(call_id).encode() + b"\n")

    def heartbeat(self) -> None:
        """The running calls still run."""
        if self._behind:
            self._compact()
        if self._live:
            os.utime(self._fd)

    def _append(self, line: bytes) -> None:
        if self._behind or (self._size > _COMPACT_OCTETS and self._size > 4 * self._live_octets):
            self._compact()
            return
        try:
            self._behind = os.write(self._fd, line) != len(line)
            if self._fsync:
                os.fsync(self._fd)
        except OSError:
            self._behind = True
        self._size += len(line)

    def _compact(self) -> None:
        """Write a new journal of the live calls alone and put it in the place of the old one."""
        new = Path(f"{self._path}.new")
        lines = b"".join([b"+" + line + b"\n" for line in self._live.values()])
        try:
            fd = os.open(new, _OPEN | os.O_TRUNC, 0o640)
        except OSError:
            self._behind = True
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(fd, lines) != len(lines):
                raise OSError
            new.rename(self._path)
        except OSError:
            os.close(fd)
            self._behind = True
            return
        os.close(self._fd)
        self._fd, self._size, self._behind = fd, len(lines), False

    def close(self) -> None:
        """Let go of the file; it goes away unless calls are still open."""
        if not self._live:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)


def recover(path: Path | str, keep: Callable[[list[CallRecord]], None]) -> None:
    """Complete the calls that killed processes left in the journals of ``path``.

    ``keep`` is given the completed records of each such journal, which is removed once it has returned.

    Raises:
        ConfigurationError: a journal cannot be read.
    """
    for slot in range(_SLOTS):
        journal = Path(f"{path}.open.{slot}")
        if not journal.exists():
            continue
        fd = _locked(journal, create=False)
        if fd is None:  # its process lives
            continue
        try:
            last_known = dt.datetime.fromtimestamp(os.fstat(fd).st_mtime, dt.UTC)
            with os.fdopen(os.dup(fd), "rb") as file:
                keep([recovered(record, last_known) for record in _open_calls(file)])
            journal.unlink(missing_ok=True)
        finally:
            os.close(fd)


def _open_calls(lines: Iterable[bytes]) -> list[CallRecord]:
    live: dict[str, CallRecord] = {}
    for line in lines:
        try:
            if line[:1] == b"-":
                live.pop(json.loads(line[1:]), None)
            elif line[:1] == b"+":
                record = CallRecord.from_json(line[1:])
                live[record.call_id] = record
        except (ParseError, ValueError, TypeError):  # torn by a full disk
            continue
    return list(live.values())


def _locked(path: Path, *, create: bool) -> int | None:
    """A descriptor of the journal with its lock held, or None where another process holds it."""
    while True:
        try:
            fd = os.open(path, _OPEN if create else _OPEN & ~os.O_CREAT, 0o640)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"journal of call records {path}: {error.strerror}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return None
        try:
            if os.stat(path).st_ino == os.fstat(fd).st_ino:
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)  # its owner put another file there meanwhile: look again
