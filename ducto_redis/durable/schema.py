"""The tables, and opening a database that has them: SQLite with a file of its own, or what SQLAlchemy knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ducto_redis.errors import ConfigError, SchemaNewer, StoreUnavailable

SCHEMA_VERSION: Final = 1
_NAME: Final = 32
_ROOT: Final = 800  # 256 bytes, percent-encoded
_STREAM_ID: Final = 42

metadata = MetaData()

schema = Table("ducto_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

#: One row per entry; ``data`` is the entry as the script packed it, the columns beside it are for people and questions.
ledger = Table(
    "ducto_ledger",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("root", String(_ROOT), primary_key=True),
    Column("generation", String(8), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("shard", Integer, nullable=False),
    Column("stream_id", String(_STREAM_ID), nullable=False),
    Column("kind", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("amount_units", BigInteger, nullable=False),
    Column("balance_after_units", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("within", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("ducto_ledger_by_stream", ledger.c.namespace, ledger.c.shard, ledger.c.stream_id)

#: How far each shard's ledger is committed.
position = Table(
    "ducto_position",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("last", String(_STREAM_ID), nullable=False),
    Column("entries", BigInteger, nullable=False),
)

#: Entries that could not be read, as they are.
dead = Table(
    "ducto_dead",
    metadata,
    Column("namespace", String(_NAME), primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("stream_id", String(_STREAM_ID), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)


def _make_private(url: Any) -> None:
    """Creates a SQLite file that nobody else may read; it names accounts and what they spend."""
    if url.database and url.database != ":memory:":
        handle = os.open(Path(url.database), os.O_CREAT | os.O_RDWR, 0o600)
        os.close(handle)


def _settle_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def settings(connection: Any, _record: Any) -> None:
        # The driver's own transactions begin too late: reading and writing must be one.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_database(url: str) -> Engine:
    """Opens a database, creating the tables where there are none.

    Args:
        url: As SQLAlchemy reads it: ``sqlite:///ledger.db``, ``postgresql+psycopg://...``.

    Raises:
        ConfigError: The URL cannot be used, or the database is somebody else's; nothing was written.
        SchemaNewer: A newer release made the tables; nothing was written.
        StoreUnavailable: It could not be reached.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            _make_private(parsed)
        engine = create_engine(parsed)
    except (ArgumentError, ImportError, ValueError, OSError) as cause:
        raise ConfigError(f"the database cannot be opened: {cause}") from cause
    if engine.dialect.name == "sqlite":
        _settle_sqlite(engine)
    try:
        _create_or_check(engine)
    except SQLAlchemyError as cause:
        engine.dispose()
        raise StoreUnavailable(f"the database did not answer: {cause}") from cause
    except ConfigError:
        engine.dispose()
        raise
    return engine


def _create_or_check(engine: Engine) -> None:
    names = set(inspect(engine).get_table_names())
    if not names:
        with engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(insert(schema).values(version=SCHEMA_VERSION))
        return
    if schema.name not in names:
        found = ", ".join(sorted(names)[:3])
        raise ConfigError(f"the database holds tables that are not ours ({found}); give the ledger one of its own")
    with engine.begin() as connection:
        versions = connection.execute(select(schema.c.version)).scalars().all()
    if versions != [SCHEMA_VERSION]:
        told = ", ".join(map(str, versions)) or "none"
        raise SchemaNewer(f"schema_newer: the database has schema version {told}; this release writes {SCHEMA_VERSION}")
