"""What every part of the asyncio manager shares: its store, its emitter, and how a result becomes an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ducto_redis.aio.store import AsyncRedisStore
from ducto_redis.core.outcomes import check, history_of
from ducto_redis.events import CreditEventEmitter
from ducto_redis.history import History
from ducto_redis.models import Result

R = TypeVar("R", bound=Result)
T = TypeVar("T")


class AsyncManagerBase:
    """Store, engine, emitter and history of a manager; the arguments are those of ``CreditManager``."""

    def __init__(
        self,
        store: AsyncRedisStore,
        engine: Any = None,
        emitter: CreditEventEmitter | None = None,
        history: History | None = None,
    ) -> None:
        self.store = store
        self.engine = engine
        self.emitter = emitter or store.emitter
        self.history = history

    async def _told(self, results: Sequence[Result]) -> None:
        for result in results:
            if self.emitter is not self.store.emitter:
                await self.emitter.aemit_all(result.events)

    async def _done(self, result: R) -> R:
        await self._told([result])
        return check(result)

    async def _done_many(self, results: list[R]) -> list[R]:
        await self._told(results)
        return results

    async def _from_history(self, ask: Callable[[History], T]) -> T:
        # A history is synchronous: it waits for its database in a thread, not on the loop.
        return await asyncio.to_thread(ask, history_of(self.history))
