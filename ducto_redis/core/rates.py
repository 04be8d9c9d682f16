"""What is left of a limit and how long to wait, told from its item: exact integer milliseconds (``docs/limits.md``).

``now_ms`` is the server's time, ``cost`` what the request takes, ``admitted`` whether the decision took it. Items of
replies are brought to the present by the script; nothing here moves them in time.
"""

from __future__ import annotations

from typing import Final

from ducto_redis.core.limit_items import CONCURRENCY, GCRA, SLIDING, LimitItem
from ducto_redis.core.packed import Note
from ducto_redis.periods import FOREVER_MS, NAME_OF, period_bounds

#: Nobody knows when a hold ends; asking once a second is cheap.
_POLL_SECONDS: Final = 1.0


def _after(item: LimitItem, cost: int, admitted: bool) -> LimitItem:
    # The item after the decision.
    if not admitted:
        return item
    return item._replace(used=item.used + cost * (item.period_ms if item.kind == GCRA else 1))


def _counted(item: LimitItem, now_ms: int) -> int:
    # What counts against the limit, in whole units, a begun one as a whole.
    if item.kind == GCRA:
        return -(-item.used // item.period_ms)
    if item.kind == SLIDING:
        return item.used + _of_previous(item, now_ms)
    return item.used


def _of_previous(item: LimitItem, now_ms: int) -> int:
    left_ms = item.period_ms - min(max(now_ms - item.at_ms, 0), item.period_ms)
    return item.previous * left_ms // item.period_ms


def used(item: LimitItem, now_ms: int, cost: int, admitted: bool) -> int:
    """Units that count against the limit after the decision."""
    return _counted(_after(item, cost, admitted), now_ms)


def remaining(item: LimitItem, now_ms: int, cost: int, admitted: bool) -> int:
    """Units that an admission could take after the decision."""
    return max(item.capacity - used(item, now_ms, cost, admitted), 0)


def reset_after(item: LimitItem, now_ms: int, cost: int, admitted: bool) -> float | None:
    """Seconds until the limit is as if unused: all of it fits; None for open holds, whose end nobody knows."""
    item = _after(item, cost, admitted)
    if item.kind == CONCURRENCY:
        return None if item.used else 0.0
    return max(_fits_ms(item, item.capacity) - now_ms, 0) / 1000


def retry_after(item: LimitItem, now_ms: int, cost: int, admitted: bool) -> float | None:
    """Seconds until the same request can pass if nobody else asks.

    Exact to the millisecond; 0 when it can at once; None when it never can: it takes more than the limit or the burst.
    Of open holds a second, for nobody knows when they end.
    """
    if cost == 0:
        return 0.0
    if cost > item.capacity:
        return None
    item = _after(item, cost, admitted)
    if item.kind == CONCURRENCY:
        return 0.0 if item.used + cost <= item.limit else _POLL_SECONDS
    return max(_fits_ms(item, cost) - now_ms, 0) / 1000


def _fits_ms(item: LimitItem, cost: int) -> int:
    # The first moment at which a cost of at most the capacity fits; 0 when it does already.
    if item.kind == GCRA:
        excess = item.used + (cost - item.capacity) * item.period_ms
        return item.at_ms - (-excess // item.limit) if excess > 0 else 0
    room = item.limit - cost - item.used
    if item.kind != SLIDING:
        return 0 if room >= 0 else item.at_ms + item.period_ms
    if room >= 0:
        return _decayed_ms(item.previous, room, item.at_ms, item.period_ms) if item.previous > room else 0
    # Not in this window; in the next one this is the previous.
    start_ms, room = item.at_ms + item.period_ms, item.limit - cost
    return _decayed_ms(item.used, room, start_ms, item.period_ms) if item.used > room else start_ms


def _decayed_ms(previous: int, room: int, start_ms: int, period_ms: int) -> int:
    # When floor(previous x what is left of the window / period) <= room, solved for what is left.
    return start_ms + period_ms - ((room + 1) * period_ms - 1) // previous


def cap_end_ms(note: Note, now_ms: int) -> int | None:
    """When the period of a cap ends; None for one that never does."""
    end_ms = note.end_ms or period_bounds(NAME_OF[note.kind], now_ms, "")[1]
    return end_ms if end_ms < FOREVER_MS else None


def cap_retry_after(note: Note, now_ms: int, asked: int) -> float | None:
    """Seconds until a cap's next period; None when there is none, or the amount would not fit it either.

    Args:
        note: The cap as the reply tells it.
        now_ms: The server's time.
        asked: Units that were asked for.
    """
    end_ms = cap_end_ms(note, now_ms)
    if end_ms is None or asked > note.limit:
        return None
    return max(end_ms - now_ms, 0) / 1000
