"""Operations of the asyncio store beyond reserve and settle: longer holds, direct charges, batches, clearing up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ducto_redis.aio.store_limits import AsyncLimitOperations
from ducto_redis.aio.sweeper import Sweeper
from ducto_redis.core import event_stream, holding, operations, resolving, sweeping, verify
from ducto_redis.core.arguments import DEFAULT_TTL, Metadata
from ducto_redis.core.entries import Entry
from ducto_redis.ids import new_id
from ducto_redis.models import BillingMode, DeductionResult, HoldResult
from ducto_redis.money import Amount
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


class AsyncWorkOperations(AsyncLimitOperations):
    """Part of ``RedisStore``."""

    async def open_account(self, user_id: str) -> OpenAccountResult:
        """Opens an account with a balance of 0, unless there is one; ``created`` says which."""
        return await self._run(holding.open_account, user_id, op_id=new_id())

    async def deduct(
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
        """Charges at once, without a hold, what ``reserve`` would admit; all or nothing (SPEC 2).

        Args:
            user_id: The account; the caps of every level of its path decide.
            amount: Credits.
            operation_type: Free text of at most 64 bytes.
            model: The model that was used, at most 128 bytes.
            billing_mode: The floor to keep: "strict" ``min_balance``, "overdraft" ``overdraft_floor``, "postpaid" none.
            min_balance: Credits that strict leaves untouched.
            overdraft_floor: The balance, <= 0, that overdraft may reach.
            metadata: Kept in the ledger: a mapping of at most 2 KiB as JSON.
            tokens: What was used, for limits that count tokens.
            within: Further accounts of the same root that decide and count, as of ``reserve``.
            dry_run: Only asks: decided alike, but nothing is charged.
            idempotency_key: The same key on the same account charges once within 24 to 48 hours.

        Returns:
            The charge, or ``cap_reached``, ``insufficient_credits``, ``account_unknown``, ``invalid_*``.
        """
        return await self._run(
            operations.deduct,
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
            op_id=idempotency_key or new_id(),
            own_key=idempotency_key is not None,
        )

    async def extend(
        self,
        user_id: str,
        hold: str | HoldResult,
        amount: Amount,
        *,
        ttl: float | None = None,
        tokens: int = 0,
        idempotency_key: str | None = None,
    ) -> HoldResult:
        """Adds to an open hold, gated like a new admission; refused, the hold stays as it is.

        Args:
            user_id: The account the hold was made for.
            hold: The hold or its id.
            amount: Credits to add.
            ttl: Seconds from now until the hold is freed by itself; None leaves its expiry. It never moves back.
            tokens: What the estimate grows by, for limits that count tokens.
            idempotency_key: The same key extends once within 24 to 48 hours.

        Returns:
            The hold as it is now; or ``lease_not_found``, ``lease_expired``, ``cap_reached``,
            ``rate_limited``, ``insufficient_credits``, ``invalid_*``.
        """
        op_id = idempotency_key or new_id()
        return await self._run(holding.extend, user_id, hold, amount, ttl=ttl, tokens=tokens, op_id=op_id)

    async def renew(
        self,
        user_id: str,
        hold: str | HoldResult,
        ttl: float = DEFAULT_TTL,
        *,
        idempotency_key: str | None = None,
    ) -> HoldResult:
        """Gives an open hold more time: its expiry moves to ``ttl`` seconds from now, never back."""
        return await self._run(holding.renew, user_id, hold, ttl, op_id=idempotency_key or new_id())

    async def list_holds(self, user_id: str, limit: int = 100) -> HoldListResult:
        """The open holds of the account itself, soonest expiry first; at most ``limit``, 1 to 1,000, are listed."""
        return await self._run(holding.list_holds, user_id, limit)

    async def charge_many(self, items: Sequence[ChargeItem]) -> list[DeductionResult]:
        """``deduct`` for many accounts in one round trip; each item is decided by itself, in order.

        Args:
            items: The charges. Those of one shard go in one script, at most 100 each.

        Returns:
            A result per item; a refusal does not stop the others.

        Raises:
            OutcomeUnknown: A reply was lost; items with an ``idempotency_key`` may be sent again and charge once.
        """
        return await self._run_many("charge_many", items)

    async def reserve_many(self, items: Sequence[ReserveItem]) -> list[HoldResult]:
        """``reserve`` for many accounts in one round trip; see ``charge_many``."""
        return await self._run_many("reserve_many", items)

    async def resolve(self, user_id: str, op_id: str, operation: str | None = None) -> ResolveResult:
        """Says whether an operation was executed; if it was not, makes sure that it never will be.

        Args:
            user_id: The account the operation was for.
            op_id: Its id: the idempotency key, or the hold's id for what makes or ends a hold.
            operation: The method's name; None looks for any kind, and of a hold id for its reserve. Of one that ends
                a hold (settle, deduct_credits, release) which is still open, the hold is freed.
        """
        return await self._run(resolving.resolve, user_id, op_id, operation)

    async def sweep(self, limit: int = 1000) -> SweepResult:
        """Frees expired holds of accounts that nobody touches, and bounds ledgers that nobody drains.

        Args:
            limit: How many keys of the server are looked at, about; the next call goes on where this one ended.
        """
        flow = sweeping.sweep(self._space, self._sweep_cursor, limit)
        result, self._sweep_cursor = await self._driver.run_flow(flow)
        return result

    def start_sweeper(self, every: float = 60, limit: int = 1000) -> Sweeper:
        """Sweeps in the background until the store is closed; started again, the one before is told.

        Args:
            every: Seconds between two sweeps.
            limit: That of ``sweep``.

        Returns:
            The sweeper: ``sweeps``, ``freed``, ``last_error``, ``running``, ``stop()``.
        """
        if self._sweeper is None or not self._sweeper.running:
            self._sweeper = Sweeper(partial(self.sweep, limit), every)
        return self._sweeper

    async def list_accounts(self) -> list[str]:
        """The ids of all accounts of the namespace; looks at every key of the server, so not for requests."""
        return await self._driver.run_flow(verify.list_accounts(self._space))

    async def read_ledger(self, shard: int) -> list[Entry]:
        """The entries of a shard's ledger that are still there, oldest first.

        Args:
            shard: 0 up to one less than ``setup()`` says.
        """
        return await self._driver.run_flow(verify.read_ledger(self._space, shard))

    async def read_events(self, after: Mapping[int, str] | None = None, limit: int = 1000) -> EventPage:
        """What the streams of events of the namespace tell: crossings of thresholds, oldest first.

        Args:
            after: ``after`` of the page before; without it from the start of what is kept, about 100,000 a shard.
            limit: How many at most, 1 to 10,000.
        """
        return await self._driver.run_flow(event_stream.read_events(self._space, after, limit))

    async def verify(self, progress: Callable[[int, int], None] | None = None) -> VerifyResult:
        """Compares what the ledger adds up to with the state, account by account; may run while others write (SPEC 8).

        Args:
            progress: Is told after each shard how many are done, and of how many.
        """
        roots = await self._driver.run_flow(verify.find_roots(self._space))
        result = VerifyResult(user_id="")
        for done, shard in enumerate(sorted(roots), 1):
            result += await self._driver.run_flow(verify.verify_shard(self._space, shard, roots[shard]))
            if progress is not None:
                progress(done, len(roots))
        return result
