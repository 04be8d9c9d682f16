"""What an HTTP service answers for a decision: rate limit headers and a status.

``RateLimit`` and ``RateLimit-Policy`` are those of draft-ietf-httpapi-ratelimit-headers (structured fields, RFC 8941);
the ``X-RateLimit-`` ones are older, speak of the limit that decided alone, and count the reset in seconds from now.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from ducto_redis.codes import Code
from ducto_redis.decisions import Decision, LimitNotice, Quantity, RateDecision
from ducto_redis.errors import CreditError, IdempotencyConflict, StoreError
from ducto_redis.models import Result
from ducto_redis.rates import period_text

#: The largest integer of a structured field: 15 digits.
_LARGEST: Final = 10**15 - 1
#: Stays as it is in a name; everything else, quotes and blanks included, is written %XX.
_PLAIN: Final = "/:@+,()"

_OK, _SERVER_FAULT, _CONFLICT, _NOT_NOW = 200, 500, 409, 503
STATUS_OF: Final[Mapping[Code, int]] = MappingProxyType({
    Code.OK: _OK,
    Code.INVALID_AMOUNT: 400,
    Code.INVALID_ID: 400,
    Code.INVALID_ARGUMENT: 400,
    Code.NAMESPACE_UNKNOWN: _NOT_NOW,
    Code.NEEDS_RESTORE: _NOT_NOW,
    Code.SCHEMA_NEWER: _NOT_NOW,
    Code.ROLL_NEEDED: _NOT_NOW,
    Code.CANCELLED: _CONFLICT,
    Code.LEASE_NOT_FOUND: 404,
    Code.LEASE_EXPIRED: 410,
    Code.ACCOUNT_UNKNOWN: 404,
    Code.FEATURE_NOT_ENTITLED: 403,
    Code.BACKLOG_FULL: _NOT_NOW,
    Code.TOO_MANY_HOLDS: 429,
    Code.TOO_MANY_CAPS: _CONFLICT,
    Code.TOO_MANY_LIMITS: _CONFLICT,
    Code.CONCURRENCY_LIMIT: 429,
    Code.RATE_LIMITED: 429,
    Code.CAP_REACHED: 429,
    Code.INSUFFICIENT_CREDITS: 402,
})  # fmt: skip
_CODES: Final = {code.text: code for code in Code}


def http_status(outcome: Result | Decision | BaseException) -> int:
    """The status of a result, a decision or an exception.

    Args:
        outcome: What an operation returned, or raised. A store that cannot answer or is not set up is 503, what is
            no error of this library 500.
    """
    if isinstance(outcome, Result | Decision):
        return STATUS_OF[_CODES[outcome.error_code]] if outcome.error_code in _CODES else _unknown(outcome)
    if isinstance(outcome, IdempotencyConflict):
        return _CONFLICT
    if isinstance(outcome, CreditError) and outcome.code is not None:
        return STATUS_OF[outcome.code]
    return _NOT_NOW if isinstance(outcome, StoreError) else _SERVER_FAULT


def _unknown(outcome: Result | Decision) -> int:
    return _OK if outcome.error_code is None else _SERVER_FAULT


def rate_limit_headers(decision: Decision, user_id: str = "") -> dict[str, str]:
    """The headers of a decision; empty when no limit had anything to do with it.

    Fractions of a credit are cut, seconds rounded up.

    Args:
        decision: A ``HoldResult``, ``DeductionResult`` or ``RateDecision``.
        user_id: Whose limits are named without their scope; the result's account or id when "".
    """
    headers: dict[str, str] = {}
    own = user_id or getattr(decision, "id" if isinstance(decision, RateDecision) else "user_id", "")
    limits = [limit for limit in decision.limits if not limit.shadow]
    if limits:
        headers["RateLimit-Policy"] = ", ".join(_policy(limit, own) for limit in limits)
        headers["RateLimit"] = ", ".join(_state(limit, own) for limit in limits)
    decider = decision.decider
    if decider is not None:
        headers["X-RateLimit-Limit"] = str(_integer(decider.limit))
        headers["X-RateLimit-Remaining"] = str(_integer(decider.remaining))
        if decider.reset_after is not None:
            headers["X-RateLimit-Reset"] = str(_seconds(decider.reset_after))
        if not decision.allowed and decider.retry_after is not None:
            headers["Retry-After"] = str(_seconds(decider.retry_after))
    return headers


def _integer(quantity: Quantity) -> int:
    return min(max(int(quantity), 0), _LARGEST)


def _seconds(seconds: float) -> int:
    return min(ceil(seconds), _LARGEST)


def _name(limit: LimitNotice, own: str) -> str:
    # A string of a structured field that no text can leave; different limits have different names.
    if limit.algorithm == "concurrency":
        words = ["concurrent"]
    else:
        words = [f"{limit.counts}-{period_text(limit.period_ms).replace(' ', '-')}"]
    scope = limit.scope if limit.scope != own else None
    named = (("model", limit.model), ("type", limit.operation_type), ("of", scope))
    words += [f"{word}={quote(value, _PLAIN, errors='replace')}" for word, value in named if value]
    return f'"{" ".join(words)}"'


def _policy(limit: LimitNotice, own: str) -> str:
    quota = f"{_name(limit, own)};q={_integer(limit.limit)}"
    if limit.algorithm == "concurrency":
        return f'{quota};qu="concurrent-requests"'
    unit = {"requests": "", "tokens": ';qu="tokens"', "amount": ';qu="credits"'}[limit.counts]
    return f"{quota}{unit};w={_seconds(limit.period_ms / 1000)}"


def _state(limit: LimitNotice, own: str) -> str:
    state = f"{_name(limit, own)};r={_integer(limit.remaining)}"
    return state if limit.reset_after is None else f"{state};t={_seconds(limit.reset_after)}"
