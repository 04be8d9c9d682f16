"""Limits and payers of the synchronous store, and what they would decide; see ``docs/limits.md``."""

from __future__ import annotations

from collections.abc import Sequence

from ducto_redis.core import explaining, limiting, low_balance, paying, planning
from ducto_redis.defaults import DefaultCap, DefaultsResult, PlanResult
from ducto_redis.ids import new_id
from ducto_redis.models import BillingMode
from ducto_redis.money import Amount
from ducto_redis.rates import ConcurrencyLimit, RateLimit
from ducto_redis.store_base import StoreBase
from ducto_redis.work_models import ExplainResult, LimitListResult, LimitResult, LowBalanceResult, PayerResult


class LimitOperations(StoreBase):
    """Part of ``RedisStore``."""

    def set_payer(self, user_id: str, payer: str) -> PayerResult:
        """Says whose credits an account spends: its own, or those of an account above it; open holds keep their payer.

        Caps, rates and concurrency of every level decide all the same, and spend is counted at every level.

        Args:
            user_id: The account; opened when there is none.
            payer: The account itself or an ancestor: for ``acme/search/alice`` also ``acme/search`` and ``acme``.

        Raises:
            InvalidArgumentError: It is none of them.
        """
        return self._run(paying.set_payer, user_id, payer, op_id=new_id())

    def set_defaults(
        self,
        caps: Sequence[DefaultCap] = (),
        limits: Sequence[RateLimit | ConcurrencyLimit] = (),
        *,
        plan: str | None = None,
        level: int | None = None,
    ) -> DefaultsResult:
        """Says which caps and limits hold for accounts that have none of the same period or identity; at once, for all.

        Nothing is written per account: scripts read the definitions where they decide. Each account counts by itself.

        Args:
            caps: At most one per period, such as ``DefaultCap(limit=5_000)``.
            limits: Such as ``RateLimit("60/minute")`` and ``ConcurrencyLimit(4)``.
            plan: For accounts on this plan, 1 to 64 bytes (``set_plan``); None: for all.
            level: For accounts at this depth of their path, 1 (roots) to 6; None: for all.

        Returns:
            Every set. What was set before for the same plan and level is replaced. A plan's wins over a level's, each
            for one level over the same for all.

        Raises:
            InvalidArgumentError: A cap or limit is none, there are too many, or nothing else is as it must be.
            InvalidAmountError: A limit is out of range.
        """
        return self._driver.run_flow(planning.set_defaults(self._space, caps, limits, plan, level))

    def remove_defaults(self, *, plan: str | None = None, level: int | None = None) -> DefaultsResult:
        """Removes what was set for a plan, a level or all; ``removed``: there was something.

        Accounts on a plan of which nothing is left have the defaults of those without a plan.
        """
        return self._driver.run_flow(planning.remove_defaults(self._space, plan, level))

    def list_defaults(self) -> DefaultsResult:
        """The defaults of the namespace: every set, in the order in which they were set."""
        return self._driver.run_flow(planning.list_defaults(self._space))

    def set_plan(self, user_id: str, plan: str | None) -> PlanResult:
        """Puts an account on a plan: the defaults of that name hold for it, from its next call on.

        What was spent and used stays. Accounts below it are on plans of their own, or on none.

        Args:
            user_id: The account; opened when there is none.
            plan: One that ``set_defaults`` knows; None: no plan.

        Raises:
            InvalidArgumentError: Nothing is set for the plan.
        """
        return self._run(planning.set_plan, user_id, plan, op_id=new_id())

    def set_low_balance(self, user_id: str, threshold: Amount | None) -> LowBalanceResult:
        """Says at which balance an account is low: the charge that brings it there tells, once each time.

        Args:
            user_id: The account whose balance it is; opened when there is none.
            threshold: Credits, >= 0, in place of the threshold before; None: nothing is told.

        Returns:
            The threshold. Charges tell ``credits.low_balance`` on results, to emitters and in the stream of events.
        """
        return self._run(low_balance.set_low_balance, user_id, threshold, op_id=new_id())

    def set_rate_limit(self, user_id: str, limit: RateLimit) -> LimitResult:
        """Registers a rate limit: it decides on every admission of the account and of those below it, beside the caps.

        Args:
            user_id: The account; opened when there is none.
            limit: The limit, such as ``RateLimit("60/minute")``. It replaces the account's limit of the same counts,
                period, model and operation type; what was used stays when the algorithm does.

        Raises:
            InvalidArgumentError: It cannot be counted exactly.
            LimitExceededError: The account has 32 limits.
        """
        return self._run(limiting.set_limit, user_id, limit, op_id=new_id())

    def remove_rate_limit(self, user_id: str, limit: RateLimit) -> LimitResult:
        """Removes the rate limit of the same counts, period, model and operation type; ``removed``: there was one."""
        return self._run(limiting.remove_limit, user_id, limit, op_id=new_id())

    def list_rate_limits(self, user_id: str) -> LimitListResult:
        """The rate limits of the account as they are now: its own in the order of their registration, then defaults."""
        return self._run(limiting.list_limits, user_id, concurrency=False)

    def set_concurrency_limit(self, user_id: str, limit: ConcurrencyLimit) -> LimitResult:
        """Registers how many holds may be open at once, here and below; it counts those that are open now.

        Args:
            user_id: The account; opened when there is none.
            limit: The limit, such as ``ConcurrencyLimit(4)``. It replaces the account's of the same model and
                operation type.

        Raises:
            LimitExceededError: The account has 32 limits.
        """
        return self._run(limiting.set_limit, user_id, limit, op_id=new_id())

    def remove_concurrency_limit(self, user_id: str, limit: ConcurrencyLimit) -> LimitResult:
        """Removes the concurrency limit of the same model and operation type; ``removed``: there was one."""
        return self._run(limiting.remove_limit, user_id, limit, op_id=new_id())

    def list_concurrency_limits(self, user_id: str) -> LimitListResult:
        """The concurrency limits of the account: its own in the order of their registration, then a default."""
        return self._run(limiting.list_limits, user_id, concurrency=True)

    def explain(
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
        """What ``reserve`` would decide now, and why: every cap and limit of every level; takes nothing.

        Returns:
            ``error_code`` and ``message`` as ``reserve`` would answer; ``caps`` and ``limits`` with what is left of
            each and whether it refuses; ``retry_after`` of the one that decides. The arguments are ``reserve``'s.
        """
        return self._run(
            explaining.explain,
            user_id,
            amount,
            operation_type,
            model=model,
            billing_mode=billing_mode,
            min_balance=min_balance,
            overdraft_floor=overdraft_floor,
            tokens=tokens,
            within=within,
            op_id=new_id(),
        )
