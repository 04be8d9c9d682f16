"""A drainer that lives longer than the Redis it drains: it goes on behind a restore, and mixes no two lives."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from ledgers import work

from ducto_redis import CreditError, NeedsRestore, RedisStore
from ducto_redis.durable import LedgerDrain, Restore, Snapshots, books_in_redis, books_in_sql
from ducto_redis.durable import restore as restore_module
from ducto_redis.errors import LedgerFork


@pytest.fixture
def drain(server, namespace, store, database):
    """A drainer with a store of its own, as in a process of its own, that has drained all there is."""
    work(store)
    with RedisStore.from_url(server.url, namespace=namespace) as own:
        own.setup()
        made = LedgerDrain(own, database.url)
        assert made.drain().rows > 100
        yield made
        made.close()


def wipe(server, namespace):
    server.client.delete(*server.client.keys(f"{namespace}:*"))


def test_it_goes_on_behind_a_restore(server, namespace, store, database, drain):
    """Refused while the namespace is gone or being restored; then it carries new entries, without being made anew."""
    wipe(server, namespace)
    with pytest.raises(NeedsRestore):
        drain.drain()
    met = []

    def ask(point):
        with pytest.raises(NeedsRestore):
            drain.drain()
        met.append(point)

    restore = Restore(store, database.url)
    restore.at_point = ask
    restore.run()
    restore.close()
    assert met == ["said", "begun", "written", "finished"]
    store.add_credits("alice", 5)
    before = len(database.rows())
    assert drain.drain().rows == len(database.rows()) - before == 3  # that, and of each shard that it was restored
    assert drain.drain().rows == 0


def test_it_mixes_no_two_lives(server, namespace, database, drain):
    """Emptied and set up anew under it: what the new life writes is none of the old one's, and SQL stays restorable."""
    before = database.rows()
    wipe(server, namespace)
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as anew:
        assert anew.setup().created
        anew.add_credits("alice", 7)
        for _ in range(2):
            with pytest.raises(NeedsRestore):
                drain.drain()
    assert database.rows() == before
    assert Snapshots(drain.engine, namespace).update().broken == {}


def test_a_drain_that_had_read_before_redis_was_lost(server, namespace, store, database, monkeypatch):
    """It commits when the snapshots of a restore were made already: its rows come back as well, and nothing is written
    under their numbers."""
    work(store)
    begin = restore_module.begin_restore
    with ThreadPoolExecutor(1) as pool, closing(LedgerDrain(store, database.url)) as stalled:
        stalled.drain()
        store.add_credits("alice", 7)
        read, go_on, shards = threading.Event(), threading.Event(), itertools.count(1)

        def stall(point):
            if point == "read" and next(shards) == 2:
                read.set()
                assert go_on.wait(60)

        stalled.at_point = stall
        late = pool.submit(stalled.drain)
        assert read.wait(60)
        wipe(server, namespace)

        def begun_behind_it(*known):
            go_on.set()
            assert isinstance(late.exception(60), CreditError)  # nothing to trim any more
            return begin(*known)

        monkeypatch.setattr(restore_module, "begin_restore", begun_behind_it)
        before = len(database.rows())
        with (
            RedisStore.from_url(server.url, namespace=namespace) as own,
            closing(Restore(own, database.url)) as restore,
        ):
            restore.run()
    assert len(database.rows()) == before + 1
    store.add_credits("alice", 1)
    with closing(LedgerDrain(store, database.url)) as drain:
        drain.drain()
        assert Snapshots(drain.engine, namespace).update().broken == {}
        books = books_in_sql(drain.engine, namespace)
    assert books.balanced
    assert books.folded == books_in_redis(store)


def test_a_drain_that_slept_over_a_restore(server, namespace, store, database):
    """It had read before anything was carried; behind the restore positions begin anew, where it was: still refused."""
    store.add_credits("alice", 7)
    sleeper, other = LedgerDrain(store, database.url), LedgerDrain(store, database.url)

    reads = itertools.count(1)

    def sleep(point):
        if point != "read" or next(reads) < 2:  # of the last shard: nothing is asked of Redis behind it
            return
        sleeper.at_point = lambda _point: None
        other.drain()
        server.client.delete(*server.client.keys(f"{namespace}:*"))
        with RedisStore.from_url(server.url, namespace=namespace) as anew:
            restore = Restore(anew, database.url)
            restore.run()
            restore.close()
        other._positions()

    sleeper.at_point = sleep
    with pytest.raises(NeedsRestore, match="since it was read"):
        sleeper.drain()
    assert set(database.rows("last", "ducto_position")) == {("0-0",)}
    assert store.get_balance("alice").balance == 7
    store.add_credits("alice", 1)
    assert sleeper.drain().rows > 0
    for drain in (sleeper, other):
        drain.close()


def test_entries_before_the_position_that_nobody_carried(server, store, drain):
    """A Redis that went on from an older state with a clock that is behind: told, never trimmed unseen."""
    ledger = store._space.keys.account("alice").keys[4]
    store.add_credits("alice", 6, idempotency_key="theirs")
    store.add_credits("alice", 7)
    unseen, (later_id, later) = server.client.xrange(ledger)[-2][1], server.client.xrange(ledger)[-1]
    server.client.delete(ledger)
    server.client.xadd(ledger, unseen, id="1-1")
    server.client.xadd(ledger, later, id=later_id)
    with pytest.raises(LedgerFork, match=r"nobody carried them.*theirs"):
        drain.drain()
    assert server.client.xlen(ledger) == 2
