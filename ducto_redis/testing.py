"""For tests, yours and ours: a clock that stands still until it is told, and stores that live by it.

Production scripts read the server's clock and accept no other. These stores run a variant of the scripts whose time
is an argument, so nothing has to sleep for a day to end.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ducto_redis.aio.store import AsyncRedisStore
from ducto_redis.core.scripts import INJECTED_CLOCK, ScriptSet
from ducto_redis.drivers import asyncio, embedded, sync
from ducto_redis.drivers.urls import engine_of
from ducto_redis.store import MemoryStore, RedisStore


class FakeClock:
    """A clock that moves only when told, to the millisecond.

    Args:
        start: Aware datetime; the default is a Monday noon, far from any boundary.
    """

    def __init__(self, start: datetime = datetime(2026, 6, 15, 12, tzinfo=UTC)) -> None:
        self.now_ms = round(start.timestamp() * 1000)

    def __call__(self) -> int:
        """Milliseconds since the epoch."""
        return self.now_ms

    @property
    def now(self) -> datetime:
        """The time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def set(self, moment: datetime) -> None:
        """Moves to a moment, forward or back."""
        self.now_ms = round(moment.timestamp() * 1000)

    def advance(self, **step: float) -> None:
        """Moves on by what ``timedelta`` takes: ``advance(hours=1)``; negative steps go back."""
        self.now_ms += round(timedelta(**step).total_seconds() * 1000)


def memory_store(clock: FakeClock, url: str = "memory://", **settings: Any) -> MemoryStore:
    """An embedded store that lives by a fake clock.

    Args:
        clock: The clock.
        url: ``memory://`` or ``memory://name``.
        settings: Those of ``RedisStore``.
    """
    return MemoryStore(embedded.EmbeddedDriver(embedded.connect(url), INJECTED_CLOCK, clock), **settings)


def redis_store(url: str, clock: FakeClock, **settings: Any) -> RedisStore:
    """A store that lives by a fake clock, on a server or embedded; the arguments are those of ``memory_store``."""
    if engine_of(url) == "memory":
        return RedisStore(embedded.EmbeddedDriver(embedded.connect(url), INJECTED_CLOCK, clock), **settings)
    return RedisStore(sync.SyncDriver(sync.connect(url), ScriptSet(INJECTED_CLOCK), clock), **settings)


def async_redis_store(url: str, clock: FakeClock, **settings: Any) -> AsyncRedisStore:
    """An asyncio store that lives by a fake clock, on a server or embedded."""
    if engine_of(url) == "memory":
        inner = embedded.EmbeddedDriver(embedded.connect(url), INJECTED_CLOCK, clock)
        return AsyncRedisStore(embedded.AsyncEmbeddedDriver(inner), **settings)
    return AsyncRedisStore(asyncio.AsyncDriver(asyncio.connect(url), ScriptSet(INJECTED_CLOCK), clock), **settings)
