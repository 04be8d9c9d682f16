"""Snapshots of roots, made of the rows in SQL: what a restore begins with, so that it need not add up all rows.

A snapshot is what fold makes of a root's rows, so it never holds anything that they do not say, and making one asks
nothing of Redis - exporting a root with a million operation records would hold up its server. The drain marks the roots
of what it writes (``ducto_dirty``) in its own transaction; ``update`` brings those forward and takes the marks away, in
one transaction too. Stopped anywhere, the marks tell what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from ducto_redis.core.entries import Entry, Kind, read_entry
from ducto_redis.core.fold import RootState, fold
from ducto_redis.core.fold_records import OPEN, Records, expiry_of, open_hold
from ducto_redis.core.root_fields import check_fields, join_fields, pack_state, read_state, split_fields
from ducto_redis.durable.namespaces import lock
from ducto_redis.durable.schema import dirty, ledger, records, roots
from ducto_redis.durable.upserts import upsert
from ducto_redis.errors import CreditError, LedgerBroken, StoreUnavailable

#: Roots and rows that one transaction takes on.
ROOTS: Final = 500
ROWS: Final = 10_000
#: How long the record of an operation that has ended is kept: as long as Redis keeps it at most.
KEPT_MS: Final = 48 * 3_600_000
_AT_ONCE: Final = 500
_NEEDS_HOLD: Final = frozenset({Kind.SETTLE, Kind.RELEASE, Kind.EXPIRE, Kind.EXTEND})


def wall_clock() -> int:
    """The time of this machine, in ms."""
    return time.time_ns() // 1_000_000


@dataclass
class SnapshotResult:
    """What was brought forward.

    Attributes:
        roots: Snapshots that were made anew.
        entries: Rows that they took in.
        broken: Roots whose rows do not follow one another, with the reason; their snapshots stay as they were.
    """

    roots: int = 0
    entries: int = 0
    broken: dict[str, str] = field(default_factory=dict)


class Snapshots:
    """The snapshots of a namespace.

    Args:
        engine: A database that has the tables.
        namespace: The namespace.
        now_ms: The time, in ms; tests inject theirs.
    """

    def __init__(self, engine: Engine, namespace: str, now_ms: Callable[[], int] = wall_clock) -> None:
        self._engine = engine
        self._namespace = namespace
        self._now_ms = now_ms

    def update(self) -> SnapshotResult:
        """Brings every snapshot forward to the rows that are there; goes on until none is behind.

        Raises:
            StoreUnavailable: The database failed; what it failed on stays marked.
        """
        result = SnapshotResult()
        try:
            while self._update_some(result):
                pass
            self._forget()
        except SQLAlchemyError as cause:
            raise StoreUnavailable(f"the database failed: {cause}") from cause
        return result

    def behind(self) -> int:
        """How many roots have rows behind their snapshot."""
        with self._engine.connect() as connection:
            where = dirty.c.namespace == self._namespace
            return int(connection.execute(select(func.count()).select_from(dirty).where(where)).scalar_one())

    def drop(self) -> None:
        """Gives up all snapshots and marks every root: the next update adds all rows up anew."""
        with self._engine.begin() as connection:
            lock(connection, self._namespace, alone=True)
            for table in (roots, records, dirty):
                connection.execute(delete(table).where(table.c.namespace == self._namespace))
            listed = select(ledger.c.namespace, ledger.c.root).distinct()
            of_roots = listed.where(ledger.c.namespace == self._namespace, ledger.c.root.not_like("#%"))
            connection.execute(insert(dirty).from_select(["namespace", "root"], of_roots))

    def check(self) -> None:
        """Makes sure that every snapshot can be read.

        Raises:
            LedgerBroken: Some cannot; they are named.
        """
        broken, after = {}, ""
        asked = select(roots.c.root, roots.c.data).where(roots.c.namespace == self._namespace).order_by(roots.c.root)
        with self._engine.connect() as connection:
            while page := connection.execute(asked.where(roots.c.root > after).limit(ROWS)).all():
                after = page[-1].root
                for root, data in page:
                    try:
                        check_fields(data)
                    except ValueError as cause:
                        broken[root] = str(cause)
        if broken:
            told = "; ".join(f"{root}: {why}" for root, why in sorted(broken.items())[:5])
            raise LedgerBroken(f"{len(broken)} snapshots cannot be read: {told}; --rebuild makes all of them anew")

    def _update_some(self, result: SnapshotResult) -> bool:
        with self._engine.begin() as connection:
            lock(connection, self._namespace, alone=True)
            marked = select(dirty.c.root).where(dirty.c.namespace == self._namespace)
            if result.broken:
                marked = marked.where(dirty.c.root.not_in(result.broken))
            names = connection.execute(marked.order_by(dirty.c.root).limit(ROOTS)).scalars().all()
            if not names:
                return False
            found = _rows_behind(connection, self._namespace, names)
            # The last root may have more rows than were read, others none of theirs: they stay marked. The order is the
            # database's, which need not be ours.
            done = set(names) if len(found) < ROWS else {row.root for row in found} - {found[-1].root}
            made = self._made(connection, found, result)
            upsert(connection, roots, made.roots, ("generation", "sequence", "at_ms", "data", "holds"))
            upsert(connection, records, made.records, ("at_ms", "expires_ms", "data"))
            where = and_(dirty.c.namespace == self._namespace, dirty.c.root.in_(done - result.broken.keys()))
            connection.execute(delete(dirty).where(where))
        result.roots += len(made.roots)
        result.entries += len(found)
        return True

    def _made(self, connection: Connection, found: Sequence[Any], result: SnapshotResult) -> _Made:
        made, entries = _Made(), _read(found, result.broken)
        known = _records_of(connection, self._namespace, _fields_needed(entries))
        old = _snapshots_of(connection, self._namespace, list(entries))
        for root, pairs in entries.items():
            try:
                made.add(self._namespace, root, old.get(root), known.get(root, {}), pairs)
            except (CreditError, LookupError, ValueError) as cause:
                result.broken[root] = f"{type(cause).__name__}: {cause}"
        return made

    def _forget(self) -> None:
        """Drops records that Redis would not hold any more either."""
        with self._engine.begin() as connection:
            since_ms = known_since(connection, self._namespace, self._now_ms())
            old = (records.c.namespace == self._namespace, records.c.at_ms < since_ms, records.c.expires_ms == 0)
            connection.execute(delete(records).where(*old))


def known_since(connection: Connection, namespace: str, now_ms: int) -> int:
    """From when on the records of ended operations are kept; a clock of ours that is ahead drops none too early."""
    last = connection.execute(select(func.max(records.c.at_ms)).where(records.c.namespace == namespace)).scalar()
    return min(now_ms, last or 0) - KEPT_MS


@dataclass
class _Made:
    """Rows to write."""

    roots: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, namespace: str, root: str, old: Any, known: Mapping[str, bytes], pairs: Sequence[tuple[str, Entry]]
    ) -> None:
        """Adds the snapshot of a root and the records that its entries make."""
        state = read_state(split_fields(old.data), old.sequence) if old else RootState()
        state.holds = {name: open_hold(name, data) for name, data in known.items() if data[0] == OPEN}
        made, states, times = Records(known), {root: state}, {}
        for stream_id, entry in pairs:
            fold([entry], states)
            for name in made.add(entry, stream_id, state):
                times[name] = entry.at_ms
        last = pairs[-1][1]
        self.roots.append({
            "namespace": namespace,
            "root": root,
            "generation": last.generation.hex(),
            "sequence": state.sequence,
            "at_ms": last.at_ms,
            "data": join_fields(pack_state(state)),
            "holds": state.nodes[""].open_holds if "" in state.nodes else 0,
        })  # fmt: skip
        self.records += [
            {"namespace": namespace, "root": root, "field": name, "at_ms": times[name],
             "expires_ms": expiry_of(data), "data": data}
            for name, data in made.made.items()
        ]  # fmt: skip


def _read(found: Iterable[Any], broken: dict[str, str]) -> dict[str, list[tuple[str, Entry]]]:
    """Stream ids and entries of rows, by root; a root with a row that is no entry goes to those that are broken."""
    read: dict[str, list[tuple[str, Entry]]] = {}
    for root, rows in groupby(found, key=lambda row: row.root):
        try:
            read[root] = [(row.stream_id, read_entry(row.data)) for row in rows]
        except (CreditError, LookupError, ValueError) as cause:
            broken[root] = f"{type(cause).__name__}: {cause}"
    return read


def _rows_behind(connection: Connection, namespace: str, names: Sequence[str]) -> Sequence[Any]:
    """Rows behind the snapshots of roots, root by root, in the order of their sequence; at most ``ROWS``."""
    same = and_(roots.c.namespace == ledger.c.namespace, roots.c.root == ledger.c.root)
    asked = (
        select(ledger.c.root, ledger.c.stream_id, ledger.c.data)
        .select_from(ledger.outerjoin(roots, same))
        .where(ledger.c.namespace == namespace, ledger.c.root.in_(names))
        .where(ledger.c.sequence > func.coalesce(roots.c.sequence, 0))
        .order_by(ledger.c.root, ledger.c.sequence)
        .limit(ROWS)
    )
    return connection.execute(asked).all()


def _snapshots_of(connection: Connection, namespace: str, names: Sequence[str]) -> dict[str, Any]:
    asked = select(roots.c.root, roots.c.sequence, roots.c.data)
    found = connection.execute(asked.where(roots.c.namespace == namespace, roots.c.root.in_(names)))
    return {row.root: row for row in found}


def _fields_needed(entries: Mapping[str, Iterable[tuple[str, Entry]]]) -> dict[str, set[str]]:
    """The holds that entries end or extend, by root."""
    return {root: {entry.field for _, entry in pairs if entry.kind in _NEEDS_HOLD} for root, pairs in entries.items()}


def _records_of(connection: Connection, namespace: str, needed: Mapping[str, set[str]]) -> dict[str, dict[str, bytes]]:
    """The records of holds, by root and field."""
    found: dict[str, dict[str, bytes]] = {}
    for root, some in _parts(needed):
        where = (records.c.namespace == namespace, records.c.root == root, records.c.field.in_(some))
        for name, data in connection.execute(select(records.c.field, records.c.data).where(*where)):
            found.setdefault(root, {})[name] = data
    return found


def _parts(needed: Mapping[str, set[str]]) -> Iterator[tuple[str, list[str]]]:
    for root, names in needed.items():
        listed = sorted(names)
        for at in range(0, len(listed), _AT_ONCE):
            yield root, listed[at : at + _AT_ONCE]
