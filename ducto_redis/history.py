"""What was done, however long ago: transactions as people ask for them, and the ``History`` that looks them up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict

from ducto_redis.work_models import VerifyResult

#: The kinds that a history lists: what moved credits, or set them aside.
TRANSACTION_KINDS: Final = ("grant", "charge", "settle", "hold", "extend", "release", "expire")
MAX_TRANSACTIONS: Final = 1000


class Transaction(BaseModel):
    """An entry of the ledger.

    Attributes:
        transaction_id: ``<shard>-<stream id>``, as results tell it.
        kind: What happened: one of ``TRANSACTION_KINDS``; the command ``ledger`` lists others too.
        at: The server's time, aware UTC.
        user_id: The account that the operation was for.
        payer: Whose credits it moved, the account itself or one above it; None where the entry does not say and that
            of its hold is gone.
        amount: Credits granted, held, charged, added or freed - the kind says which; of a cap or a limit its limit, of
            other kinds a plain number (``lua/README.md``).
        balance_after: The payer's balance after it.
        within: The accounts that it counted for beside its own path.
        operation_id: The id of the operation: the caller's key, or the hold's id; "" without one.
        operation_type: As given at admission; of a grant its type; "" where there is none.
        model: The model that was used, or None.
        metadata: What the caller attached.
    """

    model_config = ConfigDict(frozen=True)

    transaction_id: str
    kind: str
    at: datetime
    user_id: str
    payer: str | None = None
    amount: Decimal = Decimal(0)
    balance_after: Decimal = Decimal(0)
    within: tuple[str, ...] = ()
    operation_id: str = ""
    operation_type: str = ""
    model: str | None = None
    metadata: dict[str, Any] = {}


class TransactionPage(BaseModel):
    """A part of an account's transactions, newest first; ``cursor`` goes on where it ended, None: at the end."""

    model_config = ConfigDict(frozen=True)

    transactions: tuple[Transaction, ...] = ()
    cursor: str | None = None


class DeadEntry(BaseModel):
    """What the drain could not read and set aside: where it stood, why, and what it holds."""

    model_config = ConfigDict(frozen=True)

    transaction_id: str
    reason: str
    data: bytes


class History(Protocol):
    """Looks transactions up, also those that Redis has forgotten; ``ducto_redis.durable.SqlHistory`` is one."""

    def transactions(
        self,
        user_id: str,
        *,
        kinds: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> TransactionPage:
        """Those of an account itself, newest first; see ``CreditManager.list_transactions``."""

    def find(self, transaction_id: str) -> Transaction | None:
        """One by its id, however old; None where there is none."""


class Books(BaseModel):
    """Sums over accounts, in units: granted is charged and what is left, in SQL as in Redis.

    Attributes:
        granted: What entries granted.
        charged: What entries charged.
        balances: What they add up to.
        redis_charged: What Redis says was ever spent.
        redis_balances: What Redis says is left.
    """

    granted: int = 0
    charged: int = 0
    balances: int = 0
    redis_charged: int = 0
    redis_balances: int = 0

    @property
    def balanced(self) -> bool:
        """Whether both sides add up."""
        return self.granted == self.charged + self.balances == self.redis_charged + self.redis_balances


class SqlVerifyResult(VerifyResult):
    """What ``verify_sql`` found; ``entries`` are those that Redis' streams still hold.

    Attributes:
        rows: Rows of SQL that were read.
        missing: Entries that SQL holds and Redis does not know of: it is older.
        forked: Entries that differ from what Redis holds under the same number.
        dead: Entries that could not be read, set aside or about to be, and those that were given up.
        other_generations: Rows of generations before the last restore; a root goes on from them.
        books: Sums over the roots that could be added up.
    """

    rows: int = 0
    missing: int = 0
    forked: int = 0
    dead: int = 0
    other_generations: int = 0
    books: Books = Books()
