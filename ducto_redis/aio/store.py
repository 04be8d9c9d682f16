"""The asyncio store: credits, holds and caps on a Redis server. It belongs to the loop that first uses it.

Every method is one round trip and one atomic script. Business outcomes are results with ``error_code``; exceptions are
for input that has no result to stand in, for the configuration and for the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from ducto_redis.aio.store_base import AsyncDriver
from ducto_redis.aio.store_work import AsyncWorkOperations
from ducto_redis.compat import with_aliases
from ducto_redis.core import flows, operations
from ducto_redis.core.arguments import DEFAULT_TTL, Metadata
from ducto_redis.drivers import asyncio, embedded
from ducto_redis.drivers.urls import engine_of
from ducto_redis.ids import new_generation, new_id
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
class AsyncRedisStore(AsyncWorkOperations):
    """Credits, holds and spend caps on Redis 7.0 or newer.

    Args:
        client: A redis.asyncio client (its retries are not used, so they may be on or off), or a driver.
        namespace: Separates installations on one server: 1 to 32 of ``A-Z a-z 0-9 _ . -``.
        precision: Decimal places, 0 to 9, fixed when the namespace is created; None takes what it has (4 when new).
            Token prices want 6.
        shards: Hash tags that accounts are spread over, fixed likewise; None takes what it has (64 when new).
        emitter: Receives every event beside the results.
        over_cap: What settling more than a strict hold does at deny caps: "clamp" the charge, or "record" passing them.
        late_settlement: Whether settling a hold that expired is a "reject" or a "bill".
        retry: How long a call is sent again, under its operation id, when the server is away or a reply is lost; None
            takes 10 seconds.
        on_key_reuse: A key sent again with other parameters is a "flag" on the result, or "raise" IdempotencyConflict.
        durability: What a result is worth when the server fails (``docs/durability.md``): "memory" and "aof" wait for
            nothing, "fsync" for the server's disk, "replicated" for replicas; what falls short is DurabilityNotMet.
        replicas: How many replicas must have it, for "replicated".
        durability_timeout_ms: How long a call waits for them or the disk; shorter than the client's socket_timeout.

    Raises:
        InvalidArgumentError: A setting is not allowed.
        ConfigError: The engine cannot give that durability.
    """

    @classmethod
    def from_url(cls, url: str, **settings: Any) -> Self:
        """Connects to ``redis://``, ``rediss://``, ``unix://`` or the embedded engine, ``memory://``.

        Connections are kept between calls, as many as there are calls at one time; ``close()`` closes them. Of a client
        that is given to the constructor none is kept: every call takes one from its pool.

        Args:
            url: As redis-py reads it; ``memory://name`` is shared within the process.
            settings: Those of the constructor.

        Raises:
            ConfigError: The URL cannot be used.
        """
        driver: AsyncDriver
        if engine_of(url) == "memory":
            driver = embedded.AsyncEmbeddedDriver(embedded.EmbeddedDriver(embedded.connect(url)))
        else:
            driver = asyncio.AsyncDriver(asyncio.connect(url), own=True)
        return cls(driver, **settings)

    async def __aenter__(self) -> Self:
        """Enters a block at whose end the store is closed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the store."""
        await self.close()

    async def setup(self, create: bool = True) -> SetupResult:
        """Writes or verifies the namespace's configuration; may be repeated at any time.

        Args:
            create: Whether a namespace that is not there is created; without it that is an error.

        Raises:
            NamespaceUnknown: There is none and ``create`` is false.
            NeedsRestore: Part of the namespace is gone.
            PrecisionMismatch: It counts with another precision or shard count than this store asks for.
            SchemaNewer: It was written by a newer release.
            ServerTooOld: The server is older than Redis 7.0.
            ConfigError: The server is not configured for the store's ``durability``, or does not tell.
            DurabilityNotMet: The namespace is there, and not yet as safe as that; ``setup`` again waits again.
        """
        return await self._driver.run_flow(
            flows.open_namespace(self._space, create=create, generation=new_generation())
        )

    async def add_credits(
        self,
        user_id: str,
        amount: Amount,
        type: str = "adjustment",  # noqa: A002 - ducto's spelling
        metadata: Metadata = None,
        *,
        idempotency_key: str | None = None,
    ) -> AddCreditsResult:
        """Grants credits, opening the account when there is none.

        Args:
            user_id: The account; a path such as ``acme/search/alice`` for one below others.
            amount: Credits; only an ``adjustment`` may be 0 or negative.
            type: Free text of at most 64 bytes ("seed", "purchase", ...); ``purchase`` grows ``lifetime_purchased``.
            metadata: Kept in the ledger: a mapping of at most 2 KiB as JSON.
            idempotency_key: The same key on the same account grants once within 24 to 48 hours.

        Raises:
            InvalidAmountError: The amount, or the balance it would lead to, is out of range.
        """
        op_id, own_key = idempotency_key or new_id(), idempotency_key is not None
        return await self._run(operations.add_credits, user_id, amount, type, metadata, op_id=op_id, own_key=own_key)

    async def get_balance(self, user_id: str) -> BalanceResult:
        """The balance and what was ever purchased; ``account_unknown`` beside 0 for an account that is not there."""
        return await self._run(operations.get_balance, user_id)

    async def get_available(self, user_id: str) -> AvailableResult:
        """The balance, what open holds reserve of it, and what is left."""
        return await self._run(operations.get_available, user_id)

    async def reserve(
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
        """Sets credits aside before the work: the admission gate, all or nothing (SPEC 3 and 5).

        Args:
            user_id: The account; the caps of every level of its path decide.
            amount: Credits, the worst case; 0 makes a hold that only counts as open.
            operation_type: Free text of at most 64 bytes.
            ttl: Seconds until the hold is freed by itself, 1 to 604800.
            model: The model that is used, at most 128 bytes.
            billing_mode: The floor to keep: "strict" ``min_balance``, "overdraft" ``overdraft_floor``, "postpaid" none.
            min_balance: Credits that strict leaves untouched.
            overdraft_floor: The balance, <= 0, that overdraft may reach.
            over_cap: What settling more than the hold does at deny caps in strict; None takes the store's setting.
            metadata: Kept in the ledger: a mapping of at most 2 KiB as JSON.
            tokens: The estimate, for limits that count tokens.
            within: Further accounts of the same root that the account is a member of, at most 4 (a project, a team):
                their caps, limits and open holds decide and count like those of its own path.
            dry_run: Only asks: decided alike, but nothing is taken and ``hold_id`` stays empty.
            idempotency_key: Becomes the hold's id; the same key makes one hold within 24 to 48 hours.

        Returns:
            The hold, or one of ``cap_reached``, ``insufficient_credits``, ``account_unknown``, ``too_many_holds`` and
            ``invalid_*`` in ``error_code``.
        """
        return await self._run(
            operations.reserve,
            user_id,
            amount,
            operation_type,
            ttl=ttl,
            model=model,
            billing_mode=billing_mode,
            min_balance=min_balance,
            overdraft_floor=overdraft_floor,
            over_cap=over_cap or self._over_cap,
            metadata=metadata,
            tokens=tokens,
            within=within,
            dry_run=dry_run,
            op_id=idempotency_key or new_id(),
            own_key=idempotency_key is not None,
        )

    async def reserve_credits(
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
        """A hold in the seed's spelling: held against the balance, not gated by caps - ``deduct_credits`` is.

        Returns:
            The hold; ``caps`` lists the deny caps that would refuse its deduction now. The arguments are ``reserve``'s.
        """
        return await self._run(
            operations.reserve,
            user_id,
            amount,
            operation_type,
            ttl=ttl,
            model=model,
            min_balance=min_balance,
            metadata=metadata,
            admit=False,
            op_id=idempotency_key or new_id(),
            own_key=idempotency_key is not None,
        )

    async def deduct_credits(
        self, user_id: str, hold: str | HoldResult, amount: Amount, *, metadata: Metadata = None
    ) -> DeductionResult:
        """Charges exactly the amount against a hold, or refuses and frees the hold in the same step (SPEC 3).

        Args:
            user_id: The account the hold was made for.
            hold: The hold or its id.
            amount: Credits; more than the hold is gated, the rest of less is freed; never charged in part.
            metadata: Kept in the ledger.

        Returns:
            The charge; or ``cap_reached``, ``insufficient_credits`` (the hold is freed), ``lease_not_found``,
            ``lease_expired``, ``invalid_*``. ``error`` is the message that explains it.
        """
        return await self._run(operations.deduct_credits, user_id, hold, amount, metadata=metadata)

    async def settle(
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
        """Charges the actual cost against a hold; caps and floor may clamp the charge, never refuse it (SPEC 5).

        Args:
            user_id: The account the hold was made for.
            hold: The hold or its id.
            amount: Credits, the actual cost; 0 charges nothing and ends the hold.
            model: The model that was used; None takes the hold's.
            next_amount: Admits a successor of that amount with the hold's terms in the same step.
            next_ttl: The successor's seconds.
            late_settlement: What settling does when the hold expired; None takes the store's setting.
            metadata: Kept in the ledger.
            tokens: What was used, for limits that count tokens; None lets the estimate stand.

        Returns:
            The charge, with the ``shortfall`` that was not charged and the ``next_hold``; or ``lease_not_found``,
            ``lease_expired``, ``invalid_*``. Settling again answers the first outcome with ``idempotent``.
        """
        return await self._run(
            operations.settle,
            user_id,
            hold,
            amount,
            model=model,
            next_amount=next_amount,
            next_ttl=next_ttl,
            late_settlement=late_settlement or self._late_settlement,
            metadata=metadata,
            tokens=tokens,
        )

    async def release(self, user_id: str, hold: str | HoldResult) -> ReleaseResult:
        """Drops a hold without a charge; ``reason`` says what was found, whatever that is."""
        return await self._run(operations.release, user_id, hold)

    async def set_spend_cap(self, cap: SpendCap) -> CapResult:
        """Registers a cap, replacing the account's cap of the same period and model; the period's spend stays.

        Raises:
            InvalidAmountError: The limit is out of range.
        """
        return await self._run(operations.set_spend_cap, cap, op_id=new_id(), now_ms=0)

    async def remove_spend_cap(
        self, user_id: str, cap_type: str, model: str | None = None, *, shadow: bool = False
    ) -> CapResult:
        """Removes the account's cap of a period, of one model or of all; ``removed`` says whether there was one.

        Args:
            user_id: The account.
            cap_type: The period.
            model: The cap's model; None the cap of all models.
            shadow: Removes the shadow that stands beside the cap, in place of it.
        """
        return await self._run(operations.remove_spend_cap, user_id, cap_type, model, shadow=shadow, op_id=new_id())

    async def list_spend_caps(self, user_id: str) -> CapListResult:
        """The caps of the account with their present spend: its own as they were registered, then defaults."""
        return await self._run(operations.list_spend_caps, user_id)

    async def check_spend_cap(
        self, user_id: str, model: str | None = None, amount: Amount | None = None
    ) -> CapCheckResult:
        """Where the account stands against its caps and its ancestors'; changes nothing.

        Args:
            user_id: The account.
            model: Looks at the caps of this model too; None only at those of all models.
            amount: Credits that one asks for; None asks whether anything more may be spent.

        Returns:
            Of several caps: a refusing deny cap first, else the breached one with the largest overshoot, else the one
            with the least room. Without caps the spend of the day with a limit of 0 and no ``cap_type``.
        """
        return await self._run(operations.check_spend_cap, user_id, model, amount)
