"""A drainer that lives longer than the Redis it drains: it goes on behind a restore, and mixes no two lives."""

from __future__ import annotations

import pytest
from ledgers import work

from ducto_redis import NeedsRestore, RedisStore
from ducto_redis.durable import LedgerDrain, Restore, Snapshots


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
