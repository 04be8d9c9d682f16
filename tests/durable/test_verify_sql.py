"""``verify_sql`` finds every way in which SQL and Redis can differ, names the operations, and is quiet under load."""

from __future__ import annotations

import threading

import pytest
from ledgers import USERS, dumped, put_back
from ledgers import work_of_hours as work
from sql_rows import change, value

from ducto_redis import ConfigError, RedisStore
from ducto_redis.core import verify as verify_module
from ducto_redis.durable import LedgerDrain, Restore, verify_sql
from ducto_redis.durable import verifying as verifying_module


def whats(result):
    return [(each.root, each.what) for each in result.differences]


@pytest.mark.parametrize("trim", [True, False])
def test_what_agrees(store, drain, url, trim, monkeypatch, record_property):
    """Trimmed or not, drained to the end or not, in small pages: no difference; the books add up to the unit."""
    monkeypatch.setattr(verifying_module, "PAGE", 4)
    drain._trim = trim
    work(store)
    drain.drain()
    work(store, 3)
    told = []
    result = verify_sql(store, url, lambda done, total: told.append((done, total)))
    assert (result.differences, result.roots, result.unverifiable, result.holds) == ((), 3, 0, 6)
    assert (result.missing, result.forked, result.dead, result.newer, result.other_generations) == (0, 0, 0, 0, 0)
    assert told == [(1, 2), (2, 2)]
    books = result.books
    assert books.balanced
    assert books.granted == 3 * 2_000 * 10_000
    assert books.charged == 3 * ((6 + 3) * 2 + 2) * 10_000 == books.redis_charged
    assert books.redis_balances == sum(int(store.get_balance(user).balance * 10_000) for user in USERS)
    record_property("figure", f"verify --sql: {result.rows} rows, {result.entries} entries, 0 differences")


def test_a_changed_row(store, drain, url):
    """An amount in what the script packed; a column beside it; what is no entry any more."""
    work(store)
    drain.drain()
    assert verify_sql(store, url).differences == ()
    data = value(url, "select data from ducto_ledger where root = 'alice' and sequence = 4")
    forged = data[:17] + (7).to_bytes(7, "little") + data[24:]
    put = "update ducto_ledger set data = :data, amount_units = :units where root = 'alice' and sequence = 4"
    change(url, put, data=forged, units=7)
    assert ("alice", "ledger") in whats(verify_sql(store, url)) or ("alice", "node ''") in whats(verify_sql(store, url))
    change(url, put, data=data, units=7)
    [found] = verify_sql(store, url).differences
    assert (found.root, found.what, found.stored, found.folded) == (
        "alice", "row 4, column amount_units", f"data {int.from_bytes(data[17:24], 'little')}", "column 7",
    )  # fmt: skip
    for strange in (b"", data[:20], data[:1] + b"\xfa" + data[2:], data[:40]):
        change(url, put, data=strange, units=7)
        [found] = [each for each in verify_sql(store, url).differences if each.what == "ledger"]
        assert found.root == "alice"


@pytest.mark.parametrize("sequence", [1, 4, -1])
@pytest.mark.parametrize("trim", [True, False])
def test_a_missing_row(store, drain, url, sequence, trim):
    """The first one, one in the middle, the last one; also where the stream still holds it."""
    drain._trim = trim
    work(store)
    drain.drain()
    if sequence < 0:
        sequence = value(url, "select max(sequence) from ducto_ledger where root = 'alice'")
    change(url, "delete from ducto_ledger where root = 'alice' and sequence = :gone", gone=sequence)
    assert {root for root, _ in whats(verify_sql(store, url))} == {"alice"}


def test_a_ledger_that_began_too_late(server, store, drain, url):
    """Roots whose first entries nobody drained are counted, as verify counts them; others are compared."""
    work(store, users=("alice",))
    server.client.xtrim(store._space.keys.account("alice").keys[4], maxlen=3, approximate=False)
    work(store, users=("bob", "dora", "emil"))
    drain.drain()
    result = verify_sql(store, url)
    assert (result.differences, result.roots, result.unverifiable) == ((), 4, 1)
    assert result.books.granted == 3 * 1_000 * 10_000


def test_an_older_redis(server, namespace, store, drain, url, record_property):
    """One that came back from an earlier moment lies behind SQL: how many entries, of which operations; plain verify
    finds nothing."""
    work(store)
    drain.drain()
    state = dumped(server, namespace)
    for at in range(3):
        store.add_credits("alice", 1, idempotency_key=f"lost/{at}")
    store.add_credits("new one", 1)
    drain.drain()
    put_back(server, namespace, state)
    assert store.verify().differences == ()
    result = verify_sql(store, url)
    assert result.missing == 3
    assert sorted(whats(result)) == [("alice", "behind SQL"), ("new%20one", "state")]
    [behind] = [each for each in result.differences if each.root == "alice"]
    assert "3 missing in Redis, which is behind SQL: lost/0, lost/1, lost/2" in behind.folded
    record_property("figure", "unprotected control, verify without SQL on an older Redis: 0 of 4 lost entries seen")


