"""Caps and limits for many accounts at once, as callers write them: of a plan, of a level, or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ducto_redis.caps import Credits, check_shadow, check_thresholds
from ducto_redis.decisions import CapAction
from ducto_redis.models import Result
from ducto_redis.money import Amount
from ducto_redis.rates import ConcurrencyLimit, RateLimit

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PLAN_BYTES: Final = 64
MAX_LEVEL: Final = 6


class DefaultCap(BaseModel):
    """A spend cap that holds for every account without one of the same period.

    Attributes:
        cap_type: "daily", "monthly" or "total", in UTC, of all models.
        limit: Credits, >= 0.
        action: "deny" refuses, "warn" and "notify" let pass and report.
        thresholds: As of ``SpendCap``.
        shadow: As of ``SpendCap``: beside the cap of the same period.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cap_type: Literal["daily", "monthly", "total"] = "daily"
    limit: Credits = Field(ge=0)
    action: CapAction = "deny"
    thresholds: tuple[int, ...] = ()
    shadow: bool = False

    @field_validator("thresholds", mode="before")
    @classmethod
    def _percentages(cls, thresholds: object) -> object:
        return check_thresholds(thresholds)

    @model_validator(mode="after")
    def _only_counts(self) -> DefaultCap:
        check_shadow(self.shadow, self.action, self.thresholds)
        return self

    if TYPE_CHECKING:  # what may be passed is wider than what is kept

        def __init__(
            self,
            *,
            limit: Amount,
            cap_type: Literal["daily", "monthly", "total"] = "daily",
            action: CapAction = "deny",
            thresholds: Iterable[int] = (),
            shadow: bool = False,
        ) -> None: ...


class DefaultSet(BaseModel):
    """What holds for the accounts of a plan, of a level, or for all.

    Attributes:
        plan: Accounts on this plan (``set_plan``); None: all.
        level: Accounts at this depth of their path, 1 the root; None: all.
        caps: At most one per period.
        limits: Rates, and how many holds may be open in all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: str | None = None
    level: int | None = Field(default=None, ge=1, le=MAX_LEVEL)
    caps: tuple[DefaultCap, ...] = ()
    limits: tuple[RateLimit | ConcurrencyLimit, ...] = ()

    @field_validator("plan")
    @classmethod
    def _named(cls, plan: str | None) -> str | None:
        if plan is not None and not 1 <= len(plan.encode("utf-8", "replace")) <= MAX_PLAN_BYTES:
            raise ValueError(f"a plan's name must have 1 to {MAX_PLAN_BYTES} bytes")
        return plan

    @field_validator("caps")
    @classmethod
    def _one_each(cls, caps: tuple[DefaultCap, ...]) -> tuple[DefaultCap, ...]:
        periods = [(cap.cap_type, cap.shadow) for cap in caps]
        if len(set(periods)) < len(periods):
            raise ValueError("one cap per period - daily, monthly, total - and one shadow")
        return caps

    @field_validator("limits", mode="before")
    @classmethod
    def _of_either_kind(cls, limits: object) -> object:
        # As kept, a rate has a rate; both kinds take their first argument by position, so pydantic cannot try them.
        if not isinstance(limits, list | tuple):
            return limits
        return tuple(
            (RateLimit if "rate" in each else ConcurrencyLimit).model_validate(each) if isinstance(each, dict) else each
            for each in limits
        )

    @field_validator("limits")
    @classmethod
    def _countable(cls, limits: tuple[RateLimit | ConcurrencyLimit, ...]) -> tuple[RateLimit | ConcurrencyLimit, ...]:
        for limit in limits:
            if isinstance(limit, ConcurrencyLimit) and (limit.model or limit.operation_type):
                raise ValueError(
                    "a default limit of open holds counts all of them; leave out model and operation_type, or set it"
                    " per account"
                )
        return limits


class Defaults(BaseModel):
    """Every default of a namespace, as they are kept as text beside what scripts read."""

    sets: tuple[DefaultSet, ...] = ()


class DefaultsResult(Result):
    """The defaults of a namespace.

    Attributes:
        version: Grows by one with each change; 0 before the first.
        sets: What holds for whom.
        removed: Of ``remove_defaults``: whether there was such a set.
    """

    version: int = 0
    sets: tuple[DefaultSet, ...] = ()
    removed: bool = False


class PlanResult(Result):
    """The plan that an account is on from now on; None: none."""

    plan: str | None = None
