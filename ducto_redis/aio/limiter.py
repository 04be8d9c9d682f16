"""The stand-alone limiter for asyncio: rates alone - no account, no money, no ``setup()``."""

from __future__ import annotations

from asyncio import sleep as pause
from collections.abc import Awaitable, Callable
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ducto_redis.aio.store_base import AsyncDriver
from ducto_redis.core import hitting
from ducto_redis.core.keys import DEFAULT_NAMESPACE
from ducto_redis.decisions import RateDecision
from ducto_redis.drivers import asyncio, embedded
from ducto_redis.drivers.retrying import RetryPolicy
from ducto_redis.drivers.urls import engine_of
from ducto_redis.rates import RateLimit

if TYPE_CHECKING:
    import redis.asyncio


def _opened(url: str) -> AsyncDriver:
    if engine_of(url) == "memory":
        return embedded.AsyncEmbeddedDriver(embedded.EmbeddedDriver(embedded.connect(url)))
    return asyncio.AsyncDriver(asyncio.connect(url), own=True)


class AsyncRateLimiter:
    """Limits how often something may be done per id: a user, an address, a key (``docs/limits.md``).

    All limits decide together, in one script: what one of them refuses is taken from none. Limiters with the same
    namespace and the same limits, in the same order, share what was used.
    A limiter belongs to the loop that first uses it.

    Args:
        client_or_url: A redis.asyncio client, or a URL: ``redis://``, ``rediss://``, ``unix://``, or ``memory://``
            for the embedded engine; or a driver.
        limits: 1 to 32 limits that count requests.
        namespace: Separates installations on one server: 1 to 32 of ``A-Z a-z 0-9 _ . -``.
        retry: How long a call is sent again when the server is away or a reply is lost; None takes 10 seconds.
        sleep: What ``wait`` sleeps with, given seconds; None takes the real one (tests).
        now_s: The seconds that ``wait`` measures its timeout with; None takes the monotonic clock (tests).

    Raises:
        ConfigError: The URL cannot be used.
        InvalidArgumentError: A limit or setting is not allowed.
    """

    def __init__(
        self,
        client_or_url: redis.asyncio.Redis | AsyncDriver | str,
        *limits: RateLimit,
        namespace: str = DEFAULT_NAMESPACE,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self._plan = hitting.HitPlan(namespace, limits)
        self._driver: AsyncDriver = (
            _opened(client_or_url) if isinstance(client_or_url, str) else asyncio.driver_of(client_or_url)
        )
        if retry is not None:
            self._driver.policy = retry
        self._sleep = sleep or pause
        self._now_s = now_s or monotonic

    @classmethod
    def from_url(cls, url: str, *limits: RateLimit, **settings: Any) -> Self:
        """Connects to ``redis://``, ``rediss://``, ``unix://`` or ``memory://``; the arguments are the constructor's.

        Connections are kept between calls, and closed by ``close()``.
        """
        return cls(url, *limits, **settings)

    async def __aenter__(self) -> Self:
        """Enters a block at whose end the limiter is closed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the limiter."""
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._driver.close()

    async def hit(self, id: str, cost: int = 1) -> RateDecision:  # noqa: A002 - what is limited is an id
        """Asks whether a request may pass, and takes it from every limit if it may.

        A hit whose reply was lost is sent again and may be counted twice: more waits, never more passes.

        Args:
            id: Whose request it is, 1 to 256 bytes.
            cost: How many requests it counts for, 1 to 2^53-1.

        Raises:
            InvalidArgumentError: The cost is not allowed.
            InvalidIdError: The id is not allowed.
            StoreError: The server cannot answer; nothing was admitted.
        """
        return await self._driver.run_flow(hitting.asked(self._plan, "hit", id, cost))

    async def peek(self, id: str, cost: int = 1) -> RateDecision:  # noqa: A002
        """What ``hit`` would answer now; takes nothing. The arguments are those of ``hit``."""
        return await self._driver.run_flow(hitting.asked(self._plan, "peek", id, cost))

    async def reset(self, id: str) -> None:  # noqa: A002
        """Forgets what an id has used of these limits."""
        await self._driver.run_flow(hitting.asked(self._plan, "reset", id))

    async def wait(self, id: str, cost: int = 1, timeout: float | None = None) -> RateDecision:  # noqa: A002
        """Hits until it passes: sleeps what ``retry_after`` says and asks again, until the timeout is over.

        Nobody queues: others that ask meanwhile may pass first.

        Args:
            id: Whose request it is.
            cost: How many requests it counts for.
            timeout: Seconds after which it is not asked again; 0 asks once, None never gives up.

        Returns:
            The last decision; a refusal when the time was over, or at once when the cost never fits.

        Raises:
            InvalidArgumentError: The cost or the timeout is not allowed.
            InvalidIdError: The id is not allowed.
            StoreError: The server cannot answer.
        """
        until_s = self._now_s() + hitting.checked_timeout(timeout)
        while True:
            decision = await self.hit(id, cost)
            pause_s = hitting.pause_s(decision, until_s - self._now_s())
            if pause_s is None:
                return decision
            await self._sleep(pause_s)
