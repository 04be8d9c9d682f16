"""The exceptions: one base, few classes, data attached, the cause kept.

Stores answer business outcomes with results and raise only for what is wrong with the call, the configuration or the
server. Managers raise the typed errors below ``CreditError`` for business outcomes as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ducto_redis.codes import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ducto_redis.models import Result


class CreditError(Exception):
    """Base of everything this library raises.

    Attributes:
        code: The code of ``docs/results.md`` that names the case, or None.
        result: The store's result behind a business outcome, or None.
    """

    code: Code | None = None

    def __init__(self, message: str = "", *, result: Result | None = None) -> None:
        super().__init__(message)
        self.result = result


class StoreError(CreditError):
    """The store could not or would not carry out the call."""


class ConfigError(StoreError):
    """Something about the configuration is wrong; retrying does not help."""


class InvalidAmountError(StoreError, ValueError):
    """An amount is not a finite number of credits within the exact range."""

    code = Code.INVALID_AMOUNT


class InvalidIdError(StoreError, ValueError):
    """An id is empty, too long or not text."""

    code = Code.INVALID_ID


class InvalidArgumentError(StoreError, ValueError):
    """An argument has a value that is not allowed."""

    code = Code.INVALID_ARGUMENT


class NamespaceUnknown(ConfigError):
    """The server knows no such namespace: ``setup()`` was never called, or the data is gone."""

    code = Code.NAMESPACE_UNKNOWN


class NeedsRestore(ConfigError):
    """The server holds another generation of the namespace than this client knew, or an incomplete one."""

    code = Code.NEEDS_RESTORE


class SchemaNewer(ConfigError):
    """The data was written by a newer release; nothing was changed."""

    code = Code.SCHEMA_NEWER


class PeriodsDue(StoreError):
    """A zoned cap's period is over: the library computes the present one and sends the call again.

    Callers see it only when that did not help several times in a row.

    Attributes:
        now_ms: The server's time.
    """

    code = Code.ROLL_NEEDED

    def __init__(self, message: str = "", *, now_ms: int = 0, result: Result | None = None) -> None:
        super().__init__(message, result=result)
        self.now_ms = now_ms


class PrecisionMismatch(ConfigError):
    """The namespace counts with another number of decimal places than the caller asked for."""


class ServerTooOld(ConfigError):
    """The server is older than Redis 7.0, whose script flags the library relies on."""


class AuthenticationFailed(ConfigError):
    """The server refused the user name or password."""


class LedgerFork(StoreError):
    """Redis and SQL hold different entries under the same number, or Redis is the older one; nothing was written."""


class LedgerBroken(StoreError, ValueError):
    """A root's entries do not follow one another: a gap, a repetition, or a balance that does not add up."""


class StoreUnavailable(StoreError):
    """The server could not be reached; nothing was executed."""


class OutcomeUnknown(StoreError):
    """The request was sent and no reply came back: it may or may not have been executed.

    Attributes:
        user_id: The account of the operation, or None.
        op_id: The id under which a repetition executes at most once, or None.
        operation: The operation's name, or None.
        resolver: What ``resolve`` calls; the store that raised it puts it there.
    """

    def __init__(
        self, message: str, *, user_id: str | None = None, op_id: str | None = None, operation: str | None = None
    ) -> None:
        super().__init__(message)
        self.user_id = user_id
        self.op_id = op_id
        self.operation = operation
        self.resolver: Callable[[], Any] | None = None

    def resolve(self) -> Any:
        """Asks the store whether it was executed; if it was not, it never will be. Awaitable on an asyncio store.

        Returns:
            The store's ``ResolveResult``.

        Raises:
            ConfigError: The operation cannot be resolved: it has no id, or is not of a store.
        """
        if self.resolver is None:
            raise ConfigError("this operation cannot be resolved: it changes nothing, or is one of many")
        return self.resolver()


