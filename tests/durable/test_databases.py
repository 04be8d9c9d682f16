"""Databases: whose they are, how they are settled, what is said when they cannot be used."""

from __future__ import annotations

import sys

import pytest
from ledgers import ledger_of, work
from sql import of_sqlite

from ducto_redis import ConfigError, SchemaNewer, StoreUnavailable
from ducto_redis.durable import LedgerDrain, open_database
from ducto_redis.durable import database as database_module


def test_a_file_is_private_and_synchronous(tmp_path):
    """Readable by its owner alone; a commit is on the disk."""
    engine = open_database(f"sqlite:///{tmp_path}/ledger.db")
    assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600
    with engine.connect() as connection:
        told = [connection.exec_driver_sql(f"pragma {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert told == ["wal", 2]
    engine.dispose()


def test_databases_that_are_not_ours(store, database):
    """Refused before anything is written: a foreign one, a newer one, one that lost its version."""
    database.execute("create table users (id integer)")
    with pytest.raises(ConfigError, match="not ours"):
        LedgerDrain(store, database.url)
    assert database.tables() == ["users"]
    database.execute("drop table users")
    LedgerDrain(store, database.url).close()
    for change, told in (("update ducto_schema set version = 99", "99"), ("delete from ducto_schema", "none")):
        database.execute(change)
        with pytest.raises(SchemaNewer, match=f"version {told}"):
            LedgerDrain(store, database.url)


@pytest.mark.parametrize(
    "url",
    ["no url", "nothing://x", "mysql://u:not-to-be-told@h/x", "postgresql+asyncpg://u:not-to-be-told@h/x",
     "postgresql://u:not-to-be-told/x@h:nine/x", "sqlite:////proc/none/ledger.db"],
)  # fmt: skip
def test_urls_that_cannot_be_used(url):
    """Told, and what to write instead; never with what may be a password."""
    with pytest.raises(ConfigError) as told:
        open_database(url)
    assert "not-to-be-told" not in str(told.value)


def test_a_file_that_is_no_database(store, tmp_path):
    """It is left as it is."""
    (tmp_path / "text.db").write_text("no database" * 100)
    with pytest.raises(StoreUnavailable):
        LedgerDrain(store, f"sqlite:///{tmp_path}/text.db")


def test_without_psycopg_the_extra_is_named(monkeypatch):
    """PostgreSQL needs it, SQLite does not."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"ducto-redis\[postgres\]"):
        open_database("postgresql://localhost/x")
    open_database("sqlite://").dispose()


def test_a_database_that_fails_loses_nothing(server, namespace, store, database, monkeypatch):
    """Locked by another writer: an error after a bounded time, nothing trimmed; afterwards it goes on."""
    work(store, 3)
    before = ledger_of(server, namespace)
    monkeypatch.setattr(database_module, "_SQLITE", ("busy_timeout=1",))
    monkeypatch.setattr(database_module, "_TRANSACTION", database_module._TRANSACTION.replace("'10s'", "'10ms'"))
    drain = LedgerDrain(store, database.url)
    with database.engine.connect() as blocker:
        blocker.exec_driver_sql("begin immediate" if database.is_sqlite else "lock table ducto_position")
        with pytest.raises(StoreUnavailable, match=r"locked|lock timeout"):
            drain.drain()
        blocker.rollback()
    assert ledger_of(server, namespace) == before
    assert drain.drain().rows == len(before)
    drain.close()


def test_messages_name_no_account(store, tmp_path):
    """What was to be written stays out of what is told."""
    database = of_sqlite(tmp_path, None)
    store.add_credits("alice", 1)
    drain = LedgerDrain(store, database.url)
    database.execute("create trigger no before insert on ducto_ledger begin select raise(fail, 'told'); end")
    with pytest.raises(StoreUnavailable, match="told") as met:
        drain.drain()
    assert "alice" not in f"{met.value} {met.value.__cause__}"
    drain.close()
    database.close()
