"""The stand-alone limiter without IO: its limits packed once, each call of script ``hit``, and how long to wait."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from typing import Final, Literal

from ducto_redis.core.codec import code_of
from ducto_redis.core.keys import DEFAULT_SHARDS, Account, KeyMaker
from ducto_redis.core.limit_items import GCRA, SLIDING, LimitItem, item_of, pack_item, read_limit_notes
from ducto_redis.core.packed import split_notes
from ducto_redis.core.scale import Scale
from ducto_redis.core.steps import Call, Flow, Reply
from ducto_redis.decisions import RateDecision
from ducto_redis.errors import InvalidArgumentError
from ducto_redis.events import made
from ducto_redis.money import MAX_UNITS
from ducto_redis.rates import RateLimit

Action = Literal["hit", "peek", "reset"]

MAX_LIMITS: Final = 32
#: Another call may free what is waited for - a reset - so nobody sleeps longer without asking.
LONGEST_PAUSE_S: Final = 3600.0
_DIGEST_DIGITS: Final = 16


def _ttl_ms(item: LimitItem) -> int:
    # How long after an admission something of it may count. A period more than the use itself lasts: after a step of
    # the clock back by up to a period, the state stays ahead of the clock by as much.
    if item.kind == GCRA:
        return item.period_ms - (-item.capacity * item.period_ms // item.limit)
    return item.period_ms * (3 if item.kind == SLIDING else 2)


class HitPlan:
    """The limits of a limiter and how its calls are built.

    Args:
        namespace: 1 to 32 letters, digits, ``_``, ``.`` or ``-``.
        limits: 1 to 32 rate limits on requests.

    Attributes:
        packed: The limits, unused, as the script takes them.
        digest: Names the set of limits in keys.
        ttl_ms: After so long every limit is as if unused.

    Raises:
        InvalidArgumentError: The namespace or a limit is not allowed.
    """

    def __init__(self, namespace: str, limits: tuple[RateLimit, ...]) -> None:
        if not 1 <= len(limits) <= MAX_LIMITS:
            raise InvalidArgumentError(f"invalid_argument: a limiter has 1 to {MAX_LIMITS} limits, not {len(limits)}")
        items = [_item(limit) for limit in limits]
        # The configuration of a namespace may say another number of shards; a limiter does not read it.
        self._keys = KeyMaker(namespace, DEFAULT_SHARDS)
        self.packed = b"".join(pack_item(item) for item in items)
        self.digest = sha1(self.packed, usedforsecurity=False).hexdigest()[:_DIGEST_DIGITS]
        self.ttl_ms = max(_ttl_ms(item) for item in items)

    def call(self, action: Action, limited_id: str, cost: int) -> Call[RateDecision]:
        """One run of the script.

        Args:
            action: "hit" takes the cost, "peek" takes nothing, "reset" forgets what was used.
            limited_id: Whose use it is, 1 to 256 bytes.
            cost: What is asked, 1 to 2^53-1.

        Raises:
            InvalidIdError: The id is not allowed.
            InvalidArgumentError: The cost is not.
        """
        if isinstance(cost, bool) or not isinstance(cost, int) or not 1 <= cost <= MAX_UNITS:
            raise InvalidArgumentError(
                f"invalid_argument: cost must be a whole number of 1 to {MAX_UNITS}, not {cost!r:.80}"
            )
        key = self._keys.limiter_key(self.digest, limited_id)
        reply = HitReply(limited_id, cost, taking=action == "hit")
        return Call("hit", (key,), (self.packed, cost, action, self.ttl_ms), reply, limited_id)


def _item(limit: RateLimit) -> LimitItem:
    if not isinstance(limit, RateLimit):
        raise InvalidArgumentError(f"invalid_argument: a limiter takes RateLimit('100/second'), not {limit!r:.80}")
    if limit.counts != "requests":
        raise InvalidArgumentError(
            f"invalid_argument: a limiter counts requests, not {limit.counts!r}; what one of them takes is cost="
        )
    if limit.model is not None or limit.operation_type is not None:
        raise InvalidArgumentError(
            "invalid_argument: a limiter knows no models and operation types; put them into the id"
        )
    return item_of(limit, 0)


@dataclass(slots=True)
class HitReply:
    """Reads ``hit``."""

    limited_id: str
    cost: int
    taking: bool

    def __call__(self, reply: Reply) -> RateDecision:
        """Makes the decision of the reply."""
        code, (_, now_ms, notes) = code_of(reply), reply
        scale = Scale(0, Account(self.limited_id, (self.limited_id,), 0, b"", b"", (), ()))
        taken = self.taking and not code
        told = read_limit_notes(split_notes(notes)[1])
        return made(
            RateDecision,
            {
                "error_code": code.text if code else None,
                "caps": (),
                "limits": tuple(scale.limit_notice(note, now_ms, taken) for note in told),
                "id": self.limited_id,
                "cost": self.cost,
            },
        )


def asked(plan: HitPlan, action: Action, limited_id: str, cost: int = 1) -> Flow[RateDecision]:
    """Runs one call; the arguments are those of ``HitPlan.call``."""
    decision: RateDecision = yield plan.call(action, limited_id, cost)
    return decision


def checked_timeout(timeout: float | None) -> float:
    """The seconds that a wait may last; infinite without any.

    Raises:
        InvalidArgumentError: It is no number of 0 or more.
    """
    if timeout is None:
        return float("inf")
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout >= 0:
        return timeout
    raise InvalidArgumentError(f"invalid_argument: timeout must be seconds, 0 or more, or None, not {timeout!r:.80}")


def pause_s(decision: RateDecision, left_s: float) -> float | None:
    """The seconds to sleep before a refused request is asked again; None when the decision stands.

    Args:
        decision: The answer.
        left_s: What is left of the time limit.
    """
    if decision.allowed or decision.retry_after is None:
        return None
    # In whole milliseconds, as the server's time: less would not change its answer.
    return round(min(decision.retry_after, left_s, LONGEST_PAUSE_S), 3) if left_s >= 0.001 else None  # noqa: PLR2004
