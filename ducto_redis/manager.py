"""The synchronous manager: a store's operations with typed errors and events of its own emitter."""

from __future__ import annotations

from collections.abc import Sequence

from ducto_redis.compat import with_aliases
from ducto_redis.core.arguments import DEFAULT_TTL, Metadata
from ducto_redis.manager_work import ManagedWork
from ducto_redis.models import (
    AddCreditsResult,
    AvailableResult,
    BalanceResult,
    BillingMode,
    CapCheckResult,
    CapListResult,
    CapResult,
    DeductionResult,
    HoldResult,
    LateSettlement,
    OverCap,
    ReleaseResult,
    SetupResult,
    SpendCap,
)
from ducto_redis.money import Amount


@with_aliases
class CreditManager(ManagedWork):
    """The operations of a store, raising a ``CreditError`` where the store answers a code.

    Args:
        store: Where the credits are.
        engine: Prices usage; comes with pricing.
        emitter: Receives every event of this manager's operations, beside the store's emitter; None uses the store's.
        history: Where transactions are looked up, such as ``ducto_redis.durable.SqlHistory``; None: nowhere.
    """

    def setup(self, create: bool = True) -> SetupResult:
        """Writes or verifies the namespace's configuration; may be repeated at any time. See ``RedisStore.setup``."""
        return self.store.setup(create)

    def add_credits(
        self,
        user_id: str,
        amount: Amount,
        type: str = "adjustment",  # noqa: A002 - ducto's spelling
        metadata: Metadata = None,
        *,
        idempotency_key: str | None = None,
    ) -> AddCreditsResult:
        """Grants credits, opening the account when there is none. See ``RedisStore.add_credits``."""
        return self._done(self.store.add_credits(user_id, amount, type, metadata, idempotency_key=idempotency_key))

    def get_balance(self, user_id: str) -> BalanceResult:
        """The balance and what was ever purchased.

        Raises:
            AccountUnknownError: There is no such account.
        """
        return self._done(self.store.get_balance(user_id))

    def get_available(self, user_id: str) -> AvailableResult:
        """The balance, what open holds reserve of it, and what is left.

        Raises:
            AccountUnknownError: There is no such account.
        """
        return self._done(self.store.get_available(user_id))

    def reserve(
        self,
        user_id: str,
        amount: Amount,
        operation_type: str = "usage",
        *,
        ttl: float = DEFAULT_TTL,
        model: str | None = None,
        billing_mode: BillingMode = "strict",
        min_balance: Amount = 0,
        overdraft_floor: Amount | None = None,
        over_cap: OverCap | None = None,
        metadata: Metadata = None,
        tokens: int = 0,
        within: Sequence[str] = (),
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> HoldResult:
        """Sets credits aside before the work: the admission gate, all or nothing. See ``RedisStore.reserve``.

        Raises:
            ConcurrencyLimitError: As many holds are open as may be.
            RateLimitedError: A rate limit is used up for now.
            CapReachedError: A deny cap does not allow the amount.
            InsufficientCreditsError: The available credits do not cover it.
        """
        return self._done(
            self.store.reserve(
                user_id,
                amount,
                operation_type,
                ttl=ttl,
                model=model,
                billing_mode=billing_mode,
                min_balance=min_balance,
                overdraft_floor=overdraft_floor,
                over_cap=over_cap,
                metadata=metadata,
                tokens=tokens,
                within=within,
                dry_run=dry_run,
                idempotency_key=idempotency_key,
            )
        )

    def reserve_credits(
        self,
        user_id: str,
        amount: Amount,
        operation_type: str = "usage",
        metadata: Metadata = None,
        min_balance: Amount = 0,
        *,
        ttl: float = DEFAULT_TTL,
        model: str | None = None,
        idempotency_key: str | None = None,
    ) -> HoldResult:
        """A hold in the seed's spelling, not gated by caps. See ``RedisStore.reserve_credits``.

        Raises:
            InsufficientCreditsError: The available credits do not cover it.
        """
        return self._done(
            self.store.reserve_credits(
                user_id,
                amount,
                operation_type,
                metadata,
                min_balance,
                ttl=ttl,
                model=model,
                idempotency_key=idempotency_key,
            )
        )

    def deduct_credits(
        self, user_id: str, hold: str | HoldResult, amount: Amount, *, metadata: Metadata = None
    ) -> DeductionResult:
        """Charges exactly the amount against a hold, or frees the hold and raises. See ``RedisStore.deduct_credits``.

        Raises:
            CapReachedError: A deny cap does not allow the amount.
            InsufficientCreditsError: The available credits do not cover it.
            LeaseNotFoundError: There is no such hold, or it was released.
            LeaseExpiredError: The hold expired before.
        """
        return self._done(self.store.deduct_credits(user_id, hold, amount, metadata=metadata))

    def settle(
        self,
        user_id: str,
        hold: str | HoldResult,
        amount: Amount,
        *,
        model: str | None = None,
        next_amount: Amount | None = None,
        next_ttl: float = DEFAULT_TTL,
        late_settlement: LateSettlement | None = None,
        metadata: Metadata = None,
        tokens: int | None = None,
    ) -> DeductionResult:
        """Charges the actual cost against a hold; clamped, never refused, by caps and floor. See ``RedisStore.settle``.

        Raises:
            LeaseNotFoundError: There is no such hold, or it was released.
            LeaseExpiredError: The hold expired before.
        """
        return self._done(
            self.store.settle(
                user_id,
                hold,
                amount,
                model=model,
                next_amount=next_amount,
                next_ttl=next_ttl,
                late_settlement=late_settlement,
                metadata=metadata,
                tokens=tokens,
            )
        )

    def release(self, user_id: str, hold: str | HoldResult) -> ReleaseResult:
        """Drops a hold without a charge; ``reason`` says what was found, whatever that is."""
        return self._done(self.store.release(user_id, hold))

    def set_spend_cap(self, cap: SpendCap) -> CapResult:
        """Registers a cap, replacing the account's cap of the same period. See ``RedisStore.set_spend_cap``."""
        return self._done(self.store.set_spend_cap(cap))

    def remove_spend_cap(
        self, user_id: str, cap_type: str, model: str | None = None, *, shadow: bool = False
    ) -> CapResult:
        """Removes the account's cap of a period; ``removed`` says whether there was one."""
        return self._done(self.store.remove_spend_cap(user_id, cap_type, model, shadow=shadow))

    def list_spend_caps(self, user_id: str) -> CapListResult:
        """The account's own caps with their present spend, in the order of their registration."""
        return self._done(self.store.list_spend_caps(user_id))

    def check_spend_cap(self, user_id: str, model: str | None = None, amount: Amount | None = None) -> CapCheckResult:
        """Where the account stands against its caps and its ancestors'. See ``RedisStore.check_spend_cap``."""
        return self._done(self.store.check_spend_cap(user_id, model, amount))
