"""The simulated cloud's memory: one SQLite file that several processes share, as they would share a provider.

It holds what was created (and lists it only after a while, as real services do), the training samples, what has been
used, and which faults it was told to make. It knows nothing of automl-bench's own results file.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl_bench.errors import ConnectionLost, PermissionDenied, ResourceMissing, Unauthenticated
from automl_bench.simulation.faults import (
    FAULTS_TABLE,
    RETRY_SECONDS,
    SINGLE_FAULTS,
    take_fault,
    tell,
    told,
)
from automl_bench.simulation.loopback_service import Fault, Target
from automl_bench.simulation.services import SERVICES
from automl_bench.simulation.things import BillLine as BillLine
from automl_bench.simulation.things import Thing as Thing

__all__ = ["SINGLE_FAULTS", "BillLine", "SimulatedCloud", "Thing"]

HOME = "home"
"""The region where none is named."""
LIST_LAG_SECONDS = 0.25
"""Real time until a new resource appears in lists."""
LOCK_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
    id TEXT PRIMARY KEY, kind TEXT, name TEXT, service TEXT, created REAL, ready REAL, gone REAL, details TEXT);
CREATE INDEX IF NOT EXISTS things_name ON things (name);
CREATE TABLE IF NOT EXISTS samples (
    dataset TEXT, sample TEXT, label TEXT, view BLOB, PRIMARY KEY (dataset, sample));
CREATE TABLE IF NOT EXISTS creations (place INTEGER PRIMARY KEY, kind TEXT, name TEXT);
CREATE TABLE IF NOT EXISTS deletions (place INTEGER PRIMARY KEY, name TEXT, by_whom TEXT);
CREATE TABLE IF NOT EXISTS used (service TEXT, item TEXT, quantity REAL, PRIMARY KEY (service, item));
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, ends REAL);
CREATE TABLE IF NOT EXISTS predictions (asked INTEGER);
"""


