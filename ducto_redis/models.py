"""The data that callers pass and receive; amounts are ``Decimal`` credits, times are aware UTC datetimes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ducto_redis.caps import MAX_MODEL_BYTES as MAX_MODEL_BYTES  # noqa: PLC0414 - part of this module for callers
from ducto_redis.caps import Credits as Credits  # noqa: PLC0414 - part of this module for callers
from ducto_redis.caps import SpendCap as SpendCap  # noqa: PLC0414 - part of this module for callers
from ducto_redis.decisions import CapAction, CapNotice, Decision
from ducto_redis.events import CreditEvent
from ducto_redis.periods import CapType, WeekStart

MAX_TYPE_BYTES = 64
BillingMode = Literal["strict", "overdraft", "postpaid"]
OverCap = Literal["clamp", "record"]
LateSettlement = Literal["reject", "bill"]
KeyReuse = Literal["flag", "raise"]
Durability = Literal["memory", "aof", "fsync", "replicated"]
ReleaseReason = Literal["released", "already_released", "already_settled", "not_found"]


class Result(BaseModel):
    """Base of the results: business outcomes are told here, not raised.

    Attributes:
        user_id: The account.
        error_code: The code of ``docs/results.md``, or None.
        message: The code and why, for people; "" without a code.
        error: The code - on ``deduct_credits`` the message - or None.
        events: What happened, as given to the emitters.
    """

    user_id: str
    error_code: str | None = None
    message: str = ""
    error: str | None = None
    events: tuple[CreditEvent, ...] = ()


class BalanceResult(Result):
    """The balance, what was ever purchased, and the balance that is told as low (``set_low_balance``), or None."""

    balance: Decimal = Decimal(0)
    lifetime_purchased: Decimal = Decimal(0)
    low_balance: Decimal | None = None


class AvailableResult(Result):
    """The balance, what open holds reserve of it, and what is left - of ``payer``, whose credits the account spends.

    ``plan``: that of the account (``set_plan``), or None.
    """

    payer: str = ""
    plan: str | None = None
    balance: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    available: Decimal = Decimal(0)


class AddCreditsResult(Result):
    """A grant. ``idempotent``: it had been executed before under this key; ``key_reused``: with another amount."""

    transaction_id: str = ""
    amount: Decimal = Decimal(0)
    new_balance: Decimal = Decimal(0)
    lifetime_purchased: Decimal = Decimal(0)
    idempotent: bool = False
    key_reused: bool = False


class HoldResult(Decision, Result):
    """A hold, or why there is none; ``Decision`` says what rate limits had to do with it.

    Attributes:
        hold_id: What ``settle``, ``release`` and ``deduct_credits`` take; "" when refused.
        amount: Credits held (asked, when refused).
        balance: The balance.
        reserved_total: All that is held on the account, this hold included.
        available: What is left to hold.
        billing_mode: The mode whose floor the hold keeps.
        expires_at: When the hold is freed by itself; None when refused.
        caps: The deny caps that refuse the amount, or - for ``reserve_credits`` - would refuse its deduction.
        idempotent: The hold had been made before under this key.
        key_reused: It had been made with other parameters.
    """

    hold_id: str = ""
    amount: Decimal = Decimal(0)
    balance: Decimal = Decimal(0)
    reserved_total: Decimal = Decimal(0)
    available: Decimal = Decimal(0)
    billing_mode: BillingMode = "strict"
    expires_at: datetime | None = None
    caps: tuple[CapNotice, ...] = ()
    idempotent: bool = False
    key_reused: bool = False

    @property
    def reservation_id(self) -> str:
        """The hold's id, as the seed spells it."""
        return self.hold_id

    @property
    def lease_id(self) -> str:
        """The hold's id, as ducto 2 spells it."""
        return self.hold_id


class DeductionResult(Decision, Result):
    """A charge, or why there was none; ``Decision`` says what rate limits had to do with it.

    Attributes:
        transaction_id: Where the charge stands in the ledger (``<shard>-<entry id>``); "" when nothing was charged.
        amount: Credits charged.
        shortfall: Of the asked amount, what neither hold, caps nor floor allowed; never charged.
        balance_after: The balance after it; the untouched balance when refused.
        cap_warning: The first cap that spend now lies above, or None.
        caps: Every cap that refused the amount, or that spend now lies above.
        idempotent: It had been charged before.
        key_reused: It had been charged with another amount.
        next_hold: The successor that ``settle(next_amount=...)`` asked for, or why there is none.
    """

    transaction_id: str = ""
    amount: Decimal = Decimal(0)
    shortfall: Decimal = Decimal(0)
    balance_after: Decimal = Decimal(0)
    cap_warning: CapNotice | None = None
    caps: tuple[CapNotice, ...] = ()
    idempotent: bool = False
    key_reused: bool = False
    next_hold: HoldResult | None = None


class ReleaseResult(Result):
    """Whether a hold was dropped by this call, and if not, why."""

    hold_id: str = ""
    released: bool = False
    reason: ReleaseReason = "not_found"

    @property
    def lease_id(self) -> str:
        """The hold's id, as ducto 2 spells it."""
        return self.hold_id


class CapResult(Result):
    """A cap was registered or removed."""

    cap_type: CapType = "daily"
    removed: bool = False


class CapListResult(Result):
    """The caps of an account, each with its present spend."""

    caps: tuple[CapNotice, ...] = ()


class CapCheckResult(Result):
    """Where an account stands against its caps (SPEC 3, ``check_spend_cap``).

    Attributes:
        capped: Whether a deny cap refuses the amount (without one: anything more).
        current_spend: Spend of the current period of the cap that is reported.
        held: Admitted holds that count against it.
        cap_limit: Its limit; 0 when the account has no cap.
        action: Its action when it is breached, else None.
        model: The model it is limited to, or None.
        cap_type: Its period, or None without a cap.
        timezone: The zone whose calendar counts.
        week_start: The day on which its weeks start, when it is weekly.
        anchor_day: The day on which its months start, when it is monthly.
        scope: The account whose cap it is.
        reset_at: When its period ends, or None without a cap.
    """

    capped: bool = False
    current_spend: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    cap_limit: Decimal = Decimal(0)
    action: CapAction | None = None
    model: str | None = None
    cap_type: CapType | None = None
    timezone: str = "UTC"
    week_start: WeekStart = "monday"
    anchor_day: int = 1
    scope: str = ""
    reset_at: datetime | None = None


class SetupResult(BaseModel):
    """The namespace as it stands after ``setup()``; ``created`` when this call made it."""

    namespace: str
    created: bool
    precision: int
    shards: int
    generation: str


class CreditMetadata(BaseModel):
    """What a caller wants kept with a charge; further fields are kept too."""

    model_config = ConfigDict(extra="allow")

    input_tokens: int | None = None
    output_tokens: int | None = None
    model: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    idempotency_key: str | None = None
    fixed_job: str | None = None
