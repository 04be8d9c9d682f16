"""The ledger in SQL: every entry once and as it was; forks and poison are told."""

from __future__ import annotations

import pytest
from ledgers import ledger_of, work

from ducto_redis import SchemaNewer
from ducto_redis.core.entries import read_entry
from ducto_redis.core.fold import fold
from ducto_redis.durable import LedgerDrain
from ducto_redis.durable import drain as drain_module
from ducto_redis.errors import LedgerFork


def test_every_entry_is_there_once(server, namespace, store, database, record_property):
    """As Redis had it, byte for byte; folded they give the balances of Redis; the ledger is trimmed behind."""
    work(store)
    before = ledger_of(server, namespace)
    drain = LedgerDrain(store, database.url)
    done = drain.drain()
    assert (done.rows, done.dead, done.repeated, done.trimmed) == (len(before), 0, 0, len(before))
    assert sorted(database.rows()) == sorted(before)
    assert ledger_of(server, namespace) == []
    work(store, 5)
    later = ledger_of(server, namespace)
    assert drain.drain().rows == len(later)
    drain.close()
    rows = database.rows("root, sequence, data")
    states = fold([read_entry(data) for root, _, data in sorted(rows) if not root.startswith("#")])
    assert states["alice"].nodes[""].balance == 10_000 * int(store.get_balance("alice").balance)
    assert states["acme"].nodes["x/bob"].balance == 10_000 * int(store.get_balance("acme/x/bob").balance)
    record_property("figure", f"drain: {len(rows)} rows of {len(before) + len(later)} entries, 0 lost, 0 doubled")


def test_a_drain_in_small_parts(server, namespace, store, database, monkeypatch):
    """Parts of three entries give the same as one."""
    monkeypatch.setattr(drain_module, "PART", 3)
    work(store, 4)
    before = ledger_of(server, namespace)
    drain = LedgerDrain(store, database.url, trim=False)
    assert drain.drain().rows == len(before)
    assert drain.drain().rows == 0
    assert sorted(database.rows()) == sorted(before) == sorted(ledger_of(server, namespace))
    assert database.rows("sum(entries)", "ducto_position") == [(len(before),)]
    drain.close()


def test_a_lost_position_compares_what_is_there(server, namespace, store, database):
    """A database whose positions are gone reads the ledger again: equal rows are repetitions, poison too."""
    work(store, 3)
    server.client.xadd(store._space.keys.account("alice").keys[4], {"e": b"\1poison"})
    drain = LedgerDrain(store, database.url, trim=False)
    first = drain.drain()
    assert first.dead == 1
    database.execute("delete from ducto_position")
    store.add_credits("alice", 1)
    again = drain.drain()
    assert (again.repeated, again.rows, again.dead) == (first.rows + 1, 1, 0)
    assert sorted(database.rows()) == sorted(each for each in ledger_of(server, namespace) if each[2] != b"\1poison")
    drain.close()


def test_a_pass_without_entries_writes_nothing(server, namespace, store, database):
    """Neither to Redis nor to SQL."""
    work(store, 2)
    drain = LedgerDrain(store, database.url)
    drain.drain()
    before = server.client.info("commandstats")
    drain.drain()
    after = server.client.info("commandstats")
    assert [before.get(f"cmdstat_{name}") for name in ("xtrim", "hset")] == [
        after.get(f"cmdstat_{name}") for name in ("xtrim", "hset")
    ]
    assert ledger_of(server, namespace) == []
    drain.close()


def test_a_fork_is_told_and_never_overwritten(server, namespace, store, database):
    """A Redis that went on from an older state gives the same number to something else."""
    store.add_credits("alice", 1)
    state = {key: server.client.dump(key) for key in server.client.keys(f"{namespace}:*")}
    drain = LedgerDrain(store, database.url, trim=False)
    store.add_credits("alice", 2, idempotency_key="theirs")
    drain.drain()
    before = sorted(database.rows())
    for key in server.client.keys(f"{namespace}:*"):
        server.client.delete(key)
    for key, data in state.items():
        server.client.restore(key, 0, data)
    store.add_credits("alice", 3, idempotency_key="ours")
    with pytest.raises(LedgerFork, match=r"alice #2 \(operation ours\)"):
        drain.drain()
    assert sorted(database.rows()) == before
    drain.close()


def test_poison_is_set_aside(server, store, database):
    """What is no entry, cut short or of an unknown kind lies in a table of its own; the rest goes on."""
    store.add_credits("alice", 1)
    ledger = store._space.keys.account("alice").keys[4]
    good = server.client.xrange(ledger)[-1][1][b"e"]
    for data in (b"", good[:20], bytes([1, 250]) + good[2:], b"\x01\xff\xfe"):
        server.client.xadd(ledger, {"e": data})
    server.client.xadd(ledger, {"a": "1", "b": "2"})
    store.add_credits("alice", 2)
    drain = LedgerDrain(store, database.url)
    done = drain.drain()
    assert done.dead == 5
    assert [bytes(data) for (data,) in database.rows("data", "ducto_dead")][:2] == [b"", good[:20]]
    assert (b"a1b2", "it does not have the one field of an entry") in database.rows("data, reason", "ducto_dead")
    assert tuple(sequence for (sequence,) in database.rows("sequence from ducto_ledger where root = 'alice' -- ")) == (
        1,
        2,
    )
    drain.close()


