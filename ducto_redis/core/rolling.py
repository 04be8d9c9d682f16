"""Brings caps of other zones to their present period: scripts know no zones, they ask, we compute (docs/clock.md)."""

from __future__ import annotations

from typing import Any

from ducto_redis.core.codec import code_of
from ducto_redis.core.fold_caps import OF_SHADOW
from ducto_redis.core.packed import packed
from ducto_redis.core.steps import Call, Flow, Reply
from ducto_redis.periods import NAME_OF, period_bounds


def _due(reply: Reply) -> tuple[int, list[tuple[bytes, int, bytes, bytes]]]:
    """The server's time and, per item, level path, kind, zone and model."""
    code_of(reply)
    items = reply[2:]
    return reply[1], list(zip(items[::4], items[1::4], items[2::4], items[3::4], strict=True))


def _present(now_ms: int, path: bytes, kind: int, zone: bytes, model: bytes) -> bytes:
    start, end = period_bounds(NAME_OF[kind % OF_SHADOW], now_ms, zone.decode())
    texts = len(path).to_bytes(2, "little") + path + bytes([kind, len(model)]) + model
    return texts + packed(start, 6) + packed(end, 6)


def _hold_of(step: Call[Any]) -> bytes | str | int:
    """The field of the hold that a call is about: its memberships count too."""
    field = step.args[3] if len(step.args) > 3 else b""  # noqa: PLR2004 - behind the common ones
    return field if isinstance(field, bytes) and field[:1] == b"h" else b""


def roll(step: Call[Any]) -> Flow[None]:
    """Asks which caps of an account and its ancestors are due, and sends their present periods.

    Args:
        step: The call that was answered ``roll_needed``; it was not executed.
    """
    common = (*step.args[:3], _hold_of(step))
    now_ms, items = yield Call("roll_caps", step.keys, (*common, b""), _due, step.user_id)
    if items:
        periods = b"".join(_present(now_ms, *item) for item in items)
        yield Call("roll_caps", step.keys, (*common, periods), _due, step.user_id)
