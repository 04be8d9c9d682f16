"""Restore: what SQL holds comes back into an empty Redis, wherever it is cut off; anything else is refused."""

from __future__ import annotations

import itertools
import os
import signal

import pytest
from ledgers import killed

from ducto_redis import (
    ConcurrencyLimit,
    ConfigError,
    NamespaceUnknown,
    NeedsRestore,
    PrecisionMismatch,
    RateLimit,
    RedisStore,
    SpendCap,
)
from ducto_redis.durable import LedgerDrain, Restore, Snapshots
from ducto_redis.durable import restore as restore_module
from ducto_redis.errors import LedgerBroken
from ducto_redis.testing import FakeClock, redis_store

POINTS = ("said", "begun", "written", "finished")
USERS = ("alice", "acme/x/bob", "acme/y", "carol %:")


class Stopped(Exception):
    """A restore that is stopped at a named point."""


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(server, namespace, clock):
    with redis_store(server.url, clock, namespace=namespace, shards=2) as made:
        made.setup()
        yield made


@pytest.fixture
def url(database):
    return database.url


def work(store, users=USERS):
    """Every kind of state: caps of several kinds, limits, payers, plans, defaults, open, ended and expired holds."""
    made = {}
    for user in users:
        store.add_credits(user, 1_000, type="purchase")
        store.set_spend_cap(SpendCap(user_id=user, limit=100_000, thresholds=(50,)))
        store.set_spend_cap(
            SpendCap(user_id=user, limit=90_000, cap_type="weekly", model="m", timezone="Europe/Berlin")
        )
        store.set_rate_limit(user, RateLimit("900/minute"))
        store.set_concurrency_limit(user, ConcurrencyLimit(50))
        held = [store.reserve(user, 3, "chat", idempotency_key=f"r{at}", model="m") for at in range(4)]
        store.settle(user, held[0], 2)
        store.release(user, held[1])
        store.extend(user, held[2], 5, idempotency_key="more")
        store.deduct(user, 7, idempotency_key="d", model="m")
        made[user] = held
    return made


def seen(store, users=USERS):
    """What an account's owner can ask for."""
    return {
        user: (
            store.get_balance(user),
            store.get_available(user),
            store.list_spend_caps(user),
            store.list_holds(user),
            store.list_concurrency_limits(user),
            [limit.limit for limit in store.list_rate_limits(user).limits],
        )
        for user in users
    }


def drained(store, url, **options):
    drain = LedgerDrain(store, url, **options)
    try:
        return drain.drain()
    finally:
        drain.close()


def restored(store, url, **options):
    restore = Restore(store, url)
    try:
        return restore.run(**options)
    finally:
        restore.close()


def one(step):
    """A flow of one step."""
    return (yield step)


def wipe(server, namespace):
    server.client.delete(*server.client.keys(f"{namespace}:*"))


def test_what_was_drained_comes_back(server, namespace, store, url):
    """Balances, caps with their spends, open holds, limits, lifetime purchases; a repeated call is answered alike."""
    holds = work(store)
    store.set_defaults(caps=[{"cap_type": "monthly", "limit": 500_000}])
    first = {user: store.settle(user, holds[user][0], 2) for user in USERS}
    before = seen(store)
    drained(store, url)
    wipe(server, namespace)
    told = []
    done = restored(store, url, progress=lambda at, whole: told.append((at, whole)))
    assert (done.roots, done.already, done.holds, told) == (3, 0, 8, [(3, 3)])
    assert seen(store) == before
    for user in USERS:
        again = store.settle(user, holds[user][0], 2)
        assert (again.idempotent, again.balance_after, again.transaction_id) == (
            True, first[user].balance_after, first[user].transaction_id,
        )  # fmt: skip
        assert store.reserve(user, 3, "chat", idempotency_key="r3", model="m").lease_id == holds[user][3].lease_id
        assert store.deduct(user, 7, idempotency_key="d", model="m").idempotent
        assert store.extend(user, holds[user][2], 5, idempotency_key="more").idempotent
        assert store.release(user, holds[user][1]).reason == "already_released"
    assert seen(store) == before
    assert not store.verify().differences


