"""Reading the ledger in SQL beside a drain that writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ducto_redis.durable.database import open_database, told_by
from ducto_redis.errors import ConfigError, StoreUnavailable


def open_to_read(url: str, *, create: bool = False) -> Engine:
    """Opens a database that a drain may be writing; readers neither wait for it nor can change anything.

    Args:
        url: That of ``LedgerDrain``.
        create: Whether a SQLite file that is not there is made, for a drain that is still to come.

    Raises:
        ConfigError: The database cannot be used.
        SchemaNewer: A newer release made its tables.
        StoreUnavailable: It could not be reached.
    """
    if not create and _is_absent(url):
        raise ConfigError("there is no such database; a LedgerDrain makes it")
    engine = open_database(url)
    if engine.dialect.name != "sqlite" or not engine.url.database or engine.url.database == ":memory:":
        return engine.execution_options(postgresql_readonly=True)
    # The drain's transactions on SQLite take the lock for writing when they begin.
    engine.dispose()
    engine = create_engine(engine.url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("query_only=ON", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _is_absent(url: str) -> bool:
    try:
        parsed = make_url(url)
    except ArgumentError:
        return False  # told by who opens it
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:"
    return bool(is_file) and not Path(str(parsed.database)).exists()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads.

    Raises:
        StoreUnavailable: The database failed.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as cause:
        raise StoreUnavailable(f"the database failed: {told_by(cause)}") from cause
