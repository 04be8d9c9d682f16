"""Drains and brings snapshots forward every so often: a thread, or a task of asyncio; of many processes one does it.

Start it in every process that may do it: whoever has the lease works, the others take over when it ends. It survives a
fork, goes on after failures (``last_error``) and tells how far it is behind (``lag``).
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from ducto_redis.aio import background as aio_background
from ducto_redis.background import Repeated, checked_every
from ducto_redis.core import draining
from ducto_redis.durable.database import told_by
from ducto_redis.durable.drain import LedgerDrain
from ducto_redis.durable.lease import Lease
from ducto_redis.durable.schema import dead
from ducto_redis.durable.snapshots import Snapshots, wall_clock
from ducto_redis.errors import ConfigError, CreditError, LedgerBroken, StoreUnavailable

if TYPE_CHECKING:
    from ducto_redis.aio.store import AsyncRedisStore
    from ducto_redis.store import RedisStore

#: The least time that a lease is held; it is five runs long when that is more.
LEASE_MS: Final = 10_000


@dataclass(frozen=True)
class Lag:
    """How far SQL is behind Redis.

    Attributes:
        entries: Entries that wait in Redis.
        seconds: Since the last run that carried all there was; None: there was none in this process.
        roots: Roots whose snapshot is behind their rows.
        dead: Entries that could not be read or were given up, in all.
        active: Whether this process is the one that drains.
    """

    entries: int
    seconds: float | None
    roots: int
    dead: int
    active: bool


class Passes:
    """One run after the other, for whoever calls ``run``.

    Args:
        store: The store; its namespace must be there.
        url: The database, as for ``LedgerDrain``; a file or a server, for it is used by other threads.
        every: Seconds between two runs.
        now_ms: The time, in ms; tests inject theirs.
        max_backlog: The bound of what waits, as for ``LedgerDrain``.

    Attributes:
        runs: How often this process had the lease and carried all there was.
        rows: Entries that it carried.
    """

    def __init__(
        self, store: Any, url: str, every: float, now_ms: Callable[[], int] = wall_clock,
        max_backlog: int = draining.MAX_BACKLOG,
    ) -> None:  # fmt: skip
        if url.rstrip("/") in ("sqlite:", "sqlite+pysqlite:") or ":memory:" in url:
            raise ConfigError("a database in memory is gone with its thread; name a file: sqlite:///ledger.db")
        self._space, self._run_flow, self._now_ms = store._space, store._driver.run_flow, now_ms  # noqa: SLF001
        self._drain = LedgerDrain(store, url, max_backlog=max_backlog)
        self._engine = self._drain.engine
        self._snapshots = Snapshots(self._engine, self._space.name, now_ms)
        self._lease = Lease(self._engine, self._space.name, max(LEASE_MS, round(5000 * checked_every(every))), now_ms)
        self._carried_ms: int | None = None
        self._running = threading.RLock()  # a task that is cancelled leaves its thread at work
        _keep_forks_apart(self)
        self.active = False
        self.runs = 0
        self.rows = 0

    def run(self) -> bool:
        """Drains and brings the snapshots forward, unless another process has the lease; says whether it did.

        Raises:
            LedgerBroken: Rows of some roots do not follow one another: entries went before they were carried. The
                snapshots of all others are brought forward.
            CreditError: As ``LedgerDrain.drain``. What was carried stays carried.
        """
        with self._running:
            return self._run()

    def _run(self) -> bool:
        begun_ms = self._now_ms()
        try:
            token = self._lease.take()
        except SQLAlchemyError as cause:
            self.active = False
            raise StoreUnavailable(f"the database failed: {told_by(cause)}") from cause
        self.active = token is not None
        if token is None:
            return False
        self._drain.token = token
        self.rows += self._drain.drain().rows
        self._carried_ms = begun_ms
        broken = self._snapshots.update().broken
        self.runs += 1
        if broken:
            told = "; ".join(f"{root}: {why}" for root, why in sorted(broken.items())[:5])
            raise LedgerBroken(f"rows of {len(broken)} roots do not follow one another, entries are missing: {told}")
        return True

    def lag(self) -> Lag:
        """How far SQL is behind.

        Raises:
            StoreUnavailable: Redis or the database could not be asked.
        """
        seconds = None if self._carried_ms is None else max(0, self._now_ms() - self._carried_ms) / 1000
        try:
            with self._engine.connect() as connection:
                own = dead.c.namespace == self._space.name
                count = int(connection.execute(select(func.count()).select_from(dead).where(own)).scalar_one())
            roots = self._snapshots.behind()
        except SQLAlchemyError as cause:
            raise StoreUnavailable(f"the database failed: {told_by(cause)}") from cause
        return Lag(self._run_flow(draining.backlog(self._space)), seconds, roots, count, self.active)

    def close(self) -> None:
        """Carries what is left, unless another process has the lease, gives it back and closes the database."""
        try:
            with suppress(CreditError):  # told by whoever runs it next, who need not wait for the lease to end
                self.run()
            self._lease.give_back()
        except SQLAlchemyError:
            pass  # the lease ends by itself; what is left waits in Redis
        finally:
            self._drain.close()


def _keep_forks_apart(passes: Passes) -> None:
    """Lets a fork wait for the end of a run: SQLite never gives a child back the lock of a transaction it inherits.

    The child has a lock and connections of its own.
    """
    found = weakref.ref(passes)

    def before() -> None:
        if (known := found()) is not None:
            known._running.acquire()  # noqa: SLF001 - its own

    def in_parent() -> None:
        if (known := found()) is not None:
            known._running.release()  # noqa: SLF001

    def in_child() -> None:
        if (known := found()) is not None:
            known._running = threading.RLock()  # noqa: SLF001
            known._engine.dispose(close=False)  # noqa: SLF001

    os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


class Snapshotter(Repeated):
    """A thread that drains and brings snapshots forward.

    Args:
        store: The store; its namespace must be there.
        url: The database, as for ``LedgerDrain``.
        every: Seconds between two runs.
        wait: Waits so many seconds and says whether to stop, instead of the thread's own event (tests).
        now_ms: The time, in ms; tests inject theirs.
        max_backlog: The bound of what waits, as for ``LedgerDrain``.

    Attributes:
        passes: What it does: ``passes.runs``, ``passes.rows``.
        last_error: What the last run failed with, or None; a failure does not stop it.

    Raises:
        ConfigError: The database cannot be used.
        StoreUnavailable: It could not be reached.
    """

    def __init__(
        self, store: RedisStore, url: str, *, every: float = 1.0, wait: Callable[[float], bool] | None = None,
        now_ms: Callable[[], int] = wall_clock, max_backlog: int = draining.MAX_BACKLOG,
    ) -> None:  # fmt: skip
        self.passes = Passes(store, url, every, now_ms, max_backlog)
        super().__init__("ducto-snapshotter", every, wait)

    def step(self) -> None:
        """One run."""
        self.passes.run()

    def lag(self) -> Lag:
        """How far SQL is behind Redis; raises as ``Passes.lag``."""
        return self.passes.lag()

    def close(self) -> None:
        """Stops it behind a last run; the store stays open."""
        self.stop()
        self.passes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _OnLoop:
    """An asyncio store for threads beside its loop: what they ask is run there."""

    def __init__(self, store: AsyncRedisStore, loop: asyncio.AbstractEventLoop) -> None:
        self._space, self._async_driver, self._loop = store._space, store._driver, loop  # noqa: SLF001 - one package
        self._driver = self

    def run_flow(self, flow: Any) -> Any:
        """Runs a flow to its end."""
        return asyncio.run_coroutine_threadsafe(self._async_driver.run_flow(flow), self._loop).result()


class AsyncSnapshotter(aio_background.Repeated):
    """A task that drains and brings snapshots forward; SQL is spoken in a thread. Made on a running loop.

    Args:
        store: The asyncio store; its namespace must be there.
        url: The database, as for ``LedgerDrain``.
        every: Seconds between two runs.
        wait: Waits so many seconds and says whether to stop, instead of sleeping (tests).
        now_ms: The time, in ms; tests inject theirs.
        max_backlog: The bound of what waits, as for ``LedgerDrain``.

    Attributes:
        passes: What it does: ``passes.runs``, ``passes.rows``.
        last_error: What the last run failed with, or None; a failure does not stop it.
    """

    def __init__(
        self, store: AsyncRedisStore, url: str, *, every: float = 1.0,
        wait: Callable[[float], Awaitable[bool]] | None = None, now_ms: Callable[[], int] = wall_clock,
        max_backlog: int = draining.MAX_BACKLOG,
    ) -> None:  # fmt: skip
        self.passes = Passes(_OnLoop(store, asyncio.get_running_loop()), url, every, now_ms, max_backlog)
        super().__init__("ducto-snapshotter", every, wait)

    async def step(self) -> None:
        """One run, in a thread; it ends even when the task is cancelled."""
        await asyncio.shield(asyncio.to_thread(self.passes.run))

    async def lag(self) -> Lag:
        """How far SQL is behind Redis; raises as ``Passes.lag``."""
        return await asyncio.to_thread(self.passes.lag)

    async def close(self) -> None:
        """Stops it behind a last run; the store stays open."""
        await self.stop()
        await asyncio.to_thread(self.passes.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
