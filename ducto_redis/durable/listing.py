"""The ledger of a namespace from SQL, for people: the last entries, what comes, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select

from ducto_redis.core.draining import BEGINNING
from ducto_redis.core.listing import Listed, order_of
from ducto_redis.core.transactions import Wanted
from ducto_redis.durable.reader import COLUMNS, LedgerReader, Place
from ducto_redis.durable.reading import reading
from ducto_redis.durable.schema import dead, ledger, position
from ducto_redis.history import DeadEntry

PAGE: Final = 1_000


class SqlLedger(LedgerReader):
    """Lists what a drain carried into a database; the arguments are ``LedgerReader``'s.

    Stream ids are text in SQL, and "5-10" is less than "5-9": what is looked for is bounded by their milliseconds.
    """

    def last(self, wanted: Wanted, limit: int) -> Listed:
        """The last entries that are asked for, oldest first.

        Args:
            wanted: Which.
            limit: How many at most.
        """
        found: list[Place] = []
        with reading(self._engine) as connection:
            after = self._positions(connection)
            for shard in after:
                here = (*self._where(wanted), ledger.c.shard == shard)
                newest = select(ledger.c.stream_id).where(*here).order_by(ledger.c.stream_id.desc())
                bound = connection.execute(newest.offset(limit - 1).limit(1)).scalar()
                rows = select(*COLUMNS).where(*here, ledger.c.stream_id >= _from(bound or BEGINNING))
                found += self._places(connection.execute(rows))
            told = self._told(connection, sorted(found, key=_order)[-limit:])
        return Listed(tuple(told), after, more=False)

    def on(self, wanted: Wanted, after: Mapping[int, str]) -> Iterator[Listed]:
        """What was drained since, in parts.

        Args:
            wanted: Which entries.
            after: What the listing before answered.
        """
        with reading(self._engine) as connection:
            now = self._positions(connection)
        for shard, until in now.items():
            read = after.get(shard, BEGINNING)
            last, more = _from(read), until != read
            while more:
                bounds = (ledger.c.shard == shard, ledger.c.stream_id > last, ledger.c.stream_id < _behind(until))
                page = select(*COLUMNS).where(*self._where(wanted), *bounds).order_by(ledger.c.stream_id).limit(PAGE)
                with reading(self._engine) as connection:
                    places = self._places(connection.execute(page))
                    # Others of the first and the last millisecond are told before or after.
                    new = [each for each in places if order_of(read) < order_of(each.stream_id) <= order_of(until)]
                    told = self._told(connection, sorted(new, key=_order))
                more = len(places) == PAGE
                last = places[-1].stream_id if places else last
                yield Listed(tuple(told), now, more)

    def dead(self, limit: int) -> tuple[DeadEntry, ...]:
        """What could not be read or was given up, by shard and as it was written.

        Args:
            limit: How many at most.
        """
        rows = select(dead).where(dead.c.namespace == self._namespace).order_by(dead.c.shard, dead.c.stream_id)
        with reading(self._engine) as connection:
            return tuple(
                DeadEntry(transaction_id=f"{row.shard}-{row.stream_id}", reason=row.reason, data=bytes(row.data))
                for row in connection.execute(rows.limit(limit))
            )

    def count_dead(self) -> int:
        """How many could not be read or were given up."""
        counted = select(func.count()).select_from(dead).where(dead.c.namespace == self._namespace)
        with reading(self._engine) as connection:
            return int(connection.execute(counted).scalar_one())

    def _positions(self, connection: Connection) -> dict[int, str]:
        """How far each shard is drained, which is said in the transaction that writes its rows."""
        rows = select(position.c.shard, position.c.last).where(position.c.namespace == self._namespace)
        return {row.shard: row.last for row in connection.execute(rows.order_by(position.c.shard))}


def _order(place: Place) -> tuple[Any, ...]:
    return (*order_of(place.stream_id), place.shard)


def _from(stream_id: str) -> str:
    """Less than every stream id of the same millisecond, whatever a database makes of the dash."""
    return str(order_of(stream_id)[0])


def _behind(stream_id: str) -> str:
    """More than every stream id of the same millisecond, likewise: letters come behind digits and signs."""
    return f"{order_of(stream_id)[0]}z"
