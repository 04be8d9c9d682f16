"""The part of fold that keeps rate and concurrency limits: their definitions, and how many open holds each counts.

What rates have used is not in the ledger (``docs/limits.md``).
"""

from __future__ import annotations

from collections.abc import Iterable

from ducto_redis.core.entries import Entry, Kind
from ducto_redis.core.limit_items import LimitItem, read_limits


def defined(data: bytes) -> list[LimitItem]:
    """Packed limits without their state."""
    return [item._replace(at_ms=0, used=0, previous=0, denied=0) for item in read_limits(data)]


def changed(limits: list[LimitItem], entry: Entry) -> list[LimitItem]:
    """Limits after an entry that sets or removes one; one that is set again moves to the end."""
    [given] = defined(entry.detail)
    kept = [item for item in limits if item.identity != given.identity]
    return [*kept, given] if entry.kind is Kind.LIMIT_SET else kept


def counted(item: LimitItem, labels: Iterable[tuple[str, str]]) -> int:
    """How many holds, by operation type and model, a limit on concurrency counts."""
    return sum(
        item.operation_type in ("", operation_type) and item.model in ("", model) for operation_type, model in labels
    )
