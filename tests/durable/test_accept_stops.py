"""``accept_redis`` stopped anywhere, beside drains, restores and clients that go on; and where it is refused."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from accepts import carried, comes_back, everything, reasons, snapshots
from ledgers import USERS, Stopped, dumped, put_back
from ledgers import work_of_hours as work

from ducto_redis import ConfigError, NamespaceUnknown, NeedsRestore, RedisStore, StoreUnavailable
from ducto_redis.core.listing import order_of
from ducto_redis.durable import accept_redis, accepting
from ducto_redis.durable.namespaces import begin_restore
from ducto_redis.errors import LedgerFork, SchemaNewer


def stopping(monkeypatch, at):
    """Stops at the so-many-th point; answers the points that were met."""
    met = []

    def stop(point):
        met.append(point)
        if len(met) == at:
            raise Stopped

    monkeypatch.setattr(accepting.Acceptance, "at_point", staticmethod(stop))
    return met


def test_stopped_anywhere_it_goes_on(server, namespace, store, drain, url, forked, monkeypatch, record_property):
    """At every point, in parts of two rows; clients go on, a drain and snapshots are tried in between."""
    monkeypatch.setattr(accepting, "PART", 2)
    work(store)
    lost, points = 0, set()
    for at in itertools.count(1):
        drain.drain()
        forked(3, 1 + at % 3, tag=f"{at}/")
        lost += 3
        met = stopping(monkeypatch, at)
        try:
            accepting.Acceptance(store, drain.engine, dry_run=False).run(lambda *_: None)
        except Stopped:
            points.add(met[-1])
            monkeypatch.setattr(accepting.Acceptance, "at_point", staticmethod(lambda _point: None))
            store.add_credits("alice", 3)
            with suppress(LedgerFork):
                drain.drain()
            assert snapshots(drain, store).update().broken == {}
            accepting.Acceptance(store, drain.engine, dry_run=False).run(lambda *_: None)
        else:
            break
    carried(store, drain, url)
    assert points == {"planned", "written", "moved", "reset"}
    assert len(reasons(url, namespace)) == len(set(reasons(url, namespace))) == lost
    comes_back(server, namespace, store, url)
    record_property(
        "figure", f"accept_redis stopped at {at - 1} points: {lost} of {lost} rows set aside once, 0 differ"
    )


def test_a_drain_that_writes_meanwhile(store, drain, url, forked, monkeypatch):
    """Moves the position, so the shard is looked at again; what it wrote stays. One that never ends is told."""
    work(store)
    drain.drain()
    forked(3, 0)
    with suppress(LedgerFork):
        drain.drain()
    left = 2
    monkeypatch.setattr(accepting, "TRIES", 3)

    def write(point):
        nonlocal left
        if point == "planned" and left:
            left -= 1
            store.add_credits("alice", 1)
            with suppress(LedgerFork):
                drain.drain()
            with drain.engine.begin() as connection:  # as if it had carried other roots of the shard
                counted = accepting.position.c.entries + 1
                connection.execute(accepting.position.update().values(entries=counted))

    monkeypatch.setattr(accepting.Acceptance, "at_point", staticmethod(write))
    assert accept_redis(store, url).rows_given_up == 3
    assert left == 0
    carried(store, drain, url)
    left = 1_000
    with pytest.raises(StoreUnavailable, match="went on meanwhile"):
        accept_redis(store, url)
    monkeypatch.undo()
    carried(store, drain, url)


def test_another_one_at_the_same_time(store, drain, url, namespace, forked, monkeypatch):
    """Rows are set aside once; the first to come counts them."""
    work(store)
    drain.drain()
    forked(3, 1)
    others = []

    def meet(point):
        if point == "planned" and not others:
            others.append(None)
            others[0] = accept_redis(store, url)

    monkeypatch.setattr(accepting.Acceptance, "at_point", staticmethod(meet))
    assert (accept_redis(store, url).rows_given_up, others[0].rows_given_up) == (0, 3)
    assert len(reasons(url, namespace)) == 3
    carried(store, drain, url)


def test_what_is_refused(server, namespace, store, drain, database, url, forked):
    """A database without the namespace, one of another life, one that is being restored: nothing is changed."""
    with pytest.raises(NamespaceUnknown):
        accept_redis(store, url)
    if database.is_sqlite:
        with pytest.raises(ConfigError, match="no such database"):
            accept_redis(store, f"{url}.none", dry_run=True)
    work(store)
    drain.drain()
    forked()
    before, state = everything(database), dumped(server, namespace)
    put_back(server, namespace, {})
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as anew:
        with pytest.raises(NamespaceUnknown):
            accept_redis(anew, url)
        anew.setup()
        for dry_run in (True, False):
            with pytest.raises(NeedsRestore, match="set up anew"):
                accept_redis(anew, url, dry_run=dry_run)
    assert everything(database) == before
    put_back(server, namespace, state)
    ledger = store._space.keys.account("alice").keys[4]
    poison = server.client.xadd(ledger, {"e": b"\2newer"})
    with pytest.raises(SchemaNewer):
        accept_redis(store, url)
    server.client.xdel(ledger, poison)
    begin_restore(drain.engine, namespace, b"anothers")
    before = everything(database)
    for dry_run in (True, False):
        with pytest.raises(NeedsRestore, match="being restored"):
            accept_redis(store, url, dry_run=dry_run)
    assert everything(database) == before


def test_a_restore_that_begins_meanwhile(store, drain, namespace, url, forked, monkeypatch, database):
    """Seen under the lock, before a row moves."""
    work(store)
    drain.drain()
    forked()
    rows = database.rows("count(*)")

    def begin(point):
        if point == "planned":
            begin_restore(drain.engine, namespace, b"anothers")

    monkeypatch.setattr(accepting.Acceptance, "at_point", staticmethod(begin))
    with pytest.raises(NeedsRestore, match="began meanwhile"):
        accept_redis(store, url)
    assert database.rows("count(*)") == rows


def test_while_clients_write(store, drain, url, forked, monkeypatch):
    """What comes while it looks is newer than SQL: it is left to the drain."""
    work(store)
    drain.drain()
    forked()
    read_part = accepting.draining.read_part

    def read(space, shard, after, limit):
        found = yield from read_part(space, shard, after, limit)
        work(store, users=(*USERS, "late"))
        return found

    monkeypatch.setattr(accepting.draining, "read_part", read)
    assert accept_redis(store, url).rows_given_up == 3
    monkeypatch.undo()
    assert order_of(drain._positions()[0]) == (0, 0)
    assert carried(store, drain, url).rows > 0
