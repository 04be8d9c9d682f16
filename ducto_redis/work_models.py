"""What the operations beyond reserve and settle receive and answer: lists of holds, batches, resolving, sweeping."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from ducto_redis.decisions import Decision, LimitNotice
from ducto_redis.events import CreditEvent
from ducto_redis.models import BillingMode, Credits, OverCap, Result


class OpenAccountResult(Result):
    """An account is there; ``created``: since this call."""

    created: bool = False


class HoldInfo(BaseModel):
    """An open hold.

    Attributes:
        hold_id: What ``settle``, ``release`` and ``extend`` take.
        amount: Credits held, extensions included.
        admitted: Whether it was admitted against caps and counts for them; those of ``reserve_credits`` do not.
        expires_at: When it is freed by itself.
        operation_type: As given at admission.
        model: As given at admission.
        billing_mode: Whose floor it keeps.
    """

    hold_id: str
    amount: Decimal
    admitted: bool
    expires_at: datetime
    operation_type: str
    model: str | None
    billing_mode: BillingMode


class HoldListResult(Result):
    """Open holds of an account, soonest expiry first; ``total`` counts those that were not listed too."""

    holds: tuple[HoldInfo, ...] = ()
    total: int = 0


class ResolveResult(Result):
    """What became of an operation.

    Attributes:
        op_id: The id that was asked for.
        executed: Whether it was executed. If not, it never will be: a late arrival answers ``cancelled``.
        operation: The kind of operation that was found: "reserve", "settle", "deduct_credits", "release", "grant",
            "cap", "deduct", "extend"; "" when none was.
        state: Of a hold "open", "settled", "released", "expired"; else "done"; "cancelled" when not executed.
        amount: Credits granted, charged or held.
        balance: The balance now.
        transaction_id: Of a grant or a charge.
    """

    op_id: str = ""
    executed: bool = False
    operation: str = ""
    state: str = ""
    amount: Decimal = Decimal(0)
    balance: Decimal = Decimal(0)
    transaction_id: str = ""


class SweepResult(Result):
    """What a sweep did: roots looked at, holds freed, ledger entries trimmed; ``complete``: it ended a round."""

    roots: int = 0
    freed: int = 0
    trimmed: int = 0
    complete: bool = False


class ChargeItem(BaseModel):
    """One charge of ``charge_many``; the fields are the arguments of ``deduct``."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    user_id: str
    amount: Credits
    operation_type: str = "usage"
    model: str | None = None
    billing_mode: BillingMode = "strict"
    min_balance: Credits = Decimal(0)
    overdraft_floor: Credits | None = None
    metadata: dict[str, Any] | None = None
    tokens: int = 0
    within: tuple[str, ...] = ()
    idempotency_key: str | None = None


class ReserveItem(ChargeItem):
    """One hold of ``reserve_many``; the fields are the arguments of ``reserve``."""

    ttl: float = 600
    over_cap: OverCap = "clamp"


class Difference(BaseModel):
    """Something stored that is not what the ledger adds up to; ``root`` is encoded as in keys."""

    root: str
    what: str
    stored: str
    folded: str


class LowBalanceResult(Result):
    """What ``set_low_balance`` did.

    Attributes:
        threshold: The balance that is told as low from now on; None when none is.
    """

    threshold: Decimal | None = None


class EventPage(BaseModel):
    """A part of what the streams of events tell.

    Attributes:
        events: In order of time; ids are those of the same events on results.
        after: Where to go on: the last stream id that was read, by shard.
        more: Whether there may be more already: ask again at once. A page may hold less than was asked for.
    """

    events: tuple[CreditEvent, ...] = ()
    after: dict[int, str] = {}
    more: bool = False


class VerifyResult(Result):
    """What ``verify`` found.

    Attributes:
        roots: Roots that were compared.
        entries: Ledger entries that were read.
        holds: Open holds that were compared.
        newer: Roots that were opened while it ran; not compared.
        unverifiable: Roots whose first entries were trimmed from the ledger: it alone cannot tell.
        differences: What does not add up.
    """

    roots: int = 0
    entries: int = 0
    holds: int = 0
    newer: int = 0
    unverifiable: int = 0
    differences: tuple[Difference, ...] = ()

    def __add__(self, other: VerifyResult) -> VerifyResult:
        """Both together."""
        return VerifyResult(
            user_id="",
            roots=self.roots + other.roots,
            entries=self.entries + other.entries,
            holds=self.holds + other.holds,
            newer=self.newer + other.newer,
            unverifiable=self.unverifiable + other.unverifiable,
            differences=(*self.differences, *other.differences),
        )


class PayerResult(Result):
    """Who pays for an account from now on."""

    payer: str = ""


class ExplainResult(Decision, Result):
    """What would be decided now, and why; nothing was taken. ``caps`` and ``limits`` are all that would be looked at.

    Attributes:
        amount: Credits that were asked about.
        balance: The balance.
        reserved: What open holds reserve of it.
        available: What is left to hold.
    """

    amount: Decimal = Decimal(0)
    balance: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    available: Decimal = Decimal(0)


class LimitResult(Result):
    """A rate or concurrency limit was set or removed. ``removed``: there was one."""

    removed: bool = False


class LimitListResult(Result):
    """The rate or the concurrency limits of an account, each with its present use."""

    limits: tuple[LimitNotice, ...] = ()
