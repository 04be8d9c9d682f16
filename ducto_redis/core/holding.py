"""Operations on open holds - extend, renew, list - and the opening of accounts; as those of ``operations``."""

from __future__ import annotations

from typing import Final

from ducto_redis.core.arguments import DEFAULT_TTL, answers, common, hold_id_of, scale_of, token_count, ttl_ms
from ducto_redis.core.hold_replies import ExtendReply, HoldListView, OpenReply
from ducto_redis.core.keys import op_field
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Call
from ducto_redis.errors import InvalidArgumentError
from ducto_redis.models import HoldResult
from ducto_redis.money import Amount, to_units
from ducto_redis.work_models import HoldListResult, OpenAccountResult

MAX_LISTED: Final = 1000
_ADJUSTMENT, _ONLY_OPEN = 2, 8


def open_account(space: Space, user_id: str, *, op_id: str) -> Call[OpenAccountResult]:
    """A grant of nothing that is made only when there is no account yet."""
    scale = scale_of(space, user_id)
    account = scale.account
    args = (*common(space, account), op_field("g", op_id, account), 0, _ADJUSTMENT | _ONLY_OPEN, b"\x04open")
    return Call("add_credits", account.keys, args, OpenReply(scale), user_id, op_id)


@answers(HoldResult)
def extend(
    space: Space,
    user_id: str,
    hold: str | HoldResult,
    amount: Amount,
    *,
    ttl: float | None = None,
    tokens: int = 0,
    op_id: str,
) -> Call[HoldResult]:
    """More amount for an open hold, more time when ``ttl`` is given, and a larger estimate of tokens."""
    scale = scale_of(space, user_id)
    account = scale.account
    hold_id = hold_id_of(hold)
    units = to_units(amount, scale.precision, lift=True)
    fields = (op_field("h", hold_id, account), op_field("e", op_id, account))
    args = (*common(space, account), *fields, units, 0 if ttl is None else ttl_ms(ttl), token_count(tokens))
    return Call("extend", account.keys, args, ExtendReply(scale, hold_id), user_id, op_id)


@answers(HoldResult)
def renew(
    space: Space, user_id: str, hold: str | HoldResult, ttl: float = DEFAULT_TTL, *, op_id: str
) -> Call[HoldResult]:
    """More time for an open hold."""
    scale = scale_of(space, user_id)
    account = scale.account
    hold_id = hold_id_of(hold)
    fields = (op_field("h", hold_id, account), op_field("e", op_id, account))
    args = (*common(space, account), *fields, 0, ttl_ms(ttl), 0)
    return Call("extend", account.keys, args, ExtendReply(scale, hold_id), user_id, op_id)


def list_holds(space: Space, user_id: str, limit: int = 100) -> Call[HoldListResult]:
    """Open holds of the account itself, soonest expiry first."""
    scale = scale_of(space, user_id)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LISTED:
        raise InvalidArgumentError(f"invalid_argument: limit must be 1 to {MAX_LISTED}, not {limit!r:.80}")
    args = (*common(space, scale.account), limit)
    return Call("read_holds", scale.account.keys, args, HoldListView(scale), user_id)
