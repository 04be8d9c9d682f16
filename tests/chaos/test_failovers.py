"""A replica that lagged is promoted: what is lost, what still holds, and that the drainer tells it."""

from __future__ import annotations

import contextlib

import audit
import failovers
import pytest

from ducto_redis import RedisStore
from ducto_redis.durable import LedgerDrain
from ducto_redis.errors import NeedsRestore

FAILOVERS = 3


def test_a_lagging_replica_is_promoted(namespace, record_property):
    """What was acknowledged behind the cut is lost - Redis promises no more; the rest adds up, nothing is doubled, and
    each time the drainer, which had carried a part of it, tells the fork and overwrites nothing."""
    seen = failovers.run(namespace, FAILOVERS, 1)
    record_property(
        "figure",
        f"{FAILOVERS} failovers to a replica that was cut off: {seen['lost']} of {seen['acknowledged']} acknowledged"
        f" operations lost, {seen['lost but in SQL']} of them in SQL, {seen['credits created']} credits created,"
        f" {seen['doubled']} doubled, {seen['forks told']} forks told",
    )
    assert audit.wrong(seen, may_lose=True) == {}, seen
    assert seen["forks told"] == FAILOVERS
    assert seen["lost"] >= seen["lost but in SQL"] >= 20 * FAILOVERS, seen
    assert seen["verified"] == 3 * FAILOVERS


@pytest.mark.parametrize("ahead_ms", [0, 3_600_000], ids=["same clock", "an hour ahead"])
def test_a_redis_older_than_sql_is_told(namespace, ahead_ms):
    """At once, before anything new is written; and what is written is neither overlooked nor trimmed, even when stream
    ids went back with the clock."""
    seen = failovers.ahead(namespace, ahead_ms)
    assert dict(seen) == {"at once": 1, "later": 2, "kept": 3}


def test_a_redis_that_came_back_empty_is_told(server, namespace, tmp_path):
    """A drainer that was there before does not take it for one without anything new."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as store:
        store.setup()
        with contextlib.closing(LedgerDrain(store, f"sqlite:///{tmp_path}/ledger.db")) as drain:
            drain.drain()
            server.client.delete(*server.client.keys(f"{namespace}:*"))
            with pytest.raises(NeedsRestore):
                drain.drain()
