"""Books added up by SQL: by hand-made ledgers of every kind that moves credits, in pages, and with faults planted."""

from __future__ import annotations

import pytest

from ducto_redis import SpendCap
from ducto_redis.core.totals import Totals
from ducto_redis.durable import (
    LedgerDrain,
    Snapshots,
    SqlBooks,
    books_in_redis,
    books_in_sql,
    open_database,
    settled_by_day,
)
from ducto_redis.durable import books as module


@pytest.fixture
def engine(database):
    opened = open_database(database.url)
    yield opened
    opened.dispose()


def work(store):
    """Grants of 1,000 + 40 - 15 + 500 + 60 credits, charges of 7 + 30 + 4 + 5, an open hold of 9, and much that
    moves nothing."""
    store.add_credits("alice", 1_000)
    store.add_credits("alice", 40, type="purchase")
    store.add_credits("alice", -15)
    store.add_credits("acme", 500)
    store.add_credits("acme/x/bob", 60)
    store.set_spend_cap(SpendCap(user_id="alice", limit=900))
    store.deduct("alice", 7)
    store.settle("alice", store.reserve("alice", 20), 30)
    store.release("alice", store.reserve("alice", 20))
    store.deduct_credits("acme/x/bob", store.reserve_credits("acme/x/bob", 10), 4)
    store.deduct("acme/x/bob", 5)
    assert store.deduct("alice", 10_000).error_code is not None
    store.extend("acme/x/bob", store.reserve("acme/x/bob", 6), 3)


def carried(store, database, engine):
    drain = LedgerDrain(store, database.url)
    drain.drain()
    drain.close()
    assert Snapshots(engine, store._space.name).update().broken == {}


@pytest.mark.parametrize("page", [1, 2, 1_000])
def test_grants_are_balances_and_charges(store, database, engine, monkeypatch, page):
    """In SQL and in Redis, in credits as they were given, whatever the size of a page."""
    monkeypatch.setattr(module, "PAGE", page)
    work(store)
    carried(store, database, engine)
    sql, redis = books_in_sql(engine, store._space.name), books_in_redis(store)
    unit = 10**4
    assert (sql.granted_units, sql.charged_units) == (1_585 * unit, 46 * unit)
    assert sql.folded == redis == Totals(2, 1_539 * unit, 9 * unit, 46 * unit)
    assert (sql.balanced, sql.behind, sql.dead, sql.rows) == (True, 0, 0, len(database.rows()))


def test_many_roots(store, database, engine):
    """More than Redis is asked for at once."""
    for at in range(230):
        store.add_credits(f"u{at}", at)
    carried(store, database, engine)
    sql, redis = books_in_sql(engine, store._space.name), books_in_redis(store)
    assert sql.folded == redis == Totals(230, sql.granted_units, 0, 0)
    assert sql.granted_units == sum(range(230)) * 10**4


def test_another_namespace_is_not_counted(store, database, engine):
    """Nor does one that the database knows nothing of have any books."""
    work(store)
    carried(store, database, engine)
    assert books_in_sql(engine, "other") == SqlBooks()


def test_what_snapshots_lack_is_told(store, database, engine):
    """Rows behind their snapshot: the books do not balance yet, and say why."""
    work(store)
    carried(store, database, engine)
    store.add_credits("alice", 5)
    drain = LedgerDrain(store, database.url)
    drain.drain()
    drain.close()
    books = books_in_sql(engine, store._space.name)
    assert (books.balanced, books.behind) == (False, 1)


@pytest.mark.parametrize(
    "fault",
    [
        "delete from ducto_ledger where root = 'alice' and kind = 1 and sequence = 2",
        "update ducto_ledger set amount_units = amount_units + 1 where root = 'alice' and kind = 9",
        "delete from ducto_root where root = 'acme'",
    ],
    ids=["a grant is gone", "a charge is one unit more", "a snapshot is gone"],
)
def test_books_that_do_not_balance_are_found(store, database, engine, fault):
    """By one unit, too."""
    work(store)
    carried(store, database, engine)
    database.execute(fault)
    assert not books_in_sql(engine, store._space.name).balanced


def test_entries_that_are_none_are_counted(server, store, database, engine):
    """Set aside: no row, and told."""
    work(store)
    server.client.xadd(f"{store._space.name}:{{0}}:ledger", {"e": b"\x01nothing"})
    carried(store, database, engine)
    books = books_in_sql(engine, store._space.name)
    assert (books.balanced, books.dead) == (True, 1)


def test_what_was_settled_by_day(store, database, engine):
    """Settlements alone, by root, from SQL as from the ledger that Redis still had."""
    work(store)
    entries = [entry for shard in range(2) for entry in store.read_ledger(shard)]
    days = {entry.root: entry.at_ms // 86_400_000 for entry in entries}
    carried(store, database, engine)
    found = list(settled_by_day(engine, store._space.name))
    assert found == [("acme", days["acme"], 4 * 10**4), ("alice", days["alice"], 30 * 10**4)]
