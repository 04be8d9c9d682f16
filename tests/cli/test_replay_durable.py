"""The replay into SQL: the books of Redis and of SQL balance, faults in SQL's are found, what cannot work is told."""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal

import pytest
from sql import Database
from traces import write_trace
from typer.testing import CliRunner

from ducto_redis import RedisStore
from ducto_redis.cli import draining
from ducto_redis.cli.app import app
from ducto_redis.cli.draining import drained_meanwhile
from ducto_redis.cli.replay import Replay
from ducto_redis.cli.trace import draw_users, read_trace


@pytest.fixture
def trace(tmp_path):
    return write_trace(tmp_path / "trace.csv", 300)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/ledger.db"


def invoke(server, namespace, trace, *words):
    whole = ["replay", "--trace", str(trace), "--users", "20", "--redis", server.url, "--namespace", namespace, *words]
    return CliRunner().invoke(app, whole)


def ledger_length(server, namespace):
    return sum(server.client.xlen(key) for key in server.client.scan_iter(match=f"{namespace}:*:ledger"))


def test_both_books_balance(server, namespace, trace, url, monkeypatch, record_property):
    """Drained while it is replayed: grants = balances + charges in Redis and in SQL, all of the ledger is a row."""
    monkeypatch.setattr(draining, "EVERY_S", 0.01)
    result = invoke(server, namespace, trace, "--durable", url, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    books = told["durable"]
    names = ("granted", "charged", "balances")
    sides = [{name: Decimal(books[side][name]) for name in names} for side in ("redis", "sql")]
    as_told = dict(zip(names, (Decimal(told[name]) for name in ("granted", "billed", "balances")), strict=True))
    assert sides == [as_told, as_told]
    assert sides[0]["granted"] == sides[0]["balances"] + sides[0]["charged"]
    assert (books["redis"]["balanced"], books["sql"]["balanced"], books["ok"], told["ok"]) == (True,) * 4
    assert (books["snapshots_behind"], books["dead"], ledger_length(server, namespace)) == (0, 0, 0)
    database = Database(url)
    assert books["rows"] == len(database.rows()) > 2 * told["admitted"] > 200
    database.close()
    assert Decimal("0.5") < Decimal(told["highest_ratio"]) <= 1
    assert told["differences_from_ledger"] == 0  # of the ledger in SQL
    record_property(
        "figure", f"replay --durable: {told['requests']} requests, {books['rows']} rows, both books balance"
    )


def test_the_table_tells_both(server, namespace, trace, url):
    """For people: a line for Redis and one for SQL."""
    result = invoke(server, namespace, trace, "--durable", url, "--requests", "50")
    assert result.exit_code == 0, result.output
    for words in ("Redis: grants = balances + charges", "SQL: grants = balances + charges", "SQL: snapshots behind"):
        assert words in result.output


def test_the_embedded_engine_too(trace, url):
    """Without a server."""
    words = ["replay", "--trace", str(trace), "--requests", "50", "--durable", url, "--json"]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, json.loads(result.stdout)["durable"]["ok"]) == (0, True)


def test_it_is_drained_while_it_is_replayed(server, namespace, trace, url, monkeypatch):
    """By a thread: what was written is in SQL, and gone from Redis, before the end."""
    monkeypatch.setattr(draining, "EVERY_S", 0.01)
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        store.setup()
        run = Replay(store, read_trace(trace), draw_users(300, 20, 7), 2048)
        database = Database(url)
        with drained_meanwhile(store, url):
            run.prepare(lambda: None)
            until = time.monotonic() + 20
            while ledger_length(server, namespace):
                assert time.monotonic() < until, "nobody drained"
            assert len(database.rows()) >= 2 * len(run.names)
        database.close()


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("update ducto_ledger set amount_units = amount_units + 1 where kind = 3 and sequence < 20", "sql"),
        ("delete from ducto_ledger where kind = 1 and root = 'user-0000'", "sql"),
        ("delete from ducto_root where root = 'user-0000'", "sql"),
        ("insert into ducto_dead values ('{name}', 0, '1-1', 'made up', x'00')", "dead"),
    ],
    ids=["charges are one unit more", "a grant is gone", "a snapshot is gone", "an entry was set aside"],
)
def test_books_that_do_not_balance_are_found(server, namespace, trace, url, fault, wrong):
    """A fault planted in SQL makes the check fail, and is told of SQL: Redis' books balance."""
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        store.setup()
        run = Replay(store, read_trace(trace, 60), draw_users(60, 5, 7), 2048)
        with drained_meanwhile(store, url):
            run.prepare(lambda: None)
            run.run(4, lambda: None)
        assert run.check(durable=url)["ok"] is True
        database = Database(url)
        database.execute(fault.format(name=namespace))
        database.close()
        told = run.check(durable=url)
        assert (told["ok"], told["durable"]["redis"]["balanced"]) == (False, True)
        assert told["durable"]["sql"]["balanced"] is (wrong != "sql")
        assert told["durable"]["dead"] == (wrong == "dead")


def test_a_grant_that_sql_has_and_nobody_was_told(server, namespace, trace, url):
    """Told of both sides: what callers were told does not balance with either."""
    with RedisStore.from_url(server.url, namespace=namespace) as store:
        store.setup()
        run = Replay(store, read_trace(trace, 20), draw_users(20, 5, 7), 2048)
        with drained_meanwhile(store, url):
            run.prepare(lambda: None)
            run.run(4, lambda: None)
            store.add_credits(run.names[0], "0.0001")
        books = run.check(durable=url)["durable"]
        assert (books["redis"]["balanced"], books["sql"]["balanced"], books["ok"]) == (False, False, False)


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("nothing://x", "ConfigError"),
        ("sqlite:////nowhere/ledger.db", "ConfigError"),
        ("sqlite://", "name a file"),
        ("postgresql://nobody@127.0.0.1:1/x", "StoreUnavailable"),
    ],
)
def test_a_database_that_cannot_be_used_is_told(server, namespace, trace, database, message):
    """Before anything is replayed, with exit code 2."""
    result = invoke(server, namespace, trace, "--durable", database)
    assert (result.exit_code, message in " ".join(result.output.split())) == (2, True), result.output
    assert not list(server.client.scan_iter(match=f"{namespace}:*user-*"))


def test_a_database_of_another_life_is_told(server, namespace, trace, url):
    """A namespace that SQL knows already, and Redis does not any more."""
    assert invoke(server, namespace, trace, "--durable", url, "--requests", "5").exit_code == 0
    server.client.delete(*server.client.keys(f"{namespace}:*"))
    result = invoke(server, namespace, trace, "--durable", url, "--requests", "5")
    assert (result.exit_code, "needs_restore" in result.output) == (2, True)


def test_a_missing_extra_is_told(server, namespace, trace, url, monkeypatch):
    """Without SQLAlchemy the message names the command that installs it."""
    for name in [name for name in sys.modules if name.startswith(("sqlalchemy", "ducto_redis.durable"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("ducto_redis.durable")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    result = invoke(server, namespace, trace, "--durable", url)
    assert (result.exit_code, "--durable needs an extra" in result.output) == (2, True)
    assert "pip install 'ducto-redis[durable]'" in result.output
