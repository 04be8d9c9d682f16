"""Older databases are brought forward: in one transaction, their rows kept, to what a fresh one has."""

from __future__ import annotations

import threading

import pytest
from ledgers import ledger_of, work
from sqlalchemy import inspect

from ducto_redis.durable import LedgerDrain, migrations, open_database
from ducto_redis.durable.schema import SCHEMA_VERSION, metadata

#: As release 1 of the schema made them; {bytes} is what the database calls its bytes.
VERSION_1 = """
CREATE TABLE ducto_schema (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE ducto_ledger (
    namespace VARCHAR(32) NOT NULL, root VARCHAR(800) NOT NULL, generation VARCHAR(8) NOT NULL,
    sequence BIGINT NOT NULL, shard INTEGER NOT NULL, stream_id VARCHAR(42) NOT NULL, kind INTEGER NOT NULL,
    at_ms BIGINT NOT NULL, amount_units BIGINT NOT NULL, balance_after_units BIGINT NOT NULL, path TEXT NOT NULL,
    within TEXT NOT NULL, reference TEXT NOT NULL, data {bytes} NOT NULL,
    PRIMARY KEY (namespace, root, generation, sequence)
);
CREATE INDEX ducto_ledger_by_stream ON ducto_ledger (namespace, shard, stream_id);
CREATE TABLE ducto_position (
    namespace VARCHAR(32) NOT NULL, shard INTEGER NOT NULL, last VARCHAR(42) NOT NULL, entries BIGINT NOT NULL,
    PRIMARY KEY (namespace, shard)
);
CREATE TABLE ducto_dead (
    namespace VARCHAR(32) NOT NULL, shard INTEGER NOT NULL, stream_id VARCHAR(42) NOT NULL, reason TEXT NOT NULL,
    data {bytes} NOT NULL, PRIMARY KEY (namespace, shard, stream_id)
);
INSERT INTO ducto_schema VALUES (1);
INSERT INTO ducto_ledger VALUES ('old', 'alice', '0ab2fd4e', 1, 3, '17-0', 1, 17, 5, 5, '', '', 'g1', {some});
INSERT INTO ducto_position VALUES ('old', 3, '17-0', 1);
INSERT INTO ducto_dead VALUES ('old', 3, '16-0', 'why', {some})
"""
ROWS = {
    "ducto_ledger": [("old", "alice", "0ab2fd4e", 1, 3, "17-0", 1, 17, 5, 5, "", "", "g1", b"\1\0")],
    "ducto_position": [("old", 3, "17-0", 1, 0)],
    "ducto_dead": [("old", 3, "16-0", "why", b"\1\0")],
    "ducto_schema": [(SCHEMA_VERSION,)],
}


@pytest.fixture
def old(database):
    """A database of version 1, with rows."""
    kinds = ("BLOB", "x'0100'") if database.is_sqlite else ("BYTEA", "decode('0100', 'hex')")
    database.execute(*VERSION_1.format(bytes=kinds[0], some=kinds[1]).split(";\n"))
    return database


def shape_of(engine):
    """Tables with their columns, keys and indexes, as the database tells them."""
    found = inspect(engine)
    return {
        name: (
            [(each["name"], str(each["type"]), each["nullable"], each["default"]) for each in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((each["name"], tuple(each["column_names"])) for each in found.get_indexes(name)),
        )
        for name in found.get_table_names()
    }


def test_a_database_of_version_1_is_brought_forward(store, server, namespace, old):
    """Its rows are there, it drains on, and opening it again changes nothing."""
    open_database(old.url).dispose()
    assert {table: old.rows("*", table) for table in ROWS} == ROWS
    migrated = shape_of(old.engine)
    assert set(migrated) == set(metadata.tables)
    work(store, 2)
    before = ledger_of(server, namespace)
    drain = LedgerDrain(store, old.url)
    assert drain.drain().rows == len(before)
    drain.close()
    assert shape_of(old.engine) == migrated


def test_migrated_is_what_a_fresh_one_is(old):
    """The steps and the tables that this release creates say the same."""
    open_database(old.url).dispose()
    migrated = shape_of(old.engine)
    old.execute(*(f"drop table {name}" for name in migrated))
    open_database(old.url).dispose()
    assert shape_of(old.engine) == migrated


def test_a_migration_that_fails_changes_nothing(old, monkeypatch):
    """All steps or none; the next attempt makes them."""
    before = shape_of(old.engine)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "SCHEMA_VERSION", 3)
        patch.setattr(migrations, "MIGRATIONS", {**migrations.MIGRATIONS, 3: lambda _connection: 1 / 0})
        with pytest.raises(ZeroDivisionError):
            open_database(old.url)
    assert shape_of(old.engine) == before
    assert old.rows("*", "ducto_schema") == [(1,)]
    open_database(old.url).dispose()
    assert old.rows("*", "ducto_schema") == [(SCHEMA_VERSION,)]


@pytest.mark.parametrize("fresh", [True, False])
def test_opened_by_several_at_once(request, database, fresh):
    """One creates or migrates, the others wait and find it done."""
    if not fresh:
        request.getfixturevalue("old")
    met = []

    def opens():
        try:
            open_database(database.url).dispose()
        except Exception as error:
            met.append(error)

    threads = [threading.Thread(target=opens) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == []
    assert database.rows("*", "ducto_schema") == [(SCHEMA_VERSION,)]
