"""Faults of SQL under a drain: locked, disk full, its file gone; the ledger in Redis beside the rows, before and after.

The control drains as others do: it takes entries away before it commits them.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import drains

from ducto_redis import RedisStore, StoreUnavailable
from ducto_redis.core import draining
from ducto_redis.durable import LedgerDrain

#: A drainer of its own on a disk on which no file can grow beyond a size.
FULL = """
import resource, sys
from ducto_redis import RedisStore, StoreUnavailable
from ducto_redis.durable import LedgerDrain
url, namespace, database, size = sys.argv[1:]
drain = LedgerDrain(RedisStore.from_url(url, namespace=namespace), database)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
try:
    drain.drain()
except StoreUnavailable as error:
    sys.exit(f"failed: {error}")
"""
#: More than the first page of any file of SQLite, less than what a round of the load needs.
FULL_BYTES = (1, 40_000)
FAULTS = ("locked", "full", "gone")


class Failing:
    """A ledger that is carried into a database of SQLite which fails, in rounds.

    Attributes:
        seen: ``entries``, ``failed`` drains by fault, ``trimmed by failing`` drains.
    """

    def __init__(self, server: Any, store: RedisStore, folder: Path) -> None:
        self.server, self.store, self.namespace = server, store, store._space.name
        self.path = folder / "ledger.db"
        self.url = f"sqlite:///{self.path}"
        self.seen: Counter[str] = Counter()

    def locked(self, _draw: random.Random) -> bool:
        """Another writer holds the database."""
        with contextlib.closing(LedgerDrain(self.store, self.url)) as drain:
            with drain.engine.connect() as connection:
                connection.exec_driver_sql("pragma busy_timeout=1")
            blocker = sqlite3.connect(self.path, isolation_level=None)
            with contextlib.closing(blocker):
                blocker.execute("begin immediate")
                return _fails(drain, "locked")

    def full(self, draw: random.Random) -> bool:
        """The disk is full, in a drainer of its own."""
        command = [sys.executable, "-c", FULL, self.server.url, self.namespace, self.url]
        ended = subprocess.run(
            [*command, str(draw.randint(*FULL_BYTES))], check=False, stderr=subprocess.PIPE, text=True
        )
        return ended.returncode == 1 and ended.stderr.startswith("failed: ")

    def gone(self, _draw: random.Random) -> bool:
        """The file is taken away under a drainer that has it open, and put back."""
        with contextlib.closing(LedgerDrain(self.store, self.url)) as drain:
            drain._positions()
            aside = self.path.parent / "aside"
            aside.mkdir()
            names = [path.name for path in self.path.parent.glob("ledger.db*")]
            for name in names:
                (self.path.parent / name).rename(aside / name)
            failed = _fails(drain, "gone")
        for path in self.path.parent.glob("ledger.db*"):
            path.unlink()
        for name in names:
            (aside / name).rename(self.path.parent / name)
        aside.rmdir()
        return failed

    def round(self, fault: str, draw: random.Random) -> set[drains.Row]:
        """Lets a drain fail, and another one go on; answers the entries that there were."""
        drains.load(self.store, draw)
        before = drains.entries(self.server, self.namespace)
        self.seen[fault] += getattr(self, fault)(draw)
        self.seen["trimmed by failing"] += len(before - drains.entries(self.server, self.namespace))
        drains.drain(self.store, self.url)
        return before


def _rows(path: Path) -> list[drains.Row]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("select shard, stream_id, data from ducto_ledger").fetchall()


def _fails(drain: LedgerDrain, word: str) -> bool:
    try:
        drain.drain()
    except StoreUnavailable as error:
        return word in str(error)
    return False


def run(server: Any, namespace: str, n: int, seed: int) -> Counter[str]:
    """n faults by turns: entries, rows lost, doubled or other, and how many drains failed by each fault."""
    draw = random.Random(seed)
    with (
        tempfile.TemporaryDirectory(prefix="ducto-") as folder,
        RedisStore.from_url(server.url, namespace=namespace, shards=drains.SHARDS) as store,
    ):
        store.setup()
        failing = Failing(server, store, Path(folder))
        written = drains.entries(server, namespace)
        drains.drain(store, failing.url)
        for at in range(n):
            written |= failing.round(FAULTS[at % len(FAULTS)], draw)
        seen = drains.compared(_rows(failing.path), written)
    return seen + failing.seen + Counter(faults=n)


def unprotected(server: Any, namespace: str, seed: int) -> Counter[str]:
    """The control: a drainer that takes entries out of Redis, then writes them - to a database that is locked once."""
    with (
        tempfile.TemporaryDirectory(prefix="ducto-") as folder,
        RedisStore.from_url(server.url, namespace=namespace, shards=drains.SHARDS) as store,
    ):
        store.setup()
        path, written = Path(folder) / "control.db", set()
        blocker, sql = (sqlite3.connect(path, isolation_level=None, timeout=0) for _ in range(2))
        sql.execute("create table ducto_ledger (shard, stream_id, data)")
        for is_locked in (False, True, False):
            drains.load(store, random.Random(seed))
            written |= drains.entries(server, namespace)
            sql.execute("begin") if not is_locked else blocker.execute("begin immediate")
            for shard in range(drains.SHARDS):
                part = store._driver.run_flow(draining.read_part(store._space, shard, draining.BEGINNING, 10_000))
                server.client.xtrim(store._space.keys.shard_keys(shard)[0], maxlen=0, approximate=False)
                rows = [(shard, stream_id, data) for stream_id, _, data in part.entries]
                with contextlib.suppress(sqlite3.OperationalError):
                    sql.executemany("insert into ducto_ledger values (?, ?, ?)", rows)
            sql.execute("commit") if not is_locked else blocker.execute("rollback")
        sql.close()
        blocker.close()
        return drains.compared(_rows(path), written)
