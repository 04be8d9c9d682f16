"""Transactions from SQL: every field, every filter, pages without gap or repetition, look-ups by id."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError
from sql_rows import change

from ducto_redis import (
    AsyncCreditManager,
    AsyncRedisStore,
    ConfigError,
    CreditManager,
    InvalidArgumentError,
    InvalidIdError,
    SpendCap,
    StoreUnavailable,
)
from ducto_redis.durable import LedgerDrain, Restore, SqlHistory
from ducto_redis.durable import reader as reader_module
from ducto_redis.history import TRANSACTION_KINDS
from ducto_redis.testing import FakeClock, redis_store

#: Ids that were somebody's idea of a query, a pattern, a path or a name.
INJECTED = "x'; drop table ducto_ledger; --"
HOSTILE = ("a b", "100%", "a/%/_b", "müß/日本", INJECTED, "#0", "a%2Fb", "A+b/c+d", "?id=1&x", "%")


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


@pytest.fixture
def drain(store, url):
    made = LedgerDrain(store, url)
    yield made
    made.close()


@pytest.fixture
def history(store, url):
    with SqlHistory.from_store(store, url) as made:
        yield made


def kinds_of(page):
    return [each.kind for each in page.transactions]


def test_every_kind_tells_what_it_was(store, drain, history, clock):
    """Amounts exact, newest first; what is about a hold tells its type, model and payer."""
    store.add_credits("team", "100.5", "purchase", {"invoice": "7 €"}, idempotency_key="in/voice 1")
    store.open_account("team/alice")
    store.open_account("team/x")
    store.set_payer("team/alice", "team")
    store.set_spend_cap(SpendCap(user_id="team/alice", limit=90))
    terms = {"model": "gpt", "metadata": {"n": 1}, "within": ["team/x"], "idempotency_key": "h"}
    first = store.reserve("team/alice", 20, "chat", **terms)
    store.extend("team/alice", first, 5)
    settled = store.settle("team/alice", first, "24.0001", metadata={"out": 2})
    second = store.reserve("team/alice", 1, ttl=60)
    store.release("team/alice", second)
    store.reserve("team/alice", 2, "short", ttl=1)
    clock.advance(seconds=5)
    terms = {"model": "dall", "metadata": {"deep": {"a": [1]}}, "idempotency_key": "once"}
    charged = store.deduct("team/alice", 3, "image", **terms)
    drain.drain()
    page = history.transactions("team/alice")
    assert kinds_of(page) == ["charge", "expire", "hold", "release", "hold", "settle", "extend", "hold", "grant"]
    assert page.cursor is None
    charge, expire, _, release, _, settle, extend, hold, opened = page.transactions
    assert (charge.transaction_id, settle.transaction_id) == (charged.transaction_id, settled.transaction_id)
    assert {each.payer for each in page.transactions} == {"team", "team/alice"}
    assert (opened.payer, opened.amount, opened.operation_type) == ("team/alice", 0, "open")
    assert (settle.amount, settle.payer, settle.model, settle.operation_type, settle.operation_id) == (
        Decimal("24.0001"), "team", "gpt", "chat", "h",
    )  # fmt: skip
    assert (settle.metadata, hold.metadata, charge.metadata) == ({"out": 2}, {"n": 1}, {"deep": {"a": [1]}})
    assert settle.balance_after == Decimal("76.4999")
    assert (hold.within, settle.within, charge.within) == (("team/x",), ("team/x",), ())
    assert (hold.amount, extend.amount, extend.model, extend.payer) == (20, 5, "gpt", "team")
    assert (release.amount, release.operation_id) == (1, second.hold_id)
    assert (expire.amount, expire.operation_type, expire.model) == (2, "short", None)
    assert (charge.at, charge.operation_id, charge.model) == (clock.now, "once", "dall")
    assert charge.at.tzinfo is UTC
    [grant] = history.transactions("team").transactions
    assert (grant.operation_id, grant.metadata) == ("in/voice 1", {"invoice": "7 €"})
    assert (grant.operation_type, grant.amount) == ("purchase", Decimal("100.5"))
    with pytest.raises(ValidationError):
        grant.amount = Decimal(1)


def test_every_filter(store, drain, history, clock):
    """Kinds, from and until a time; together too; what is asked badly is refused."""
    store.add_credits("a", 100)
    for _ in range(3):
        clock.advance(hours=1)
        store.deduct("a", 1)
        store.settle("a", store.reserve("a", 2), 2)
    drain.drain()
    assert kinds_of(history.transactions("a", kinds=["grant"])) == ["grant"]
    assert kinds_of(history.transactions("a", kinds=("charge", "settle"))) == ["settle", "charge"] * 3
    since = clock.now - timedelta(hours=1)
    assert len(history.transactions("a", since=since).transactions) == 6
    assert len(history.transactions("a", since=since + timedelta(milliseconds=1)).transactions) == 3
    assert len(history.transactions("a", until=since).transactions) == 4
    assert len(history.transactions("a", since=since, until=clock.now, kinds=["hold"]).transactions) == 1
    for asked in (
        {"kinds": ["cap_set"]}, {"kinds": []}, {"kinds": "grant"}, {"since": datetime(2026, 1, 1)}, {"until": "now"},  # noqa: DTZ001
        {"limit": 0}, {"limit": 1001}, {"limit": True}, {"limit": "9"}, {"cursor": "x"}, {"cursor": 3},
        {"cursor": "00000000.1"},
    ):  # fmt: skip
        with pytest.raises(InvalidArgumentError):
            history.transactions("a", **asked)
    for user in ("", "a//b", 7, "a/" * 200):
        with pytest.raises(InvalidIdError):
            history.transactions(user)
    assert history.transactions("nobody").transactions == ()


def test_pages_while_more_comes(store, drain, history, record_property):
    """Between two pages new rows arrive, above and on neighbours; what there was comes once, in order."""
    store.add_credits("a", 1_000)
    for at in range(60):
        store.deduct("a", 1, idempotency_key=f"op{at}")
        store.add_credits("a/below", 1)
    drain.drain()
    expected = [f"op{at}" for at in reversed(range(60))]
    for limit in (1, 7, 1000):
        seen, cursor = [], None
        while True:
            page = history.transactions("a", kinds=["charge"], limit=limit, cursor=cursor)
            assert len(page.transactions) <= limit
            seen += [each.operation_id for each in page.transactions]
            assert len(set(seen)) == len(seen)
            cursor = page.cursor
            if cursor is None:
                break
            if len(seen) % 20 < limit:
                store.deduct("a", 1, idempotency_key=f"new{limit}-{len(seen)}")
                drain.drain()
        assert [name for name in seen if name.startswith("op")] == expected
    record_property("figure", f"pages of 1, 7 and 1,000 while rows arrive: {3 * len(expected)} rows, 0 missed, 0 twice")


def test_hostile_names(store, drain, history):
    """Accounts and operations of any name are found, each alone, and come back as they were written."""
    for user in HOSTILE:
        store.add_credits(user, 1, idempotency_key=user)
        store.add_credits(f"{user}/below", 2)
    drain.drain()
    for user in HOSTILE:
        [found] = history.transactions(user).transactions
        assert (found.user_id, found.operation_id, found.amount) == (user, user, 1)


def test_find(store, drain, history):
    """By the id that a result told, however the ledger was trimmed; None for what is none."""
    granted = store.add_credits("a/b", 10)
    charged = store.deduct("a/b", 3, "chat", model="gpt", idempotency_key="k")
    assert history.find(charged.transaction_id) is None  # not drained yet
    drain.drain()
    found = history.find(charged.transaction_id)
    assert (found.kind, found.user_id, found.payer, found.amount, found.model, found.operation_id) == (
        "charge", "a/b", "a/b", 3, "gpt", "k",
    )  # fmt: skip
    assert history.find(granted.transaction_id).kind == "grant"
    shard, stream_id = charged.transaction_id.split("-", 1)
    assert history.find(f"{1 - int(shard)}-{stream_id}") is None
    store.set_spend_cap(SpendCap(user_id="a/b", limit=1))
    [(cap, _)] = server_entries(store, "a/b")
    drain.drain()
    assert history.find(f"{shard}-{cap.decode()}") is None  # moved no credits
    for strange in ("", "x", "1-2", "0-1-2-3", "0-1-2 ", "0-1-2\n", None, 5, "٣-1-1", "' or 1=1"):
        with pytest.raises(InvalidIdError):
            history.find(strange)


def server_entries(store, user):
    return store._driver._client.xrange(store._space.keys.account(user).keys[4])


def test_a_hold_is_found_however_far_before(store, drain, history, clock, monkeypatch):
    """Its entry lies on another page, thousands of entries back; one that was made under an id again is its own."""
    monkeypatch.setattr(reader_module, "_STRETCH", 3)
    store.add_credits("a", 1_000)
    far = store.reserve("a", 1, "far", model="m1", idempotency_key="x/1")
    for _ in range(40):
        store.add_credits("a", 1)
    store.settle("a", far, 1)
    drain.drain()
    [settled] = history.transactions("a", limit=1).transactions
    assert (settled.kind, settled.operation_type, settled.model) == ("settle", "far", "m1")
    clock.advance(days=5)
    for _ in range(2):  # each rotates the records once
        store.add_credits("a", 1)
        clock.advance(days=5)
    store.settle("a", store.reserve("a", 1, "near", model="m2", idempotency_key="x/1"), 1)
    drain.drain()
    settled = history.transactions("a", kinds=["settle"]).transactions
    assert [(each.operation_type, each.model) for each in settled] == [("near", "m2"), ("far", "m1")]


def test_a_hold_whose_entry_is_gone(store, server, drain, history):
    """What nobody drained in time is not made up."""
    store.add_credits("a", 10)
    hold = store.reserve("a", 1, "chat", model="gpt")
    server.client.xtrim(store._space.keys.account("a").keys[4], maxlen=0, approximate=False)
    store.settle("a", hold, 1)
    drain.drain()
    [settled] = history.transactions("a").transactions
    assert (settled.kind, settled.payer, settled.model, settled.operation_type) == ("settle", None, None, "")


def test_across_a_restore(server, namespace, store, drain, url, history):
    """What was done before a restore lies behind what came since; pages go on from one into the other."""
    for at in range(3):
        store.add_credits("a", at)
    hold = store.reserve("a", 1, "chat", model="gpt")
    drain.drain()
    for key in server.client.keys(f"{namespace}:*"):
        server.client.delete(key)
    restore = Restore(store, url)
    restore.run()
    restore.close()
    store.settle("a", hold, 1)
    store.add_credits("a", 3)
    later = LedgerDrain(store, url)
    later.drain()
    later.close()
    for limit in (1, 2, 4, 100):
        seen, cursor = [], None
        while cursor is not None or not seen:
            page = history.transactions("a", limit=limit, cursor=cursor)
            seen += [(each.kind, int(each.amount)) for each in page.transactions]
            cursor = page.cursor
        assert seen == [("grant", 3), ("settle", 1), ("hold", 1), ("grant", 2), ("grant", 1), ("grant", 0)]
    [_, settled] = history.transactions("a", limit=2).transactions
    assert (settled.payer, settled.model, settled.operation_type) == ("a", "gpt", "chat")


def test_the_precision_is_the_namespaces(store, drain, url, namespace):
    """The database says it; one that an older release drained into does not, then it has to be told."""
    store.add_credits("a", 5)
    drain.drain()
    with SqlHistory(url, namespace=namespace) as known:
        assert known.transactions("a").transactions[0].amount == 5
    change(url, "delete from ducto_namespace")
    with SqlHistory(url, namespace=namespace) as unknown, pytest.raises(ConfigError, match="give precision="):
        unknown.transactions("a")
    with SqlHistory(url, namespace=namespace, precision=4) as told:
        assert told.transactions("a").transactions[0].amount == 5
    with pytest.raises(ConfigError, match="0 to 9"):
        SqlHistory(url, precision=10)


def test_readers_write_nothing_and_do_not_wait(store, drain, history):
    """While a drain holds the lock for writing, a reader answers; its connections cannot write."""
    store.add_credits("a", 1)
    drain.drain()
    with drain.engine.begin() as writing:
        writing.exec_driver_sql("update ducto_position set entries = entries")
        assert len(history.transactions("a").transactions) == 1
    with pytest.raises(Exception, match=r"read.?only"), history._engine.begin() as connection:
        connection.exec_driver_sql("delete from ducto_ledger")


def test_a_database_that_fails(store, drain, history, url):
    """Is told as such."""
    store.add_credits("a", 1)
    drain.drain()
    change(url, "drop table ducto_ledger")
    with pytest.raises(StoreUnavailable, match="ducto_ledger"):
        history.find("0-1-1")


def test_a_history_that_comes_before_the_drain(store, url):
    """Is empty, and fills."""
    with SqlHistory.from_store(store, url) as early:
        charged = store.add_credits("a", 1)
        assert early.find(charged.transaction_id) is None
        later = LedgerDrain(store, url)
        later.drain()
        later.close()
        assert early.find(charged.transaction_id).amount == 1


def test_managers(server, namespace, store, drain, history):
    """Receive a history and ask it; without one they say what to configure; the asyncio one asks in a thread."""
    store.add_credits("a", 10)
    charged = store.deduct("a", 3)
    drain.drain()
    manager = CreditManager(store, history=history)
    assert kinds_of(manager.list_transactions("a")) == ["charge", "grant"]
    assert kinds_of(manager.list_transactions("a", limit=1, kinds=["grant"])) == ["grant"]
    assert manager.get_transaction(charged.transaction_id).amount == 3
    with pytest.raises(ConfigError, match=r"history=SqlHistory\(url\)"):
        CreditManager(store).list_transactions("a")

    async def ask():
        theirs = AsyncRedisStore.from_url(server.url, namespace=namespace)
        managed = AsyncCreditManager(theirs, history=history)
        assert await managed.list_transactions("a") == manager.list_transactions("a")
        assert (await managed.get_transaction(charged.transaction_id)).amount == 3
        with pytest.raises(ConfigError, match="LedgerDrain"):
            await AsyncCreditManager(theirs).get_transaction(charged.transaction_id)
        await theirs.close()

    asyncio.run(ask())
    assert set(TRANSACTION_KINDS) == {"grant", "charge", "settle", "hold", "extend", "release", "expire"}