def test_it_goes_on_after_a_restore(server, namespace, store, clock, url):
    """Holds that were brought back are settled, extended, expire; rows go on; a second restore brings back all."""
    holds = work(store)
    drained(store, url)
    wipe(server, namespace)
    restored(store, url)
    for user in USERS:
        assert store.settle(user, holds[user][2], 8).amount == 8
    clock.advance(hours=1)
    assert all(store.list_holds(user).total == 0 for user in USERS)
    store.add_credits("alice", 5)
    before = seen(store)
    done = drained(store, url)
    assert done.rows > len(USERS)
    wipe(server, namespace)
    restored(store, url)
    assert seen(store) == before


def test_other_clients_adopt_it_by_themselves(server, namespace, store, clock, url):
    """While it is restored they are told so; then the next call goes through, under the new generation."""
    work(store)
    other = redis_store(server.url, clock, namespace=namespace)
    before = other.get_balance("alice")
    drained(store, url)
    wipe(server, namespace)
    restore, met = Restore(store, url), []

    def ask(point):
        with pytest.raises(NeedsRestore):
            other.get_balance("alice")
        with pytest.raises(NeedsRestore):
            other.setup()
        met.append(point)

    restore.at_point = lambda point: ask(point) if point in ("begun", "written") else None
    restore.run()
    assert met == ["begun", "written"]
    assert other.get_balance("alice") == before
    other.close()
    restore.close()


def test_stopped_anywhere_it_goes_on(server, namespace, store, url, monkeypatch, record_property):
    """At the k-th point, for every k, in pages of one root: then run again, and all is there once."""
    monkeypatch.setattr(restore_module, "PAGE", 1)
    work(store)
    before = seen(store)
    drained(store, url)
    stops = 0
    for stop_at in itertools.count(1):
        wipe(server, namespace)
        restore, met = Restore(store, url), itertools.count(1)

        def stop(_point, met=met, stop_at=stop_at):
            if next(met) == stop_at:
                raise Stopped

        restore.at_point = stop
        try:
            restore.run()
        except Stopped:
            stops += 1
            with pytest.raises(ConfigError):
                drained(store, url)
            restore.at_point = lambda _point: None
            restore.run()
            assert seen(store) == before
            drained(store, url)
        else:
            break
        finally:
            restore.close()
    assert stops >= len(POINTS) + 2
    record_property("figure", f"restore stopped at {stops} points: 0 accounts differ")


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_goes_on(server, namespace, store, url, point):
    """A process of its own that dies by SIGKILL."""
    work(store)
    before = seen(store)
    drained(store, url)
    wipe(server, namespace)

    def restore_until_killed():
        with RedisStore.from_url(server.url, namespace=namespace) as own:
            restore = Restore(own, url)
            restore.at_point = lambda met: os.kill(os.getpid(), signal.SIGKILL) if met == point else None
            restore.run()

    assert killed(restore_until_killed)
    restored(store, url)
    assert seen(store) == before


def test_a_live_namespace_is_not_touched(server, store, url):
    """Accounts that are there are given up only on demand; what was drained of them comes back then."""
    work(store)
    before = seen(store)
    drained(store, url)
    with pytest.raises(NeedsRestore, match="needs no restore"):
        restored(store, url)
    assert seen(store) == before
    store.add_credits("late", 5)
    done = restored(store, url, prefer="sql")
    assert done.dropped == 4
    assert seen(store) == before
    assert not server.client.exists(store._space.keys.account("late").keys[0])


def test_a_namespace_that_was_set_up_anew(server, namespace, store, clock, url):
    """Set up by an application that met an empty server: nothing is drained over what SQL holds; then restored."""
    work(store)
    before = seen(store)
    drained(store, url)
    wipe(server, namespace)
    anew = redis_store(server.url, clock, namespace=namespace, shards=2)
    anew.setup()
    with pytest.raises(NeedsRestore, match="set up anew"):
        drained(anew, url)
    restored(anew, url)
    assert seen(anew) == before
    wipe(server, namespace)
    anew = redis_store(server.url, clock, namespace=namespace, shards=2)
    anew.setup()
    anew.add_credits("alice", 1)
    with pytest.raises(NeedsRestore, match="another life"):
        restored(anew, url)
    assert restored(anew, url, prefer="sql").dropped == 1
    assert seen(anew) == before
    anew.close()


def test_a_namespace_of_another_precision(server, namespace, store, clock, url):
    """Neither drained nor restored over each other."""
    work(store)
    drained(store, url)
    wipe(server, namespace)
    other = redis_store(server.url, clock, namespace=namespace, shards=2, precision=6)
    other.setup()
    with pytest.raises(PrecisionMismatch):
        drained(other, url)
    other.close()


