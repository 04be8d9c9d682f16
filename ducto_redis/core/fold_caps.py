"""The part of fold that keeps timed caps: other periods, other zones, single models (``lua/lib/timed.lua``)."""

from __future__ import annotations

from typing import Final

from ducto_redis.core.entries import Entry
from ducto_redis.core.packed import CAP_BYTES, SHADOW, THRESHOLD, TimedCap, int_at

_TIMED: Final = 128
#: Added to the kind of a cap in CAP_REMOVE and PERIOD: its shadow is meant.
OF_SHADOW: Final = 64
_OTHERS_MAX: Final = 8
_HOUR_MS, _DAY_MS, _WEEK_MS, _MONDAY_MS = 3_600_000, 86_400_000, 604_800_000, 345_600_000
#: UTC periods of a fixed length, which scripts roll by themselves: kind -> length, where counting begins.
_FIXED: Final = {4: (_DAY_MS, 0), 7: (_HOUR_MS, 0), 8: (_WEEK_MS, _MONDAY_MS)}


def shifted(
    last: int, spent: int, others: dict[int, int], present: int, beyond: int
) -> tuple[int, dict[int, int], bool]:
    """A counter moved from the period that starts at ``last`` to [present, beyond).

    Spend of periods that lie in the future counts in the present one; when none does, only the latest is kept.

    Returns:
        What is spent now, the own spend of other periods, and whether any of them lies ahead.
    """
    ahead = sum(amount for start, amount in others.items() if start > last)
    own = {**others, last: spent - ahead}
    total = sum(amount for start, amount in own.items() if start >= present)
    kept = {start: amount for start, amount in own.items() if not present <= start < beyond and amount}
    if not any(start >= beyond for start in kept):
        return total, {start: amount for start, amount in kept.items() if start == max(kept)}, False
    while len(kept) > _OTHERS_MAX:
        first, second = sorted(kept)[:2]
        if first >= beyond:
            kept[second] += kept[first]
        del kept[first]
    return total, kept, True


def moved(cap: TimedCap, start_ms: int, end_ms: int) -> TimedCap:
    """A timed cap in another period."""
    spent, others, _ = shifted(cap.start_ms, cap.spent, dict(cap.others), start_ms, end_ms)
    return cap._replace(spent=spent, start_ms=start_ms, end_ms=end_ms, others=tuple(others.items()))


def rolled(cap: TimedCap, at_ms: int) -> TimedCap:
    """A timed cap as scripts see it at a moment: those of fixed UTC periods roll, others wait for a PERIOD entry."""
    if cap.zone or cap.kind not in _FIXED or cap.start_ms <= at_ms < cap.end_ms:
        return cap
    length, begin = _FIXED[cap.kind]
    start = at_ms - (at_ms - begin) % length
    return moved(cap, start, start + length)


def charged(caps: list[TimedCap], amount: int, model: str) -> list[TimedCap]:
    """Caps after a charge of a model."""
    return [cap._replace(spent=cap.spent + amount) if cap.model in ("", model) else cap for cap in caps]


def held(caps: list[TimedCap], admitted: int, model: str) -> list[TimedCap]:
    """Caps of a model after more (or less) of it is held."""
    return [cap._replace(held=cap.held + admitted) if cap.model and cap.model == model else cap for cap in caps]


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and where the next begins."""
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end


def set_timed(caps: list[TimedCap], entry: Entry) -> list[TimedCap] | None:
    """Caps after a CAP_SET entry; None when it is of a simple cap."""
    detail = entry.detail
    if not detail[0] & _TIMED:
        return None
    kind, action, limit = detail[0] - _TIMED, detail[1], int_at(detail, 2)
    spent, admitted = int_at(detail, CAP_BYTES), int_at(detail, CAP_BYTES + 7)
    start, end, since = (int_at(detail, CAP_BYTES + 14 + 6 * at, 6) for at in range(3))
    zone, at = _text(detail, CAP_BYTES + 32)
    model, at = _text(detail, at)
    new = TimedCap(kind, action, limit, spent, admitted, start, end, since, zone, model)
    shadow = action == SHADOW
    for cap in caps:
        if _is_of(cap, kind, model, shadow=shadow) and cap.action < THRESHOLD:
            new = cap._replace(action=action, limit=limit, zone=zone)
    thresholds = [
        new._replace(action=detail[each], limit=int_at(detail, each + 1)) for each in range(at, len(detail), 8)
    ]
    return [*(cap for cap in caps if not _is_of(cap, kind, model, shadow=shadow)), new, *thresholds]


def _is_of(cap: TimedCap, kind: int, model: str, *, shadow: bool) -> bool:
    """Whether it is the cap of a kind and model or a threshold of it, or its shadow."""
    return (cap.kind, cap.model, cap.action == SHADOW) == (kind, model, shadow)


def remove_timed(caps: list[TimedCap], entry: Entry) -> list[TimedCap]:
    """Caps after a CAP_REMOVE entry."""
    kind, model = entry.detail[0] % OF_SHADOW, model_of_removal(entry)
    return [cap for cap in caps if not _is_of(cap, kind, model, shadow=entry.detail[0] >= OF_SHADOW)]


def model_of_removal(entry: Entry) -> str:
    """The model of a CAP_REMOVE entry."""
    return _text(entry.detail, 1)[0]


def begin_periods(caps: dict[str, list[TimedCap]], entry: Entry) -> None:
    """Applies a PERIOD entry: caps of the account and its ancestors in the periods that a client computed."""
    at, detail = 0, entry.detail
    while at < len(detail):
        size = int.from_bytes(detail[at : at + 2], "little")
        path = detail[at + 2 : at + 2 + size].decode()
        at += 2 + size
        kind, model_bytes = detail[at], detail[at + 1]
        model = detail[at + 2 : at + 2 + model_bytes].decode()
        at += 2 + model_bytes
        start, end = int_at(detail, at, 6), int_at(detail, at + 6, 6)
        at += 12
        caps[path] = [
            moved(cap, start, end) if _is_of(cap, kind % OF_SHADOW, model, shadow=kind >= OF_SHADOW) else cap
            for cap in caps.get(path, [])
        ]
