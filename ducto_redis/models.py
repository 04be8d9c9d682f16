"""The data that callers pass and receive; amounts are ``Decimal`` credits, times are aware UTC datetimes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from ducto_redis.decisions import CapAction, CapNotice, Decision
from ducto_redis.events import CreditEvent
from ducto_redis.money import Amount
from ducto_redis.periods import LAST_ANCHOR, CapType, WeekStart, check_start, zone_of

MAX_MODEL_BYTES = 128
MAX_TYPE_BYTES = 64
BillingMode = Literal["strict", "overdraft", "postpaid"]
OverCap = Literal["clamp", "record"]
LateSettlement = Literal["reject", "bill"]
KeyReuse = Literal["flag", "raise"]
ReleaseReason = Literal["released", "already_released", "already_settled", "not_found"]


def _exact(amount: object) -> object:
    # A float is read through its shortest text, never through its binary value; bool is no amount.
    if isinstance(amount, bool):
        msg = "a truth value is not an amount"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns ValueError into its own error
    return Decimal(repr(amount)) if isinstance(amount, float) else amount


#: Credits in a model: finite, read exactly.
Credits = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False)]


class SpendCap(BaseModel):
    """A limit on what an account may spend in a calendar period (SPEC 3).

    Attributes:
        user_id: The account; a path for a level of a hierarchy.
        cap_type: "hourly", "daily", "weekly", "monthly", "yearly", "total". Accepted as ``type`` too.
        limit: Credits, >= 0. Spend may reach it; with "deny" it never passes it.
        action: "deny" refuses, "warn" and "notify" let pass and report.
        model: Counts only what is spent on this model, 1 to 128 bytes; None counts everything.
        timezone: IANA name of the zone whose calendar counts; "total" has none.
        week_start: The day on which a weekly cap starts.
        anchor_day: The day, 1 to 31, on which a monthly cap starts; in shorter months their last day.
    """

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    user_id: str
    cap_type: CapType = Field(default="daily", validation_alias=AliasChoices("cap_type", "type"))
    limit: Credits = Field(default=Decimal(0), ge=0)
    action: CapAction = "deny"
    model: str | None = None
    timezone: str = "UTC"
    week_start: WeekStart = "monday"
    anchor_day: int = Field(default=1, ge=1, le=LAST_ANCHOR)

    @field_validator("model")
    @classmethod
    def _bounded(cls, model: str | None) -> str | None:
        if model is not None and not 1 <= len(model.encode("utf-8", "replace")) <= MAX_MODEL_BYTES:
            raise ValueError(f"a model's name must have 1 to {MAX_MODEL_BYTES} bytes")
        return model

    @field_validator("timezone")
    @classmethod
    def _known(cls, timezone: str) -> str:
        zone_of(timezone)
        return timezone or "UTC"

    @field_validator("week_start", "anchor_day")
    @classmethod
    def _of_its_period(cls, start: str | int, info: ValidationInfo) -> str | int:
        if "cap_type" in info.data:  # where it is wrong, that is told alone
            check_start(str(info.field_name), start, info.data["cap_type"])
        return start

    if TYPE_CHECKING:  # what may be passed is wider than what is kept

        def __init__(
            self,
            *,
            user_id: str,
            cap_type: CapType = "daily",
            limit: Amount = 0,
            action: CapAction = "deny",
            model: str | None = None,
            timezone: str = "UTC",
            week_start: WeekStart = "monday",
            anchor_day: int = 1,
            type: CapType = "daily",  # noqa: A002 - ducto's spelling of cap_type
        ) -> None: ...


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
    """The balance, and what was ever purchased."""

    balance: Decimal = Decimal(0)
    lifetime_purchased: Decimal = Decimal(0)


class AvailableResult(Result):
    """The balance, what open holds reserve of it, and what is left - of ``payer``, whose credits the account spends."""

    payer: str = ""
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