def test_a_newer_entry_stops_the_drain(server, store, database):
    """It is not poison: a newer release says something that this one must not set aside."""
    store.add_credits("alice", 1)
    ledger = store._space.keys.account("alice").keys[4]
    server.client.xadd(ledger, {"e": b"\x02" + server.client.xrange(ledger)[-1][1][b"e"][1:]})
    drain = LedgerDrain(store, database.url)
    with pytest.raises(SchemaNewer, match=r"layout 2.* entry \d+-\d of shard"):
        drain.drain()
    # Its shard stops, the other one is carried.
    assert database.rows("root") == [(f"#{1 - store._space.keys.account('alice').shard}",)]
    drain.close()


def test_the_sweep_leaves_a_drained_ledger(server, namespace, store, database, monkeypatch):
    """From the first drain on until it is unregistered."""
    monkeypatch.setattr("ducto_redis.core.sweeping.MAX_ENTRIES", 1)
    drain = LedgerDrain(store, database.url, trim=False)
    drain.drain()
    work(store, 100, users=("alice",))
    store.sweep(100_000)
    assert len(ledger_of(server, namespace)) > 200
    drain.unregister()
    drain.close()
    store.sweep(100_000)
    assert len(ledger_of(server, namespace)) < 200


def test_what_a_database_cannot_hold_is_set_aside(server, store, database):
    """What no release writes - a zero byte in a name, a root too long - stops neither the drain nor the others."""
    store.add_credits("alice", 1)
    ledger = store._space.keys.account("alice").keys[4]
    head = server.client.xrange(ledger)[-1][1][b"e"][:31]

    def entry(account, reference):
        return head + len(account).to_bytes(2, "little") + account + len(reference).to_bytes(2, "little") + reference

    forged = [
        entry(b"al\0ice", b"g1"), entry(b"bob", b"g\0"), entry(b"acme/x\0", b"g1"), entry(b"r" * 801, b"g1"),
        entry("é".encode() * 401, b"g1"),
    ]  # fmt: skip
    kept = [
        entry(b"r" * 800, b"g1"),
        entry("é".encode() * 400, b"g1"),
        entry(b"back\\slash\t\n\\N", "\x7fü\r".encode()),
    ]
    for data in (*forged, *kept):
        server.client.xadd(ledger, {"e": data})
    drain = LedgerDrain(store, database.url)
    done = drain.drain()
    assert done.dead == len(forged)
    assert [bytes(data) for (data,) in database.rows("data", "ducto_dead order by stream_id")] == forged
    assert {bytes(data) for (data,) in database.rows("data")} >= set(kept)
    assert ("back\\slash\t\n\\N", "\x7fü\r") in database.rows("root, reference")
    drain.close()


def test_hostile_ids_and_every_byte_come_back(server, namespace, store, database):
    """What callers may choose: ids, operation ids and metadata of any text."""
    for user in ("a\0b", "x/\0/y", "é\U0001f600/\u2028", "'; drop table ducto_ledger --", "%00", "\\N", "a" * 256):
        store.add_credits(user, 5, idempotency_key="k\0'\\\n", metadata={"note": "\0\x1f\\é"})
    before = ledger_of(server, namespace)
    drain = LedgerDrain(store, database.url)
    assert (drain.drain().dead, drain.drain().rows) == (0, 0)
    assert sorted(database.rows()) == sorted(before)
    assert fold([read_entry(data) for (data,) in database.rows("data")])["a%00b"].nodes[""].balance == 50_000
    drain.close()


def test_a_number_twice_in_a_part(server, store, database):
    """The same entry again is a repetition; another one under its number is a fork, and other shards go on."""
    store.add_credits("alice", 1)
    mine, other = (store._space.keys.account(user) for user in ("alice", "bob"))
    if mine.shard == other.shard:
        other = store._space.keys.account("carol")
    assert mine.shard != other.shard
    entry = server.client.xrange(mine.keys[4])[-1][1][b"e"]
    server.client.xadd(mine.keys[4], {"e": entry})
    drain = LedgerDrain(store, database.url)
    done = drain.drain()
    assert (done.rows, done.repeated, done.trimmed) == (3, 1, 4)
    server.client.xadd(mine.keys[4], {"e": entry[:-1] + b"!"})
    store.add_credits(other.user_id, 7)
    for _ in range(2):
        with pytest.raises(LedgerFork, match="alice #1"):
            drain.drain()
        assert len(database.rows(table="ducto_ledger where shard = " + str(other.shard))) == 2
        assert server.client.xlen(other.keys[4]) == 0
        assert server.client.xlen(mine.keys[4]) == 1
    drain.close()
