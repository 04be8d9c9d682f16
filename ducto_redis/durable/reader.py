"""What all that read the ledger in SQL share: the database, the namespace's precision, and rows as transactions."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, select

from ducto_redis.core.entries import Entry, Kind, read_entry
from ducto_redis.core.keys import DEFAULT_NAMESPACE, KeyMaker
from ducto_redis.core.transactions import Holds, Wanted, transaction_of
from ducto_redis.durable.namespaces import read_namespace
from ducto_redis.durable.reading import open_to_read
from ducto_redis.durable.schema import ledger
from ducto_redis.errors import ConfigError, StoreError
from ducto_redis.history import Transaction
from ducto_redis.money import MAX_PRECISION

#: What rows are read as.
COLUMNS: Final = (ledger.c.shard, ledger.c.stream_id, ledger.c.data)
#: So many of a root's entries are looked at first for a hold, then ever more.
_STRETCH: Final = 2_000
_WIDER: Final = 8
_AT_ONCE: Final = 200


class Place(NamedTuple):
    """An entry and where it stands."""

    shard: int
    stream_id: str
    entry: Entry


class LedgerReader:
    """Reads the ledger of a namespace in a database; may be used by several threads.

    Args:
        url: That of ``LedgerDrain``.
        namespace: The namespace.
        precision: Its decimal places, where the database does not say them: it was drained by an older release.

    Raises:
        ConfigError: The database cannot be used.
        InvalidArgumentError: There can be no such namespace.
        SchemaNewer: A newer release made its tables.
        StoreUnavailable: It could not be reached.
    """

    #: Whether a SQLite file that is not there is made, for a drain that is still to come.
    _creates = False

    def __init__(self, url: str, *, namespace: str = DEFAULT_NAMESPACE, precision: int | None = None) -> None:
        if precision is not None and (type(precision) is not int or not 0 <= precision <= MAX_PRECISION):
            raise ConfigError(f"precision must be 0 to {MAX_PRECISION}, not {precision!r:.80}")
        self._namespace = KeyMaker(namespace, 1).namespace
        self._precision = precision
        self._engine = open_to_read(url, create=self._creates)

    def __enter__(self) -> Self:
        """Enters a block at whose end the database is closed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the database."""
        self.close()

    def close(self) -> None:
        """Closes the database."""
        self._engine.dispose()

    def _where(self, wanted: Wanted) -> list[ColumnElement[bool]]:
        """What rows have to be, as SQL; every value is a bound parameter."""
        where = [ledger.c.namespace == self._namespace]
        if wanted.account is not None:
            where += [ledger.c.root == wanted.account[0], ledger.c.path == wanted.account[1]]
        if wanted.kinds:
            where.append(ledger.c.kind.in_(sorted(map(int, wanted.kinds))))
        if wanted.since_ms is not None:
            where.append(ledger.c.at_ms >= wanted.since_ms)
        if wanted.until_ms is not None:
            where.append(ledger.c.at_ms < wanted.until_ms)
        if wanted.references:
            where.append(ledger.c.reference.in_(wanted.references))
        return where

    def _places(self, rows: Iterable[Any]) -> list[Place]:
        return [Place(row.shard, row.stream_id, read_row(row)) for row in rows]

    def _told(self, connection: Connection, places: list[Place]) -> list[Transaction]:
        """Rows as transactions, with what their holds say."""
        holds = Holds(place.entry for place in places)
        holds.offer(place.entry for place in places)
        by_root: dict[str, list[Entry]] = {}
        for entry in holds.missing():
            by_root.setdefault(entry.root, []).append(entry)
        for root, entries in by_root.items():
            self._find_holds(connection, holds, root, entries)
        precision = self._precision_of(connection) if places else 0
        return [transaction_of(*place, holds.of(place.entry), precision) for place in places]

    def _find_holds(self, connection: Connection, holds: Holds, root: str, entries: list[Entry]) -> None:
        """Looks for the holds of a root's entries before them, in ever longer stretches: most are near."""
        references = sorted({entry.reference for entry in entries})
        generations = self._generations(connection, root)
        end, stretch = max(entry.sequence for entry in entries), _STRETCH
        while end > 0 and references:
            for at in range(0, len(references), _AT_ONCE):
                found = select(*COLUMNS).where(
                    ledger.c.namespace == self._namespace,
                    ledger.c.root == root,
                    ledger.c.generation.in_(generations),
                    ledger.c.sequence <= end,
                    ledger.c.sequence > end - stretch,
                    ledger.c.kind == int(Kind.HOLD),
                    ledger.c.reference.in_(references[at : at + _AT_ONCE]),
                )
                holds.offer(read_row(row) for row in connection.execute(found))
            references = sorted({entry.reference for entry in holds.missing() if entry.root == root})
            end, stretch = end - stretch, stretch * _WIDER

    def _generations(self, connection: Connection, root: str) -> list[str]:
        """The generations that a root lived in, the last one first: each goes on where the one before it ended."""
        of_root = (ledger.c.namespace == self._namespace, ledger.c.root == root)
        found: list[tuple[int, str]] = []
        last = ""
        while True:
            row = select(ledger.c.generation, ledger.c.sequence).where(*of_root, ledger.c.generation > last)
            first = connection.execute(row.order_by(ledger.c.generation, ledger.c.sequence).limit(1)).first()
            if first is None:
                return [generation for _, generation in sorted(found, reverse=True)]
            last = first.generation
            found.append((first.sequence, last))

    def _precision_of(self, connection: Connection) -> int:
        known = read_namespace(connection, self._namespace)
        precision = self._precision if known is None else known.config.precision
        if precision is None:
            raise ConfigError(
                f"the database does not say how namespace {self._namespace!r} counts: nothing was drained into it yet,"
                " or by an older release; give precision="
            )
        return precision


def read_row(row: Any) -> Entry:
    """The entry of a row.

    Raises:
        SchemaNewer: A newer release wrote it.
        StoreError: It is none any more.
    """
    try:
        return read_entry(bytes(row.data))
    except (ValueError, IndexError) as cause:
        raise StoreError(f"row {row.shard}-{row.stream_id} of ducto_ledger holds no entry: {cause}") from cause
