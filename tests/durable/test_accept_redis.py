"""``accept_redis``: SQL gives up what Redis does not have, sets it aside with its ids, and the drain goes on."""

from __future__ import annotations

from decimal import Decimal

import pytest
from accepts import carried, comes_back, everything, reasons, snapshots
from ledgers import dumped, put_back
from ledgers import work_of_hours as work

from ducto_redis.durable import accept_redis, accepting
from ducto_redis.errors import LedgerFork


def test_an_older_redis(server, namespace, store, drain, database, url, record_property):
    """Rows beyond what Redis has, a root that it does not know, newer defaults: told first, then set aside."""
    store.set_defaults(caps=[{"cap_type": "monthly", "limit": 500}], plan="pro")
    work(store)
    drain.drain()
    state = dumped(server, namespace)
    store.add_credits("alice", 7, idempotency_key="lost/0")
    store.deduct("alice", 4, idempotency_key="lost/1")
    store.add_credits("new one", 10, idempotency_key="first")
    store.set_defaults(caps=[{"cap_type": "monthly", "limit": 900}], plan="pro")
    drain.drain()
    snapshots(drain, store).update()
    put_back(server, namespace, state)
    with pytest.raises(LedgerFork, match=r"--prefer sql.*--prefer redis"):
        drain.drain()
    before, told = everything(database), []
    dry = accept_redis(store, url, dry_run=True)
    assert everything(database) == before
    done = accept_redis(store, url, progress=lambda at, whole: told.append((at, whole)))
    assert (dry.dry_run, done.dry_run, told) == (True, False, [(1, 2), (2, 2)])
    for each in (dry, done):
        assert (each.roots, each.rows_given_up, each.granted, each.charged) == (2, 5, Decimal(17), Decimal(4))
        assert "new%20one #1 (operation first)" in each.operations
        assert {"#0 #2 (operation no id)", "#1 #2 (operation no id)"} < set(each.operations)
    assert sorted(reasons(url, namespace)) == sorted(f"given up: prefer redis, {name}" for name in done.operations)
    carried(store, drain, url)
    assert accept_redis(store, url).rows_given_up == 0
    work(store)
    assert carried(store, drain, url).rows > 0
    comes_back(server, namespace, store, url)
    assert store.list_defaults().sets[0].caps[0].limit == 500
    assert not server.client.exists(store._space.keys.account("new one").keys[0])
    record_property("figure", f"older Redis accepted: {done.rows_given_up} of 5 rows set aside; control: drain refused")


@pytest.mark.parametrize(("ours", "trim"), [(1, True), (5, False)])
def test_a_fork(server, namespace, store, drain, url, forked, ours, trim, record_property):
    """At one root, while others go on: its rows from there on are given up, theirs are not; what Redis has comes in."""
    drain._trim = trim
    work(store)
    drain.drain()
    forked(3, ours)
    store.add_credits("acme/x/bob", 5)
    with pytest.raises(LedgerFork, match=r"alice #\d+ \(operation ours0\).*--prefer sql.*--prefer redis"):
        drain.drain()
    done = accept_redis(store, url)
    assert (done.roots, done.rows_given_up, done.granted, done.charged) == (1, 3, 0, 3)
    assert [name.split("operation ")[1] for name in done.operations] == [f"theirs{at})" for at in range(3)]
    assert carried(store, drain, url).rows >= ours
    assert not store.add_credits("alice", 2, idempotency_key="theirs0").idempotent
    carried(store, drain, url)
    comes_back(server, namespace, store, url)
    record_property("figure", "fork accepted: 0 of 3 accounts differ after wipe and restore; control: drain refused")


def test_after_a_restore(server, namespace, store, drain, url):
    """Rows of the life before it stay where Redis goes on from them; those of a root that is gone are given up too."""
    work(store)
    drain.drain()
    comes_back(server, namespace, store, url)
    drain.drain()
    state = dumped(server, namespace)
    work(store, 1, users=("alice",))
    drain.drain()
    put_back(server, namespace, state)
    server.client.delete(*store._space.keys.account("acme").keys[:4])
    store.deduct("alice", 2)
    with pytest.raises(LedgerFork):
        drain.drain()
    done = accept_redis(store, url)
    assert (done.roots, done.granted, done.charged) == (2, 2_000, 3 + 13)
    carried(store, drain, url)
    comes_back(server, namespace, store, url)


