"""Opening a database that has the tables: SQLite with a file of its own, or what SQLAlchemy knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ducto_redis.durable.migrations import create_or_migrate
from ducto_redis.errors import ConfigError, StoreUnavailable


def _make_private(url: Any) -> None:
    """Creates a SQLite file that nobody else may read; it names accounts and what they spend."""
    if url.database and url.database != ":memory:":
        handle = os.open(Path(url.database), os.O_CREAT | os.O_RDWR, 0o600)
        os.close(handle)


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Which file lies there; None where there is none, and for a database in memory."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _settle_sqlite(engine: Engine) -> None:
    name = engine.url.database
    path = Path(name).absolute() if name and name != ":memory:" else None

    @event.listens_for(engine, "connect")
    def settings(connection: Any, record: Any) -> None:
        record.info["file"] = _identity(path)
        # The driver's own transactions begin too late: reading and writing must be one.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # SQLite goes on in a file that was deleted or replaced, where nobody will find what it commits.
        if connection.info["file"] != _identity(path):
            raise SQLAlchemyError(f"the file {path} is gone, or another one than was opened; open the database anew")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_database(url: str) -> Engine:
    """Opens a database, creating the tables where there are none and bringing older ones forward.

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
        create_or_migrate(engine)
    except SQLAlchemyError as cause:
        engine.dispose()
        raise StoreUnavailable(f"the database did not answer: {cause}") from cause
    except ConfigError:
        engine.dispose()
        raise
    return engine
