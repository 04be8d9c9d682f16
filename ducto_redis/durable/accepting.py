"""``accept_redis``: SQL gives up what Redis does not have - the other choice beside ``restore --prefer sql``.

For a Redis that came back from an older state, or went on from one. Nothing is deleted: rows that are not in Redis'
history go to ``ducto_dead``, with the reason, of each root the last one first, so that what is left has no gap wherever
it is stopped. SQL is looked at before Redis, so what Redis lacks was not drained since; a drain that writes meanwhile
moves the shard's position, and the shard is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count, islice
from typing import Final

from sqlalchemy import Connection, Engine, and_, delete, func, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from ducto_redis.core import draining, verify
from ducto_redis.core.draining import BEGINNING
from ducto_redis.core.entries import Kind
from ducto_redis.core.flows import ready
from ducto_redis.durable.database import open_database, told_by
from ducto_redis.durable.namespaces import READY, claim, lock, read_namespace
from ducto_redis.durable.reading import open_to_read
from ducto_redis.durable.rows import COMPARED, KEY, ROOT, Row, insert_rows, known_data, read_rows, told_row
from ducto_redis.durable.schema import dead, dirty, ledger, position, records, roots
from ducto_redis.durable.upserts import upsert
from ducto_redis.durable.verifying import CHARGES
from ducto_redis.errors import NamespaceUnknown, NeedsRestore, StoreUnavailable
from ducto_redis.money import to_credits
from ducto_redis.store import RedisStore

#: Rows that one transaction moves; entries that are read at a time.
PART: Final = 10_000
#: How often a shard is looked at when drains go on meanwhile.
TRIES: Final = 10
_NAMED: Final = 20
_LEDGER_KEY: Final = tuple(ledger.primary_key.columns)
_KIND, _AMOUNT, _STREAM_ID = map(ledger.columns.keys().index, ("kind", "amount_units", "stream_id"))
_BY_NUMBER: Final = (ledger.c.sequence, ledger.c.generation)


@dataclass
class AcceptResult:
    """What SQL gave up; in a dry run what it would give up.

    Attributes:
        roots: Roots that some rows were of.
        rows_given_up: Rows that lie in ``ducto_dead`` since, with the reason.
        granted: Credits that they granted.
        charged: Credits that they charged.
        operations: The first 20 of them: root, number and operation id.
        dry_run: Whether nothing was changed.
    """

    roots: int = 0
    rows_given_up: int = 0
    granted: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    operations: tuple[str, ...] = ()
    dry_run: bool = False


def accept_redis(
    store: RedisStore,
    url: str,
    *,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> AcceptResult:
    """Lets Redis count where it and SQL differ: SQL gives up what Redis does not have. Clients may go on meanwhile.

    Rows beyond the last entry of their root in Redis, and those from the first one on that differs from what Redis'
    ledger holds under its number, are moved to ``ducto_dead``; what Redis has is carried by the next drain. Stopped
    anywhere, run it again; the result tells what this run moved.

    Args:
        store: The store; its namespace must be there.
        url: The database, as for ``LedgerDrain``.
        dry_run: Whether it is only told what would be given up.
        progress: Is told after each shard how many are done, and of how many.

    Raises:
        ConfigError: The database cannot be used.
        NamespaceUnknown: It, or Redis, holds nothing of the namespace.
        NeedsRestore: It holds another life of the namespace, or one that is being restored; nothing was written.
        SchemaNewer: A newer release wrote an entry; nothing of its shard was written.
        StoreUnavailable: Redis or the database failed, or drains left no time; run it again.
    """
    engine = open_to_read(url) if dry_run else open_database(url)
    try:
        return Acceptance(store, engine, dry_run=dry_run).run(progress)
    except SQLAlchemyError as cause:
        raise StoreUnavailable(f"the database failed: {told_by(cause)}; run it again") from cause
    finally:
        engine.dispose()


class _Stale(Exception):
    """A drain wrote rows of the shard since it was looked at."""


@dataclass
class _Plan:
    """What is given up of a shard.

    Attributes:
        seen: Position and count of the shard when SQL was looked at; None: it has none.
        first: By root the number from which on its rows are given up.
        kept: Keys of rows behind that number which Redis has all the same.
    """

    seen: tuple[str, int] | None
    first: dict[str, int]
    kept: set[Row] = field(default_factory=set)


class Acceptance:
    """One pass over all shards; see the module."""

    #: Tests stop it at these places.
    at_point: Callable[[str], None] = staticmethod(lambda _point: None)

    def __init__(self, store: RedisStore, engine: Engine, *, dry_run: bool) -> None:
        self._run, self._space = store._driver.run_flow, store._space  # noqa: SLF001 - one package
        self._engine = engine
        self._result = AcceptResult(dry_run=dry_run)
        self._roots: set[str] = set()
        self._first: list[Row] = []

    def run(self, progress: Callable[[int, int], None]) -> AcceptResult:
        """Looks at every shard and gives up what Redis does not have."""
        with self._engine.connect() as connection:
            known = read_namespace(connection, self._space.name)
        if known is None:
            raise NamespaceUnknown(f"namespace_unknown: the database holds nothing of namespace {self._space.name!r}")
        self._run(ready(self._space))
        claim(self._engine, self._space)
        if not self._result.dry_run:
            # From now on the sweep leaves the entries alone that are to be carried.
            self._run(draining.register(self._space, wanted=True))
        shards = self._space.known.shards
        for shard in range(shards):
            self._accept(shard)
            progress(shard + 1, shards)
        return self._result

    def _accept(self, shard: int) -> None:
        for _ in range(TRIES):
            plan = self._plan(shard)
            self.at_point("planned")
            try:
                self._give_up(shard, plan)
            except _Stale:
                continue
            return
        raise StoreUnavailable(
            f"drains of shard {shard} went on meanwhile; stop those that run (Snapshotter, `ducto-redis snapshot`) and"
            " run it again"
        )

    def _plan(self, shard: int) -> _Plan:
        """Position, then rows in SQL, then numbers and ledger in Redis: in this order nothing is lacking by chance."""
        with self._engine.connect() as connection:
            seen = _position(connection, self._space.name, shard)
            of_shard = (ledger.c.namespace == self._space.name, ledger.c.shard == shard)
            listed = select(ledger.c.root, func.max(ledger.c.sequence)).where(*of_shard).group_by(ledger.c.root)
            last = {row[0]: row[1] for row in connection.execute(listed)}
        own = f"#{shard}"
        here: dict[str, int] = self._run(verify.read_sequences(self._space, shard, sorted(last.keys() - {own})))
        here[own] = self._run(verify.read_defaults_version(self._space, shard))
        plan = _Plan(seen, {root: sequence + 1 for root, sequence in here.items()})
        after, more = BEGINNING, True
        while more:
            read = self._run(draining.read_part(self._space, shard, after, PART))
            self._compare(plan, read_rows(self._space.name, shard, after, read).rows)
            after, more = read.last, read.more
        plan.first = {root: first for root, first in plan.first.items() if first <= last.get(root, -1)}
        return plan

    def _compare(self, plan: _Plan, rows: list[Row]) -> None:
        """Looks for forks among what Redis' ledger holds; it is in the order of each root's numbers."""
        with self._engine.connect() as connection:
            known = known_data(connection, rows)
        for row in rows:
            _, root, _, sequence = key = row[KEY]
            there = known.get(key)
            if there is None or root not in plan.first:
                continue
            if there != row[-1]:
                plan.first[root] = min(plan.first[root], sequence)
            elif sequence >= plan.first[root]:
                plan.kept.add(key)

    def _rows(self, plan: _Plan) -> Iterator[Row]:
        """The rows that are given up, of each root the last one first."""
        for root, first in sorted(plan.first.items()):
            of_root = (ledger.c.namespace == self._space.name, ledger.c.root == root, ledger.c.sequence >= first)
            asked = select(ledger).where(*of_root).order_by(*(each.desc() for each in _BY_NUMBER)).limit(PART)
            page, more = asked, True
            while more:
                with self._engine.connect() as connection:
                    rows = connection.execute(page).all()
                yield from (tuple(row) for row in rows if tuple(row[KEY]) not in plan.kept)
                more = len(rows) == PART
                if more:
                    page = asked.where(tuple_(*_BY_NUMBER) < (rows[-1].sequence, rows[-1].generation))

    def _give_up(self, shard: int, plan: _Plan) -> None:
        rows = self._rows(plan)
        while part := list(islice(rows, PART)):
            if not self._result.dry_run:
                self._move(shard, plan, part)
            self._count(part)
        if not self._result.dry_run:
            with self._engine.begin() as connection:
                self._hold(connection, shard, plan)
                of_shard = (position.c.namespace == self._space.name, position.c.shard == shard)
                connection.execute(update(position).where(*of_shard).values(last=BEGINNING))
            self.at_point("reset")

    def _count(self, part: list[Row]) -> None:
        result = self._result
        result.rows_given_up += len(part)
        result.granted += self._credits(part, (Kind.GRANT,))
        result.charged += self._credits(part, CHARGES)
        self._roots.update(row[ROOT] for row in part if not row[ROOT].startswith("#"))
        result.roots = len(self._roots)
        self._first = sorted([*self._first, *part])[:_NAMED]
        result.operations = tuple(map(told_row, self._first))

    def _credits(self, part: list[Row], kinds: Collection[Kind]) -> Decimal:
        return to_credits(sum(row[_AMOUNT] for row in part if row[_KIND] in kinds), self._space.known.precision)

    def _hold(self, connection: Connection, shard: int, plan: _Plan) -> None:
        """Keeps drains and snapshots out to the end of the transaction; what was looked at is as it was.

        Raises:
            NeedsRestore: A restore began.
            _Stale: A drain wrote rows of the shard.
        """
        name = self._space.name
        lock(connection, name, alone=True)
        known = read_namespace(connection, name)
        if known is None or known.state != READY or known.config.generation != self._space.known.generation:
            raise NeedsRestore(f"needs_restore: a restore of {name!r} began meanwhile")
        if _position(connection, name, shard) != plan.seen:
            raise _Stale

    def _move(self, shard: int, plan: _Plan, part: list[Row]) -> None:
        """Rows to what is set aside; snapshots of their roots are made anew from what is left."""
        name = self._space.name
        touched = sorted({row[ROOT] for row in part if not row[ROOT].startswith("#")})
        with self._engine.begin() as connection:
            self._hold(connection, shard, plan)
            insert_rows(connection, dead, _set_aside(connection, name, shard, part))
            for at in range(0, len(part), COMPARED):
                keys = [row[KEY] for row in part[at : at + COMPARED]]
                if connection.execute(delete(ledger).where(tuple_(*_LEDGER_KEY).in_(keys))).rowcount != len(keys):
                    raise _Stale
            for at in range(0, len(touched), COMPARED):
                for table in (roots, records):
                    of_some = and_(table.c.namespace == name, table.c.root.in_(touched[at : at + COMPARED]))
                    connection.execute(delete(table).where(of_some))
            upsert(connection, dirty, [{"namespace": name, "root": root} for root in touched], ())
            self.at_point("written")
        self.at_point("moved")


def _position(connection: Connection, name: str, shard: int) -> tuple[str, int] | None:
    """Where the drain of a shard is; the count never goes back, so both together tell that it wrote something."""
    asked = select(position.c.last, position.c.entries)
    found = connection.execute(asked.where(position.c.namespace == name, position.c.shard == shard)).first()
    return None if found is None else (found.last, found.entries)


def _set_aside(connection: Connection, name: str, shard: int, part: list[Row]) -> list[Row]:
    """Rows as they lie in ``ducto_dead``; where something lies under a stream id already, a number is added to it."""
    of_shard = (dead.c.namespace == name, dead.c.shard == shard)
    asked = select(dead.c.stream_id).where(*of_shard)
    taken: set[str] = set()
    for at in range(0, len(part), COMPARED):
        ids = [row[_STREAM_ID] for row in part[at : at + COMPARED]]
        taken.update(connection.execute(asked.where(dead.c.stream_id.in_(ids))).scalars())
    made: list[Row] = []
    for row in part:
        stream_id, numbers = row[_STREAM_ID], count(2)
        while stream_id in taken:
            stream_id = f"{row[_STREAM_ID]}~{next(numbers)}"
            taken.update(connection.execute(asked.where(dead.c.stream_id == stream_id)).scalars())
        taken.add(stream_id)
        made.append((name, shard, stream_id, f"given up: prefer redis, {told_row(row)}", row[-1]))
    return made
