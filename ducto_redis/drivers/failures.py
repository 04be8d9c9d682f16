"""Errors of redis-py -> ours: not executed, unknown, or stopped by the server (SPEC 6)."""

from __future__ import annotations

from typing import Final, NoReturn

from redis import exceptions as redis_errors

from ducto_redis.core.steps import Call
from ducto_redis.errors import (
    AuthenticationFailed,
    ConfigError,
    CreditError,
    OutcomeUnknown,
    ScriptFailed,
    ServerTooOld,
    StoreUnavailable,
)

#: First words of server errors that say: not now, and nothing was executed (every script starts with ``#!lua``).
_NOT_NOW: Final = frozenset(
    {"LOADING", "READONLY", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS", "MISCONF", "UNKILLABLE"}
)
_ELSEWHERE: Final = ("MOVED", "ASK")
#: redis-py drops the first word of errors it has a class for. A script that is not loaded - flushed as often as it was
#: loaded - was not executed either.
_NOT_NOW_CLASSES: Final = (
    redis_errors.NoScriptError,
    redis_errors.BusyLoadingError,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
    redis_errors.ClusterDownError,
    redis_errors.MasterDownError,
)
_LOST: Final = (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError)
_LOGIN: Final = (
    redis_errors.AuthenticationError,
    redis_errors.AuthenticationWrongNumberOfArgsError,
)


def translate(error: BaseException, call: Call[object] | None, *, sent: bool) -> CreditError | None:
    """The error of ours for one of redis-py; None for what is not a failure of the store.

    Args:
        error: What redis-py raised.
        call: The call it happened to, or None.
        sent: Whether any byte of the call may have left.
    """
    name = f"{call.script} " if call else ""
    # redis.asyncio wraps what went wrong while it connected.
    if isinstance(error, _LOGIN) or isinstance(error.__context__, _LOGIN):
        return AuthenticationFailed(f"the server refused the login: {error}")
    if isinstance(error, _NOT_NOW_CLASSES):
        return StoreUnavailable(f"{name}was not executed: {error}")
    if isinstance(error, _LOST):
        if sent and call is not None:
            return OutcomeUnknown(
                f"{name}was sent and no reply came back ({error}); it may have been executed",
                user_id=call.user_id,
                op_id=call.op_id,
                operation=call.script,
            )
        return StoreUnavailable(f"the server cannot be reached: {error}")
    return _of_response(error, name) if isinstance(error, redis_errors.ResponseError) else None


def _of_response(error: redis_errors.ResponseError, name: str) -> CreditError:
    """The error for a server's error reply: not now, another node's, too old, or the script was stopped."""
    text = str(error)
    first = text.split(" ", 1)[0]
    if first in _NOT_NOW:
        return StoreUnavailable(f"{name}was not executed: {text}")
    # The client follows no redirection; before redis-py 6 the words were left in the text. MovedError is an AskError.
    if first in _ELSEWHERE or isinstance(error, redis_errors.AskError):
        return ConfigError(f"{name}was not executed: its keys are on another node of a cluster ({text})")
    if "unexpected symbol near '#'" in text:
        return ServerTooOld("the server does not know script flags; ducto_redis needs Redis 7.0 or newer")
    return ScriptFailed(f"the server stopped {name or 'the command'}: {text}")


def raise_ours(error: Exception, call: Call[object] | None, *, sent: bool) -> NoReturn:
    """Raises our error for one of redis-py with its cause kept; anything else goes on as it is."""
    ours = translate(error, call, sent=sent)
    if ours is None:
        raise error
    raise ours from error