def test_nothing_to_restore(store, url):
    """A database that holds nothing of the namespace."""
    with pytest.raises(NamespaceUnknown, match="nothing of namespace"):
        restored(store, url)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from ducto_ledger where root = 'acme' and sequence = 5",
        "update ducto_ledger set data = substr(data, 1, 40) where root = 'acme' and sequence = 5",
        "update ducto_ledger set data = substr(data, 2) where root = 'acme' and sequence = 5",
    ],
    ids=["a row is missing", "a row is cut", "a row is something else"],
)
def test_rows_that_do_not_follow_one_another(server, namespace, store, database, url, statement):
    """Refused with the root and the reason, before anything is written to Redis."""
    work(store)
    drained(store, url)
    database.execute(statement)
    wipe(server, namespace)
    with pytest.raises(LedgerBroken, match="acme"):
        restored(store, url)
    assert server.client.keys(f"{namespace}:*") == []


@pytest.mark.parametrize(
    "value",
    ["substr(data, 1, length(data) - 3)", "substr(data, 2)", "substr(data, 1, 1)"],
    ids=["cut", "shifted", "a byte"],
)
def test_a_snapshot_that_was_altered(server, namespace, store, database, url, value):
    """Refused as well, by name, before anything is written to Redis; it can be made anew from the rows."""
    work(store)
    before = seen(store)
    drained(store, url)
    drain = LedgerDrain(store, url)
    Snapshots(drain.engine, namespace).update()
    drain.close()
    database.execute(f"update ducto_root set data = {value} where root = 'acme'")
    wipe(server, namespace)
    with pytest.raises(LedgerBroken, match="snapshots cannot be read: acme"):
        restored(store, url)
    assert server.client.keys(f"{namespace}:*") == []
    restored(store, url, rebuild=True)
    assert seen(store) == before


def test_snapshots_go_forward_by_what_changed(store, url):
    """A second update takes in the new rows alone; one root with more rows than a part holds is brought forward."""
    work(store)
    drain = LedgerDrain(store, url)
    rows = drain.drain().rows
    snapshots = Snapshots(drain.engine, store._space.name)
    assert snapshots.behind() == 3
    assert (snapshots.update().entries, snapshots.behind()) == (rows - 2, 0)
    store.add_credits("alice", 1)
    drain.drain()
    done = snapshots.update()
    assert (done.roots, done.entries) == (1, 1)
    drain.close()


def test_a_root_with_many_rows(server, namespace, store, url, monkeypatch):
    """Rows are taken in parts, records of long ago are dropped."""
    monkeypatch.setattr("ducto_redis.durable.snapshots.ROWS", 7)
    work(store)
    before = seen(store)
    drained(store, url)
    wipe(server, namespace)
    restored(store, url)
    assert seen(store) == before


def test_a_namespace_that_waits_on_a_plain_store(server, namespace, url):
    """With scripts as they run in production."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as store:
        store.setup()
        work(store)
        before = {user: store.get_balance(user) for user in USERS}
        drained(store, url)
        wipe(server, namespace)
        restored(store, url)
        assert {user: store.get_balance(user) for user in USERS} == before


@pytest.mark.parametrize("stop_at", range(1, 7))
def test_stopped_while_redis_is_given_up_it_goes_on(server, store, url, stop_at):
    """Before the k-th thing it asks of Redis: what is left of the other life goes later, also what SQL never had."""
    work(store)
    before = seen(store)
    drained(store, url)
    late = ("late", "later", "latest")
    for user in late:
        store.add_credits(user, 5)
    restore, run_flow, steps = Restore(store, url), store._driver.run_flow, itertools.count(1)

    def stopped(flow):
        step = next(flow)
        while True:
            if next(steps) == stop_at:
                raise Stopped
            try:
                step = flow.send(run_flow(one(step)))
            except StopIteration as stop:
                return stop.value

    restore.at_point = lambda point: setattr(restore, "_run", stopped) if point == "said" else None
    with pytest.raises(Stopped):
        restore.run(prefer="sql")
    restore._run, restore.at_point = run_flow, lambda _point: None
    restore.run(prefer="sql")
    restore.close()
    assert seen(store) == before
    assert server.client.exists(*(store._space.keys.account(user).keys[0] for user in late)) == 0
