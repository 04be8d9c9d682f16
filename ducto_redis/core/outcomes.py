"""What managers make of results: a code becomes its typed error, except where the answer is no failure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ducto_redis.codes import Code
from ducto_redis.core.resolving import LETTERS
from ducto_redis.errors import ConfigError, IdempotencyConflict, OutcomeUnknown, error_for
from ducto_redis.history import History
from ducto_redis.models import (
    CapCheckResult,
    CapListResult,
    KeyReuse,
    ReleaseResult,
    Result,
)
from ducto_redis.work_models import LimitListResult, ResolveResult

R = TypeVar("R", bound=Result)

#: Results that answer a question; what they tell is never an error (``release`` never raises, SPEC 2).
_TELL = (CapCheckResult, CapListResult, LimitListResult, ReleaseResult, ResolveResult)


def check_key(result: R, on_key_reuse: KeyReuse) -> R:
    """Gives the result back, or raises that its key had been used with other parameters.

    Raises:
        IdempotencyConflict: The store was made with ``on_key_reuse="raise"``; ``.result`` is the first outcome.
    """
    if on_key_reuse == "raise" and getattr(result, "key_reused", False):
        raise IdempotencyConflict("the idempotency key was used before with other parameters", result=result)
    return result


def resolver_of(store: Any, error: OutcomeUnknown) -> Callable[[], Any] | None:
    """What ``error.resolve()`` calls: the store's ``resolve`` of that operation; None where none can be asked for."""
    if error.user_id is None or error.op_id is None or error.operation not in LETTERS:
        return None
    return partial(store.resolve, error.user_id, error.op_id, error.operation)


def check(result: R) -> R:
    """Gives the result back, or raises the typed error of its code.

    Raises:
        CreditError: The class of ``errors.ERROR_OF_CODE`` for the code; ``.result`` is the result.
    """
    if result.error_code is None or isinstance(result, _TELL):
        return result
    code = Code[result.error_code.upper()]
    raise error_for(code, result.message, result=result)


def history_of(history: History | None) -> History:
    """A manager's history.

    Raises:
        ConfigError: It has none.
    """
    if history is None:
        raise ConfigError(
            "the manager has no history to look in: pass history=SqlHistory(url) of ducto_redis.durable to it, and"
            " have a LedgerDrain carry the ledger into that database"
        )
    return history
