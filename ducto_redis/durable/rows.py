"""Entries as rows: read from what Redis holds, written by the fastest way of each database, compared where they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from sqlalchemy import Connection, Table, insert, select, tuple_
from sqlalchemy.exc import DBAPIError, IntegrityError

from ducto_redis.core.draining import LedgerPart
from ducto_redis.core.entries import OF_NO_ROOT, Kind, read_entry
from ducto_redis.durable.schema import ROOT_BYTES, dead, ledger
from ducto_redis.errors import LedgerFork, SchemaNewer

#: Keys that one statement names.
COMPARED: Final = 200
#: A row, its values in the order of the table's columns.
Row = tuple[Any, ...]
#: Where its key stands.
KEY: Final = slice(0, 4)
#: Where root and stream id stand in a row of the ledger.
ROOT, STREAM_ID = 1, 5
_SEQUENCE, _REFERENCE = 3, 12
_BINARY: Final = {"integer": "int4", "big_integer": "int8", "large_binary": "bytea"}


@dataclass
class Part:
    """What one shard's position is moved over, in one transaction.

    Attributes:
        shard: The shard.
        before: Its position as it was read.
        last: Its position behind the commit.
        rows: Rows of ``ducto_ledger``.
        dead: Rows of ``ducto_dead``: what is no entry, with the reason.
    """

    shard: int
    before: str
    last: str
    rows: list[Row] = field(default_factory=list)
    dead: list[Row] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many entries it holds, those that could not be read among them."""
        return len(self.rows) + len(self.dead)


def row_of(namespace: str, shard: int, stream_id: str, data: bytes) -> Row:
    """The row of an entry.

    Raises:
        SchemaNewer: A newer release wrote it.
        ValueError: It is no entry that a database can hold.
        IndexError: It is empty.
    """
    kind, generation, sequence, at_ms, amount, balance_after, root, path, reference, _, within = read_entry(data)
    if kind in OF_NO_ROOT:
        # Entries about the namespace are of no root: no root's encoded name begins with #.
        root = f"#{shard}"
        if kind is Kind.DEFAULTS_SET:
            sequence = amount
    joined = "+".join(within) if within else ""
    if b"\0" in data and "\0" in f"{root}{path}{joined}{reference}":
        raise ValueError("a name holds a zero byte; every release writes it as %00")
    if len(root) > ROOT_BYTES or not (root.isascii() or len(root.encode()) <= ROOT_BYTES):
        raise ValueError(f"a root's name is longer than {ROOT_BYTES} bytes")
    return (
        namespace, root, generation.hex(), sequence, shard, stream_id, int(kind), at_ms, amount, balance_after, path,
        joined, reference, data,
    )  # fmt: skip


def read_rows(namespace: str, shard: int, before: str, read: LedgerPart) -> Part:
    """Reads entries into rows; what is none is set aside.

    Raises:
        SchemaNewer: A newer release wrote one: what it says must not be set aside.
    """
    made = Part(shard, before, read.entries[-1][0] if read.entries else before)
    for stream_id, is_entry, data in read.entries:
        try:
            made.rows.append(row_of(namespace, shard, stream_id, data if is_entry else b""))
        except SchemaNewer as cause:
            raise SchemaNewer(f"{cause} - entry {stream_id} of shard {shard}") from cause
        except (ValueError, IndexError) as cause:
            reason = f"{type(cause).__name__}: {cause}" if is_entry else "it does not have the one field of an entry"
            made.dead.append((namespace, shard, stream_id, reason, data))
    return made


@lru_cache
def _insert_of(table: Table, dialect: Any) -> str:
    return str(insert(table).compile(dialect=dialect))


def insert_rows(connection: Connection, table: Table, rows: list[Row]) -> None:
    """Writes rows as the driver does it fastest: many of one statement, or COPY where the database is PostgreSQL.

    Raises:
        IntegrityError: One of them is there already.
        DBAPIError: The database failed.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        connection.exec_driver_sql(_insert_of(table, connection.dialect), rows)


def _copy(connection: Connection, table: Table, rows: list[Row]) -> None:
    driver: Any = connection.dialect.dbapi
    raw: Any = connection.connection.dbapi_connection
    statement = f"COPY {table.name} ({', '.join(table.columns.keys())}) FROM STDIN (FORMAT BINARY)"
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_BINARY.get(column.type.__visit_name__, "text") for column in table.columns])
            for row in rows:
                copy.write_row(row)
    except driver.IntegrityError as cause:
        raise IntegrityError(statement, None, cause) from cause
    except driver.Error as cause:
        # The pool does not see what goes past it.
        if raw.closed:
            connection.invalidate(cause)
        raise DBAPIError(statement, None, cause) from cause


def operation_of(reference: str) -> str:
    """The id of an operation, for people."""
    return unquote(reference[1:]) or "no id"


def told_row(row: Row) -> str:
    """Root, number and operation of a row of the ledger, for people."""
    return f"{row[ROOT]} #{row[_SEQUENCE]} (operation {operation_of(row[_REFERENCE])})"


def known_data(connection: Connection, rows: list[Row]) -> dict[Row, bytes]:
    """What is there under the keys of rows of the ledger, by key."""
    known: dict[Row, bytes] = {}
    for at in range(0, len(rows), COMPARED):
        known.update(_known(connection, rows[at : at + COMPARED]))
    return known


def without_known(connection: Connection, rows: list[Row]) -> list[Row]:
    """The rows of the ledger that are not there yet, each number once.

    Raises:
        LedgerFork: One is there, or among them, with other content.
    """
    known = known_data(connection, rows)
    fresh, forks = [], []
    for row in rows:
        there = known.setdefault(row[KEY], row[-1])
        if there is row[-1]:
            fresh.append(row)
        elif there != row[-1]:
            forks.append(row)
    if forks:
        told = ", ".join(map(told_row, forks[:5]))
        raise LedgerFork(
            f"{len(forks)} entries differ from what the database holds under the same number: {told}; this Redis went"
            " on from an older state - nothing was written, decide which of the two counts: `ducto-redis restore"
            " --prefer sql` gives up what Redis holds, `--prefer redis` (first with --dry-run) what the database holds"
            " and Redis does not"
        )
    return fresh


def without_dead(connection: Connection, rows: list[Row]) -> list[Row]:
    """What is no entry and was not set aside yet."""
    key = (dead.c.namespace, dead.c.shard, dead.c.stream_id)
    return [row for row in rows if connection.execute(select(*key).where(tuple_(*key) == row[:3])).first() is None]


def _known(connection: Connection, rows: Iterable[Row]) -> dict[Row, bytes]:
    key = (ledger.c.namespace, ledger.c.root, ledger.c.generation, ledger.c.sequence)
    found = connection.execute(select(*key, ledger.c.data).where(tuple_(*key).in_([row[KEY] for row in rows])))
    return {tuple(each[:4]): each[4] for each in found}
