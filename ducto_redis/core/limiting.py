"""Operations on rate and concurrency limits: set, remove, list; what they mean is in ``docs/limits.md``."""

from __future__ import annotations

from dataclasses import dataclass

from ducto_redis.core.arguments import common, scale_of
from ducto_redis.core.codec import check_done
from ducto_redis.core.keys import op_field
from ducto_redis.core.limit_items import pack_limit
from ducto_redis.core.scale import Scale
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Call, Reply
from ducto_redis.core.views import read_levels, tell_unknown
from ducto_redis.rates import ConcurrencyLimit, RateLimit
from ducto_redis.work_models import LimitListResult, LimitResult


@dataclass(slots=True)
class LimitReply:
    """Reads ``set_limit`` and ``remove_limit``; refusals raise."""

    scale: Scale

    def __call__(self, reply: Reply) -> LimitResult:
        """Makes the result of the reply."""
        check_done(reply)
        removed = len(reply) > 3 and bool(reply[3])  # noqa: PLR2004 - only remove answers a fourth element
        return LimitResult(user_id=self.scale.account.user_id, removed=removed)


@dataclass(slots=True)
class LimitListView:
    """Reads the account's own limits out of ``read_account``."""

    scale: Scale
    concurrency: bool

    def __call__(self, reply: Reply) -> LimitListResult:
        """Makes the result of the reply."""
        levels = read_levels(reply)
        result = LimitListResult(user_id=self.scale.account.user_id)
        packed = levels.limits[-1] if levels.limits else b""
        result.limits = self.scale.listed_limits(packed, levels.now_ms, concurrency=self.concurrency)
        tell_unknown(result, levels)
        return result


def set_limit(space: Space, user_id: str, limit: RateLimit | ConcurrencyLimit, *, op_id: str) -> Call[LimitResult]:
    """Registers a limit, replacing the one of the same identity."""
    return _change("set_limit", space, user_id, limit, op_id)


def remove_limit(space: Space, user_id: str, limit: RateLimit | ConcurrencyLimit, *, op_id: str) -> Call[LimitResult]:
    """Removes the limit of the same identity."""
    return _change("remove_limit", space, user_id, limit, op_id)


def _change(
    script: str, space: Space, user_id: str, limit: RateLimit | ConcurrencyLimit, op_id: str
) -> Call[LimitResult]:
    scale = scale_of(space, user_id)
    account = scale.account
    args = (*common(space, account), op_field("c", op_id, account), pack_limit(limit, scale.precision))
    return Call(script, account.keys, args, LimitReply(scale), user_id, op_id)


def list_limits(space: Space, user_id: str, *, concurrency: bool) -> Call[LimitListResult]:
    """The account's own rate limits, or those on concurrency."""
    scale = scale_of(space, user_id)
    view = LimitListView(scale, concurrency)
    return Call("read_account", scale.account.keys, common(space, scale.account), view, user_id)
