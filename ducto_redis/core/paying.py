"""Who pays for an account: itself, or one above it (SPEC 4)."""

from __future__ import annotations

from dataclasses import dataclass

from ducto_redis.core.arguments import common, scale_of
from ducto_redis.core.codec import check_done
from ducto_redis.core.keys import op_field
from ducto_redis.core.scale import Scale
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Call, Reply
from ducto_redis.errors import InvalidArgumentError
from ducto_redis.work_models import PayerResult


@dataclass(slots=True)
class PayerReply:
    """Reads ``set_payer``; refusals raise."""

    scale: Scale
    payer: str

    def __call__(self, reply: Reply) -> PayerResult:
        """Makes the result of the reply."""
        check_done(reply)
        return PayerResult(user_id=self.scale.account.user_id, payer=self.payer)


def set_payer(space: Space, user_id: str, payer: str, *, op_id: str) -> Call[PayerResult]:
    """Says that an account is paid for by itself or by one above it."""
    scale = scale_of(space, user_id)
    account = scale.account
    if payer not in account.scopes:
        raise InvalidArgumentError(
            f"invalid_argument: the payer of {user_id!r} must be one of {', '.join(map(repr, account.scopes))},"
            f" not {payer!r:.80}"
        )
    args = (*common(space, account), op_field("c", op_id, account), account.scopes.index(payer) + 1)
    return Call("set_payer", account.keys, args, PayerReply(scale, payer), user_id, op_id)
