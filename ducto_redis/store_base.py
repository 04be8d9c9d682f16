"""What every part of the synchronous store shares: driver, namespace, settings, and how an operation is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from ducto_redis.core import flows
from ducto_redis.core.durability import DEFAULT_TIMEOUT_MS, Level, level_of
from ducto_redis.core.keys import DEFAULT_NAMESPACE
from ducto_redis.core.outcomes import check_key, resolver_of
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Answer, Call, Flow
from ducto_redis.drivers import sync
from ducto_redis.drivers.retrying import RetryPolicy
from ducto_redis.errors import DurabilityNotMet, OutcomeUnknown
from ducto_redis.events import CreditEventEmitter
from ducto_redis.ids import new_id
from ducto_redis.models import Durability, KeyReuse, LateSettlement, OverCap, Result
from ducto_redis.sweeper import Sweeper
from ducto_redis.work_models import ChargeItem

if TYPE_CHECKING:
    import redis

T = TypeVar("T")
R = TypeVar("R", bound=Result)
P = ParamSpec("P")


class Driver(Protocol):
    """What a store needs of a driver."""

    policy: RetryPolicy

    def keep_to(self, level: Level) -> None: ...  # noqa: D102 - see the drivers
    def run_flow(self, flow: Flow[T]) -> T: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class StoreBase:
    """Driver, namespace and settings of a store; the arguments are those of ``RedisStore``."""

    def __init__(
        self,
        client: redis.Redis | Driver,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        precision: int | None = None,
        shards: int | None = None,
        emitter: CreditEventEmitter | None = None,
        over_cap: OverCap = "clamp",
        late_settlement: LateSettlement = "reject",
        on_key_reuse: KeyReuse = "flag",
        retry: RetryPolicy | None = None,
        durability: Durability = "memory",
        replicas: int = 1,
        durability_timeout_ms: int = DEFAULT_TIMEOUT_MS,
    ) -> None:
        self._driver: Driver = sync.driver_of(client)
        if retry is not None:
            self._driver.policy = retry
        self._space = Space(namespace, precision, shards)
        self._space.level = level_of(durability, replicas, durability_timeout_ms)
        if self._space.level is not None:
            self._driver.keep_to(self._space.level)
        self._over_cap: OverCap = over_cap
        self._late_settlement: LateSettlement = late_settlement
        self._on_key_reuse: KeyReuse = on_key_reuse
        self._sweep_cursor = 0
        self._sweeper: Sweeper | None = None
        self.emitter: Final = emitter or CreditEventEmitter()

    def close(self) -> None:
        """Stops the background sweep and closes the connections."""
        if self._sweeper is not None:
            self._sweeper.stop()
            self._sweeper = None
        self._driver.close()

    def _told(self, result: R) -> R:
        if result.events:
            self.emitter.emit_all(result.events)
        return result if self._on_key_reuse == "flag" else check_key(result, self._on_key_reuse)

    def _told_all(self, results: Sequence[R]) -> list[R]:
        return [self._told(result) for result in results]

    def _run(
        self, build: Callable[Concatenate[Space, P], Call[R] | Answer[R]], *args: P.args, **options: P.kwargs
    ) -> R:
        try:
            result = self._driver.run_flow(flows.operate(self._space, build, *args, **options))
        except OutcomeUnknown as error:
            error.resolver = resolver_of(self, error)
            raise
        except DurabilityNotMet as error:
            self._told_all(error.results)  # it happened, and a repetition tells no events
            raise
        return self._told(result)

    def _run_many(self, script: str, items: Sequence[ChargeItem]) -> list[Any]:
        op_ids = [item.idempotency_key or new_id() for item in items]
        try:
            results = self._driver.run_flow(flows.operate_many(self._space, script, items, op_ids))
        except DurabilityNotMet as error:
            self._told_all(error.results)
            raise
        return self._told_all(results)
