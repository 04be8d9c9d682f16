"""When a call is sent again, without IO: a total deadline, full jitter, and what is told when it is over (SPEC 6).

A call carries the id of its operation, so sending it twice executes it once. Full jitter: the delay before attempt n is
drawn evenly from 0 to base * 2^n, at most cap (M. Brooker, "Exponential Backoff And Jitter").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ducto_redis.core.steps import Batch, Call, Reply, Step
from ducto_redis.errors import (
    AuthenticationFailed,
    CreditError,
    InvalidArgumentError,
    OutcomeUnknown,
    ScriptFailed,
    StoreUnavailable,
)

#: What a repetition may help against: not executed, or perhaps executed.
PASSING: Final = (StoreUnavailable, OutcomeUnknown)
_MAX_DEADLINE_S: Final = 3600.0
_REPEATED: Final = 1
_MAX_DOUBLINGS: Final = 16
#: Where scripts tell of a repetition; settle tells of its successor's too.
_AT: Final = {
    "reserve": (2,), "settle": (2, 10), "deduct_credits": (2,), "deduct": (2,), "extend": (2,), "add_credits": (2,),
    "set_spend_cap": (2,), "remove_spend_cap": (2,), "release": (2,),
}  # fmt: skip
_MANY: Final = {"charge_many": "deduct", "reserve_many": "reserve"}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often a call is sent again when the server is away or a reply is lost.

    Attributes:
        deadline_s: Seconds in which a new attempt may begin, from the operation's first failure on, 0 to 3600; 0 never
            repeats. A call ends at the latest one socket timeout after it.
        base_s: The longest first delay in seconds.
        cap_s: The longest delay in seconds.

    Raises:
        InvalidArgumentError: A number is out of range.
    """

    deadline_s: float = 10.0
    base_s: float = 0.01
    cap_s: float = 0.5

    def __post_init__(self) -> None:
        for name in ("deadline_s", "base_s", "cap_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_DEADLINE_S:
                raise InvalidArgumentError(
                    f"invalid_argument: {name} must be 0 to {_MAX_DEADLINE_S:.0f} seconds, not {value!r:.80}"
                )


DEFAULT_POLICY: Final = RetryPolicy()


class Attempts:
    """The failed attempts of one step.

    Args:
        policy: How long to go on.
        step: What is attempted.
        now_s: When the first attempt of the operation failed, on a clock that never steps.

    Attributes:
        unknown: Whether an attempt may have been executed.
    """

    def __init__(self, policy: RetryPolicy, step: Step, now_s: float) -> None:
        self._policy = policy
        self._step = step
        self._until_s = now_s + policy.deadline_s
        self._failed = 0
        self.unknown = False

    def delay_s(self, error: CreditError, now_s: float, chance: float) -> float:
        """The seconds to wait before the next attempt.

        Args:
            error: What the last attempt failed with.
            now_s: When.
            chance: A random number, 0 <= chance < 1.

        Raises:
            CreditError: There is no time left; what the caller is to be told.
        """
        self.unknown |= isinstance(error, OutcomeUnknown)
        doubled_s = self._policy.base_s * float(2 ** min(self._failed, _MAX_DOUBLINGS))
        delay_s = min(self._policy.cap_s, doubled_s) * chance
        self._failed += 1
        if now_s + delay_s >= self._until_s:
            raise self.final(error) from error.__cause__
        return delay_s

    def final(self, error: CreditError) -> CreditError:
        """The last error, or that the outcome is unknown when an earlier attempt may have been executed."""
        if not self.unknown or isinstance(error, OutcomeUnknown):
            return error
        call = self._step.calls[0] if isinstance(self._step, Batch) else self._step
        if not isinstance(call, Call):
            return error
        return OutcomeUnknown(
            f"an earlier attempt was sent and no reply came back; the last of {self._failed} said: {error}",
            user_id=call.user_id,
            op_id=call.op_id,
            operation=call.script,
        )


#: Failures that end a step at once; after an attempt that may have been executed they do not tell the outcome.
ENDING: Final = (ScriptFailed, AuthenticationFailed)


def own_reply(script: str, reply: Reply) -> Reply:
    """A reply to a call that we had sent before: what it calls a repetition is our own first attempt."""
    if script in _MANY:
        return [own_reply(_MANY[script], each) for each in reply]
    places: Sequence[int] = [at for at in _AT.get(script, ()) if len(reply) > at and reply[at] == _REPEATED]
    if not places:
        return reply
    changed: list[Any] = list(reply)
    for at in places:
        changed[at] = 0
    return changed
