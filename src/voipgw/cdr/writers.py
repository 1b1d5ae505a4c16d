"""Call records to disk: JSON lines, and CSV.

A record is one ``write`` to a file opened for appending, so that lines of several processes never mix. What cannot be
written (disk full) waits in memory, up to a bound, and is tried again; calls never notice.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from voipgw.cdr.journal import Journal, recover
from voipgw.cdr.record import CallRecord
from voipgw.errors import ConfigurationError, ParseError

_TAIL_OCTETS = 1 << 20  # of the file, where a record that was written just before a kill stands
_OPEN = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC


class JsonLinesWriter:
    """Appends one JSON object a line to a file.

    Args:
        path: the file; it is made if missing.
        fsync: wait until each record is on the disk itself, at the cost of blocking for that long.
        pending_limit: records kept for another try when the file cannot be written; the oldest is lost beyond that.
        journal: keep the journal of running calls, and complete at once what a killed process left in one.

    Raises:
        ConfigurationError: the file or the journal cannot be written.
    """

    def __init__(
        self, path: Path | str, *, fsync: bool = False, pending_limit: int = 10_000, journal: bool = True
    ) -> None:
        self.path = Path(path)
        self._fsync = fsync
        self._pending: deque[tuple[str, bytes]] = deque()  # call_id and line
        self._pending_limit = pending_limit
        self._journal: Journal | None = None
        self.written = 0  #: records since the start
        self.lost = 0  #: records given up
        self.last_error: str | None = None  #: why the file cannot be written, None while it can
        self._fd = _opened(self.path)
        try:
            self._torn = _ends_within_a_line(self._fd)
            if journal:
                recover(self.path, self._keep)
                self._journal = Journal(self.path, fsync)
        except BaseException:
            os.close(self._fd)
            raise

    def _keep(self, records: list[CallRecord]) -> None:
        """Write what was recovered, unless it is there: the kill may have come between record and journal."""
        size = os.fstat(self._fd).st_size
        tail = os.pread(self._fd, _TAIL_OCTETS, max(0, size - _TAIL_OCTETS)) if records else b""
        for record in records:
            if b'{"call_id":' + json.dumps(record.call_id).encode() + b"," not in tail:
                self.write(record)
        if self._pending:
            raise ConfigurationError(f"call records {self.last_error}")

    @property
    def pending(self) -> int:
        """Records that wait for the file to become writable."""
        return len(self._pending)

    def begin(self, record: CallRecord) -> None:
        """Note an answered call, so that its record survives this process."""
        if self._journal is not None:
            self._journal.begin(record.call_id, record.to_json().encode())

    def write(self, record: CallRecord) -> None:
        """Append a finished record, or keep it for ``retry``; never raises for what the disk does."""
        self._pending.append((record.call_id, record.to_json().encode() + b"\n"))
        self.retry()
        if len(self._pending) > self._pending_limit:
            self._done()
            self.lost += 1

    def retry(self) -> None:
        """Write what waits, as far as it goes."""
        while self._pending:
            line = self._pending[0][1]
            octets = b"\n" + line if self._torn else line
            try:
                count = os.write(self._fd, octets)
                if self._fsync:
                    os.fsync(self._fd)
            except OSError as error:
                self.last_error = f"{self.path}: {error.strerror}"
                return
            if count < len(octets):  # the disk became full within the line: it is written again, whole
                self._torn = self._torn or count > 0
                self.last_error = f"{self.path}: disk full"
                return
            self._torn = False
            self._done()
            self.written += 1
            self.last_error = None

    def _done(self) -> None:
        call_id, _ = self._pending.popleft()
        if self._journal is not None:
            self._journal.end(call_id)

    def heartbeat(self) -> None:
        """Say that the running calls still run, and try again what waits; to be called every few seconds."""
        if self._journal is not None:
            self._journal.heartbeat()
        self.retry()

    def reopen(self) -> None:
        """Go on in a fresh file of the same name, after somebody moved the old one away.

        Raises:
            ConfigurationError: it cannot be made; the old one stays in use.
        """
        fresh = _opened(self.path)
        os.close(self._fd)
        self._fd = fresh
        self._torn = _ends_within_a_line(fresh)

    def close(self) -> None:
        """Write what waits, and let go of the files. Calls that are still open stay in the journal."""
        if self._fd < 0:
            return
        self.retry()
        if self._journal is not None:
            self._journal.close()
        os.close(self._fd)
        self._fd = -1


def read_records(path: Path | str) -> Iterator[CallRecord]:
    """The records of a file of JSON lines, oldest first; lines that a full disk tore are passed over.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        file = Path(path).open("rb")  # noqa: SIM115  # closed below, outside of this try
    except OSError as error:
        raise ConfigurationError(f"call records {path}: {error.strerror}") from None
    with file:
        for line in file:
            try:
                yield CallRecord.from_json(line)
            except ParseError:
                continue


COLUMNS = (
    "call_id", "start", "answer", "end", "source", "calling", "called", "duration_s", "cause", "sip_status", "target",
    "attempts", "codec_in", "lost_in", "mos_in", "codec_out", "lost_out", "mos_out", "recovered",
)  #: of ``export_csv``; "in" is the calling leg, "out" the called one  # fmt: skip

_FORMULA = re.compile(r"[=+\-@\t]")
_PLAIN_NUMBER = re.compile(r"[+-]?[0-9.]+\Z")


def export_csv(records: Iterable[CallRecord], file: TextIO) -> int:
    """Write ``records`` as CSV (RFC 4180) with a heading; returns how many. ``file`` is open with ``newline=""``.

    A text that a spreadsheet would run as a formula (a caller chooses what stands there) gets an apostrophe before it.
    """
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for record in records:
        attempts = "; ".join([f"{a.target} {a.cause} {a.sip_status or '-'}" for a in record.attempts])
        legs = [(leg.codec, leg.packets_lost, leg.mos) for leg in record.media[:2]]
        while len(legs) < 2:
            legs.append(("", 0, None))
        cells = (
            record.call_id, _stamp(record.start), _stamp(record.answer), _stamp(record.end), record.source,
            record.calling, record.called, record.duration_s, record.cause, record.sip_status,
            record.attempts[-1].target if record.attempts else "", attempts, *legs[0], *legs[1],
            int(record.recovered),
        )  # fmt: skip
        writer.writerow([_cell(cell) for cell in cells])
        count += 1
    return count


def _stamp(moment: dt.datetime | None) -> str:
    return "" if moment is None else moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")


def _cell(value: object) -> object:
    if isinstance(value, str) and _FORMULA.match(value) and not _PLAIN_NUMBER.match(value):
        return "'" + value
    return value


def _opened(path: Path) -> int:
    try:
        fd = os.open(path, _OPEN, 0o640)
        space = os.fstatvfs(fd)
    except OSError as error:
        raise ConfigurationError(
            f"call records {path}: {error.strerror}; a file in a directory that this user may write is right"
        ) from None
    if space.f_blocks and not space.f_bavail:
        os.close(fd)
        raise ConfigurationError(f"call records {path}: the disk is full")
    return fd


def _ends_within_a_line(fd: int) -> bool:
    """Whether the last line of the file was torn by a kill or a full disk."""
    size = os.lseek(fd, 0, os.SEEK_END)
    try:
        return size > 0 and os.pread(fd, 1, size - 1) != b"\n"
    except OSError:  # not a plain file
        return False
