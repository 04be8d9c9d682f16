"""Opening a database that has the tables: a SQLite file of its own, or PostgreSQL through psycopg 3.

Each is settled so that a commit is on the disk, waits are bounded, and what SQL is given to write is written alone:
SQLite's transactions exclude each other from their begin on, PostgreSQL's meet at the row of the position.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError

from ducto_redis.durable.migrations import create_or_migrate
from ducto_redis.errors import AuthenticationFailed, ConfigError, StoreError, StoreUnavailable

_SQLITE: Final = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "cache_size=-32768",
                  "wal_autocheckpoint=8000")  # fmt: skip

#: How long PostgreSQL is waited for, where the URL does not say otherwise: seconds, and milliseconds for TCP.
_WAITS: Final[Mapping[str, Any]] = {
    "connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 10, "keepalives_interval": 5,
    "keepalives_count": 3, "application_name": "ducto_redis",
}  # fmt: skip

#: Said in each transaction, so that neither the server's settings nor a pooler between can take it away.
_TRANSACTION: Final = (
    "SELECT set_config('statement_timeout', '60s', true), set_config('lock_timeout', '10s', true),"
    " set_config('idle_in_transaction_session_timeout', '60s', true), set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)"
)

#: What PostgreSQL and its client say when trying again does not help, and what does.
_REFUSALS: Final[Mapping[str, tuple[type[ConfigError], str]]] = {
    "password authentication failed": (AuthenticationFailed, "check user and password of the URL"),
    "no password supplied": (AuthenticationFailed, "the URL needs a password: postgresql://user:password@host/name"),
    "no pg_hba.conf entry": (AuthenticationFailed, "the server does not let this user in from here (pg_hba.conf)"),
    "does not exist": (ConfigError, "create it, or check the URL"),
    "permission denied": (ConfigError, "the user must be allowed to create tables in the schema"),
    "no schema has been selected": (ConfigError, "create the schema that search_path names"),
    "received invalid response": (ConfigError, "no PostgreSQL listens there; check host and port"),
    "expected authentication request": (ConfigError, "no PostgreSQL listens there; check host and port"),
    "read-only transaction": (ConfigError, "give the ledger the primary server"),
    "invalid connection option": (ConfigError, "check what follows the ? of the URL"),
}


def told_by(cause: SQLAlchemyError) -> str:
    """What the database said, in one line: neither the statement nor what it was given, which names accounts."""
    origin = cause.orig if isinstance(cause, DBAPIError) else cause
    primary = getattr(getattr(origin, "diag", None), "message_primary", None)
    return " ".join(str(primary or origin).split())[:400]


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # What could not be read may be part of a password.
        raise ConfigError("the database's URL cannot be read; @ : / in a password are %40 %3A %2F") from None
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise ConfigError(f"the ledger goes into sqlite:// or postgresql+psycopg://, not {url.drivername}://")
    return url


def _make_private(url: URL) -> None:
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


def _sqlite(url: URL) -> Engine:
    _make_private(url)
    path = Path(url.database).absolute() if url.database and url.database != ":memory:" else None
    engine = create_engine(url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def settings(connection: Any, record: Any) -> None:
        record.info["file"] = _identity(path)
        # The driver's own transactions begin too late: reading and writing must be one.
        connection.isolation_level = None
        for pragma in _SQLITE:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # SQLite goes on in a file that was deleted or replaced, where nobody will find what it commits.
        if connection.info["file"] != _identity(path):
            raise SQLAlchemyError(f"the file {path} is gone, or another one than was opened; open the database anew")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(url: URL) -> Engine:
    waits = {name: value for name, value in _WAITS.items() if name not in url.query}
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        # A reader that waited for another's commit must see it, so neither a stricter nor a looser one.
        isolation_level="READ COMMITTED",
        connect_args={**waits, "client_encoding": "utf8"},
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(_TRANSACTION).close()

    return engine


def _check_postgres(engine: Engine) -> None:
    """Refuses a server that does not keep what it commits, or that cannot hold every text."""
    names = ("fsync", "server_encoding", "transaction_read_only")
    with engine.begin() as connection:
        asked = ", ".join(f"current_setting('{name}')" for name in names)
        fsync, encoding, read_only = connection.exec_driver_sql(f"SELECT {asked}").one()
    if fsync != "on":
        raise ConfigError("the server runs with fsync = off: what it commits may be lost, while the ledger is trimmed")
    if encoding != "UTF8":
        raise ConfigError(f"the database is encoded in {encoding}; create one with ENCODING 'UTF8' for the ledger")
    if read_only != "off":
        raise ConfigError("the database answers reads only (a standby?); give the ledger the primary server")


def _refused(url: URL, cause: SQLAlchemyError) -> StoreError:
    said = told_by(cause)
    if url.password:
        said = said.replace(str(url.password), "***")
    for words, (error, hint) in _REFUSALS.items():
        if words in said:
            return error(f"the database cannot be used: {said}; {hint}")
    return StoreUnavailable(f"the database did not answer: {said}")


def _own_by_process(engine: Engine) -> None:
    """Makes a forked child open connections of its own: those of its parent are the parent's."""

    @event.listens_for(engine, "connect")
    def opened(_connection: Any, record: Any) -> None:
        record.info["pid"] = os.getpid()

    @event.listens_for(engine, "checkout")
    def taken(_connection: Any, record: Any, proxy: Any) -> None:
        if record.info.get("pid") != os.getpid():
            record.dbapi_connection = proxy.dbapi_connection = None
            raise DisconnectionError("opened by another process")


def open_database(url: str) -> Engine:
    """Opens a database, creating the tables where there are none and bringing older ones forward.

    Args:
        url: ``sqlite:///ledger.db`` or ``postgresql+psycopg://user:password@host/name`` (extra ``postgres``); the
            short ``postgresql://`` means the same.

    Raises:
        ConfigError: The URL cannot be used, or the database is somebody else's; nothing was written.
        SchemaNewer: A newer release made the tables; nothing was written.
        StoreUnavailable: It could not be reached.
    """
    parsed = _parsed(url)
    of_sqlite = parsed.get_backend_name() == "sqlite"
    try:
        engine = _sqlite(parsed) if of_sqlite else _postgres(parsed)
    except ImportError as cause:
        raise ConfigError(f'PostgreSQL needs psycopg 3: pip install "ducto-redis[postgres]" ({cause})') from cause
    except (ArgumentError, ValueError, OSError) as cause:
        raise ConfigError(f"the database cannot be opened: {cause}") from cause
    _own_by_process(engine)
    try:
        if not of_sqlite:
            _check_postgres(engine)
        create_or_migrate(engine)
    except BaseException as cause:
        engine.dispose()
        if isinstance(cause, SQLAlchemyError):
            raise _refused(parsed, cause) from cause
        raise
    return engine