def test_a_fork_of_defaults(server, namespace, store, drain, url):
    """The namespace's own entries collide too; a shard's number is the defaults' version."""
    work(store)
    drain.drain()
    state = dumped(server, namespace)
    for limit in (100, 200):
        store.set_defaults(caps=[{"cap_type": "monthly", "limit": limit}], plan="pro")
    drain.drain()
    put_back(server, namespace, state)
    store.set_defaults(caps=[{"cap_type": "monthly", "limit": 300}], plan="pro")
    with pytest.raises(LedgerFork, match="#0 #1"):
        drain.drain()
    assert (accept_redis(store, url).rows_given_up, accept_redis(store, url).rows_given_up) == (4, 0)
    carried(store, drain, url)
    comes_back(server, namespace, store, url)
    assert store.list_defaults().sets[0].caps[0].limit == 300


def test_what_redis_has_all_the_same_stays(server, namespace, store, drain, url, forked):
    """Rows behind the fork that Redis holds too - a drain that did not see the fork wrote them - are not given up."""
    work(store)
    drain.drain()
    forked(1, 3)
    shard = store._space.keys.account("alice").shard
    entries = [each.decode() for each, _ in server.client.xrange(f"{namespace}:{{{shard}}}:ledger")]
    with drain.engine.begin() as connection:  # as if its clock had been behind: the first one lies before the position
        moved = accepting.position.update().where(accepting.position.c.shard == shard).values(last=entries[-3])
        connection.execute(moved)
    drain._trim = False
    assert drain.drain().rows == 2
    done = accept_redis(store, url)
    assert [name.split("operation ")[1] for name in done.operations] == ["theirs0)"]
    assert carried(store, drain, url).rows == 1


def test_what_lies_under_the_same_stream_id(store, drain, database, url, forked):
    """Nothing that was set aside before is overwritten, and nothing is left out for it."""
    work(store)
    drain.drain()
    forked(2, 1)
    [stream_id] = [each for each, reference in database.rows("stream_id, reference") if "theirs1" in reference]
    shard = store._space.keys.account("alice").shard
    for name in (stream_id, f"{stream_id}~2"):
        database.execute(
            f"insert into ducto_dead select namespace, shard, '{name}', 'before', data from ducto_ledger"
            f" where shard = {shard} and stream_id = '{stream_id}'"
        )
    accept_redis(store, url)
    there = dict(database.rows("stream_id, reason", "ducto_dead"))
    assert len(there) == 4
    assert (there[stream_id], there[f"{stream_id}~2"]) == ("before", "before")
    assert "theirs1" in there[f"{stream_id}~3"]


def test_nothing_to_give_up(store, drain, database, url):
    """A Redis that has it all: no row moves; what comes after is carried as before."""
    work(store)
    drain.drain()
    store.add_credits("alice", 1)
    before = everything(database)
    assert accept_redis(store, url, dry_run=True).rows_given_up == accept_redis(store, url).rows_given_up == 0
    assert {**everything(database), "position": None} == {**before, "position": None}
    assert (carried(store, drain, url).rows, drain.drain().repeated) == (1, 0)


def test_many_accounts(server, namespace, store, drain, url, monkeypatch, record_property):
    """In parts of many roots each: of forty accounts half went another way."""
    monkeypatch.setattr(accepting, "PART", 12)
    users = [f"u{at}" for at in range(40)]
    for user in users:
        store.add_credits(user, 100)
    drain.drain()
    state = dumped(server, namespace)
    for user in users[:20]:
        store.deduct(user, 1)
        store.deduct(user, 2)
    drain.drain()
    put_back(server, namespace, state)
    for user in users[:10]:
        store.deduct(user, 5)
    done = accept_redis(store, url)
    assert (done.roots, done.rows_given_up, done.charged, len(done.operations)) == (20, 40, 60, 20)
    carried(store, drain, url)
    comes_back(server, namespace, store, url, users)
    record_property("figure", f"{done.rows_given_up} rows of {done.roots} accounts given up: 0 of 40 accounts differ")


def test_a_root_of_another_life(server, store, drain, url):
    """A state that an earlier life left in Redis is none: its rows are given up."""
    work(store)
    drain.drain()
    key = store._space.keys.account("alice").keys[0]
    record = server.client.hget(key, "r")
    server.client.hset(key, "r", record[:1] + b"anothers" + record[9:])
    done = accept_redis(store, url, dry_run=True)
    assert (done.roots, done.operations[0].split(" (")[0]) == (1, "alice #1")
