"""Pricing configurations and plans, as they are stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from ducto_redis.models import BillingMode, Credits


class OperationPolicy(BaseModel):
    """How one type of operation is billed under a plan; None inherits."""

    billing_mode: BillingMode | None = None
    max_concurrent: int | None = Field(default=None, ge=0)
    overdraft_floor: Credits | None = Field(default=None, le=0)


class PlanDefinition(BaseModel):
    """A plan: what it includes each month and how its accounts are billed."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = ""
    name: str
    free_allowance: Credits = Field(default=Decimal(0), ge=0)
    rate_overrides: dict[str, Any] = {}
    features: dict[str, Any] = {}
    default_billing_mode: BillingMode | None = Field(
        default=None, validation_alias=AliasChoices("default_billing_mode", "billing_mode")
    )
    per_operation: dict[str, OperationPolicy] = {}
    max_concurrent: int | None = Field(default=None, ge=0)
    overdraft_floor: Credits | None = Field(default=None, le=0)


class PricingConfigData(BaseModel):
    """A pricing configuration as it is stored; expressions are checked when pricing loads it."""

    version: Literal[1] = 1
    models: dict[str, str]
    tools: dict[str, str] = {"_default": "tool_calls * 0"}
    search: dict[str, Any] | None = None
    cache: dict[str, Any] | None = None
    fixed: dict[str, int] | None = None
    min_balance: Credits = Field(default=Decimal(5), ge=0)
    signup_bonus: int = Field(default=50, ge=0)
    plans: dict[str, PlanDefinition] | None = None
