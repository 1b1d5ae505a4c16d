"""Registrations, in memory or in an SQLite file; both implement ``voipgw.sip.bindings.Bindings``.

The file is written in WAL mode, one short transaction a change, so that a change costs some tens of microseconds and a killed
process leaves either all of it or nothing. It keeps the calendar's time: what it holds is good after a restart, but for the
connections that users came by, which are gone.
"""

from __future__ import annotations

import heapq
import json
import math
import sqlite3
import typing
from collections.abc import Iterable
from pathlib import Path

from voipgw.clock import Clock
from voipgw.errors import ConfigurationError, ResourceError
from voipgw.sip.bindings import Binding, in_order

_VERSION = 1
_WAIT_S = 0.2  #: for another process that is writing
_SCHEMA = """
CREATE TABLE IF NOT EXISTS bindings (
    aor TEXT NOT NULL, key TEXT NOT NULL, expires REAL NOT NULL, run TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (aor, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bindings_by_expiry ON bindings (expires);
"""


class MemoryRegistrations:
    """Registrations that last as long as the process."""

    def __init__(self, most: int = 100_000) -> None:
        """``most`` bindings are kept; more are refused."""
        self._most = most
        self._by_aor: dict[str, tuple[Binding, ...]] = {}
        self._expiries: list[tuple[float, str]] = []
        self._count = 0

    def of(self, aor: str, now: float) -> tuple[Binding, ...]:
        """See ``Bindings.of``."""
        found = self._by_aor.get(aor, ())
        return tuple([binding for binding in found if binding.expires_at > now])

    def replace(self, aor: str, bindings: Iterable[Binding], now: float) -> None:
        """See ``Bindings.replace``."""
        new = in_order(bindings)
        old = self._by_aor.get(aor, ())
        if len(new) > len(old) and self._count + len(new) - len(old) > self._most:
            raise ResourceError(f"all {self._most} registrations are in use")
        self._count += len(new) - len(old)
        if new:
            self._by_aor[aor] = new
        else:
            self._by_aor.pop(aor, None)
        known = {binding.expires_at for binding in old}
        for binding in new:
            if binding.expires_at not in known:
                heapq.heappush(self._expiries, (binding.expires_at, aor))
        if len(self._expiries) > 64 + 4 * self._count:
            self._expiries = [(one.expires_at, name) for name, kept in self._by_aor.items() for one in kept]
            heapq.heapify(self._expiries)

    def expired(self, now: float) -> list[tuple[str, Binding]]:
        """See ``Bindings.expired``."""
        gone: list[tuple[str, Binding]] = []
        while self._expiries and self._expiries[0][0] <= now:
            _, aor = heapq.heappop(self._expiries)
            held = self._by_aor.get(aor, ())
            over = [binding for binding in held if binding.expires_at <= now]
            if over:
                gone += [(aor, binding) for binding in over]
                self.replace(aor, [binding for binding in held if binding.expires_at > now], now)
        return gone

    def next_expiry(self) -> float:
        """See ``Bindings.next_expiry``; may be early, where a binding was renewed since."""
        return self._expiries[0][0] if self._expiries else math.inf

    def count(self) -> int:
        """See ``Bindings.count``."""
        return self._count


class SqliteRegistrations:
    """Registrations in an SQLite file."""

    def __init__(self, path: Path, clock: Clock, run: str, most: int = 100_000) -> None:
        """Open or make the file. ``run`` names this process: connections of any other are known to be gone.

        Raises:
            ConfigurationError: the file cannot be opened, or is something else.
        """
        self._clock = clock
        self._run = run
        self._most = most
        try:
            self._db = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise ConfigurationError(f"--db: cannot open {path}: {error}") from error
        try:
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise ConfigurationError(f"--db: {path} is of version {version}; this program writes {_VERSION}")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={_VERSION}")
            self._count: int = self._db.execute("SELECT count(*) FROM bindings").fetchone()[0]
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigurationError(f"--db: {path} is no file of registrations: {error}") from error
        except ConfigurationError:
            self._db.close()
            raise

    def of(self, aor: str, now: float) -> tuple[Binding, ...]:
        """See ``Bindings.of``."""
        ahead_s = self._ahead_s()
        rows = self._read(
            "SELECT expires, run, value FROM bindings WHERE aor = ? AND expires > ?", (aor, now + ahead_s)
        )
        return in_order([self._binding(expires - ahead_s, run, value) for expires, run, value in rows])

    def replace(self, aor: str, bindings: Iterable[Binding], now: float) -> None:
        """See ``Bindings.replace``."""
        ahead_s = self._ahead_s()
        rows = [
            (aor, one.key, one.expires_at + ahead_s, self._run if one.flow else "", _text(one, ahead_s))
            for one in bindings
        ]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                removed = self._db.execute("DELETE FROM bindings WHERE aor = ?", (aor,)).rowcount
                if len(rows) > removed and self._count + len(rows) - removed > self._most:
                    raise ResourceError(f"all {self._most} registrations are in use")
                self._db.executemany("INSERT INTO bindings VALUES (?, ?, ?, ?, ?)", rows)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise ResourceError(f"registrations cannot be written: {error}") from error
        self._count += len(rows) - removed

    def expired(self, now: float) -> list[tuple[str, Binding]]:
        """See ``Bindings.expired``."""
        ahead_s = self._ahead_s()
        try:
            rows = self._db.execute(
                "DELETE FROM bindings WHERE expires <= ? RETURNING aor, expires, run, value", (now + ahead_s,)
            ).fetchall()
        except sqlite3.Error as error:
            raise ResourceError(f"registrations cannot be written: {error}") from error
        self._count -= len(rows)
        return [(aor, self._binding(expires - ahead_s, run, value)) for aor, expires, run, value in rows]

    def next_expiry(self) -> float:
        """See ``Bindings.next_expiry``."""
        ((first,),) = self._read("SELECT min(expires) FROM bindings")
        return math.inf if first is None else first - self._ahead_s()

    def count(self) -> int:
        """See ``Bindings.count``."""
        return self._count

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _read(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[typing.Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise ResourceError(f"registrations cannot be read: {error}") from error

    def _ahead_s(self) -> float:
        """What the calendar's seconds are ahead of the monotonic ones."""
        return self._clock.utc().timestamp() - self._clock.monotonic()

    def _binding(self, expires_at: float, run: str, value: str) -> Binding:
        kept = json.loads(value)
        return Binding(
            contact=kept["contact"],
            expires_at=expires_at,
            call_id=kept["call_id"],
            cseq=kept["cseq"],
            q=kept["q"],
            path=tuple(kept["path"]),
            params=tuple((name, content) for name, content in kept["params"]),
            source=(kept["source"][0], kept["source"][1]),
            transport=kept["transport"],
            flow=kept["flow"] if run == self._run else 0,
            by_flow=kept["by_flow"],
            agent=kept["agent"],
            since=kept["since"] - self._ahead_s(),
        )


def _text(binding: Binding, ahead_s: float) -> str:
    return json.dumps(
        {
            "contact": binding.contact, "call_id": binding.call_id, "cseq": binding.cseq, "q": binding.q,
            "path": binding.path, "params": binding.params, "source": binding.source, "transport": binding.transport,
            "flow": binding.flow, "by_flow": binding.by_flow, "agent": binding.agent, "since": binding.since + ahead_s,
        }
    )  # fmt: skip
