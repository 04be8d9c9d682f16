"""The part of fold that brings the counters of a node to a day and month, as scripts do (``lua/lib/roll.lua``)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from ducto_redis.core.fold_caps import shifted
from ducto_redis.core.packed import APART, Node, int_at

_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Period number -> what was spent in it by itself.
Spends: TypeAlias = dict[int, int]


class Apart(NamedTuple):
    """Counters of other days and months than the present ones, kept while the clock lies behind where it was."""

    days: Spends
    months: Spends


NOTHING_APART: Final = Apart({}, {})


def read_apart(data: bytes) -> Apart:
    """Reads field ``b<path>`` of the state."""
    spends = [(int.from_bytes(data[at : at + 2], "little"), int_at(data, at + 2)) for at in range(1, len(data), 9)]
    return Apart(dict(spends[: data[0]]), dict(spends[data[0] :]))


def period_ids(at_ms: int) -> tuple[int, int]:
    """The number of a moment's UTC day and of its month since 1970."""
    day = at_ms // _DAY_MS
    date = _EPOCH + timedelta(days=day)
    return day, (date.year - 1970) * 12 + date.month - 1


def _rolled(last: int, spent: int, others: Spends, present: int) -> tuple[int, Spends]:
    """One counter of a node brought to the present period: its spend, and what other periods had spent (SPEC 6)."""
    spent, kept, ahead = shifted(last, spent, others, present, present + 1)
    return spent, kept if ahead else {period: each for period, each in kept.items() if present - period < APART}


def _stored(others: Spends, present: int) -> tuple[int, int]:
    """How a node tells of other periods: previous spend and its distance, or that they lie apart."""
    if any(period > present for period in others):
        return 0, APART
    return next(((amount, present - period) for period, amount in others.items()), (0, 0))


def _others(previous: int, back: int, last: int, apart: Spends) -> Spends:
    return apart if back == APART else {last - back: previous} if back else {}


def roll(node: Node, at_ms: int, apart: Apart = NOTHING_APART) -> tuple[Node, Apart]:
    """A node's counters as they stand at a moment, and those of other periods that lie apart after a step of the clock.

    Args:
        node: The node as stored.
        at_ms: The moment.
        apart: What lies apart (field ``b`` of the state): own spend by day, by month.
    """
    day, month = period_ids(at_ms)
    if node.day_id == day:
        return node, apart
    spent, days = _rolled(
        node.day_id, node.spent_day, _others(node.previous_day, node.day_back, node.day_id, apart.days), day
    )
    previous, back = _stored(days, day)
    node = node._replace(spent_day=spent, previous_day=previous, day_back=back, day_id=day)
    months = apart.months
    if node.month_id != month:
        kept = _others(node.previous_month, node.month_back, node.month_id, apart.months)
        spent, months = _rolled(node.month_id, node.spent_month, kept, month)
        previous, back = _stored(months, month)
        node = node._replace(spent_month=spent, previous_month=previous, month_back=back, month_id=month)
    return node, Apart(
        days if node.day_back == APART else {},
        months if node.month_back == APART else {},
    )
