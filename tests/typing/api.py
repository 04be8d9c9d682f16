"""Never run: what users' type checkers must see of the public API (mypy --strict reads this file)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import assert_type

from ducto_redis import (
    AsyncCreditManager,
    AsyncRateLimiter,
    AsyncRedisStore,
    CapCheckResult,
    CapNotice,
    CreditEvent,
    CreditEventEmitter,
    CreditManager,
    DeductionResult,
    HoldResult,
    MemoryStore,
    RateDecision,
    RateLimit,
    RateLimiter,
    RedisStore,
    SetupResult,
    SpendCap,
)


def sync() -> None:
    store = RedisStore.from_url("redis://localhost")
    assert_type(store, RedisStore)
    assert_type(MemoryStore(), MemoryStore)
    assert_type(store.setup(), SetupResult)
    hold = store.reserve("u", Decimal("0.5"), "inference", ttl=30, model="m", metadata={"a": 1})
    assert_type(hold, HoldResult)
    assert_type(hold.reservation_id, str)
    assert_type(hold.expires_at, datetime | None)
    charged = store.settle("u", hold, "0.25")
    assert_type(charged, DeductionResult)
    assert_type(charged.cap_warning, CapNotice | None)
    assert_type(store.deduct_credits("u", hold.hold_id, 1).balance_after, Decimal)
    assert_type(store.check_spend_cap("u", amount=1.5), CapCheckResult)
    store.set_spend_cap(SpendCap(user_id="u", limit=5_000, action="warn"))
    assert_type(SpendCap(user_id="u", type="monthly", limit="0.5").limit, Decimal)
    store.reserve("u", 1, billing_mode="never")  # type: ignore[arg-type]
    store.reserve(1, 1)  # type: ignore[arg-type]
    assert_type(CreditManager(store).reserve("u", 1), HoldResult)
    limiter = RateLimiter("memory://", RateLimit("1/s"))
    assert_type(limiter.hit("u").retry_after, float | None)
    assert_type(limiter.wait("u", 2, timeout=0.5), RateDecision)


async def asynchronous() -> None:
    async with AsyncRedisStore.from_url("memory://") as store:
        assert_type(store, AsyncRedisStore)
        hold = await store.reserve("u", 1)
        assert_type(hold, HoldResult)
        assert_type(await AsyncCreditManager(store).settle("u", hold, 1), DeductionResult)
    async with AsyncRateLimiter.from_url("memory://", RateLimit("1/s")) as limiter:
        assert_type(await limiter.peek("u"), RateDecision)


def events() -> None:
    emitter = CreditEventEmitter()

    @emitter.on("credits.added")
    def handler(event: CreditEvent) -> None:
        assert_type(event.user_id, str)

    @emitter.on("credits.added")
    async def coroutine(event: CreditEvent) -> None:
        assert_type(event.timestamp, datetime)

    handler(CreditEvent(type="x", timestamp=datetime.now(), user_id="u"))  # noqa: DTZ005
