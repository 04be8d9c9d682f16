"""The balance at which an account is told to be low: set and removed; charges tell it (``lua/lib/spend.lua``)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ducto_redis.core.arguments import common, scale_of
from ducto_redis.core.codec import check_done
from ducto_redis.core.keys import op_field
from ducto_redis.core.packed import BALANCE_KIND, THRESHOLD
from ducto_redis.core.scale import Scale
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Call, Reply
from ducto_redis.money import Amount, to_units
from ducto_redis.work_models import LowBalanceResult

#: No zone, no model, no period (``lua/set_spend_cap.lua``).
_NO_SCOPE = bytes(2 + 4 * 6)


@dataclass(slots=True)
class LowBalanceReply:
    """Reads the scripts that set and remove it; refusals raise."""

    scale: Scale
    threshold: Decimal | None

    def __call__(self, reply: Reply) -> LowBalanceResult:
        """Makes the result of the reply."""
        check_done(reply)
        return LowBalanceResult(user_id=self.scale.account.user_id, threshold=self.threshold)


def set_low_balance(space: Space, user_id: str, threshold: Amount | None, *, op_id: str) -> Call[LowBalanceResult]:
    """Registers the threshold in place of the one before; None removes it."""
    scale = scale_of(space, user_id)
    account = scale.account
    field = op_field("c", op_id, account)
    if threshold is None:
        args: tuple[bytes | str | int, ...] = (*common(space, account), field, BALANCE_KIND, b"", 0)
        return Call("remove_spend_cap", account.keys, args, LowBalanceReply(scale, None), user_id, op_id)
    units = to_units(threshold, scale.precision)
    args = (*common(space, account), field, BALANCE_KIND, THRESHOLD, units, _NO_SCOPE)
    reply = LowBalanceReply(scale, scale.credits(units))
    return Call("set_spend_cap", account.keys, args, reply, user_id, op_id)
