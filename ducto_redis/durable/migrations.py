"""Creating the tables and bringing older ones forward: one transaction, under a lock, never backwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from ducto_redis.durable.schema import SCHEMA_VERSION, metadata, schema
from ducto_redis.errors import ConfigError, SchemaNewer

#: Names the lock of PostgreSQL that whoever creates or migrates holds; any number that nobody else uses.
_LOCK: Final = 0x64756374
_BYTES: Final = {"postgresql": "BYTEA"}


def _to_2(connection: Connection) -> None:
    """Namespaces, snapshots of roots, and the fencing token of a position."""
    connection.execute(text("ALTER TABLE ducto_position ADD COLUMN token BIGINT DEFAULT 0 NOT NULL"))
    connection.execute(
        text(
            "CREATE TABLE ducto_namespace (namespace VARCHAR(32) NOT NULL, generation VARCHAR(16) NOT NULL,"
            " precision INTEGER NOT NULL, shards INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (namespace))"
        )
    )
    of_bytes = _BYTES.get(connection.dialect.name, "BLOB")
    connection.execute(
        text(
            "CREATE TABLE ducto_root (namespace VARCHAR(32) NOT NULL, root VARCHAR(800) NOT NULL,"
            " generation VARCHAR(16) NOT NULL, sequence BIGINT NOT NULL, at_ms BIGINT NOT NULL,"
            f" data {of_bytes} NOT NULL, holds INTEGER NOT NULL, PRIMARY KEY (namespace, root))"
        )
    )


def _to_3(connection: Connection) -> None:
    """Records beside the snapshots, leases, and which roots have rows behind their snapshot: at first all."""
    of_bytes = _BYTES.get(connection.dialect.name, "BLOB")
    for statement in (
        (
            "CREATE TABLE ducto_record (namespace VARCHAR(32) NOT NULL, root VARCHAR(800) NOT NULL,"
            " field VARCHAR(1600) NOT NULL, at_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL,"
            f" data {of_bytes} NOT NULL, PRIMARY KEY (namespace, root, field))"
        ),
        "CREATE INDEX ducto_record_by_time ON ducto_record (namespace, at_ms)",
        (
            "CREATE TABLE ducto_dirty (namespace VARCHAR(32) NOT NULL, root VARCHAR(800) NOT NULL,"
            " PRIMARY KEY (namespace, root))"
        ),
        (
            "CREATE TABLE ducto_lease (namespace VARCHAR(32) NOT NULL, token BIGINT NOT NULL, holder TEXT NOT NULL,"
            " until_ms BIGINT NOT NULL, PRIMARY KEY (namespace))"
        ),
        "INSERT INTO ducto_dirty SELECT DISTINCT namespace, root FROM ducto_ledger WHERE root NOT LIKE '#%'",
    ):
        connection.execute(text(statement))


#: What leads to each version from the one before. A step is written out as it was: it must never follow ``schema``.
MIGRATIONS: Final[Mapping[int, Callable[[Connection], None]]] = {2: _to_2, 3: _to_3}


def create_or_migrate(engine: Engine) -> None:
    """Makes the tables what this release reads; all of it or nothing.

    Raises:
        ConfigError: The database holds tables that are not ours; nothing was written.
        SchemaNewer: A newer release made the tables; nothing was written.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # SQLite's transactions are alone from their begin on.
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        names = set(inspect(connection).get_table_names())
        if not names:
            metadata.create_all(connection)
            connection.execute(insert(schema).values(version=SCHEMA_VERSION))
            return
        if schema.name not in names:
            found = ", ".join(sorted(names)[:3])
            raise ConfigError(f"the database holds tables that are not ours ({found}); give the ledger one of its own")
        _migrate(connection)


def _migrate(connection: Connection) -> None:
    versions = connection.execute(select(schema.c.version)).scalars().all()
    if len(versions) != 1 or not 1 <= versions[0] <= SCHEMA_VERSION:
        told = ", ".join(map(str, versions)) or "none"
        raise SchemaNewer(f"schema_newer: the database has schema version {told}; this release writes {SCHEMA_VERSION}")
    for version in range(versions[0] + 1, SCHEMA_VERSION + 1):
        MIGRATIONS[version](connection)
        connection.execute(update(schema).values(version=version))