class DurabilityNotMet(StoreError):
    """Executed, and not yet as safe as the store's ``durability`` says: it may be lost with the server.

    It must never be sent as a new operation. The same call under the same id - ``idempotency_key=error.op_id``, or the
    same hold - answers the first outcome and waits again.

    Attributes:
        op_ids: The ids that were executed; of ``charge_many`` and ``reserve_many`` those of all items, in their order.
        wanted: How many had to confirm: replicas, or for ``fsync`` the one disk.
        reached: How many did in time.
        results: What would have been answered; of one operation ``result`` is the same.
        user_id: The account of the (first) operation, or None.
        operation: The name of its script, or of an operation without an account.
    """

    def __init__(
        self,
        message: str,
        *,
        op_ids: tuple[str, ...] = (),
        wanted: int = 1,
        reached: int = 0,
        results: tuple[Any, ...] = (),
        user_id: str | None = None,
        operation: str | None = None,
    ) -> None:
        super().__init__(message, result=results[0] if len(results) == 1 else None)
        self.op_ids = op_ids
        self.wanted = wanted
        self.reached = reached
        self.results = results
        self.user_id = user_id
        self.operation = operation

    def of_items(self, op_ids: Sequence[str], results: Sequence[Any]) -> Self:
        """The same, told of all items of an operation on many accounts."""
        self.op_ids, self.results = tuple(op_ids), tuple(results)
        self.result = self.results[0] if len(self.results) == 1 else None
        return self

    @property
    def op_id(self) -> str | None:
        """The id of the (first) operation; None for one that has none."""
        return self.op_ids[0] if self.op_ids else None


class IdempotencyConflict(StoreError):
    """An idempotency key was used before with other parameters; ``.result`` is the first outcome."""


class ScriptFailed(StoreError):
    """The server stopped a script with an error of its own (a wrong type, a missing permission, no memory)."""


class InsufficientCreditsError(CreditError):
    """The available credits do not cover the amount."""

    code = Code.INSUFFICIENT_CREDITS


class CapReachedError(InsufficientCreditsError, StoreError):
    """A deny cap does not allow the amount."""

    code = Code.CAP_REACHED


class RateLimitedError(CreditError):
    """A rate limit is used up for now."""

    code = Code.RATE_LIMITED


class ConcurrencyLimitError(CreditError):
    """As many operations run as may run at once."""

    code = Code.CONCURRENCY_LIMIT


class FeatureNotEntitledError(CreditError):
    """The account's plan does not include the feature."""

    code = Code.FEATURE_NOT_ENTITLED


class LeaseNotFoundError(CreditError):
    """There is no such hold on this account, or it was released."""

    code = Code.LEASE_NOT_FOUND


class LeaseExpiredError(CreditError):
    """The hold expired before it was settled."""

    code = Code.LEASE_EXPIRED


class AccountUnknownError(CreditError):
    """The account does not exist."""

    code = Code.ACCOUNT_UNKNOWN


class LimitExceededError(CreditError):
    """A bound of the library itself is reached (``too_many_…``, ``backlog_full``)."""


class CancelledOperationError(CreditError):
    """The operation was resolved as never executed."""

    code = Code.CANCELLED


#: The class raised for each code; ``LimitExceededError`` serves the bounds.
ERROR_OF_CODE: dict[Code, type[CreditError]] = {
    Code.INVALID_AMOUNT: InvalidAmountError,
    Code.INVALID_ID: InvalidIdError,
    Code.INVALID_ARGUMENT: InvalidArgumentError,
    Code.NAMESPACE_UNKNOWN: NamespaceUnknown,
    Code.NEEDS_RESTORE: NeedsRestore,
    Code.SCHEMA_NEWER: SchemaNewer,
    Code.ROLL_NEEDED: PeriodsDue,
    Code.CANCELLED: CancelledOperationError,
    Code.LEASE_NOT_FOUND: LeaseNotFoundError,
    Code.LEASE_EXPIRED: LeaseExpiredError,
    Code.ACCOUNT_UNKNOWN: AccountUnknownError,
    Code.FEATURE_NOT_ENTITLED: FeatureNotEntitledError,
    Code.BACKLOG_FULL: LimitExceededError,
    Code.TOO_MANY_HOLDS: LimitExceededError,
    Code.TOO_MANY_CAPS: LimitExceededError,
    Code.TOO_MANY_LIMITS: LimitExceededError,
    Code.CONCURRENCY_LIMIT: ConcurrencyLimitError,
    Code.RATE_LIMITED: RateLimitedError,
    Code.CAP_REACHED: CapReachedError,
    Code.INSUFFICIENT_CREDITS: InsufficientCreditsError,
}


def error_for(code: Code, message: str, **attached: Any) -> CreditError:
    """Builds the exception of a code.

    Args:
        code: Any code but ``OK``.
        message: The text of the exception.
        attached: Passed on to the class (``result=``).
    """
    error = ERROR_OF_CODE[code](message, **attached)
    error.code = code
    return error
