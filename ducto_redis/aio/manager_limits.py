"""Rate and concurrency limits of the asyncio manager; see the store's."""

from __future__ import annotations

from collections.abc import Sequence

from ducto_redis.aio.manager_base import AsyncManagerBase
from ducto_redis.defaults import DefaultCap, DefaultsResult, PlanResult
from ducto_redis.models import BillingMode
from ducto_redis.money import Amount
from ducto_redis.rates import ConcurrencyLimit, RateLimit
from ducto_redis.work_models import ExplainResult, LimitListResult, LimitResult, LowBalanceResult, PayerResult


class AsyncManagedLimits(AsyncManagerBase):
    """Part of ``CreditManager``."""

    async def set_payer(self, user_id: str, payer: str) -> PayerResult:
        """Says whose credits an account spends. See ``RedisStore.set_payer``."""
        return await self._done(await self.store.set_payer(user_id, payer))

    async def set_defaults(
        self,
        caps: Sequence[DefaultCap] = (),
        limits: Sequence[RateLimit | ConcurrencyLimit] = (),
        *,
        plan: str | None = None,
        level: int | None = None,
    ) -> DefaultsResult:
        """Says which caps and limits hold for accounts without their own. See ``RedisStore.set_defaults``."""
        return await self.store.set_defaults(caps, limits, plan=plan, level=level)

    async def remove_defaults(self, *, plan: str | None = None, level: int | None = None) -> DefaultsResult:
        """Removes what was set for a plan, a level or all. See ``RedisStore.remove_defaults``."""
        return await self.store.remove_defaults(plan=plan, level=level)

    async def list_defaults(self) -> DefaultsResult:
        """The defaults of the namespace. See ``RedisStore.list_defaults``."""
        return await self.store.list_defaults()

    async def set_plan(self, user_id: str, plan: str | None) -> PlanResult:
        """Puts an account on a plan. See ``RedisStore.set_plan``."""
        return await self._done(await self.store.set_plan(user_id, plan))

    async def set_low_balance(self, user_id: str, threshold: Amount | None) -> LowBalanceResult:
        """Says at which balance an account is low. See ``RedisStore.set_low_balance``."""
        return await self._done(await self.store.set_low_balance(user_id, threshold))

    async def set_rate_limit(self, user_id: str, limit: RateLimit) -> LimitResult:
        """Registers a rate limit. See ``RedisStore.set_rate_limit``."""
        return await self._done(await self.store.set_rate_limit(user_id, limit))

    async def remove_rate_limit(self, user_id: str, limit: RateLimit) -> LimitResult:
        """Removes a rate limit. See ``RedisStore.remove_rate_limit``."""
        return await self._done(await self.store.remove_rate_limit(user_id, limit))

    async def list_rate_limits(self, user_id: str) -> LimitListResult:
        """The account's own rate limits. See ``RedisStore.list_rate_limits``."""
        return await self._done(await self.store.list_rate_limits(user_id))

    async def set_concurrency_limit(self, user_id: str, limit: ConcurrencyLimit) -> LimitResult:
        """Registers how many holds may be open at once. See ``RedisStore.set_concurrency_limit``."""
        return await self._done(await self.store.set_concurrency_limit(user_id, limit))

    async def remove_concurrency_limit(self, user_id: str, limit: ConcurrencyLimit) -> LimitResult:
        """Removes a concurrency limit. See ``RedisStore.remove_concurrency_limit``."""
        return await self._done(await self.store.remove_concurrency_limit(user_id, limit))

    async def list_concurrency_limits(self, user_id: str) -> LimitListResult:
        """The account's own concurrency limits. See ``RedisStore.list_concurrency_limits``."""
        return await self._done(await self.store.list_concurrency_limits(user_id))

    async def explain(
        self,
        user_id: str,
        amount: Amount,
        operation_type: str = "usage",
        *,
        model: str | None = None,
        billing_mode: BillingMode = "strict",
        min_balance: Amount = 0,
        overdraft_floor: Amount | None = None,
        tokens: int = 0,
        within: Sequence[str] = (),
    ) -> ExplainResult:
        """What ``reserve`` would decide now, and why; a refusal is told, never raised. See ``RedisStore.explain``."""
        return await self.store.explain(
            user_id,
            amount,
            operation_type,
            model=model,
            billing_mode=billing_mode,
            min_balance=min_balance,
            overdraft_floor=overdraft_floor,
            tokens=tokens,
            within=within,
        )
