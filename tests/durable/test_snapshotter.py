"""The snapshotter: a thread, a task, one process of many; forks, failures, hands that change, how far it is behind."""

from __future__ import annotations

import asyncio
import os
import queue
import threading

import pytest
from ledgers import ended

from ducto_redis import AsyncRedisStore, ConfigError, RedisStore
from ducto_redis.durable import AsyncSnapshotter, LedgerDrain, Restore, Snapshotter
from ducto_redis.durable.lease import Lease
from ducto_redis.durable.snapshotter import LEASE_MS, Passes
from ducto_redis.errors import LedgerFork, StoreUnavailable


class Turns:
    """Waits that end when the test says so; never on a clock."""

    def __init__(self):
        self._asked, self._go = queue.Queue(), queue.Queue()

    def __call__(self, _seconds):
        self._asked.put(None)
        return self._go.get()

    def next(self):
        """Lets it run once, and waits until it has."""
        self._asked.get(timeout=30)
        self._go.put(False)
        self._asked.get(timeout=30)
        self._asked.put(None)

    def end(self):
        self._go.put(True)


class Clock:
    def __init__(self):
        self.now_ms = 1_800_000_000_000

    def __call__(self):
        return self.now_ms


def work(store, times=5):
    for user in ("alice", "acme/bob"):
        store.add_credits(user, 100)
        for _ in range(times):
            store.settle(user, store.reserve(user, 3), 2)


def waiting(store, server):
    shards = range(store.setup().shards)
    return sum(server.client.xlen(f"{store._space.name}:{{{shard}}}:ledger") for shard in shards)


def test_a_thread_drains_every_so_often(server, store, database):
    """What was written is in SQL behind the next run; the lag says so; the end carries what is left."""
    turns, clock = Turns(), Clock()
    work(store)
    snapshotter = Snapshotter(store, database.url, wait=turns, now_ms=clock)
    before = snapshotter.lag()
    assert (before.entries, before.seconds, before.active) == (waiting(store, server), None, False)
    turns.next()
    clock.now_ms += 2_500
    after = snapshotter.lag()
    assert (after.entries, after.seconds, after.roots, after.dead, after.active) == (0, 2.5, 0, 0, True)
    work(store)
    assert snapshotter.lag().entries == 22
    turns.end()
    snapshotter.close()
    assert waiting(store, server) == 0
    assert not snapshotter.running
    restored = Restore(store, database.url)
    assert store.get_balance("alice").balance == 180
    restored.close()


def test_of_two_one_drains(server, store, database):
    """The second waits while the lease of the first lasts, and takes over when it is not kept any more."""
    clock = Clock()
    first, second = (Passes(store, database.url, 1.0, clock) for _ in range(2))
    work(store)
    assert (first.run(), second.run()) == (True, False)
    assert (first.active, second.active) == (True, False)
    clock.now_ms += LEASE_MS - 1
    assert not second.run()
    clock.now_ms += 1
    work(store)
    assert second.run()
    assert not first.run()
    assert waiting(store, server) == 0
    second.close()
    assert first.run(), "given back, it need not be waited for"
    first.close()


def test_who_slept_past_its_lease_writes_nothing(server, store, database):
    """Its token is lower than the one that moved the position since: its transaction is rolled back."""
    clock = Clock()
    sleeper, successor = (LedgerDrain(store, database.url) for _ in range(2))
    leases = [Lease(each.engine, store._space.name, 1_000, clock) for each in (sleeper, successor)]
    sleeper.token = leases[0].take()
    work(store)

    def overslept(point):
        if point == "read" and successor.token is None:
            clock.now_ms += 1_001
            successor.token = leases[1].take()
            assert successor.drain().rows > 0

    sleeper.at_point = overslept
    done = sleeper.drain()
    assert done.rows == 0
    assert done.overtaken >= 1
    work(store)
    assert (sleeper.drain().rows, waiting(store, server) > 0) == (0, True)
    assert successor.drain().rows > 0
    for each in (sleeper, successor):
        each.close()


def test_failures_do_not_stop_it(server, store, database, monkeypatch):
    """They are told by last_error; the next run that goes well takes them away."""
    turns = Turns()
    snapshotter = Snapshotter(store, database.url, wait=turns, now_ms=Clock())
    drain = snapshotter.passes._drain.drain

    def failing():
        raise StoreUnavailable("the database failed: planted")

    monkeypatch.setattr(snapshotter.passes._drain, "drain", failing)
    work(store)
    turns.next()
    assert str(snapshotter.last_error) == "the database failed: planted"
    assert waiting(store, server) > 0
    monkeypatch.setattr(snapshotter.passes._drain, "drain", drain)
    turns.next()
    assert snapshotter.last_error is None
    assert waiting(store, server) == 0
    turns.end()
    snapshotter.close()


