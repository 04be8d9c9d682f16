"""SQL that fails under a drain: it is told, nothing is trimmed, and the next drain goes on."""

from __future__ import annotations

import contextlib

import sql_faults

from ducto_redis import RedisStore
from ducto_redis.durable import LedgerDrain

FAULTS = 3


def test_sql_that_is_locked_full_or_gone(server, namespace, record_property):
    """Locked by another writer, no byte left on the disk (RLIMIT_FSIZE), the file taken away while it is open: each is
    told as ``StoreUnavailable``, nothing is trimmed; afterwards every entry is a row, once."""
    seen = sql_faults.run(server, namespace, FAULTS, 1)
    record_property(
        "figure",
        f"SQL locked, full, gone {FAULTS} times: {seen['entries']:,} entries, {seen['lost']} lost, {seen['doubled']}"
        f" rows doubled, {seen['trimmed by failing']} trimmed by failing drains",
    )
    wrong = {name: seen[name] for name in ("lost", "doubled", "other", "trimmed by failing")}
    assert wrong == dict.fromkeys(wrong, 0), seen
    assert {fault: seen[fault] for fault in sql_faults.FAULTS} == dict.fromkeys(sql_faults.FAULTS, FAULTS // 3)


def test_control_a_drain_that_trims_before_it_commits(server, namespace, record_property):
    """What it had taken out of Redis when SQL was locked is in neither."""
    seen = sql_faults.unprotected(server, namespace, 1)
    figure = f"{seen['lost']:,} of {seen['entries']:,} rows lost"
    record_property("figure", f"control, trimmed before the commit, SQL locked once: {figure}")
    assert seen["lost"] > 0


def test_a_relative_path_stays_where_it_was(server, namespace, tmp_path, monkeypatch):
    """A process that changes its folder has not lost its database."""
    monkeypatch.chdir(tmp_path)
    with RedisStore.from_url(server.url, namespace=namespace, shards=1) as store:
        store.setup()
        with contextlib.closing(LedgerDrain(store, "sqlite:///ledger.db")) as drain:
            drain.drain()
            monkeypatch.chdir("/")
            store.add_credits("alice", 1)
            assert drain.drain().rows == 1
