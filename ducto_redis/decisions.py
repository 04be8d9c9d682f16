"""What a decision says: each cap and each limit as it was seen, and which of them decided (``docs/limits.md``)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel

from ducto_redis.codes import Code
from ducto_redis.periods import CapType, WeekStart

CapAction = Literal["deny", "warn", "notify"]
Counts = Literal["requests", "amount", "tokens"]
Algorithm = Literal["gcra", "fixed", "sliding"]
#: A limit counts whole requests and tokens, or credits.
Quantity = int | Decimal


class CapNotice(BaseModel):
    """One cap as a decision saw it.

    Attributes:
        scope: The account whose cap it is (the account itself or an ancestor).
        cap_type: Its period.
        limit: Its limit.
        action: Its action.
        spent: Spend of the current period: before a refused amount, after a charged one.
        held: Admitted holds that count against it.
        reset_at: When the period ends; None for "total".
        model: The model it counts, or None for all.
        timezone: The zone whose calendar counts.
        week_start: The day on which its weeks start, when it is weekly.
        anchor_day: The day on which its months start, when it is monthly; the last one where a month is shorter.
        counted_since: For caps that do not know what was spent before their registration: when that was.
        first: Whether this very charge crossed the limit.
        over_cap: Whether a deny cap was passed by a hold admitted before it was lowered.
        reset_after: Of a cap that refused: seconds until its period ends; None for "total".
        refused: Whether it refused the amount.
        thresholds: Percentages of the limit whose crossing is told, as ``list_spend_caps`` lists them.
        default: Whether it is a default of the namespace, as ``list_spend_caps`` lists them.
        shadow: Whether it refuses nothing and only counts.
        would_refuse: Of a shadow: whether it would have refused the amount.
        shadow_denied: Of a shadow, as ``list_spend_caps`` lists it: how many admissions it would have refused.
        shadow_denied_amount: Likewise, their credits.
        retry_after: Of a cap that refused: likewise, when the amount fits the next period; else None.
    """

    scope: str
    cap_type: CapType
    limit: Decimal
    action: CapAction
    spent: Decimal
    held: Decimal
    reset_at: datetime | None
    model: str | None = None
    timezone: str = "UTC"
    week_start: WeekStart = "monday"
    anchor_day: int = 1
    counted_since: datetime | None = None
    first: bool = False
    over_cap: bool = False
    refused: bool = False
    thresholds: tuple[int, ...] = ()
    default: bool = False
    shadow: bool = False
    would_refuse: bool = False
    shadow_denied: int = 0
    shadow_denied_amount: Decimal = Decimal(0)
    reset_after: float | None = None
    retry_after: float | None = None

    @property
    def remaining(self) -> Decimal:
        """What the cap had left for an admission."""
        return max(self.limit - self.spent - self.held, Decimal(0))


class LimitNotice(BaseModel):
    """One rate or concurrency limit as a decision saw it, and as it is after it.

    Attributes:
        scope: The account whose limit it is (the account itself or an ancestor).
        algorithm: How it counts; "concurrency" for a limit of open holds.
        counts: What it counts. Credits are ``Decimal``, requests and tokens ``int``.
        limit: How much a period allows; of "concurrency" how many holds may be open.
        period_ms: The period; 0 for "concurrency".
        burst: Of "gcra" what may be taken at once; None for the others.
        model: The model it looks at, or None for all.
        operation_type: The operation type it looks at, or None for all.
        used: What counts against it now, this admission included.
        remaining: What an admission could take now.
        reset_after: Seconds until it is as if unused; None where nobody knows (open holds).
        retry_after: Seconds until the same request can pass if nobody else asks; 0 when it can now, None when never.
        refused: Whether it refused the request.
        default: Whether it is a default of the namespace (``set_defaults``).
        shadow: Whether it refuses nothing and only counts.
        would_refuse: Of a shadow: whether it would have refused the request.
        shadow_denied: Of a shadow: how many admissions it would have refused, before this one.
    """

    scope: str
    algorithm: Literal["gcra", "fixed", "sliding", "concurrency"]
    counts: Counts
    limit: Quantity
    period_ms: int
    burst: Quantity | None = None
    model: str | None = None
    operation_type: str | None = None
    used: Quantity
    remaining: Quantity
    reset_after: float | None
    retry_after: float | None
    refused: bool = False
    default: bool = False
    shadow: bool = False
    would_refuse: bool = False
    shadow_denied: int = 0

    @property
    def left(self) -> Fraction:
        """The part of the limit (of the burst, where there is one) that remains."""
        return Fraction(self.remaining) / Fraction(self.burst or self.limit)


def _wait(notice: LimitNotice | CapNotice) -> float:
    return float("inf") if notice.retry_after is None else notice.retry_after


class Decision(BaseModel):
    """The part of a result that says which limit decided.

    Attributes:
        error_code: The code of ``docs/results.md``, or None.
        caps: The caps the decision speaks of.
        limits: Each rate and concurrency limit that was looked at; empty when a request is repeated.
    """

    error_code: str | None = None
    caps: tuple[CapNotice, ...] = ()
    limits: tuple[LimitNotice, ...] = ()

    @property
    def decider(self) -> LimitNotice | CapNotice | None:
        """The limit that decided; admitted: the one with the least remaining part; None when it was none.

        Of several that refused with the code of the result, the one to wait for longest.
        """
        if self.error_code is None:
            return min((each for each in self.limits if not each.shadow), key=lambda limit: limit.left, default=None)
        if self.error_code == Code.CAP_REACHED.text:
            return max((cap for cap in self.caps if cap.refused), key=_wait, default=None)
        return max(self.refusing, key=_wait, default=None)

    @property
    def refusing(self) -> tuple[LimitNotice, ...]:
        """The limits that refused with the code of the result."""
        codes = (Code.RATE_LIMITED.text, Code.CONCURRENCY_LIMIT.text)
        if self.error_code not in codes:
            return ()
        concurrent = self.error_code == Code.CONCURRENCY_LIMIT.text
        return tuple(each for each in self.limits if each.refused and (each.algorithm == "concurrency") == concurrent)

    @property
    def allowed(self) -> bool:
        """Whether it was admitted."""
        return self.error_code is None

    @property
    def reason(self) -> str | None:
        """The code that says why not, or None."""
        return self.error_code

    @property
    def scope(self) -> str | None:
        """The account whose limit decided."""
        decider = self.decider
        return decider.scope if decider else None

    @property
    def limit(self) -> Quantity | None:
        """The limit that decided."""
        decider = self.decider
        return decider.limit if decider else None

    @property
    def remaining(self) -> Quantity | None:
        """What an admission could take of it now."""
        decider = self.decider
        return decider.remaining if decider else None

    @property
    def reset_after(self) -> float | None:
        """Seconds until it is as if unused."""
        decider = self.decider
        return decider.reset_after if decider else None

    @property
    def retry_after(self) -> float | None:
        """Seconds until the same request can pass if nobody else asks; None where waiting does not help."""
        decider = self.decider
        return decider.retry_after if decider else None


class RateDecision(Decision):
    """What a stand-alone limiter decided. Ask ``.allowed``: it has no truth value of its own.

    Attributes:
        id: Whose request it was.
        cost: How many requests it counted for.
    """

    id: str
    cost: int = 1

    def __bool__(self) -> bool:
        """Raises, for a refusal that is taken as true would let everything pass.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a RateDecision is neither true nor false; ask .allowed")
