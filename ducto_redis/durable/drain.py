"""Carries the ledger into SQL, exactly once: rows and position in one transaction, trimmed only behind the commit.

Two drainers may run at once, and one may be stopped anywhere: the position is written only where it still is what was
read, so of two transactions on the same part one is rolled back. What is read again is compared with the row that is
there; other content is a fork - a Redis that went on from an older state - and is told, never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ducto_redis.core import draining
from ducto_redis.core.draining import BEGINNING, MAX_BACKLOG, LedgerPart, checked_backlog
from ducto_redis.core.flows import adopt_other
from ducto_redis.durable.database import open_database, told_by
from ducto_redis.durable.namespaces import claim, lock
from ducto_redis.durable.rows import (
    ROOT,
    STREAM_ID,
    Part,
    insert_rows,
    read_rows,
    told_row,
    without_dead,
    without_known,
)
from ducto_redis.durable.schema import dead, dirty, ledger, position
from ducto_redis.durable.upserts import upsert
from ducto_redis.errors import LedgerFork, NeedsRestore, SchemaNewer, StoreError, StoreUnavailable
from ducto_redis.store import RedisStore

#: Entries that are read and committed at a time, of one shard or of several.
PART: Final = 10_000


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


class LedgerDrain:
    """Carries the ledger of a namespace into a database.

    Args:
        store: The store; its namespace must be there.
        url: The database: ``sqlite:///ledger.db`` or ``postgresql+psycopg://...`` (extra ``postgres``).
        trim: Whether what is committed is dropped from the ledger. Then ``verify`` can no longer add it up.
        max_backlog: How many entries of a shard may wait to be drained, 1,000 to 100,000,000, about: at this length of
            its ledger new holds and charges are refused (``backlog_full``), until it is below nine tenths of it.
            Without ``trim`` the length does not say what waits, and there is no bound.

    Raises:
        InvalidArgumentError: ``max_backlog`` is out of range.
        ConfigError: The database cannot be used; nothing was written.
        SchemaNewer: A newer release made its tables.
        StoreUnavailable: It could not be reached.
    """

    #: Of a lease (``durable.lease``): what was carried under a higher one is not moved any more. None: without a lease.
    token: int | None = None
    #: Tests stop a drain at these places.
    at_point: Callable[[str], None] = staticmethod(lambda _point: None)

    def __init__(self, store: RedisStore, url: str, *, trim: bool = True, max_backlog: int = MAX_BACKLOG) -> None:
        self._run, self._space = store._driver.run_flow, store._space  # noqa: SLF001 - one package
        bound = checked_backlog(max_backlog)
        self._trim, self._max_entries = trim, bound if trim else 0
        self.engine: Engine = open_database(url)
        self._registered = False
        self._trimmed: dict[int, str] = {}

    def close(self) -> None:
        """Closes the database; the store stays open."""
        self.engine.dispose()

    def unregister(self) -> None:
        """Says that nobody drains the namespace any more: the sweep bounds its ledger again."""
        self._run(draining.register(self._space, wanted=False))
        self._registered = False

    def drain(self) -> DrainResult:
        """Carries what is there, of every shard, to the end that each has when it is met.

        Raises:
            NeedsRestore: SQL holds another life of the namespace, Redis none, or it is being restored; nothing was
                written.
            LedgerFork: Redis came back from an older state than what was carried; nothing was written. Or SQL holds
                another entry under the same number; nothing of that shard was written, the others
                were carried.
            SchemaNewer: A newer release wrote an entry; nothing of that part of its shard was written.
            StoreUnavailable: The database failed; what it had not committed comes again.
        """
        if not self._registered:
            self._run(draining.register(self._space, wanted=True, max_entries=self._max_entries))
            self._registered = True
        result, failures = DrainResult(), list[StoreError]()
        try:
            self._claim()
            self._pass(result, failures)
        except SQLAlchemyError as cause:
            raise StoreUnavailable(f"the database failed: {told_by(cause)}") from cause
        if failures:
            raise failures[0]
        return result

    def _claim(self) -> None:
        try:
            claim(self.engine, self._space)
        except NeedsRestore as met:
            # It may have been restored since this drainer knew it: then Redis holds what SQL does.
            self._run(adopt_other(self._space, met))
            claim(self.engine, self._space)

    def _pass(self, result: DrainResult, failures: list[StoreError]) -> None:
        """Shard by shard, whose parts are committed together until they have filled one."""
        group: list[Part] = []
        positions = self._positions()
        for shard in range(self._space.known.shards):
            more = True
            while more:
                before = positions[shard]
                room = PART - sum(part.count for part in group)
                read: LedgerPart = self._run(draining.read_part(self._space, shard, before, room))
                self.at_point("read")
                _check_order(shard, before, read)
                if self._trim and read.first and _number(read.first) <= _number(before):
                    self._check_passed(shard, before)
                try:
                    group.append(read_rows(self._space.name, shard, before, read))
                except SchemaNewer as cause:
                    failures.append(cause)
                    break
                more = read.more
                if more:
                    # They have filled it; whom another drainer carries on meanwhile is left to it.
                    more = shard not in self._carry(group, result, failures)
                    group, positions = [], self._positions()
        self._carry(group, result, failures)

    def _check_passed(self, shard: int, before: str) -> None:
        """Makes sure that what lies up to the position was carried, before it is trimmed.

        It is there after a drain that was stopped between commit and trimming - or in a Redis that went on from an
        older state with a clock that is behind.

        Raises:
            LedgerFork: Some of it was not, or is something else in SQL.
        """
        after = BEGINNING
        while _number(after) < _number(before):
            read: LedgerPart = self._run(draining.read_part(self._space, shard, after, PART))
            rows = [
                row
                for row in read_rows(self._space.name, shard, after, read).rows
                if _number(row[STREAM_ID]) <= _number(before)
            ]
            with self.engine.connect() as connection:
                fresh = without_known(connection, rows)
            if fresh:
                raise LedgerFork(
                    f"{len(fresh)} entries of shard {shard} lie before {before}, to where the database has carried it,"
                    f" and nobody carried them: {', '.join(map(told_row, fresh[:5]))}; this Redis went on from an older"
                    " state. Nothing was written or trimmed; `ducto-redis restore --prefer redis` (first --dry-run)"
                    " keeps what Redis holds, `--prefer sql` what the database holds"
                )
            if not read.more:
                return
            after = read.entries[-1][0]

    def _positions(self) -> list[str]:
        """Where each shard's drain is; where it has not begun, it begins."""
        name, shards = self._space.name, range(self._space.known.shards)
        dialect = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        begin = dialect.insert(position).on_conflict_do_nothing()
        with self.engine.begin() as connection:
            found = select(position.c.shard, position.c.last).where(position.c.namespace == name)
            known = {row.shard: row.last for row in connection.execute(found)}
            new = [each for each in shards if each not in known]
            if new:
                values = [{"namespace": name, "shard": each, "last": BEGINNING, "entries": 0} for each in new]
                connection.execute(begin, values)
                # Who began at the same time may have gone on already.
                known = {row.shard: row.last for row in connection.execute(found)}
        return [known[shard] for shard in shards]

    def _carry(self, group: list[Part], result: DrainResult, failures: list[StoreError]) -> set[int]:
        """Commits parts and trims behind them; answers the shards that were left as they are."""
        written, left = [part for part in group if part.count], set[int]()
        try:
            if written:
                self._commit(written, result)
        except (_Overtaken, IntegrityError):
            # One of them is not as it was read: each by itself, so that the others do not suffer.
            for part in written:
                try:
                    self._compare_and_commit(part, result)
                except _Overtaken:
                    result.overtaken += 1
                    left.add(part.shard)
                except LedgerFork as cause:
                    failures.append(cause)
                    left.add(part.shard)
        if self._trim:
            # The first time also what a stopped drain committed and did not come to trim.
            lasts = {part.shard: part.last for part in group if part.shard not in left}
            new = {shard: last for shard, last in lasts.items() if self._trimmed.get(shard, BEGINNING) != last}
            if new:
                result.trimmed += self._run(draining.trim_behind(self._space, new, self._max_entries))
                self._trimmed.update(new)
        self.at_point("trimmed")
        return left

    def _commit(self, parts: list[Part], result: DrainResult) -> None:
        with self.engine.begin() as connection:
            lock(connection, self._space.name, alone=False, generation=self._space.known.generation)
            for part in parts:
                self._move(connection, part)
            insert_rows(connection, ledger, [row for part in parts for row in part.rows])
            insert_rows(connection, dead, [row for part in parts for row in part.dead])
            touched = sorted({row[ROOT] for part in parts for row in part.rows if not row[ROOT].startswith("#")})
            upsert(connection, dirty, [{"namespace": self._space.name, "root": root} for root in touched], ())
            self.at_point("written")
        self.at_point("committed")
        result.rows += sum(len(part.rows) for part in parts)
        result.dead += sum(len(part.dead) for part in parts)

    def _compare_and_commit(self, part: Part, result: DrainResult) -> None:
        """Also where some are there already - a restore, a position that was lost: the others are written."""
        with self.engine.begin() as connection:
            where = (position.c.namespace == self._space.name, position.c.shard == part.shard)
            if connection.execute(select(position.c.last).where(*where)).scalar() != part.before:
                raise _Overtaken
            fresh = replace(part, rows=without_known(connection, part.rows), dead=without_dead(connection, part.dead))
        self._commit([fresh], result)
        result.repeated += part.count - fresh.count

    def _move(self, connection: Connection, part: Part) -> None:
        """Moves a position; of two drainers the second waits here, and finds another one.

        Raises:
            _Overtaken: It is not where it was.
        """
        of_shard = (position.c.namespace == self._space.name, position.c.shard == part.shard)
        move = update(position).where(*of_shard, position.c.last == part.before)
        values: dict[str, Any] = {"last": part.last, "entries": position.c.entries + part.count}
        if self.token is not None:
            move, values = move.where(position.c.token <= self.token), values | {"token": self.token}
        moved = connection.execute(move.values(values)).rowcount
        if moved != 1:
            raise _Overtaken


def _check_order(shard: int, before: str, read: LedgerPart) -> None:
    """Makes sure that Redis has what SQL has.

    Raises:
        LedgerFork: Its ledger ends before what was carried of it.
    """
    if read.last and _number(read.last) < _number(before):
        raise LedgerFork(
            f"the ledger of shard {shard} ends at {read.last}, and the database has carried it to {before}: this Redis"
            " came back from an older state (a snapshot of its own, a replica that was behind). Nothing was written."
            " `ducto-redis verify --sql` tells what it lacks, `ducto-redis restore --prefer sql` brings it back,"
            " `--prefer redis` (first with --dry-run) has the database give it up"
        )


def _number(stream_id: str) -> tuple[int, int]:
    at_ms, _, count = stream_id.partition("-")
    return int(at_ms), int(count)
