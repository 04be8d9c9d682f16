"""The ledger in SQL: every entry once, whatever stops the drain; forks, poison and foreign databases are told."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
import threading

import pytest

from ducto_redis import ConfigError, RedisStore, SchemaNewer, SpendCap, StoreUnavailable
from ducto_redis.core import draining
from ducto_redis.core.entries import read_entry
from ducto_redis.core.fold import fold
from ducto_redis.durable import LedgerDrain
from ducto_redis.durable import drain as drain_module
from ducto_redis.errors import LedgerFork

POINTS = ("read", "written", "committed", "trimmed")


class Stopped(Exception):
    """A drain that is stopped at a named point."""


@pytest.fixture
def store(server, namespace):
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as made:
        made.setup()
        yield made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def url_of(path):
    return f"sqlite:///{path}"


def work(store, times=20, users=("alice", "acme/x/bob", "carol %:")):
    """Entries of several kinds on several roots."""
    for user in users:
        store.add_credits(user, 1_000)
        store.set_spend_cap(SpendCap(user_id=user, limit=100_000))
        for _ in range(times):
            store.settle(user, store.reserve(user, 3), 2)


def ledger_of(server, namespace, shards=2):
    """Stream id and packed entry of every entry that Redis holds."""
    return [
        (shard, entry_id.decode(), fields[b"e"])
        for shard in range(shards)
        for entry_id, fields in server.client.xrange(f"{namespace}:{{{shard}}}:ledger")
    ]


def rows_of(path, columns="shard, stream_id, data", table="ducto_ledger"):
    connection = sqlite3.connect(path)
    found = connection.execute(f"select {columns} from {table}").fetchall()
    connection.close()
    return found


def test_every_entry_is_there_once(server, namespace, store, path, record_property):
    """As Redis had it, byte for byte; folded they give the balances of Redis; the ledger is trimmed behind."""
    work(store)
    before = ledger_of(server, namespace)
    drain = LedgerDrain(store, url_of(path))
    done = drain.drain()
    assert (done.rows, done.dead, done.repeated, done.trimmed) == (len(before), 0, 0, len(before))
    assert sorted(rows_of(path)) == sorted(before)
    assert ledger_of(server, namespace) == []
    work(store, 5)
    later = ledger_of(server, namespace)
    assert drain.drain().rows == len(later)
    drain.close()
    rows = rows_of(path, "root, sequence, data")
    states = fold([read_entry(data) for root, _, data in sorted(rows) if not root.startswith("#")])
    assert states["alice"].nodes[""].balance == 10_000 * int(store.get_balance("alice").balance)
    assert states["acme"].nodes["x/bob"].balance == 10_000 * int(store.get_balance("acme/x/bob").balance)
    record_property("figure", f"drain: {len(rows)} rows of {len(before) + len(later)} entries, 0 lost, 0 doubled")


def test_a_drain_in_small_parts(server, namespace, store, path, monkeypatch):
    """Parts of three entries give the same as one."""
    monkeypatch.setattr(drain_module, "PART", 3)
    work(store, 4)
    before = ledger_of(server, namespace)
    drain = LedgerDrain(store, url_of(path), trim=False)
    assert drain.drain().rows == len(before)
    assert drain.drain().rows == 0
    assert sorted(rows_of(path)) == sorted(before) == sorted(ledger_of(server, namespace))
    assert rows_of(path, "sum(entries)", "ducto_position") == [(len(before),)]
    drain.close()


def test_stopped_anywhere_it_goes_on(server, namespace, store, path, monkeypatch, record_property):
    """At the k-th point, for every k, in parts of 30: then the next drain, and nothing is lost or doubled."""
    monkeypatch.setattr(drain_module, "PART", 30)
    total, stops = [], 0
    for stop_at in itertools.count(1):
        work(store, 32)
        total = list(dict.fromkeys([*total, *ledger_of(server, namespace)]))
        drain, met = LedgerDrain(store, url_of(path)), itertools.count(1)

        def stop(_point, met=met, stop_at=stop_at):
            if next(met) == stop_at:
                raise Stopped

        drain.at_point = stop
        try:
            drain.drain()
        except Stopped:
            stops += 1
        else:
            break
        finally:
            drain.close()
    assert stops >= 4 * len(POINTS)
    assert sorted(rows_of(path)) == sorted(total)
    record_property("figure", f"drain stopped at {stops} points: {len(total)} entries, 0 lost, 0 doubled")


class Apart:
    """The unprotected control: rows without a key and the position, each committed by itself, parts of 7."""

    def __init__(self, store, path, stop_at):
        self.store, self.met, self.stop_at = store, itertools.count(1), stop_at
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.sql.execute("create table if not exists ledger (shard, stream_id, data)")
        self.sql.execute("create table if not exists position (shard primary key, last)")

    def at_point(self):
        if next(self.met) == self.stop_at:
            raise Stopped

    def drain(self):
        for shard in range(2):
            more = True
            while more:
                known = self.sql.execute("select last from position where shard = ?", (shard,)).fetchone()
                flow = draining.read_part(self.store._space, shard, known[0] if known else "0-0", 7)
                entries, more = self.store._driver.run_flow(flow)
                rows = [(shard, stream_id, data) for stream_id, _, data in entries]
                self.sql.executemany("insert into ledger values (?, ?, ?)", rows)
                self.at_point()
                if rows:
                    self.sql.execute("replace into position values (?, ?)", rows[-1][:2])
                self.at_point()


def test_control_a_position_apart_doubles(server, namespace, store, tmp_path, record_property):
    """Stopped at the k-th point, for every k: what lies between rows and position comes again."""
    work(store, 20)
    stops = 0
    for stop_at in itertools.count(1):
        control = Apart(store, tmp_path / "control.db", stop_at)
        try:
            control.drain()
        except Stopped:
            stops += 1
            work(store, 5)
        else:
            break
        finally:
            control.sql.close()
    rows = rows_of(tmp_path / "control.db", table="ledger")
    assert set(rows) == set(ledger_of(server, namespace))
    assert len(rows) > len(set(rows))
    told = f"{len(rows) - len(set(rows))} of {len(set(rows))} rows doubled"
    record_property("figure", f"unprotected control, position apart, {stops} stops: {told}")


KILLED = """
import os, sys
from ducto_redis import RedisStore
from ducto_redis.durable import LedgerDrain
url, namespace, database, point = sys.argv[1:]
store = RedisStore.from_url(url, namespace=namespace)
store.setup(create=False)
drain = LedgerDrain(store, database)
drain.at_point = lambda met: os.kill(os.getpid(), 9) if met == point else None
drain.drain()
"""


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_goes_on(server, namespace, store, path, point):
    """A process of its own that dies by SIGKILL, in the middle of its transaction too."""
    work(store, 3)
    before = ledger_of(server, namespace)
    told = subprocess.run([sys.executable, "-c", KILLED, server.url, namespace, url_of(path), point], check=False)
    assert told.returncode == -9
    drain = LedgerDrain(store, url_of(path))
    drain.drain()
    drain.close()
    assert sorted(rows_of(path)) == sorted(before)


def test_two_drainers_at_once(server, namespace, store, path, monkeypatch, record_property):
    """Both carry the same ledger while it grows; each entry is there once."""
    monkeypatch.setattr(drain_module, "PART", 20)
    work(store, 30)
    drains = [LedgerDrain(store, url_of(path), trim=False) for _ in range(2)]
    done, overtaken = threading.Event(), [0, 0]

    def carry(at):
        while not done.is_set():
            overtaken[at] += drains[at].drain().overtaken

    threads = [threading.Thread(target=carry, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    work(store, 45)
    done.set()
    for thread in threads:
        thread.join()
    drains[0].drain()
    entries = ledger_of(server, namespace)
    assert sorted(rows_of(path)) == sorted(entries)
    record_property(
        "figure", f"two drainers at once: {len(entries)} entries, 0 lost, 0 doubled, {sum(overtaken)} times overtaken"
    )
    for drain in drains:
        drain.close()


def test_a_lost_position_compares_what_is_there(server, namespace, store, path):
    """A database whose positions are gone reads the ledger again: equal rows are repetitions, poison too."""
    work(store, 3)
    server.client.xadd(store._space.keys.account("alice").keys[4], {"e": b"\1poison"})
    drain = LedgerDrain(store, url_of(path), trim=False)
    first = drain.drain()
    assert first.dead == 1
    connection = sqlite3.connect(path)
    connection.execute("delete from ducto_position")
    connection.commit()
    connection.close()
    store.add_credits("alice", 1)
    again = drain.drain()
    assert (again.repeated, again.rows, again.dead) == (first.rows + 1, 1, 0)
    assert sorted(rows_of(path)) == sorted(each for each in ledger_of(server, namespace) if each[2] != b"\1poison")
    drain.close()


def test_a_pass_without_entries_writes_nothing(server, namespace, store, path):
    """Neither to Redis nor to SQL."""
    work(store, 2)
    drain = LedgerDrain(store, url_of(path))
    drain.drain()
    before = server.client.info("commandstats")
    drain.drain()
    after = server.client.info("commandstats")
    assert [before.get(f"cmdstat_{name}") for name in ("xtrim", "hset")] == [
        after.get(f"cmdstat_{name}") for name in ("xtrim", "hset")
    ]
    assert ledger_of(server, namespace) == []
    drain.close()


def test_a_fork_is_told_and_never_overwritten(server, namespace, store, path):
    """A Redis that went on from an older state gives the same number to something else."""
    store.add_credits("alice", 1)
    state = {key: server.client.dump(key) for key in server.client.keys(f"{namespace}:*")}
    drain = LedgerDrain(store, url_of(path), trim=False)
    store.add_credits("alice", 2, idempotency_key="theirs")
    drain.drain()
    before = sorted(rows_of(path))
    for key in server.client.keys(f"{namespace}:*"):
        server.client.delete(key)
    for key, data in state.items():
        server.client.restore(key, 0, data)
    store.add_credits("alice", 3, idempotency_key="ours")
    with pytest.raises(LedgerFork, match=r"alice #2 \(gours\)"):
        drain.drain()
    assert sorted(rows_of(path)) == before
    drain.close()


def test_poison_is_set_aside(server, store, path):
    """What is no entry, cut short or of an unknown kind lies in a table of its own; the rest goes on."""
    store.add_credits("alice", 1)
    ledger = store._space.keys.account("alice").keys[4]
    good = server.client.xrange(ledger)[-1][1][b"e"]
    for data in (b"", good[:20], bytes([1, 250]) + good[2:], b"\x01\xff\xfe"):
        server.client.xadd(ledger, {"e": data})
    server.client.xadd(ledger, {"a": "1", "b": "2"})
    store.add_credits("alice", 2)
    drain = LedgerDrain(store, url_of(path))
    done = drain.drain()
    assert done.dead == 5
    assert [bytes(data) for (data,) in rows_of(path, "data", "ducto_dead")][:2] == [b"", good[:20]]
    assert (b"a1b2", "it does not have the one field of an entry") in rows_of(path, "data, reason", "ducto_dead")
    assert tuple(sequence for (sequence,) in rows_of(path, "sequence from ducto_ledger where root = 'alice' -- ")) == (
        1,
        2,
    )
    drain.close()


def test_a_newer_entry_stops_the_drain(server, store, path):
    """It is not poison: a newer release says something that this one must not set aside."""
    store.add_credits("alice", 1)
    ledger = store._space.keys.account("alice").keys[4]
    server.client.xadd(ledger, {"e": b"\x02" + server.client.xrange(ledger)[-1][1][b"e"][1:]})
    drain = LedgerDrain(store, url_of(path))
    with pytest.raises(SchemaNewer, match=r"layout 2.* entry \d+-\d of shard"):
        drain.drain()
    assert [root for (root,) in rows_of(path, "root") if root == "alice"] == []
    drain.close()


def test_the_sweep_leaves_a_drained_ledger(server, namespace, store, path, monkeypatch):
    """From the first drain on until it is unregistered."""
    monkeypatch.setattr("ducto_redis.core.sweeping.MAX_ENTRIES", 1)
    drain = LedgerDrain(store, url_of(path), trim=False)
    drain.drain()
    work(store, 100, users=("alice",))
    store.sweep(100_000)
    assert len(ledger_of(server, namespace)) > 200
    drain.unregister()
    drain.close()
    store.sweep(100_000)
    assert len(ledger_of(server, namespace)) < 200


def test_the_file_is_private_and_synchronous(store, path):
    """Readable by its owner alone; a commit is on the disk."""
    drain = LedgerDrain(store, url_of(path))
    assert path.stat().st_mode & 0o777 == 0o600
    with drain._engine.connect() as connection:
        told = [connection.exec_driver_sql(f"pragma {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert told == ["wal", 2]
    drain.close()


def test_databases_that_are_not_ours(store, tmp_path):
    """Refused before anything is written: a foreign one, a newer one, no database, no driver, no place."""
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("create table users (id)")
    with pytest.raises(ConfigError, match="not ours"):
        LedgerDrain(store, url_of(foreign))
    assert rows_of(foreign, "name", "sqlite_master") == [("users",)]
    newer = tmp_path / "newer.db"
    LedgerDrain(store, url_of(newer)).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("update ducto_schema set version = 99")
    with pytest.raises(SchemaNewer, match="version 99"):
        LedgerDrain(store, url_of(newer))
    text = tmp_path / "text.db"
    text.write_text("no database" * 100)
    with pytest.raises(StoreUnavailable):
        LedgerDrain(store, url_of(text))
    for url in ("no url", "nothing://x", f"sqlite:///{tmp_path}/none/ledger.db"):
        with pytest.raises(ConfigError):
            LedgerDrain(store, url)


def test_a_database_that_fails_loses_nothing(server, namespace, store, path):
    """Locked by another writer: an error, nothing trimmed; afterwards it goes on."""
    work(store, 3)
    before = ledger_of(server, namespace)
    drain = LedgerDrain(store, url_of(path))
    with drain._engine.connect() as connection:
        connection.exec_driver_sql("pragma busy_timeout=1")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("begin immediate")
    with pytest.raises(StoreUnavailable, match="locked"):
        drain.drain()
    assert ledger_of(server, namespace) == before
    blocker.execute("rollback")
    blocker.close()
    assert drain.drain().rows == len(before)
    drain.close()
