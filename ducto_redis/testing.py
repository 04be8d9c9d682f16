"""For tests, yours and ours: a clock that stands still until it is told, and stores and limiters that live by it.

Production scripts read the server's clock and accept no other. These stores run a variant of the scripts whose time
is an argument, so nothing has to sleep for a day to end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ducto_redis.aio.limiter import AsyncRateLimiter
from ducto_redis.aio.store import AsyncRedisStore
from ducto_redis.core.scripts import INJECTED_CLOCK, ScriptSet
from ducto_redis.drivers import asyncio, embedded, sync
from ducto_redis.drivers.urls import engine_of
from ducto_redis.limiter import RateLimiter
from ducto_redis.rates import RateLimit
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
    return RedisStore(_driver(url, clock), **settings)


def async_redis_store(url: str, clock: FakeClock, **settings: Any) -> AsyncRedisStore:
    """An asyncio store that lives by a fake clock, on a server or embedded."""
    return AsyncRedisStore(_async_driver(url, clock), **settings)


def rate_limiter(url: str, clock: FakeClock, *limits: RateLimit, **settings: Any) -> RateLimiter:
    """A limiter that lives by a fake clock, on a server or embedded; its ``wait`` moves the clock instead of sleeping.

    Its keys expire by the engine's own clock: limits of a minute and more are there to the end of a test.

    Args:
        url: ``memory://``, ``memory://name`` or a server's.
        clock: The clock.
        limits: Those of ``RateLimiter``.
        settings: Those of ``RateLimiter``.
    """

    def sleep(seconds: float) -> None:
        clock.advance(seconds=seconds)

    return RateLimiter(_driver(url, clock), *limits, **{"sleep": sleep, "now_s": _seconds(clock), **settings})


def async_rate_limiter(url: str, clock: FakeClock, *limits: RateLimit, **settings: Any) -> AsyncRateLimiter:
    """An asyncio limiter that lives by a fake clock; the arguments are those of ``rate_limiter``."""

    async def sleep(seconds: float) -> None:
        clock.advance(seconds=seconds)

    driver = _async_driver(url, clock)
    return AsyncRateLimiter(driver, *limits, **{"sleep": sleep, "now_s": _seconds(clock), **settings})


def _seconds(clock: FakeClock) -> Callable[[], float]:
    return lambda: clock() / 1000


def _driver(url: str, clock: FakeClock) -> embedded.EmbeddedDriver | sync.SyncDriver:
    if engine_of(url) == "memory":
        return embedded.EmbeddedDriver(embedded.connect(url), INJECTED_CLOCK, clock)
    return sync.SyncDriver(sync.connect(url), ScriptSet(INJECTED_CLOCK), clock, own=True)


def _async_driver(url: str, clock: FakeClock) -> embedded.AsyncEmbeddedDriver | asyncio.AsyncDriver:
    if engine_of(url) == "memory":
        return embedded.AsyncEmbeddedDriver(embedded.EmbeddedDriver(embedded.connect(url), INJECTED_CLOCK, clock))
    return asyncio.AsyncDriver(asyncio.connect(url), ScriptSet(INJECTED_CLOCK), clock, own=True)
