"""Carries the ledger into SQL, exactly once: rows and position in one transaction, trimmed only behind the commit.

Two drainers may run at once, and one may be stopped anywhere: the position is written only where it still is what was
read, so of two transactions on the same part one is rolled back. What is read again is compared with the row that is
there; other content is a fork - a Redis that went on from an older state - and is told, never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, bindparam, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ducto_redis.core import draining
from ducto_redis.core.draining import BEGINNING, LedgerPart
from ducto_redis.core.entries import OF_NO_ROOT, Kind, read_entry
from ducto_redis.durable.database import open_database
from ducto_redis.durable.schema import dead, ledger, position
from ducto_redis.errors import LedgerFork, SchemaNewer, StoreUnavailable
from ducto_redis.store import RedisStore

#: Entries that are read and committed at a time.
PART: Final = 10_000
_COMPARED: Final = 200
Row = dict[str, Any]


@dataclass
class DrainResult:
    """What one pass did.

    Attributes:
        rows: Entries that are in SQL since.
        repeated: Entries that were there already, equal, or set aside already.
        dead: Entries that could not be read; they lie in ``ducto_dead``, with the reason.
        trimmed: Entries that were dropped from the ledger, behind the commit.
        overtaken: Shards that another drainer carried on meanwhile.
    """

    rows: int = 0
    repeated: int = 0
    dead: int = 0
    trimmed: int = 0
    overtaken: int = 0


class _Overtaken(Exception):
    """The position is another one than was read."""


@dataclass
class _Part:
    """Rows of a part, and what is no entry."""

    last: str
    rows: list[Row] = field(default_factory=list)
    dead: list[Row] = field(default_factory=list)


def _row(namespace: str, shard: int, stream_id: str, data: bytes) -> Row:
    entry = read_entry(data)
    # Entries about the namespace are of no root: no root's encoded name begins with #.
    of_none = entry.kind in OF_NO_ROOT
    sequence = entry.amount if entry.kind is Kind.DEFAULTS_SET else entry.sequence
    return {
        "namespace": namespace,
        "root": f"#{shard}" if of_none else entry.root,
        "generation": entry.generation.hex(),
        "sequence": sequence,
        "shard": shard,
        "stream_id": stream_id,
        "kind": int(entry.kind),
        "at_ms": entry.at_ms,
        "amount_units": entry.amount,
        "balance_after_units": entry.balance_after,
        "path": entry.path,
        "within": "+".join(entry.within),
        "reference": entry.reference,
        "data": data,
    }


def _read(namespace: str, shard: int, part: LedgerPart) -> _Part:
    made = _Part(last=part.entries[-1][0])
    for stream_id, is_entry, data in part.entries:
        try:
            made.rows.append(_row(namespace, shard, stream_id, data if is_entry else b""))
        except SchemaNewer as cause:
            # A newer release writes here: what it says must not be set aside.
            raise SchemaNewer(f"{cause} - entry {stream_id} of shard {shard}") from cause
        except (ValueError, IndexError) as cause:
            place = {"namespace": namespace, "shard": shard, "stream_id": stream_id}
            reason = f"{type(cause).__name__}: {cause}" if is_entry else "it does not have the one field of an entry"
            made.dead.append({**place, "reason": reason, "data": data})
    return made


class LedgerDrain:
    """Carries the ledger of a namespace into a database.

    Args:
        store: The store; its namespace must be there.
        url: The database: ``sqlite:///ledger.db``, or what else SQLAlchemy reads.
        trim: Whether what is committed is dropped from the ledger. Then ``verify`` can no longer add it up.

    Raises:
        ConfigError: The database cannot be used; nothing was written.
        SchemaNewer: A newer release made its tables.
        StoreUnavailable: It could not be reached.
    """

    #: Tests stop a drain at these places.
    at_point: Callable[[str], None] = staticmethod(lambda _point: None)

    def __init__(self, store: RedisStore, url: str, *, trim: bool = True) -> None:
        self._run, self._space = store._driver.run_flow, store._space  # noqa: SLF001 - one package
        self._trim = trim
        self._engine: Engine = open_database(url)
        self._registered = False
        self._trimmed: dict[int, str] = {}

    def close(self) -> None:
        """Closes the database; the store stays open."""
        self._engine.dispose()

    def unregister(self) -> None:
        """Says that nobody drains the namespace any more: the sweep bounds its ledger again."""
        self._run(draining.register(self._space, wanted=False))
        self._registered = False

    def drain(self) -> DrainResult:
        """Carries what is there, of every shard, to the end that each has when it is met.

        Raises:
            LedgerFork: SQL holds another entry under the same number, or entries behind the last one of Redis; nothing
                of that part was written.
            NeedsRestore: Redis came back empty, or holds another generation.
            SchemaNewer: A newer release wrote an entry.
            StoreUnavailable: The database failed; the part that it failed on was not written.
        """
        if not self._registered:
            self._run(draining.register(self._space, wanted=True))
            self._registered = True
        result = DrainResult()
        for shard in range(self._space.known.shards):
            try:
                self._drain_shard(shard, result)
            except _Overtaken:
                result.overtaken += 1
            except SQLAlchemyError as cause:
                raise StoreUnavailable(f"the database failed: {cause}") from cause
        return result

    def _drain_shard(self, shard: int, result: DrainResult) -> None:
        more = True
        while more:
            with self._engine.begin() as connection:
                last = self._position(connection, shard)
            part: LedgerPart = self._run(draining.read_part(self._space, shard, last or BEGINNING, PART))
            more = part.more
            self.at_point("read")
            if part.entries:
                last = self._commit(shard, last, part, result)
            elif last:
                self._check_history(shard, last)
            if self._trim and last and self._trimmed.get(shard) != last:
                # The first time also what a stopped drain committed and did not come to trim.
                result.trimmed += self._run(draining.trim_behind(self._space, shard, last))
                self._trimmed[shard] = last
            self.at_point("trimmed")

    def _check_history(self, shard: int, last: str) -> None:
        """Refuses a Redis whose last entry lies before the position: what it writes would be overlooked, and trimmed.

        Raises:
            LedgerFork: It went on from an older state.
            NeedsRestore: The shard is gone, or of another generation.
        """
        newest = self._run(draining.read_newest(self._space, shard))
        if newest is not None and draining.is_before(newest, last):
            raise LedgerFork(
                f"the database holds entries of shard {shard} up to {last}, the last one of Redis is {newest}: this"
                " Redis went on from an older state - nothing was written, decide which of the two counts"
            )

    def _position(self, connection: Connection, shard: int) -> str | None:
        where = (position.c.namespace == self._space.name, position.c.shard == shard)
        return connection.execute(select(position.c.last).where(*where)).scalar()

    def _commit(self, shard: int, last: str | None, part: LedgerPart, result: DrainResult) -> str:
        made = _read(self._space.name, shard, part)
        repeated = 0
        try:
            with self._engine.begin() as connection:
                self._write(connection, shard, last, made)
        except IntegrityError:
            # Some are there already: a restore, or another drainer. They are compared, the others written.
            with self._engine.begin() as connection:
                fresh, new_dead = _without_known(connection, made.rows), _without_dead(connection, made.dead)
                repeated = len(made.rows) + len(made.dead) - len(fresh) - len(new_dead)
                made.rows, made.dead = fresh, new_dead
                self._write(connection, shard, last, made)
        self.at_point("committed")
        result.rows += len(made.rows)
        result.repeated += repeated
        result.dead += len(made.dead)
        return made.last

    def _write(self, connection: Connection, shard: int, last: str | None, made: _Part) -> None:
        """Rows, what is no entry, and the position, in a transaction that the caller commits."""
        name = self._space.name
        count = len(made.rows) + len(made.dead)
        if last is None:
            moved = 1 if self._position(connection, shard) is None else 0
            if moved:
                connection.execute(insert(position).values(namespace=name, shard=shard, last=made.last, entries=count))
        else:
            where = (position.c.namespace == name, position.c.shard == shard, position.c.last == last)
            moved = connection.execute(
                update(position).where(*where).values(last=made.last, entries=position.c.entries + count)
            ).rowcount
        if not moved:
            raise _Overtaken
        if made.rows:
            connection.execute(insert(ledger), made.rows)
        if made.dead:
            connection.execute(insert(dead), made.dead)
        self.at_point("written")


def _without_known(connection: Connection, rows: list[Row]) -> list[Row]:
    """The rows that are not there yet.

    Raises:
        LedgerFork: One is there with other content.
    """
    known: dict[tuple[Any, ...], Any] = {}
    for at in range(0, len(rows), _COMPARED):
        known.update(_known(connection, rows[at : at + _COMPARED]))
    forks = [row for row in rows if known.get(_key(row), row["data"]) != row["data"]]
    if forks:
        told = ", ".join(f"{row['root']} #{row['sequence']} ({row['reference'] or 'no id'})" for row in forks[:5])
        raise LedgerFork(
            f"{len(forks)} entries differ from what the database holds under the same number: {told}; this Redis went"
            " on from an older state - nothing was written, decide which of the two counts"
        )
    return [row for row in rows if _key(row) not in known]


def _without_dead(connection: Connection, rows: list[Row]) -> list[Row]:
    """What is no entry and was not set aside yet."""
    names = ("namespace", "shard", "stream_id")
    found = select(dead.c.stream_id).where(*(dead.c[name] == bindparam(name) for name in names))
    return [row for row in rows if connection.execute(found, {name: row[name] for name in names}).first() is None]


def _key(row: Row) -> tuple[Any, ...]:
    return (row["namespace"], row["root"], row["generation"], row["sequence"])


def _known(connection: Connection, rows: Iterable[Row]) -> dict[tuple[Any, ...], Any]:
    key = (ledger.c.namespace, ledger.c.root, ledger.c.generation, ledger.c.sequence)
    found = connection.execute(select(*key, ledger.c.data).where(tuple_(*key).in_([_key(row) for row in rows])))
    return {tuple(each[:4]): each[4] for each in found}
