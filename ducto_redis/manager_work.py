"""Operations of the synchronous manager beyond reserve and settle; see the store's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ducto_redis.core.arguments import DEFAULT_TTL, Metadata
from ducto_redis.core.entries import Entry
from ducto_redis.history import Transaction, TransactionPage
from ducto_redis.manager_limits import ManagedLimits
from ducto_redis.models import BillingMode, DeductionResult, HoldResult
from ducto_redis.money import Amount
from ducto_redis.sweeper import Sweeper
from ducto_redis.work_models import (
    ChargeItem,
    EventPage,
    HoldListResult,
    OpenAccountResult,
    ReserveItem,
    ResolveResult,
    SweepResult,
    VerifyResult,
)


class ManagedWork(ManagedLimits):
    """Part of ``CreditManager``."""

    def open_account(self, user_id: str) -> OpenAccountResult:
        """Opens an account with a balance of 0, unless there is one. See ``RedisStore.open_account``."""
        return self._done(self.store.open_account(user_id))

    def deduct(
        self,
        user_id: str,
        amount: Amount,
        operation_type: str = "usage",
        *,
        model: str | None = None,
        billing_mode: BillingMode = "strict",
        min_balance: Amount = 0,
        overdraft_floor: Amount | None = None,
        metadata: Metadata = None,
        tokens: int = 0,
        within: Sequence[str] = (),
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> DeductionResult:
        """Charges at once, without a hold, what ``reserve`` would admit. See ``RedisStore.deduct``.

        Raises:
            RateLimitedError: A rate limit is used up for now.
            CapReachedError: A deny cap does not allow the amount.
            InsufficientCreditsError: The available credits do not cover it.
            AccountUnknownError: There is no such account (overdraft, postpaid).
        """
        return self._done(
            self.store.deduct(
                user_id,
                amount,
                operation_type,
                model=model,
                billing_mode=billing_mode,
                min_balance=min_balance,
                overdraft_floor=overdraft_floor,
                metadata=metadata,
                tokens=tokens,
                within=within,
                dry_run=dry_run,
                idempotency_key=idempotency_key,
            )
        )

    def extend(
        self,
        user_id: str,
        hold: str | HoldResult,
        amount: Amount,
        *,
        ttl: float | None = None,
        tokens: int = 0,
        idempotency_key: str | None = None,
    ) -> HoldResult:
        """Adds to an open hold, gated like a new admission. See ``RedisStore.extend``.

        Raises:
            RateLimitedError: A rate limit does not allow the addition.
            CapReachedError: A deny cap does not allow the addition.
            InsufficientCreditsError: The available credits do not cover it.
            LeaseNotFoundError: There is no such hold, or it ended.
            LeaseExpiredError: The hold expired before.
        """
        return self._done(
            self.store.extend(user_id, hold, amount, ttl=ttl, tokens=tokens, idempotency_key=idempotency_key)
        )

    def renew(
        self,
        user_id: str,
        hold: str | HoldResult,
        ttl: float = DEFAULT_TTL,
        *,
        idempotency_key: str | None = None,
    ) -> HoldResult:
        """Gives an open hold more time. See ``RedisStore.renew``.

        Raises:
            LeaseNotFoundError: There is no such hold, or it ended.
            LeaseExpiredError: The hold expired before.
        """
        return self._done(self.store.renew(user_id, hold, ttl, idempotency_key=idempotency_key))

    def list_holds(self, user_id: str, limit: int = 100) -> HoldListResult:
        """The open holds of the account itself, soonest expiry first. See ``RedisStore.list_holds``.

        Raises:
            AccountUnknownError: There is no such account.
        """
        return self._done(self.store.list_holds(user_id, limit))

    def charge_many(self, items: Sequence[ChargeItem]) -> list[DeductionResult]:
        """``deduct`` for many accounts; a refused item is a result, never raised. See ``RedisStore.charge_many``."""
        return self._done_many(self.store.charge_many(items))

    def reserve_many(self, items: Sequence[ReserveItem]) -> list[HoldResult]:
        """``reserve`` for many accounts; a refused item is a result, never raised. See ``RedisStore.reserve_many``."""
        return self._done_many(self.store.reserve_many(items))

    def resolve(self, user_id: str, op_id: str, operation: str | None = None) -> ResolveResult:
        """Says whether an operation was executed; if not, it never will be. See ``RedisStore.resolve``."""
        return self._done(self.store.resolve(user_id, op_id, operation))

    def sweep(self, limit: int = 1000) -> SweepResult:
        """Frees expired holds that nobody touches; bounds ledgers that nobody drains. See ``RedisStore.sweep``."""
        return self._done(self.store.sweep(limit))

    def start_sweeper(self, every: float = 60, limit: int = 1000) -> Sweeper:
        """Sweeps in the background until the store is closed. See ``RedisStore.start_sweeper``."""
        return self.store.start_sweeper(every, limit)

    def list_accounts(self) -> list[str]:
        """The ids of all accounts of the namespace. See ``RedisStore.list_accounts``."""
        return self.store.list_accounts()

    def read_ledger(self, shard: int) -> list[Entry]:
        """The entries of a shard's ledger that are still there. See ``RedisStore.read_ledger``."""
        return self.store.read_ledger(shard)

    def read_events(self, after: Mapping[int, str] | None = None, limit: int = 1000) -> EventPage:
        """What the streams of events tell, oldest first. See ``RedisStore.read_events``."""
        return self.store.read_events(after, limit)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> VerifyResult:
        """Compares what the ledger adds up to with the state. See ``RedisStore.verify``."""
        return self._done(self.store.verify(progress))

    def list_transactions(
        self,
        user_id: str,
        *,
        kinds: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> TransactionPage:
        """The transactions of an account itself, newest first, from the manager's ``history``.

        Args:
            user_id: The account; what accounts below it did on its credits is listed with them.
            kinds: Only those of ``TRANSACTION_KINDS``; None takes all.
            since: From this time on, aware.
            until: Before this time, aware.
            limit: How many at most, 1 to 1,000.
            cursor: That of the page before: what is older. What comes meanwhile neither moves nor repeats anything.

        Raises:
            ConfigError: The manager has no history.
            InvalidArgumentError: One of them is not allowed.
            StoreUnavailable: The history's database failed.
        """
        return self._from_history(
            lambda history: history.transactions(
                user_id, kinds=kinds, since=since, until=until, limit=limit, cursor=cursor
            )
        )

    def get_transaction(self, transaction_id: str) -> Transaction | None:
        """A transaction by the id that its result told, however old; None where the ``history`` holds none.

        Raises:
            ConfigError: The manager has no history.
            InvalidIdError: It is no id of a transaction.
            StoreUnavailable: The history's database failed.
        """
        return self._from_history(lambda history: history.find(transaction_id))
