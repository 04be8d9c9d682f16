"""A spend cap as callers write it: ``SpendCap(user_id="alice", cap_type="daily", limit=5_000)``."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ducto_redis.decisions import CapAction
from ducto_redis.money import Amount
from ducto_redis.periods import LAST_ANCHOR, CapType, WeekStart, check_start, zone_of

MAX_MODEL_BYTES = 128
MAX_THRESHOLDS = 8


def _exact(amount: object) -> object:
    # A float is read through its shortest text, never through its binary value; bool is no amount.
    if isinstance(amount, bool):
        msg = "a truth value is not an amount"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns ValueError into its own error
    return Decimal(repr(amount)) if isinstance(amount, float) else amount


#: Credits in a model: finite, read exactly.
Credits = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False)]


def check_thresholds(thresholds: object) -> tuple[int, ...]:
    """Percentages in their order, each once.

    Raises:
        ValueError: They are none, or too many.
    """
    given = thresholds if isinstance(thresholds, Iterable) and not isinstance(thresholds, str) else (None,)
    found = tuple(islice(given, 101))  # it may have no end
    if not all(type(each) is int and 1 <= each <= 100 for each in found):  # noqa: PLR2004 - per cent
        raise ValueError(f"thresholds are whole percentages of 1 to 100, such as (50, 80, 100), not {thresholds!r:.80}")
    if len(set(found)) > MAX_THRESHOLDS:
        raise ValueError(f"a cap has at most {MAX_THRESHOLDS} thresholds")
    return tuple(sorted(set(found)))


def check_shadow(shadow: bool, action: CapAction, thresholds: tuple[int, ...]) -> None:
    """Checks that a shadow is one of a deny cap, without thresholds.

    Raises:
        ValueError: It is not.
    """
    if shadow and (action != "deny" or thresholds):
        raise ValueError("a shadow counts what a deny cap would refuse; action and thresholds are not for it")


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
        thresholds: Percentages of the limit, 1 to 100, at most 8: the charge whose spend reaches one says so, once per
            period (``credits.cap_threshold``).
        shadow: It refuses nothing and counts what it would have refused; it stands beside the cap of the same period
            and model. Of "deny" caps.
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
    thresholds: tuple[int, ...] = ()
    shadow: bool = False

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

    @field_validator("thresholds", mode="before")
    @classmethod
    def _percentages(cls, thresholds: object) -> object:
        return check_thresholds(thresholds)

    @model_validator(mode="after")
    def _only_counts(self) -> SpendCap:
        check_shadow(self.shadow, self.action, self.thresholds)
        return self

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
            thresholds: Iterable[int] = (),
            shadow: bool = False,
            type: CapType = "daily",  # noqa: A002 - ducto's spelling of cap_type
        ) -> None: ...
