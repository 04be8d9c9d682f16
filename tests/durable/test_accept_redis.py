"""``accept_redis``: SQL gives up what Redis does not have, sets it aside with its ids, and the drain goes on."""

from __future__ import annotations

import itertools
from contextlib import suppress
from decimal import Decimal

import pytest
from ledgers import Stopped, dumped, put_back

from ducto_redis import ConfigError, NamespaceUnknown, NeedsRestore, RedisStore, SpendCap, StoreUnavailable
from ducto_redis.core.listing import order_of
from ducto_redis.durable import Restore, Snapshots, SqlLedger, accept_redis, accepting, verify_sql
from ducto_redis.durable.namespaces import begin_restore
from ducto_redis.errors import LedgerFork, SchemaNewer

USERS = ("alice", "acme/x/bob", "carol %:")
TABLES = ("ledger", "dead", "position", "root", "record", "dirty", "namespace")


def work(store, times=2, users=USERS, tag=""):
    """Entries of several kinds on several roots, an open hold on each."""
    for user in users:
        store.add_credits(user, 1_000)
        store.set_spend_cap(SpendCap(user_id=user, limit=100_000, cap_type="hourly"))
        for _ in range(times):
            store.settle(user, store.reserve(user, 3), 2)
        store.deduct(user, 1)
        store.reserve(user, 5, idempotency_key=tag or None)


def balances(store, users=USERS):
    return {user: store.get_available(user) for user in users}


def everything(database):
    """What all tables hold."""
    return {name: sorted(map(str, database.rows("*", f"ducto_{name}"))) for name in TABLES}


def snapshots(drain, store):
    return Snapshots(drain.engine, store._space.name)


def carried(store, drain, url):
    """The next drain and snapshots go well, and SQL says what Redis says."""
    done = drain.drain()
    result = snapshots(drain, store).update()
    assert (result.broken, snapshots(drain, store).behind()) == ({}, 0)
    found = verify_sql(store, url)
    assert (found.differences, found.missing, found.forked, found.unverifiable) == ((), 0, 0, 0)
    assert found.books.balanced
    return done


def comes_back(server, namespace, store, url, users=USERS):
    """After a wipe SQL rebuilds exactly what Redis had."""
    before = balances(store, users)
    put_back(server, namespace, {})
    restore = Restore(store, url)
    restore.run()
    restore.close()
    assert balances(store, users) == before


def reasons(url, namespace):
    with SqlLedger(url, namespace=namespace) as ledger:
        return [each.reason for each in ledger.dead(1_000)]


@pytest.fixture
def forked(server, namespace, store, drain):
    """Makes a fork at one root: so many entries that Redis lost after they were drained, and others in their place."""

    def make(theirs=3, ours=1, tag=""):
        state = dumped(server, namespace)
        for at in range(theirs):
            store.deduct("alice", 1, idempotency_key=f"theirs{tag}{at}")
        drain.drain()
        put_back(server, namespace, state)
        for at in range(ours):
            store.add_credits("alice", 2, idempotency_key=f"ours{tag}{at}")

    return make


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
            accept_redis(store, url)
        except Stopped:
            points.add(met[-1])
            monkeypatch.setattr(accepting.Acceptance, "at_point", staticmethod(lambda _point: None))
            store.add_credits("alice", 3)
            with suppress(LedgerFork):
                drain.drain()
            assert snapshots(drain, store).update().broken == {}
            accept_redis(store, url)
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


def test_a_root_of_another_life(server, store, drain, url):
    """A state that an earlier life left in Redis is none: its rows are given up."""
    work(store)
    drain.drain()
    key = store._space.keys.account("alice").keys[0]
    record = server.client.hget(key, "r")
    server.client.hset(key, "r", record[:1] + b"anothers" + record[9:])
    done = accept_redis(store, url, dry_run=True)
    assert (done.roots, done.operations[0].split(" (")[0]) == (1, "alice #1")


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
