"""``explain``: what would be decided and why, with every cap and limit; nothing is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ducto_redis.codes import Code
from ducto_redis.core import operations
from ducto_redis.core.arguments import answers
from ducto_redis.core.codec import code_of, message_of
from ducto_redis.core.denials import why
from ducto_redis.core.scale import Scale
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Call, Reply
from ducto_redis.models import BillingMode
from ducto_redis.money import Amount
from ducto_redis.work_models import ExplainResult


@dataclass(slots=True)
class ExplainReply:
    """Reads the reply of a ``reserve`` that only asked, every cap and limit with it."""

    scale: Scale

    def __call__(self, reply: Reply) -> ExplainResult:
        """Makes the result of the reply."""
        code = code_of(reply)
        _, now_ms, _, balance, held, amount, _, packed = reply
        scale, done = self.scale, code is Code.OK
        caps, limits = scale.told(packed, now_ms, admitted=False, asked=None if done else amount)
        result = ExplainResult(
            user_id=scale.account.user_id,
            amount=scale.credits(amount),
            balance=scale.credits(balance),
            reserved=scale.credits(held),
            available=scale.credits(balance - held),
            caps=caps,
            limits=limits,
        )
        if not done:
            result.error_code = result.error = code.text
            reason = why(result, code, asked=result.amount, balance=result.balance, held=result.reserved)
            result.message = message_of(code, reason)
        return result


@answers(ExplainResult)
def explain(
    space: Space,
    user_id: str,
    amount: Amount,
    operation_type: str = "usage",
    *,
    model: str | None = None,
    billing_mode: BillingMode = "strict",
    min_balance: Amount = 0,
    overdraft_floor: Amount | None = None,
    tokens: int = 0,
    within: Sequence[str] = (),
    op_id: str,
) -> Call[ExplainResult]:
    """A ``reserve`` that takes nothing and tells everything."""
    asked = operations.build_reserve(
        space,
        user_id,
        amount,
        operation_type,
        model=model,
        billing_mode=billing_mode,
        min_balance=min_balance,
        overdraft_floor=overdraft_floor,
        tokens=tokens,
        within=within,
        dry_run=True,
        op_id=op_id,
        own_key=False,
    )
    scale = Scale(space.known.precision, space.keys.account(user_id))
    return Call(asked.script, asked.keys, asked.args, ExplainReply(scale), user_id)