def test_a_forked_child_goes_on_by_itself(server, store, database):
    """It has a thread and connections of its own, and takes over when the parent's lease is over."""
    turns, clock = Turns(), Clock()
    snapshotter = Snapshotter(store, database.url, wait=turns, now_ms=clock)
    turns.next()
    parent_read, child_write = os.pipe()
    child = os.fork()
    if child == 0:
        # The waits of the parent's thread mean nothing here: runs are called for.
        outcome = b"?"
        try:
            early = snapshotter.passes.run()
            clock.now_ms += LEASE_MS + 1
            work(store)
            late = snapshotter.passes.run()
            outcome = b"%d %d %d" % (early, late, snapshotter.running)
        finally:
            os.write(child_write, outcome)
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(parent_read, 100) == b"0 1 1"
    assert waiting(store, server) == 0
    clock.now_ms += 2 * LEASE_MS + 2
    work(store)
    assert snapshotter.passes.run()
    assert waiting(store, server) == 0
    turns.end()
    snapshotter.close()


class Asked:
    """A lock that tells when somebody asks for it."""

    def __init__(self, inner):
        self._inner, self.asked = inner, threading.Event()

    def acquire(self):
        self.asked.set()
        return self._inner.acquire()

    def release(self):
        self._inner.release()

    __enter__ = acquire

    def __exit__(self, *_):
        self._inner.release()


def test_a_fork_waits_for_the_end_of_a_run(store, database):
    """Forked in the middle of a transaction the child would never get its lock; so it is forked behind it."""
    clock = Clock()
    passes = Passes(store, database.url, 1.0, clock)
    inside, lock = threading.Event(), Asked(passes._running)
    passes._running = lock

    def hold(point):
        if point == "written":
            lock.asked.clear()
            inside.set()
            assert lock.asked.wait(30)

    passes._drain.at_point = hold
    work(store)
    run = threading.Thread(target=passes.run)
    run.start()
    inside.wait()

    def carry():
        clock.now_ms += LEASE_MS + 1
        passes._drain.at_point = lambda _point: None
        work(store)
        os._exit(0 if passes.run() else 2)

    assert ended(carry) == 0
    run.join()
    assert database.rows("count(*)") == [(46,)]
    passes.close()


def test_a_task_drains_too(server, namespace, database):
    """On asyncio: SQL is spoken in a thread, Redis on the loop; the same results."""

    async def main():
        asked, go = asyncio.Queue(), asyncio.Queue()

        async def wait(_seconds):
            await asked.put(None)
            return await go.get()

        async with AsyncRedisStore.from_url(server.url, namespace=namespace, shards=2) as store:
            await store.setup()
            await store.add_credits("alice", 100)
            snapshotter = AsyncSnapshotter(store, database.url, wait=wait, now_ms=Clock())
            before = await snapshotter.lag()
            await asked.get()
            await go.put(False)
            await asked.get()
            after = await snapshotter.lag()
            await store.settle("alice", await store.reserve("alice", 5), 5)
            await snapshotter.close()
            return before, after, snapshotter.last_error

    before, after, error = asyncio.run(main())
    assert (before.entries, after.entries, after.roots, after.active, error) == (3, 0, 0, True, None)
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        store.setup(create=False)
        assert waiting(store, server) == 0


def test_many_at_once(store, database, record_property):
    """Eight threads with passes of their own under load: every entry once, whoever has the lease."""
    clock, passes, done = Clock(), [], threading.Event()
    passes = [Passes(store, database.url, 1.0, clock) for _ in range(8)]

    def carry(each):
        while not done.is_set():
            clock.now_ms += 997  # hands change all the time
            each.run()

    threads = [threading.Thread(target=carry, args=(each,)) for each in passes]
    for thread in threads:
        thread.start()
    work(store, 40)
    done.set()
    for thread in threads:
        thread.join()
    clock.now_ms += 10 * LEASE_MS
    passes[0].run()
    entries = 2 + 2 * (1 + 2 * 40)
    assert database.rows("count(*)") == [(entries,)]
    assert sum(each.rows for each in passes) == entries
    hands = sum(each.runs > 0 for each in passes)
    record_property("figure", f"8 snapshotters at once: {entries} entries, each once, {hands} of them had the lease")
    for each in passes:
        each.close()


def test_a_redis_that_came_back_older(server, namespace, store, database):
    """It lacks what SQL has carried: told before anything is written, also when it is idle."""
    store.add_credits("alice", 1)
    keys = server.client.keys(f"{namespace}:*")
    older = {key: server.client.dump(key) for key in keys}
    store.add_credits("alice", 2)
    store.add_credits("bob", 3)
    drain = LedgerDrain(store, database.url)
    drain.drain()
    server.client.delete(*server.client.keys(f"{namespace}:*"))
    for key, data in older.items():
        server.client.restore(key, 0, data)
    rows = database.rows("count(*)")
    with pytest.raises(LedgerFork, match="older state"):
        drain.drain()
    assert database.rows("count(*)") == rows
    restore = Restore(store, database.url)
    assert restore.run(prefer="sql").dropped == 1
    assert [int(store.get_balance(user).balance) for user in ("alice", "bob")] == [3, 3]
    assert drain.drain().rows == 2
    restore.close()
    drain.close()


def test_a_database_in_memory(store):
    """Its tables would be the making thread's alone."""
    for url in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(ConfigError, match="name a file"):
            Snapshotter(store, url)
