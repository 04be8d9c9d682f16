"""The calendar periods of spend caps: their names, their number in the scripts and their boundaries (SPEC 3).

A period is one row of ``PERIODS`` beside its counter in ``lua/lib/node.lua``; the scripts decide which period a
moment lies in, this module only says it to people (``reset_at``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

CapType = Literal["daily", "monthly"]


@dataclass(frozen=True, slots=True)
class Period:
    """A kind of calendar period: its name and the position of its counter in a packed node."""

    name: CapType
    kind: int


PERIODS: Final[tuple[Period, ...]] = (Period("daily", 4), Period("monthly", 5))
KIND_OF: Final[dict[str, int]] = {period.name: period.kind for period in PERIODS}
NAME_OF: Final[dict[int, CapType]] = {period.kind: period.name for period in PERIODS}


def moment(at_ms: int) -> datetime:
    """An aware UTC datetime of milliseconds since the epoch."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def period_end(name: CapType, at_ms: int) -> datetime:
    """The first moment after the UTC period that ``at_ms`` lies in: when a cap of that kind starts again."""
    start = moment(at_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "daily":
        return start + timedelta(days=1)
    return (start.replace(day=1) + timedelta(days=32)).replace(day=1)
