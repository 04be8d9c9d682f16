"""What every part of the synchronous manager shares: its store, its emitter, and how a result becomes an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ducto_redis.core.outcomes import check, history_of
from ducto_redis.events import CreditEventEmitter
from ducto_redis.history import History
from ducto_redis.models import Result
from ducto_redis.store import RedisStore

R = TypeVar("R", bound=Result)
T = TypeVar("T")


class ManagerBase:
    """Store, engine, emitter and history of a manager; the arguments are those of ``CreditManager``."""

    def __init__(
        self,
        store: RedisStore,
        engine: Any = None,
        emitter: CreditEventEmitter | None = None,
        history: History | None = None,
    ) -> None:
        self.store = store
        self.engine = engine
        self.emitter = emitter or store.emitter
        self.history = history

    def _told(self, results: Sequence[Result]) -> None:
        for result in results:
            if self.emitter is not self.store.emitter:
                self.emitter.emit_all(result.events)

    def _done(self, result: R) -> R:
        self._told([result])
        return check(result)

    def _done_many(self, results: list[R]) -> list[R]:
        self._told(results)
        return results

    def _from_history(self, ask: Callable[[History], T]) -> T:
        return ask(history_of(self.history))