class SimulatedCloud:
    """The cloud, as one account sees it.

    Args:
        path: Its file; made when it is first used.
        speed: Virtual seconds in a real one.
        region: Where in the cloud: each region knows of what lies in it alone.
    """

    def __init__(self, path: Path, speed: float, region: str = HOME) -> None:
        self.path = path
        self.speed = speed
        self.region = region

    # --- control requests ---------------------------------------------------------------------------------------

    def token(self, seconds: float) -> tuple[str, float]:
        """Return an access token and how long it holds, in seconds."""
        self._obey(Target.CONTROL)
        token = secrets.token_hex(8)
        with self._open() as connection:
            connection.execute("INSERT INTO tokens VALUES (?, ?)", (token, time.time() + seconds))
        return token, seconds

    def check(self, token: str, at: str = "") -> None:
        """Let a request in, or not.

        Args:
            token: Its access token.
            at: What the request is for, in the words of `tell`.

        Raises:
            Unauthenticated: If its token has expired.
            ProviderError: If the cloud was told to make a fault.
        """
        self._obey(Target.CONTROL, at)
        with self._open() as connection:
            row = connection.execute("SELECT ends FROM tokens WHERE token = ?", (token,)).fetchone()
        if row is None or row[0] < time.time():
            raise Unauthenticated("the access token has expired.", remedy="Ask for a new one.")

    def create(self, kind: str, name: str, service: str, *, seconds: float = 0.0, **details: Any) -> Thing:
        """Create something; the cloud does not mind that the name is taken.

        Args:
            kind: "dataset", "model" or "endpoint".
            name: Its name.
            service: Which service makes it.
            seconds: Virtual time until it is ready.
            details: What it is made with.

        Raises:
            ConnectionLost: If the cloud was told to lose the answer; the thing exists then.
        """
        now = time.time()
        details["region"] = self.region
        thing = Thing(f"{kind}-{secrets.token_hex(4)}", kind, name, service, now, now + seconds / self.speed, details)
        with self._open() as connection:
            connection.execute(
                "INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
                (thing.id, kind, name, service, now, thing.ready, json.dumps(details)),
            )
            connection.execute("INSERT INTO creations (kind, name) VALUES (?, ?)", (kind, name))
        if self.told(Fault.LOST_ANSWER, once=True):
            raise ConnectionLost("the connection was reset before the answer came.")
        return thing

    def listed(self, prefix: str) -> list[Thing]:
        """Return what exists under a name prefix, oldest first; what is very new does not show yet."""
        query = f"SELECT {_COLUMNS} FROM things WHERE substr(name, 1, ?) = ? AND created < ? ORDER BY created, rowid"
        with self._open() as connection:
            rows = connection.execute(query, (len(prefix), prefix, time.time() - LIST_LAG_SECONDS)).fetchall()
        listed = [_thing(row) for row in rows if row[6] is None or row[6] > time.time()]
        return [thing for thing in listed if self._is_here(thing)]

    def _is_here(self, thing: Thing) -> bool:
        return bool(thing.details.get("region", HOME) == self.region)

    def get(self, thing_id: str) -> Thing:
        """Return one thing by its id, at once.

        Raises:
            ResourceMissing: If it does not exist (any more).
        """
        with self._open() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM things WHERE id = ?", (thing_id,)).fetchone()
        if row is None or (row[6] is not None and row[6] <= time.time()) or not self._is_here(_thing(row)):
            raise ResourceMissing(f"there is no {thing_id} in the simulated cloud.", resource=thing_id)
        return _thing(row)

    def delete(self, thing_id: str, by_whom: str = "") -> bool:
        """Delete something; False if it is only on its way out and is to be asked for again.

        Args:
            thing_id: Its id.
            by_whom: The workspace that asks, for the record.

        Raises:
            ResourceMissing: If it does not exist (any more).
            PermissionDenied: If the cloud was told to refuse deletions.
        """
        thing = self.get(thing_id)
        if self.told(Fault.DELETION_FAILS):
            raise PermissionDenied("the simulated cloud is told to refuse deletions.", resource=thing_id)
        stopping = SERVICES[thing.service].stop_seconds / self.speed if thing.kind == "endpoint" else 0.0
        end = time.time() + stopping
        with self._open() as connection:
            begun = connection.execute("UPDATE things SET gone = ? WHERE id = ? AND gone IS NULL", (end, thing_id))
            if begun.rowcount:
                connection.execute("INSERT INTO deletions (name, by_whom) VALUES (?, ?)", (thing.name, by_whom))
            if begun.rowcount and thing.kind == "endpoint":
                _use(connection, thing.service, "endpoint_hour", self._virtual_hours(thing, end))
            if thing.kind == "dataset":
                connection.execute("DELETE FROM samples WHERE dataset = ?", (thing_id,))
        return stopping == 0.0

    def put_samples(self, dataset: str, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Store (sample, label, view) rows of a dataset; one that is there already is not stored twice."""
        with self._open() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)", [(dataset, *row) for row in rows]
            )

    def samples(self, dataset: str | None = None) -> list[tuple[str, str, bytes]]:
        """Return the stored rows of one dataset, or of all."""
        where = "" if dataset is None else " WHERE dataset = ?"
        with self._open() as connection:
            query = f"SELECT sample, label, view FROM samples{where} ORDER BY sample"
            return list(connection.execute(query, () if dataset is None else (dataset,)))

    def claim_bill(self, thing_id: str) -> bool:
        """Say that a thing's work is billed now; False if it was billed before."""
        with self._open() as connection:
            row = connection.execute("SELECT details FROM things WHERE id = ?", (thing_id,)).fetchone()
            details = json.loads(row[0])
            if details.get("billed"):
                return False
            details["billed"] = True
            connection.execute("UPDATE things SET details = ? WHERE id = ?", (json.dumps(details), thing_id))
        return True

    def mark_failed(self, thing_id: str) -> None:
        """Let a thing have failed for good, as a training that ended without a model."""
        with self._open() as connection:
            row = connection.execute("SELECT details FROM things WHERE id = ?", (thing_id,)).fetchone()
            details = {**json.loads(row[0]), "failed": True}
            connection.execute("UPDATE things SET details = ? WHERE id = ?", (json.dumps(details), thing_id))

    def use(self, service: str, item: str, quantity: float) -> None:
        """Note something used, for the bill."""
        with self._open() as connection:
            _use(connection, service, item, quantity)

    def bill(self) -> list[BillLine]:
        """Return what has been used so far and what it costs, endpoints that still run included."""
        used: dict[tuple[str, str], float] = {}
        with self._open() as connection:
            for service, item, quantity in connection.execute("SELECT service, item, quantity FROM used"):
                used[service, item] = quantity
            running = connection.execute(f"SELECT {_COLUMNS} FROM things WHERE kind = 'endpoint' AND gone IS NULL")
            for thing in map(_thing, running.fetchall()):
                key = (thing.service, "endpoint_hour")
                used[key] = used.get(key, 0.0) + self._virtual_hours(thing, time.time())
        lines = []
        for (service, item), quantity in sorted(used.items()):
            price = next((line for line in SERVICES[service].prices() if line.item == item), None)
            usd = None if price is None or price.usd is None else quantity * price.usd
            lines.append(BillLine(service, item, quantity, usd))
        return lines

    # --- predictions --------------------------------------------------------------------------------------------

    def predicted(self, service: str, endpoint: str) -> None:
        """Count one prediction, and let it in or not.

        Raises:
            ResourceMissing: If the endpoint is gone.
            ProviderError: If the cloud was told to make a fault.
        """
        self.get(endpoint)
        with self._open() as connection:
            connection.execute("UPDATE predictions SET asked = asked + 1")
            error = take_fault(connection, Target.PREDICTION, "predict")
            if error is None:
                _use(connection, service, "call", 1.0)
        if error is not None:
            raise error

    def predictions(self) -> int:
        """Return how many predictions were asked for."""
        with self._open() as connection:
            return int(connection.execute("SELECT asked FROM predictions").fetchone()[0])

    # --- faults -------------------------------------------------------------------------------------------------

    def creations(self) -> list[str]:
        """Return every creation that ever happened, "kind name" each."""
        with self._open() as connection:
            rows = connection.execute("SELECT kind, name FROM creations ORDER BY place").fetchall()
        return [f"{kind} {name}" for kind, name in rows]

    def deletions(self) -> list[tuple[str, str]]:
        """Return every deletion that ever happened: name, and the workspace that asked for it."""
        with self._open() as connection:
            return list(connection.execute("SELECT name, by_whom FROM deletions ORDER BY place"))

    def existing(self) -> list[Thing]:
        """Return what exists, without any lag: what the service itself knows."""
        with self._open() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM things ORDER BY created, rowid").fetchall()
        return [_thing(row) for row in rows if row[6] is None or row[6] > time.time()]

    def tell(
        self,
        fault: Fault,
        target: Target,
        times: int | None,
        *,
        at: str = "",
        skip: int = 0,
        spreads: bool = False,
        retry_after: float = RETRY_SECONDS,
    ) -> None:
        """Tell the cloud to make a fault the next so many times, or until `heal`.

        Args:
            fault: What to do wrong.
            target: Which requests it hits.
            times: How often; None for until `heal`.
            at: Only requests for this: the name of a hook, "poll model", "poll endpoint", "predict"; "" for any.
            skip: Let so many of them pass first.
            spreads: Whether every request is hit once one was: the network is away.
            retry_after: Seconds to wait that a throttled request is told.
        """
        with self._open() as connection:
            tell(connection, fault, target, times, at=at, skip=skip, spreads=spreads, retry_after=retry_after)

    def heal(self) -> None:
        """Make no more faults."""
        with self._open() as connection:
            connection.execute("DELETE FROM faults")

    def is_told(self) -> bool:
        """Whether a fault is still to be made."""
        with self._open() as connection:
            return connection.execute("SELECT 1 FROM faults").fetchone() is not None

    def told(self, fault: Fault, *, once: bool = False) -> bool:
        """Whether the cloud was told to make a lasting fault; `once` takes it back, as does the last of its times."""
        with self._open() as connection:
            return told(connection, fault, once=once)

    # --- inside -------------------------------------------------------------------------------------------------

    def _obey(self, target: Target, at: str = "") -> None:
        with self._open() as connection:
            error = take_fault(connection, target, at)
        if error is not None:
            raise error

    def _virtual_hours(self, thing: Thing, until: float) -> float:
        return max(0.0, until - thing.created) * self.speed / 3600

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in one transaction; threads and processes wait for each other."""
        with _gate:
            connection = _connection(self.path)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


_gate = threading.RLock()
_connections: dict[Path, tuple[int, int, sqlite3.Connection]] = {}
"""One connection a file, with the process and the file it belongs to: a file that was deleted is begun anew."""


def _connection(path: Path) -> sqlite3.Connection:
    known = _connections.get(path)
    if known is not None and known[0] == os.getpid():
        if path.exists() and path.stat().st_ino == known[1]:
            return known[2]
        known[2].close()
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")  # a toy: it must outlive processes, not power cuts
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        for statement in (*_SCHEMA.split(";"), FAULTS_TABLE):
            connection.execute(statement)
        connection.execute("INSERT INTO predictions VALUES (0)")
        connection.execute("PRAGMA user_version = 1")
    connection.execute("COMMIT")
    _connections[path] = (os.getpid(), path.stat().st_ino, connection)
    return connection


@atexit.register
def _close_all() -> None:
    for process, _, connection in _connections.values():
        if process == os.getpid():
            connection.close()


_COLUMNS = "id, kind, name, service, created, ready, gone, details"


def _thing(row: Sequence[Any]) -> Thing:
    return Thing(row[0], row[1], row[2], row[3], row[4], row[5], json.loads(row[7]))


def _use(connection: sqlite3.Connection, service: str, item: str, quantity: float) -> None:
    connection.execute(
        "INSERT INTO used VALUES (?, ?, ?)"
        " ON CONFLICT (service, item) DO UPDATE SET quantity = quantity + excluded.quantity",
        (service, item, quantity),
    )
