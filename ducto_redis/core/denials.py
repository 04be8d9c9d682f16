"""What a refused admission tells: the reason for people, and its events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ducto_redis import events
from ducto_redis.codes import Code
from ducto_redis.core.scale import Scale
from ducto_redis.decisions import CapNotice, Decision, LimitNotice
from ducto_redis.events import CreditEvent
from ducto_redis.rates import period_text

_LIMIT_EVENTS = {Code.RATE_LIMITED: events.RATE_LIMITED, Code.CONCURRENCY_LIMIT: events.CONCURRENCY_LIMITED}


def why(decision: Decision, code: Code, *, asked: Decimal, balance: Decimal, held: Decimal | None) -> str:
    """The reason of a refusal for people; "" where the code says it all.

    Args:
        decision: The result, with its caps and limits.
        code: Its code.
        asked: Credits that were asked for.
        balance: The balance.
        held: What is reserved of it, where it is known.
    """
    if code is Code.CAP_REACHED:
        return "; ".join(_cap_text(cap, asked) for cap in decision.caps if cap.refused)
    if code is Code.INSUFFICIENT_CREDITS:
        return _money_text(balance, held, asked)
    return "; ".join(_limit_text(limit) for limit in decision.refusing) if code in _LIMIT_EVENTS else ""


def _where(notice: CapNotice | LimitNotice) -> str:
    scope = f" of {notice.scope!r}" if "/" in notice.scope else ""
    return scope + (f" for {notice.model}" if notice.model else "")


def _cap_text(cap: CapNotice, asked: Decimal) -> str:
    held = f", {cap.held} held" if cap.held else ""
    return f"{cap.cap_type} cap{_where(cap)} of {cap.limit}: {cap.spent} spent{held}, {asked} more asked"


def _money_text(balance: Decimal, held: Decimal | None, asked: Decimal) -> str:
    reserved = f" ({held} reserved)" if held else ""
    return f"balance {balance}{reserved} does not cover {asked}"


def _limit_text(limit: LimitNotice) -> str:
    operation = f", {limit.operation_type}" if limit.operation_type else ""
    if limit.algorithm == "concurrency":
        return f"{limit.used} of {limit.limit} open{_where(limit)}{operation}"
    counted = "credits" if limit.counts == "amount" else limit.counts
    retry = "never fits" if limit.retry_after is None else f"retry after {limit.retry_after:.15g} s"
    period = period_text(limit.period_ms)
    return f"{limit.limit} {counted}/{period}{_where(limit)}{operation}: {limit.remaining} left, {retry}"


def denial_events(
    scale: Scale, decision: Decision, code: Code, now_ms: int, *, asked: Decimal, stage: str
) -> tuple[CreditEvent, ...]:
    """The events of a refused admission: that it failed, and each cap or limit that refused with its code."""
    failed = scale.event(events.DEDUCT_FAILED, now_ms, error=code.text, amount=asked, stage=stage)
    reached = tuple(
        scale.event(
            events.CAP_REACHED, now_ms, amount=asked, cap_type=cap.cap_type, limit=cap.limit, spent=cap.spent,
            held=cap.held, scope=cap.scope, action=cap.action,
        )
        for cap in decision.caps if code is Code.CAP_REACHED
    )  # fmt: skip
    limited = tuple(
        scale.event(
            _LIMIT_EVENTS[code], now_ms, amount=asked, counts=limit.counts, limit=limit.limit, used=limit.used,
            period_ms=limit.period_ms, algorithm=limit.algorithm, scope=limit.scope, model=limit.model,
            operation_type=limit.operation_type, retry_after=limit.retry_after,
        )
        for limit in decision.refusing if code in _LIMIT_EVENTS
    )  # fmt: skip
    return (failed, *reached, *limited)


def shadow_events(
    scale: Scale, decision: Decision, now_ms: int, entry_id: str, *, asked: Decimal
) -> tuple[CreditEvent, ...]:
    """One event for each shadow, of a cap or a limit, that would have refused what was admitted."""
    told: list[dict[str, Any]] = [
        {"scope": cap.scope, "cap_type": cap.cap_type, "limit": cap.limit, "spent": cap.spent, "held": cap.held}
        for cap in decision.caps if cap.would_refuse
    ]  # fmt: skip
    told += [
        {"scope": limit.scope, "counts": limit.counts, "limit": limit.limit, "used": limit.used,
         "period_ms": limit.period_ms, "algorithm": limit.algorithm, "model": limit.model,
         "operation_type": limit.operation_type}
        for limit in decision.limits if limit.would_refuse
    ]  # fmt: skip
    return tuple(
        scale.event(events.SHADOW_DENIED, now_ms, f"{entry_id}/{at}", amount=asked, **data)
        for at, data in enumerate(told)
    )
