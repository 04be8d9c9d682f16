"""Transactions from SQL: of an account, page by page, and any one by its id, however old."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, select

from ducto_redis.core.transactions import KINDS, checked_limit, place_of, wanted
from ducto_redis.durable.reader import COLUMNS, LedgerReader
from ducto_redis.durable.reading import reading
from ducto_redis.durable.schema import ledger
from ducto_redis.errors import InvalidArgumentError
from ducto_redis.history import TRANSACTION_KINDS, Transaction, TransactionPage
from ducto_redis.store import RedisStore

_CURSOR: Final = re.compile(r"([0-9a-f]{8})\.([0-9]{1,15})", re.ASCII)
_LISTED: Final = frozenset(KINDS[name] for name in TRANSACTION_KINDS)


class SqlHistory(LedgerReader):
    """A ``History`` that reads what ``LedgerDrain`` carried into a database; the arguments are ``LedgerReader``'s.

    What was not drained yet is not in it. Synchronous, for several threads; an asyncio manager asks it in threads.
    """

    _creates = True

    @classmethod
    def from_store(cls, store: RedisStore, url: str) -> Self:
        """That of a store's namespace, with its precision.

        Args:
            store: The store; its namespace must be there.
            url: That of ``LedgerDrain``.
        """
        space = store.setup(create=False)
        return cls(url, namespace=space.namespace, precision=space.precision)

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
        """The transactions of an account itself, newest first; see ``CreditManager.list_transactions``.

        Raises:
            InvalidArgumentError: A kind, a time, the limit or the cursor is not allowed.
            InvalidIdError: There can be no such account.
            ConfigError: The precision is not known.
            StoreUnavailable: The database failed.
        """
        asked = wanted(user_id, kinds=kinds, since=since, until=until, allowed=TRANSACTION_KINDS)
        checked_limit(limit)
        from_ = _place(cursor)
        where = self._where(asked)
        rows: list[Any] = []
        with reading(self._engine) as connection:
            for generation in self._generations(connection, asked.account[0] if asked.account else ""):
                if from_ is not None and generation != from_[0]:
                    continue  # newer than the one where the last page ended
                rows += connection.execute(_page(where, generation, from_, limit + 1 - len(rows)))
                from_ = None
                if len(rows) > limit:
                    break
            if from_ is not None:
                raise InvalidArgumentError(f"invalid_argument: cursor {cursor!r:.80} is none of this account")
            told = self._told(connection, self._places(rows[:limit]))
        last = rows[limit - 1] if len(rows) > limit else None
        return TransactionPage(
            transactions=tuple(told), cursor=None if last is None else f"{last.generation}.{last.sequence}"
        )

    def find(self, transaction_id: str) -> Transaction | None:
        """A transaction by its id, however old; None where there is none.

        Raises:
            InvalidIdError: It is no id of a transaction.
            ConfigError: The precision is not known.
            StoreUnavailable: The database failed.
        """
        shard, stream_id = place_of(transaction_id)
        place = (ledger.c.namespace == self._namespace, ledger.c.shard == shard, ledger.c.stream_id == stream_id)
        with reading(self._engine) as connection:
            rows = connection.execute(select(*COLUMNS).where(*place, ledger.c.kind.in_(sorted(map(int, _LISTED)))))
            found = self._told(connection, self._places(rows))
        return max(found, key=lambda each: each.at, default=None)


def _place(cursor: str | None) -> tuple[str, int] | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    if found is None:
        raise InvalidArgumentError(f"invalid_argument: cursor {cursor!r:.80} is not what a page said")
    return found[1], int(found[2])


def _page(where: list[ColumnElement[bool]], generation: str, before: tuple[str, int] | None, limit: int) -> Any:
    here = [*where, ledger.c.generation == generation]
    if before is not None:
        here.append(ledger.c.sequence < before[1])
    rows = select(*COLUMNS, ledger.c.generation, ledger.c.sequence).where(*here)
    return rows.order_by(ledger.c.sequence.desc()).limit(limit)
