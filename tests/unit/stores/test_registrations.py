"""Where registrations are kept: what holds for memory holds for the file, which also outlives the process."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path

import attrs
import pytest

from voipgw.errors import ConfigurationError, ResourceError
from voipgw.sip.bindings import Binding, Bindings
from voipgw.stores.registrations import MemoryRegistrations, SqliteRegistrations


class ManualClock:
    """A calendar that is ``ahead_s`` ahead of the monotonic clock."""

    def __init__(self, monotonic_s: float = 0.0, utc_s: float = 1_800_000_000.0) -> None:
        self.now, self.ahead_s = monotonic_s, utc_s - monotonic_s

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.now + self.ahead_s, dt.UTC)


def binding(contact: str, expires_at: float = 100.0, q: int = 1000) -> Binding:
    return Binding(
        contact, expires_at, "call", 3, q, ("<sip:p;lr>",), (("+sip.instance", '"<urn:x>"'), ("audio", None)),
        ("192.0.2.9", 5060), "tcp", 12, True, "phone", 1.0,
    )  # fmt: skip


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Bindings:
    if request.param == "memory":
        return MemoryRegistrations(most=3)
    return SqliteRegistrations(tmp_path / "reg.sqlite", ManualClock(), "run", most=3)


def test_what_is_kept_comes_back_in_the_order_of_trying(store: Bindings) -> None:
    kept = [binding("sip:a@h", q=100), binding("sip:b@h", q=900), binding("sip:c@h", 200.0, q=100)]
    store.replace("alice", kept, 0.0)
    found = store.of("alice", 0.0)
    assert [one.contact for one in found] == ["sip:b@h", "sip:c@h", "sip:a@h"]
    assert [attrs.evolve(one, expires_at=round(one.expires_at, 3), since=round(one.since, 3)) for one in found] == [
        kept[1], kept[2], kept[0],
    ]  # fmt: skip
    assert store.of("bob", 0.0) == ()
    assert store.count() == 3


def test_replace_leaves_exactly_what_it_is_given(store: Bindings) -> None:
    store.replace("alice", [binding("sip:a@h"), binding("sip:b@h")], 0.0)
    store.replace("alice", [binding("sip:c@h")], 0.0)
    assert [one.contact for one in store.of("alice", 0.0)] == ["sip:c@h"]
    store.replace("alice", [], 0.0)
    assert (store.of("alice", 0.0), store.count()) == ((), 0)


def test_more_than_the_bound_is_refused_and_changes_nothing(store: Bindings) -> None:
    store.replace("alice", [binding("sip:a@h"), binding("sip:b@h")], 0.0)
    with pytest.raises(ResourceError, match="all 3 registrations"):
        store.replace("bob", [binding("sip:c@h"), binding("sip:d@h")], 0.0)
    assert store.of("bob", 0.0) == ()
    store.replace("alice", [binding("sip:a@h"), binding("sip:e@h"), binding("sip:f@h")], 0.0)
    assert store.count() == 3


def test_what_ran_out_is_not_there_and_is_told_once(store: Bindings) -> None:
    store.replace("alice", [binding("sip:a@h", 60.0), binding("sip:b@h", 90.0)], 0.0)
    store.replace("bob", [binding("sip:c@h", 60.0)], 0.0)
    assert store.next_expiry() == pytest.approx(60.0)
    assert store.expired(59.0) == []
    assert sorted((aor, one.contact) for aor, one in store.expired(61.0)) == [("alice", "sip:a@h"), ("bob", "sip:c@h")]
    assert store.expired(61.0) == []
    assert (store.count(), store.next_expiry()) == (1, pytest.approx(90.0))


def test_a_file_is_good_after_a_restart_but_for_its_connections(tmp_path: Path) -> None:
    path = tmp_path / "reg.sqlite"
    before = ManualClock(50_000.0, 1_800_000_000.0)
    store = SqliteRegistrations(path, before, "first")
    store.replace("alice", [binding("sip:a@h", 50_600.0), binding("sip:b@h", 50_100.0)], before.now)
    assert [one.flow for one in store.of("alice", before.now)] == [12, 12]
    store.close()
    after = ManualClock(7.0, 1_800_000_200.0)  # the machine was started anew, and 200 s have passed
    store = SqliteRegistrations(path, after, "second")
    (found,) = store.of("alice", after.now)
    assert (found.contact, found.flow, found.by_flow) == ("sip:a@h", 0, True)
    assert found.expires_at == pytest.approx(407.0)
    assert store.count() == 2
    assert [one.contact for _, one in store.expired(after.now)] == ["sip:b@h"]
    assert store.count() == 1


def test_a_change_that_is_not_finished_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "reg.sqlite"
    store = SqliteRegistrations(path, ManualClock(), "run")
    store.replace("alice", [binding("sip:a@h")], 0.0)
    twice = [binding("sip:b@h"), binding("sip:b@h")]  # the same key: the second cannot be inserted
    with pytest.raises(ResourceError, match="cannot be written"):
        store.replace("alice", twice, 0.0)
    assert [one.contact for one in store.of("alice", 0.0)] == ["sip:a@h"]
    assert store.count() == 1


def test_a_file_that_another_process_holds_costs_an_error_and_not_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "reg.sqlite"
    store = SqliteRegistrations(path, ManualClock(), "run")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ResourceError, match="locked"):
        store.replace("alice", [binding("sip:a@h")], 0.0)
    other.execute("ROLLBACK")
    other.close()
    store.replace("alice", [binding("sip:a@h")], 0.0)
    assert store.count() == 1
    store.close()


def test_a_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing of the kind, and long enough to be looked at\n" * 50)
    with pytest.raises(ConfigurationError, match="notes.txt"):
        SqliteRegistrations(path, ManualClock(), "run")
    with pytest.raises(ConfigurationError, match="cannot open"):
        SqliteRegistrations(tmp_path / "none" / "reg.sqlite", ManualClock(), "run")
    newer = sqlite3.connect(tmp_path / "newer.sqlite")
    newer.execute("PRAGMA user_version=9")
    newer.close()
    with pytest.raises(ConfigurationError, match="version 9"):
        SqliteRegistrations(tmp_path / "newer.sqlite", ManualClock(), "run")
