"""Who drains: one process of many, until its lease is over; what it writes afterwards is refused by its token.

The lease saves work, it is not what makes rows exact: a position is moved only from where it was read, and by nobody
whose token is lower than the last one that moved it. So clocks that differ cost a change of hands, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from sqlalchemy import Engine, select, update

from ducto_redis.durable.schema import leases
from ducto_redis.durable.snapshots import wall_clock
from ducto_redis.durable.upserts import upsert
from ducto_redis.ids import new_id


class Lease:
    """The lease of a namespace, as one process asks for it.

    Args:
        engine: A database that has the tables.
        namespace: The namespace.
        ttl_ms: How long it is held without being taken again.
        now_ms: The time, in ms; tests inject theirs.
    """

    def __init__(self, engine: Engine, namespace: str, ttl_ms: int, now_ms: Callable[[], int] = wall_clock) -> None:
        self._engine, self._namespace, self._ttl_ms, self._now_ms = engine, namespace, ttl_ms, now_ms
        self._name = new_id()

    @property
    def _holder(self) -> str:
        # A forked child has its parent's name; it is another process all the same.
        return f"{self._name}:{os.getpid()}"

    def take(self) -> int | None:
        """Takes or keeps the lease; answers its token, or None: another process has it."""
        now_ms, own = self._now_ms(), leases.c.namespace == self._namespace
        with self._engine.begin() as connection:
            free = {"namespace": self._namespace, "token": 0, "holder": "", "until_ms": 0}
            upsert(connection, leases, [free], ())
            row = connection.execute(select(leases).where(own)).one()
            mine = row.holder == self._holder
            if not mine and row.until_ms > now_ms:
                return None
            token = int(row.token) + (not mine)
            values = {"token": token, "holder": self._holder, "until_ms": now_ms + self._ttl_ms}
            where = (own, leases.c.token == row.token, leases.c.holder == row.holder)
            return token if connection.execute(update(leases).where(*where).values(values)).rowcount == 1 else None

    def give_back(self) -> None:
        """Ends it, so that the next process need not wait for its end."""
        with self._engine.begin() as connection:
            mine = (leases.c.namespace == self._namespace, leases.c.holder == self._holder)
            connection.execute(update(leases).where(*mine).values(until_ms=0))