@pytest.mark.parametrize("more", [1, 5])
def test_a_fork(server, namespace, store, drain, url, more):
    """A Redis that went on from an older state has other entries under the same numbers: both operations are named."""
    work(store)
    drain.drain()
    state = dumped(server, namespace)
    for at in range(3):
        store.add_credits("alice", 1, idempotency_key=f"theirs{at}")
    drain.drain()
    put_back(server, namespace, state)
    for at in range(more):
        store.add_credits("alice", 2, idempotency_key=f"ours{at}")
    result = verify_sql(store, url)
    assert (result.forked, result.missing) == (min(more, 3), max(3 - more, 0))
    [fork] = [each for each in result.differences if each.what.startswith("fork")]
    assert (fork.root, "ours0" in fork.stored, "theirs0" in fork.folded) == ("alice", True, True)
    assert store.verify().differences == ()


def test_a_wiped_root(server, store, drain, url):
    """Its state is gone from Redis; SQL knows it. Plain verify, after trimming, does not."""
    work(store)
    drain.drain()
    account = store._space.keys.account("acme")
    server.client.delete(*account.keys[:4])
    assert store.verify().differences == ()
    [found] = verify_sql(store, url).differences
    assert (found.root, found.what, found.stored) == ("acme", "state", "missing")


def test_a_forged_state(server, store, drain, url):
    """A balance that somebody wrote into Redis; plain verify, after trimming, cannot tell."""
    work(store)
    drain.drain()
    key = store._space.keys.account("alice").keys[0]
    node = server.client.hget(key, "n")
    server.client.hset(key, "n", b"\xff" + node[1:])
    plain = store.verify()
    assert (plain.differences, plain.unverifiable) == ((), 3)
    result = verify_sql(store, url)
    assert whats(result) == [("alice", "node ''")]
    assert not result.books.balanced


def test_dead_entries_are_counted(server, store, drain, url):
    """Those that were set aside and those that will be, once each; they stop nothing."""
    work(store)
    drain._trim = False
    ledger = store._space.keys.account("alice").keys[4]
    server.client.xadd(ledger, {"e": b"\1poison"})
    drain.drain()
    server.client.xadd(ledger, {"other": b"field"})
    result = verify_sql(store, url)
    assert (result.dead, result.differences) == (2, ())


def test_after_a_restore(server, namespace, store, drain, url):
    """Roots go on from the rows before it; plain verify cannot tell any more. A missing row is found on either side."""
    work(store)
    rows = drain.drain().rows
    put_back(server, namespace, {})
    restore = Restore(store, url)
    restore.run()
    restore.close()
    work(store, 2)
    later = LedgerDrain(store, url)
    later.drain()
    work(store, 1)
    result = verify_sql(store, url)
    assert (result.differences, result.roots, result.unverifiable, result.other_generations) == ((), 3, 0, rows)
    assert result.books.balanced
    assert store.verify().unverifiable == 3
    change(url, "delete from ducto_ledger where root = 'alice' and sequence = 3")
    assert whats(verify_sql(store, url)) == [("alice", "ledger")]
    later.close()


def test_another_life_of_the_namespace(server, namespace, store, drain, url):
    """A Redis that was emptied and set up anew is told, beside every account that is not there."""
    work(store)
    drain.drain()
    put_back(server, namespace, {})
    with RedisStore.from_url(server.url, namespace=namespace, shards=2) as again:
        again.setup()
        work(again, 1, users=("bob",))
        result = verify_sql(again, url)
    told = {(each.root, each.what) for each in result.differences}
    assert told >= {("", "generation"), ("alice", "state"), ("acme", "state"), ("carol%20%25%3A", "state")}


def test_a_database_without_the_namespace(store, tmp_path, database, url):
    """A wrong name is an error, not an agreement; nothing is made."""
    work(store, 1)
    if database.is_sqlite:
        with pytest.raises(ConfigError, match="no such database"):
            verify_sql(store, url)
        assert list(tmp_path.iterdir()) == []
    LedgerDrain(store, url).close()
    with pytest.raises(ConfigError, match="no entry of namespace"):
        verify_sql(store, url)


@pytest.mark.parametrize("drained", [False, True])
def test_what_comes_between_state_and_ledger(store, drain, url, monkeypatch, drained):
    """Entries that are written, drained and trimmed after the states were read change no answer, of either verify."""
    work(store)
    if drained:
        drain.drain()
    read_roots = verify_module.read_roots

    def read(space, shard, roots):
        found = yield from read_roots(space, shard, roots)
        work(store, 1, users=(*USERS, "new"))
        if drained:
            drain.drain()
        return found

    monkeypatch.setattr(verify_module, "read_roots", read)
    assert store.verify().differences == ()
    if drained:
        result = verify_sql(store, url)
        assert (result.differences, result.missing, result.books.balanced) == ((), 0, True)


def test_while_others_write_and_drain(store, drain, url, record_property):
    """Charges, holds, new accounts and a drain that trims, all the while: no difference is told that is none."""
    work(store)
    drain.drain()
    done = threading.Event()

    def write():
        for at in range(40):
            if done.is_set():
                return
            work(store, 2, users=(*USERS, f"new{at}"))

    def carry():
        while not done.is_set():
            drain.drain()

    threads = [threading.Thread(target=each) for each in (write, carry)]
    for thread in threads:
        thread.start()
    results = [verify_sql(store, url) for _ in range(2)]
    done.set()
    for thread in threads:
        thread.join()
    assert [result.differences for result in results] == [()] * 2
    assert all(result.books.balanced for result in results)
    assert results[-1].roots > results[0].roots
    compared = sum(result.roots - result.unverifiable for result in results)
    record_property("figure", f"verify --sql under load: {compared} roots compared, 0 differences")
