"""Defaults of a namespace: which caps and limits hold for whom, and how every shard comes to hold them.

Scripts find what holds for an account in one field of the config, ``d<level>`` or ``d<level>:<plan>``, so which set
wins over which is worked out here, when they are set: a plan's over a level's, each for one level over the same for
all; cap by period, limit by identity. The text of all sets lies beside the fields, with a version that grows by one:
the first shard decides whose change counts, the others take what is newer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from ducto_redis.codes import Code
from ducto_redis.core.codec import code_of
from ducto_redis.core.keys import default_field
from ducto_redis.core.limit_items import LimitItem, item_of, pack_item
from ducto_redis.core.packed import ACTIONS, SHADOW, THRESHOLD, packed
from ducto_redis.core.shards import ShardConfig, shard_call
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Batch, Call, Flow, Reply
from ducto_redis.defaults import MAX_LEVEL, DefaultCap, Defaults, DefaultSet
from ducto_redis.errors import InvalidArgumentError, SchemaNewer
from ducto_redis.money import to_units
from ducto_redis.periods import KIND_OF

MAX_PLANS: Final = 100
MAX_LIMITS: Final = 32
MAX_TEXT_BYTES: Final = 65_536


class Written(NamedTuple):
    """What stands on a shard after ``set_defaults``; not ``is_taken``: another version was there than expected."""

    is_taken: bool
    version: int
    text: str


def sets_in(text: str) -> tuple[DefaultSet, ...]:
    """Reads the text of all sets.

    Raises:
        SchemaNewer: A newer release wrote what this one does not know.
    """
    if not text:
        return ()
    try:
        return Defaults.model_validate_json(text).sets
    except ValidationError as cause:
        raise SchemaNewer(
            f"schema_newer: the namespace's defaults cannot be read: {cause.errors()[0]['msg']}"
        ) from cause


def text_of(sets: Sequence[DefaultSet]) -> str:
    """The text of all sets."""
    return Defaults(sets=tuple(sets)).model_dump_json(exclude_defaults=True)


def _pack_cap(cap: DefaultCap, precision: int) -> list[bytes]:
    kind, limit = KIND_OF[cap.cap_type], to_units(cap.limit, precision)
    items = [bytes([kind, SHADOW if cap.shadow else ACTIONS.index(cap.action)]) + packed(limit)]
    # As lua/set_spend_cap.lua packs them: the last spend that does not reach the percentage.
    items += [bytes([kind, THRESHOLD + each]) + packed(-(-limit * each // 100) - 1) for each in cap.thresholds]
    return items


def _effective(sets: Sequence[DefaultSet], plan: str | None, level: int, precision: int) -> bytes:
    """What holds for accounts of a plan (None: of none) at a level, as scripts read it."""
    caps: dict[tuple[str, bool], list[bytes]] = {}
    limits: dict[tuple[Any, ...], LimitItem] = {}
    for whose, depth in ((None, None), (None, level), (plan, None), (plan, level)):
        for each in sets:
            if (each.plan, each.level) == (whose, depth):
                caps |= {(cap.cap_type, cap.shadow): _pack_cap(cap, precision) for cap in each.caps}
                items = [item_of(limit, precision)._replace(default=True) for limit in each.limits]
                limits |= {item.identity: item for item in items}
    if len(limits) > MAX_LIMITS:
        who = f"plan {plan!r}" if plan else "accounts without a plan"
        raise InvalidArgumentError(
            f"invalid_argument: at most {MAX_LIMITS} default limits hold at level {level} of {who}"
        )
    order = [(period, shadow) for period in ("daily", "monthly", "total") for shadow in (False, True)]
    cap_items = [item for each in order for item in caps.get(each, [])]
    if not cap_items and not limits:
        return b""
    return bytes([len(cap_items)]) + b"".join(cap_items) + b"".join(map(pack_item, limits.values()))


def fields_of(sets: Sequence[DefaultSet], precision: int) -> dict[str, bytes]:
    """The fields of the config: what holds at each level, without a plan and for each plan.

    Raises:
        InvalidAmountError: Credits that units cannot count.
        InvalidArgumentError: Too many plans or limits, or a limit beyond the exact range.
    """
    plans = list(dict.fromkeys(each.plan for each in sets if each.plan is not None))
    if len(plans) > MAX_PLANS:
        raise InvalidArgumentError(f"invalid_argument: a namespace has at most {MAX_PLANS} plans")
    kinds = b"2" if plans else b"1" if any(each.caps or each.limits for each in sets) else b""
    return {"d": kinds} | {
        default_field(level, plan): _effective(sets, plan, level, precision)
        for plan in (None, *plans)
        for level in range(1, MAX_LEVEL + 1)
    }


def _read_written(reply: Reply) -> Written:
    if reply[0] != Code.INVALID_ARGUMENT:
        code_of(reply)
    return Written(reply[0] == Code.OK, reply[1], reply[2].decode())


def write_calls(
    space: Space, shards: Sequence[int], version: int, text: str, expected: int | None = None
) -> tuple[Call[Written], ...]:
    """Writes the defaults on shards: in place of version ``expected``, or when it is None of any older one."""
    generation, precision, _ = space.known
    fields = fields_of(sets_in(text), precision)
    pairs = [part for pair in fields.items() for part in pair]
    args = (generation, "" if expected is None else expected, version, text, len(fields), *pairs)
    keys = [space.keys.shard_keys(shard) for shard in shards]
    return tuple(Call("set_defaults", (config, ledger), args, _read_written) for ledger, config in keys)


def spread(space: Space, first: ShardConfig, others: Sequence[ShardConfig]) -> Flow[None]:
    """Brings every shard to the defaults of the first one, where a change did not come to all of them."""
    old = [at for at, shard in enumerate((first, *others)) if shard.defaults_version < 0]
    if old:  # from a release that knew no defaults
        yield Batch(tuple(shard_call(space, shard, "ready", space.known) for shard in old))
    behind = [at for at, shard in enumerate(others, 1) if shard.defaults_version < first.defaults_version]
    if behind and first.defaults_version > 0:
        yield Batch(write_calls(space, behind, first.defaults_version, first.defaults))
