"""The bound of the backlog: reached under load nothing new is admitted until the drainer has made room."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from ledgers import Stopped, ledger_of

from ducto_redis import ChargeItem, InvalidArgumentError
from ducto_redis.durable import LedgerDrain, Snapshotter
from ducto_redis.testing import FakeClock, redis_store

MOST = 1_000
THREADS = 4
#: Calls of one thread at most; without a bound all are made.
CALLS = 5_000


@pytest.fixture
def sampled(server, namespace):
    """A store of one shard at whose time every script that writes looks at the length."""
    with redis_store(server.url, FakeClock(), namespace=namespace, shards=1) as made:
        made.setup()
        made.add_credits("u", 10_000)
        yield made


def charged(store, calls=3 * MOST):
    """Charges of one credit in batches, as many as asked; how many were made."""
    items = [ChargeItem(user_id="u", amount=1) for _ in range(100)]
    results = [result for _ in range(calls // 100) for result in store.charge_many(items)]
    assert {result.error_code for result in results} <= {None, "backlog_full"}
    return sum(result.allowed for result in results)


def load(store, user, calls=CALLS):
    """Threads that hold and settle until they are refused; how many holds were made and how many refused."""

    def caller(_number):
        for made in range(calls):
            hold = store.reserve(user, 1)
            if not hold.allowed:
                assert hold.error_code == "backlog_full"
                return made, 1
            assert store.settle(user, hold, 1).amount == 1
        return calls, 0

    with ThreadPoolExecutor(THREADS) as pool:
        made, refused = zip(*pool.map(caller, range(THREADS)), strict=True)
    return sum(made), sum(refused)


def test_reserves_are_refused_under_load_until_it_is_drained(server, namespace, store, database, record_property):
    """What is open ends, another shard goes on, and a drain makes room; every entry is in SQL."""
    mine, other = (store._space.keys.account(user) for user in ("alice", "bob"))
    if mine.shard == other.shard:
        other = store._space.keys.account("carol")
    assert mine.shard != other.shard
    for user in (mine.user_id, other.user_id):
        store.add_credits(user, 100_000)
    drain = LedgerDrain(store, database.url, max_backlog=MOST)
    drain.drain()
    held = [store.reserve(mine.user_id, 2) for _ in range(20)]
    made, refused = load(store, mine.user_id)
    length = server.client.xlen(mine.keys[4])
    assert refused == THREADS
    assert MOST <= length < MOST + 2 * THREADS * CALLS
    assert store.deduct(mine.user_id, 1).error_code == "backlog_full"
    assert [store.settle(mine.user_id, hold, 1).amount for hold in held[:10]] == [1] * 10
    assert [store.release(mine.user_id, hold).released for hold in held[10:]] == [True] * 10
    assert store.deduct(other.user_id, 1).allowed
    entries = ledger_of(server, namespace)
    drain.drain()
    assert store.deduct(mine.user_id, 1).allowed
    assert sorted(entries) == sorted(set(database.rows()) & set(entries))
    drain.close()
    told = f"{made} holds, then {refused} of {THREADS} threads refused at {length} entries"
    record_property("figure", f"backlog of at most {MOST}: {told}; 20 open ones ended, 1 drain later admitted")


def test_without_the_bound_it_grows_past_it(server, store, database, record_property):
    """The control: an older drainer, which says no bound, or one that does not trim."""
    store.add_credits("alice", 100_000)
    drain = LedgerDrain(store, database.url, trim=False, max_backlog=MOST)
    drain.drain()
    made, refused = load(store, "alice", calls=MOST // 2)
    length = server.client.xlen(store._space.keys.account("alice").keys[4])
    assert (made, refused) == (THREADS * MOST // 2, 0)
    assert length > THREADS * MOST
    drain.close()
    record_property("figure", f"control without a bound: {made} holds, 0 refused, {length} entries, n = {made}")


def test_where_every_script_looks_it_is_exact(server, sampled, database):
    """As many entries as may wait, then none; after a drain as many once more."""
    drain = LedgerDrain(sampled, database.url, max_backlog=MOST)
    drain.drain()
    ledger = sampled._space.keys.account("u").keys[4]
    for _ in range(2):
        assert charged(sampled) == MOST
        assert server.client.xlen(ledger) == MOST
        assert drain.drain().trimmed == MOST
    drain.close()


def test_what_a_stopped_drain_left_is_room(sampled, database):
    """It committed and did not come to trim: the next one does, before it has read anything new."""
    drain = LedgerDrain(sampled, database.url, max_backlog=MOST)
    drain.drain()
    assert charged(sampled) == MOST

    def stop(point):
        if point == "committed":
            raise Stopped

    drain.at_point = stop
    with pytest.raises(Stopped):
        drain.drain()
    drain.close()
    assert charged(sampled, 100) == 0
    drain = LedgerDrain(sampled, database.url, max_backlog=MOST)
    drain.drain()
    assert charged(sampled, 100) == 100
    drain.close()


def test_the_bound_is_the_last_drainers(server, sampled, database):
    """A larger one makes room at once, the end of the registration all of it."""
    small = LedgerDrain(sampled, database.url, max_backlog=MOST)
    small.drain()
    assert charged(sampled) == MOST
    large = LedgerDrain(sampled, database.url, max_backlog=2 * MOST)
    met = []
    large.at_point = lambda point: met.append(charged(sampled, 100)) if point == "read" else None
    large.drain()
    assert met == [100]  # before anything was trimmed
    left = server.client.xlen(sampled._space.keys.account("u").keys[4])
    assert charged(sampled) == 2 * MOST - left
    large.unregister()
    assert charged(sampled, 100) == 100
    large.close()
    small.close()


def test_a_snapshotter_bounds_it_too(server, namespace, sampled, database):
    """What it is given."""
    with Snapshotter(sampled, database.url, wait=lambda _seconds: True, max_backlog=2 * MOST) as snapshotter:
        snapshotter.step()
        assert server.client.hget(f"{namespace}:{{0}}:config", "max_entries") == b"2000"


@pytest.mark.parametrize("most", [999, 0, -1, 100_000_001, True, 1_000.0, "1000", None])
def test_a_bound_is_checked(store, tmp_path, most):
    """Before anything is opened."""
    with pytest.raises(InvalidArgumentError, match=r"max_backlog must be 1000 to 100000000 entries, not "):
        LedgerDrain(store, f"sqlite:///{tmp_path}/l.db", max_backlog=most)
    assert list(tmp_path.iterdir()) == []
