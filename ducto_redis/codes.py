"""The result codes, in order of precedence: one table, mirrored in ``lua/lib/codes.lua`` and ``docs/results.md``."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """What a script answers first; when several apply, the lowest number wins (SPEC 2)."""

    OK = 0
    INVALID_AMOUNT = 1
    INVALID_ID = 2
    INVALID_ARGUMENT = 3
    NAMESPACE_UNKNOWN = 10
    NEEDS_RESTORE = 11
    SCHEMA_NEWER = 12
    ROLL_NEEDED = 13
    CANCELLED = 20
    LEASE_NOT_FOUND = 21
    LEASE_EXPIRED = 22
    ACCOUNT_UNKNOWN = 30
    FEATURE_NOT_ENTITLED = 31
    BACKLOG_FULL = 40
    TOO_MANY_HOLDS = 41
    TOO_MANY_CAPS = 42
    TOO_MANY_LIMITS = 43
    CONCURRENCY_LIMIT = 50
    RATE_LIMITED = 51
    CAP_REACHED = 52
    INSUFFICIENT_CREDITS = 53

    @property
    def text(self) -> str:
        """The spelling in results and events: ``cap_reached``."""
        return self.name.lower()


#: One sentence per code; the start of every message.
MEANINGS: dict[Code, str] = {
    Code.OK: "done",
    Code.INVALID_AMOUNT: "the amount is not a finite number of credits within the exact range (2^53-1 units)",
    Code.INVALID_ID: "the id is empty, too long or not text",
    Code.INVALID_ARGUMENT: "an argument has a value that is not allowed",
    Code.NAMESPACE_UNKNOWN: "the server knows no such namespace; call setup() or restore it",
    Code.NEEDS_RESTORE: "the server holds another generation of the namespace, or an incomplete one; restore it",
    Code.SCHEMA_NEWER: "the data was written by a newer release; upgrade this client",
    Code.ROLL_NEEDED: "a zoned cap's period is over; the library computes the present one and sends the call again",
    Code.CANCELLED: "the operation was resolved as never executed",
    Code.LEASE_NOT_FOUND: "there is no such hold on this account, or it was released",
    Code.LEASE_EXPIRED: "the hold expired before it was settled",
    Code.ACCOUNT_UNKNOWN: "the account does not exist; add credits to it first",
    Code.FEATURE_NOT_ENTITLED: "the account's plan does not include the feature",
    Code.BACKLOG_FULL: "too many ledger entries wait to be drained",
    Code.TOO_MANY_HOLDS: "the account's root has as many open holds as it may have",
    Code.TOO_MANY_CAPS: "the account has as many caps as it may have",
    Code.TOO_MANY_LIMITS: "the account has as many rate and concurrency limits as it may have",
    Code.CONCURRENCY_LIMIT: "as many holds are open as may be open at once",
    Code.RATE_LIMITED: "a rate limit does not allow so much now",
    Code.CAP_REACHED: "a spend cap does not allow the amount",
    Code.INSUFFICIENT_CREDITS: "the available credits do not cover the amount",
}
