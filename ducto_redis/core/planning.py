"""Changing the defaults of a namespace, and which plan an account is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from ducto_redis.codes import Code
from ducto_redis.core.arguments import common, scale_of, text
from ducto_redis.core.codec import check_done
from ducto_redis.core.defaults import MAX_TEXT_BYTES, Written, sets_in, text_of, write_calls
from ducto_redis.core.durability import persisted
from ducto_redis.core.flows import ready
from ducto_redis.core.keys import encode, op_field
from ducto_redis.core.scale import Scale
from ducto_redis.core.shards import ShardConfig, shard_call
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Batch, Call, Flow, Reply
from ducto_redis.defaults import MAX_PLAN_BYTES, DefaultCap, DefaultSet, DefaultsResult, PlanResult
from ducto_redis.errors import InvalidArgumentError, StoreError
from ducto_redis.rates import ConcurrencyLimit, RateLimit

#: Others may change the defaults between our reading and writing so many times in a row.
MAX_TRIES: Final = 32

Sets = tuple[DefaultSet, ...]


def _checked(plan: str | None, level: int | None, caps: Sequence[DefaultCap], limits: Sequence[object]) -> DefaultSet:
    try:
        return DefaultSet(plan=plan, level=level, caps=tuple(caps), limits=tuple(limits))  # type: ignore[arg-type] # checked here
    except (ValidationError, TypeError) as cause:
        told = cause.errors()[0] if isinstance(cause, ValidationError) else {"loc": (), "msg": str(cause)}
        where = ".".join(map(str, told["loc"]))
        raise InvalidArgumentError(f"invalid_argument: {where}: {told['msg']}") from cause


def _change(space: Space, change: Callable[[Sets], Sets]) -> Flow[DefaultsResult]:
    """Writes what ``change`` makes of the present sets to every shard, the first one deciding whose change counts."""
    yield from ready(space)
    for _ in range(MAX_TRIES):
        first: ShardConfig = yield shard_call(space, 0, "read")
        before = sets_in(first.defaults)
        after = change(before)
        others = range(1, space.known.shards)
        if after == before:
            # It may be the second try of a change that did not come to all shards.
            yield Batch(write_calls(space, others, max(first.defaults_version, 0), first.defaults))
            return DefaultsResult(user_id="", version=max(first.defaults_version, 0), sets=before)
        version, wanted = max(first.defaults_version, 0) + 1, text_of(after)
        if len(wanted.encode()) > MAX_TEXT_BYTES:
            raise InvalidArgumentError(
                f"invalid_argument: the defaults of a namespace have at most {MAX_TEXT_BYTES} bytes"
            )
        [here] = write_calls(space, [0], version, wanted, expected=version - 1)
        written: Written = yield here
        if written.is_taken and written.text == wanted:
            yield Batch(write_calls(space, others, version, wanted))
            return DefaultsResult(user_id="", version=version, sets=after)
    raise StoreError("others change the defaults all the time; nothing was changed - try again")


def set_defaults(
    space: Space,
    caps: Sequence[DefaultCap],
    limits: Sequence[RateLimit | ConcurrencyLimit],
    plan: str | None,
    level: int | None,
) -> Flow[DefaultsResult]:
    """Sets what holds for a plan, a level or all, in place of what was set for the same."""
    wanted = _checked(plan, level, caps, limits)

    def change(sets: Sets) -> Sets:
        if wanted in sets:
            return sets
        return (*(each for each in sets if (each.plan, each.level) != (plan, level)), wanted)

    result = yield from _change(space, change)
    yield from persisted(space.level, "set_defaults", result)
    return result


def remove_defaults(space: Space, plan: str | None, level: int | None) -> Flow[DefaultsResult]:
    """Removes what was set for a plan, a level or all."""
    removed = False

    def change(sets: Sets) -> Sets:
        nonlocal removed
        kept = tuple(each for each in sets if (each.plan, each.level) != (plan, level))
        removed = removed or kept != sets
        return kept

    result = yield from _change(space, change)
    result.removed = removed
    yield from persisted(space.level, "remove_defaults", result)
    return result


def list_defaults(space: Space) -> Flow[DefaultsResult]:
    """The defaults that hold now."""
    yield from ready(space)
    first: ShardConfig = yield shard_call(space, 0, "read")
    return DefaultsResult(user_id="", version=max(first.defaults_version, 0), sets=sets_in(first.defaults))


@dataclass(slots=True)
class PlanReply:
    """Reads ``set_plan``; refusals raise."""

    scale: Scale
    plan: str | None

    def __call__(self, reply: Reply) -> PlanResult:
        """Makes the result of the reply."""
        if reply[0] == Code.INVALID_ARGUMENT:
            raise InvalidArgumentError(
                f"invalid_argument: nothing is set for plan {self.plan!r}; first: set_defaults(plan={self.plan!r}, ...)"
            )
        check_done(reply)
        return PlanResult(user_id=self.scale.account.user_id, plan=self.plan)


def set_plan(space: Space, user_id: str, plan: str | None, *, op_id: str) -> Call[PlanResult]:
    """Puts an account on a plan, or on none."""
    scale = scale_of(space, user_id)
    account = scale.account
    name = "" if plan is None else encode(text(plan, "plan", MAX_PLAN_BYTES).decode())
    args = (*common(space, account), op_field("c", op_id, account), name)
    return Call("set_plan", account.keys, args, PlanReply(scale, plan), user_id, op_id)
