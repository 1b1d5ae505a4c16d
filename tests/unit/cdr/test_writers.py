"""Call records on disk."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from voipgw.cdr import Attempt, CallRecord, JsonLinesWriter, LegMedia, export_csv, read_records
from voipgw.cdr.writers import COLUMNS
from voipgw.errors import ConfigurationError

START = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def record(call_id: str = "c1", *, over: bool = True) -> CallRecord:
    end = START + dt.timedelta(seconds=61)
    return CallRecord(
        call_id,
        START,
        START + dt.timedelta(seconds=1),
        end if over else None,
        "line:1",
        "+4930101",
        "0301234",
        60.0 if over else 0.0,
        16 if over else None,
        200,
        (Attempt("trunk:a", 41, 503), Attempt("trunk:b", 16, 200)),
        (LegMedia("PCMU", 1, 2, 3, 0.5, 4.4),) if over else (),
    )


def lines(path: Path) -> list[str]:
    return [json.loads(line)["call_id"] for line in path.read_text().splitlines()]


def test_each_record_is_a_line_and_the_file_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    for call_id in ("c1", "c2"):
        writer = JsonLinesWriter(path, fsync=True)
        writer.write(record(call_id))
        assert (writer.written, writer.pending, writer.last_error) == (1, 0, None)
        writer.close()
        writer.close()
    assert lines(path) == ["c1", "c2"]
    assert list(read_records(path)) == [record("c1"), record("c2")]
    assert os.listdir(tmp_path) == ["cdr.jsonl"]
    assert path.stat().st_mode & 0o777 == 0o640 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("where", ["missing/cdr.jsonl", "."])
def test_a_file_that_cannot_be_written_is_named_at_the_start(tmp_path: Path, where: str) -> None:
    with pytest.raises(ConfigurationError, match=r"call records .*: (No such file|Is a directory)"):
        JsonLinesWriter(tmp_path / where)


def test_a_full_disk_keeps_records_up_to_the_bound_and_writes_them_later(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    path.symlink_to("/dev/full")
    writer = JsonLinesWriter(path, pending_limit=2, journal=False)
    for call_id in ("c1", "c2", "c3"):
        writer.write(record(call_id))
    assert (writer.written, writer.pending, writer.lost) == (0, 2, 1)
    assert "No space left" in (writer.last_error or "")
    path.unlink()
    writer.reopen()
    writer.heartbeat()
    assert (writer.written, writer.pending, writer.last_error) == (2, 0, None)
    assert lines(path) == ["c2", "c3"]
    writer.close()


@contextlib.contextmanager
def files_of_at_most(octets: int) -> Iterator[None]:
    """A disk that is full at a size: a write that crosses it is cut off, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_that_the_disk_cut_off_is_written_again_in_full(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    writer = JsonLinesWriter(path)
    writer.write(record("c1"))
    with files_of_at_most(path.stat().st_size + 100):
        for call_id in ("c2", "c3"):
            writer.begin(record(call_id, over=False))
            writer.write(record(call_id))
        assert (writer.written, writer.pending) == (1, 2)
        assert str(path) in (writer.last_error or "")
    writer.heartbeat()
    assert (writer.written, writer.pending, writer.last_error) == (3, 0, None)
    assert [r.call_id for r in read_records(path)] == ["c1", "c2", "c3"]
    writer.close()
    assert os.listdir(tmp_path) == ["cdr.jsonl"]


def test_a_journal_that_a_full_disk_cut_off_is_whole_again_at_the_next_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    writer = JsonLinesWriter(path)
    writer.begin(record("c1", over=False))
    with files_of_at_most(Path(f"{path}.open.0").stat().st_size + 50):
        writer.begin(record("c2", over=False))
        writer.heartbeat()
    writer.heartbeat()
    writer.close()
    JsonLinesWriter(path).close()
    assert [(r.call_id, r.recovered) for r in read_records(path)] == [("c1", True), ("c2", True)]


def test_a_torn_line_is_closed_before_the_next_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    path.write_text(record("c1").to_json() + '\n{"call_id":"torn","sta')
    writer = JsonLinesWriter(path)
    writer.write(record("c2"))
    writer.close()
    assert [r.call_id for r in read_records(path)] == ["c1", "c2"]


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    writer = JsonLinesWriter(path)
    writer.write(record("c1"))
    path.rename(tmp_path / "old")
    writer.reopen()
    writer.write(record("c2"))
    writer.close()
    assert (lines(tmp_path / "old"), lines(path)) == (["c1"], ["c2"])


KILLED = """
import os, signal, sys
from voipgw.cdr import CallRecord, JsonLinesWriter
path, done, *texts = sys.argv[1:]
writer = JsonLinesWriter(path)
for text in texts:
    writer.begin(CallRecord.from_json(text))
if done:
    writer.write(CallRecord.from_json(done))
writer.heartbeat()
os.kill(os.getpid(), signal.SIGKILL)
"""

MANY = """
import sys
from voipgw.cdr import CallRecord, JsonLinesWriter
writer = JsonLinesWriter(sys.argv[1])
for number in range(200):
    writer.write(CallRecord.from_json(sys.argv[2].replace("NAME", f"{number}" + "x" * 500)))
writer.close()
"""


def _killed(path: Path, call_ids: list[str]) -> None:
    """A process that begins calls, ends the first of three, and is killed."""
    begun = [record(call_id, over=False).to_json() for call_id in call_ids]
    done = record(call_ids[0]).to_json() if len(call_ids) == 3 else ""
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path), done, *begun], check=False)
    assert ended.returncode == -signal.SIGKILL


