"""Operations on many accounts in one round trip: one script per shard and at most 100 items, each decided by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ducto_redis.codes import Code
from ducto_redis.core import operations
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Answer, Call, Reply
from ducto_redis.models import DeductionResult, HoldResult, Result
from ducto_redis.work_models import ChargeItem, ReserveItem

R = TypeVar("R", bound=Result)

#: More would keep the server from others for longer than about two milliseconds.
MAX_ITEMS: Final = 100
_COMMON_ARGS: Final = 3


@dataclass(slots=True)
class ManyReply(Generic[R]):
    """Reads one reply per item."""

    calls: list[Call[R]]

    def __call__(self, reply: Reply) -> list[R | None]:
        """Makes the results, in the order of the items; None for one whose caps' periods are due."""
        pairs = zip(self.calls, reply, strict=True)
        return [None if each[0] == Code.ROLL_NEEDED else call.parse(each) for call, each in pairs]


def _joined(space: Space, script: str, calls: list[Call[R]]) -> Call[list[R | None]]:
    """One call for items of one shard; their operations share generation, ledger, config and events."""
    keys = [*space.keys.account(calls[0].user_id).charging_keys[4:]]
    args: list[Any] = [space.known.generation, len(calls)]
    for call in calls:
        keys += call.keys[:4]
        args += call.args[1:]
    return Call(script, tuple(keys), tuple(args), ManyReply(calls), calls[0].user_id, calls[0].op_id)


def plan(
    space: Space, script: str, steps: Sequence[Call[R] | Answer[R]]
) -> tuple[tuple[Call[list[R | None]], ...], list[list[int]]]:
    """Groups calls by shard.

    Args:
        space: The namespace.
        script: The script for many items.
        steps: One per item; answers (refused input) are left out.

    Returns:
        The calls to send, and for each the positions of its items.
    """
    shards: dict[bytes, list[int]] = {}
    for at, step in enumerate(steps):
        if isinstance(step, Call):
            shards.setdefault(step.keys[-1], []).append(at)
    groups = [
        positions[first : first + MAX_ITEMS]
        for positions in shards.values()
        for first in range(0, len(positions), MAX_ITEMS)
    ]
    joined = [_joined(space, script, [step for at in group if isinstance(step := steps[at], Call)]) for group in groups]
    return tuple(joined), groups


def _charge(space: Space, item: ChargeItem, op_id: str) -> Call[DeductionResult] | Answer[DeductionResult]:
    options = item.model_dump(exclude={"user_id", "idempotency_key", "ttl", "over_cap"})
    return operations.deduct(space, item.user_id, **options, op_id=op_id, own_key=item.idempotency_key is not None)


def _reserve(space: Space, item: ReserveItem, op_id: str) -> Call[HoldResult] | Answer[HoldResult]:
    options = item.model_dump(exclude={"user_id", "idempotency_key"})
    return operations.reserve(space, item.user_id, **options, op_id=op_id, own_key=item.idempotency_key is not None)


#: Script -> what makes the step of one item.
BUILD: Final[dict[str, Callable[[Space, Any, str], Any]]] = {"charge_many": _charge, "reserve_many": _reserve}