def test_calls_of_a_killed_process_are_completed_by_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    _killed(path, ["c1", "c2", "c3"])
    os.utime(f"{path}.open.0", (0, (START + dt.timedelta(seconds=31)).timestamp()))
    assert lines(path) == ["c1"]
    writer = JsonLinesWriter(path)
    found = {r.call_id: r for r in read_records(path)}
    assert list(found) == ["c1", "c2", "c3"]
    assert not found["c1"].recovered
    assert (found["c2"].recovered, found["c2"].cause, found["c2"].duration_s) == (True, 41, 30.0)
    writer.close()
    JsonLinesWriter(path).close()
    assert len(lines(path)) == 3
    assert os.listdir(tmp_path) == ["cdr.jsonl"]


def test_a_call_whose_record_was_written_just_before_the_kill_is_not_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    _killed(path, ["c1", "c2"])
    path.write_text(record("c1").to_json() + "\n")
    JsonLinesWriter(path).close()
    assert lines(path) == ["c1", "c2"]


def test_a_torn_journal_loses_only_the_torn_call(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    _killed(path, ["c1", "c2"])
    journal = Path(f"{path}.open.0")
    journal.write_bytes(journal.read_bytes()[:-20])
    JsonLinesWriter(path).close()
    assert lines(path) == ["c1"]


def test_the_journal_of_a_living_process_is_left_alone_and_another_takes_the_next(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    one = JsonLinesWriter(path)
    one.begin(record("c1", over=False))
    two = JsonLinesWriter(path)
    assert not path.read_bytes()
    two.write(record("c2"))
    one.write(record("c1"))
    two.close()
    one.close()
    assert lines(path) == ["c2", "c1"]


def test_calls_open_at_close_stay_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    writer = JsonLinesWriter(path)
    writer.begin(record("c1", over=False))
    writer.close()
    JsonLinesWriter(path).close()
    assert [(r.call_id, r.recovered) for r in read_records(path)] == [("c1", True)]


def test_the_journal_stays_small_however_many_calls_pass(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    writer = JsonLinesWriter(path)
    writer.begin(record("long", over=False))
    for number in range(3000):
        writer.begin(record(f"c{number}", over=False))
        writer.write(record(f"c{number}"))
    assert Path(f"{path}.open.0").stat().st_size < 300_000
    writer.close()
    JsonLinesWriter(path).close()
    found = list(read_records(path))
    assert len(found) == 3001
    assert [r.call_id for r in found if r.recovered] == ["long"]


def test_lines_of_several_processes_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    texts = [record(f"{name}-NAME").to_json() for name in "abc"]
    workers = [subprocess.Popen([sys.executable, "-c", MANY, str(path), text]) for text in texts]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert len(lines(path)) == len(set(lines(path))) == 600


def test_csv_has_a_heading_a_row_a_call_and_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "cdr.jsonl"
    writer = JsonLinesWriter(path)
    writer.write(record("c1"))
    writer.write(attrs.evolve(record("c2"), calling='=HYPERLINK("http://x")', called="-1+1", attempts=(), media=()))
    writer.close()
    out = io.StringIO(newline="")
    assert export_csv(read_records(path), out) == 2
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["calling"], rows[0]["target"], rows[0]["attempts"]) == (
        "+4930101",
        "trunk:b",
        "trunk:a 41 503; trunk:b 16 200",
    )
    assert (rows[0]["start"], rows[0]["codec_in"], rows[0]["mos_in"]) == (
        "2026-01-02T03:04:05.000+00:00",
        "PCMU",
        "4.4",
    )
    assert (rows[1]["calling"], rows[1]["called"], rows[1]["target"]) == ('\'=HYPERLINK("http://x")', "'-1+1", "")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        list(read_records("/nonexistent/cdr"))
