"""The books of a namespace: what SQL's rows grant and charge beside the balances that they fold to; and Redis' own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, Engine, Select, Table, case, func, select
from sqlalchemy.exc import SQLAlchemyError

from ducto_redis.core.entries import Kind
from ducto_redis.core.root_fields import split_fields
from ducto_redis.core.totals import Totals, sum_roots
from ducto_redis.durable.database import told_by
from ducto_redis.durable.schema import dead, dirty, ledger, roots
from ducto_redis.errors import StoreUnavailable
from ducto_redis.store import RedisStore

#: Roots that are summed in one question.
PAGE: Final = 1_000
_DAY_MS: Final = 86_400_000
_CHARGES: Final = (int(Kind.SETTLE), int(Kind.CHARGE))


@dataclass
class SqlBooks:
    """What SQL holds of a namespace, in units.

    Attributes:
        granted_units: The sum over the rows that grant, corrections among them.
        charged_units: The sum over the rows that charge.
        rows: All rows, those of no account among them.
        behind: Roots with rows that their snapshot does not have yet.
        dead: Entries that could not be read; they count nowhere else.
        folded: What the snapshots add up to.
    """

    granted_units: int = 0
    charged_units: int = 0
    rows: int = 0
    behind: int = 0
    dead: int = 0
    folded: Totals = field(default_factory=Totals)

    @property
    def balanced(self) -> bool:
        """Whether grants = balances + charges, and the snapshots count the same charges as the rows."""
        folded = self.folded
        return (
            self.granted_units == folded.balance_units + self.charged_units
            and self.charged_units == folded.charged_units
        )


class DaySpend(NamedTuple):
    """What a root settled on a UTC day, counted from 1970, in units."""

    root: str
    day: int
    units: int


def books_in_sql(engine: Engine, namespace: str) -> SqlBooks:
    """Adds a namespace up, root by root; exact where nobody drains meanwhile.

    Args:
        engine: A database that has the tables. Its snapshots are summed as they are: bring them forward before.
        namespace: The namespace.

    Raises:
        StoreUnavailable: The database failed.
        ValueError: A snapshot cannot be read.
    """
    made = SqlBooks()
    try:
        for root, granted, charged, rows in _pages(engine, _sums(namespace), ledger.c.root):
            made.rows += rows
            if not root.startswith("#"):
                made.granted_units += int(granted)
                made.charged_units += int(charged)
        snapshots = select(roots.c.root, roots.c.data).where(roots.c.namespace == namespace)
        for _, data in _pages(engine, snapshots, roots.c.root):
            made.folded.add(split_fields(data))
        with engine.connect() as connection:
            made.behind = _count(connection, dirty, namespace)
            made.dead = _count(connection, dead, namespace)
    except SQLAlchemyError as cause:
        raise StoreUnavailable(f"the database failed: {told_by(cause)}") from cause
    return made


def books_in_redis(store: RedisStore) -> Totals:
    """Adds up what Redis holds of a store's namespace; exact where nobody writes meanwhile."""
    return store._driver.run_flow(sum_roots(store._space))  # noqa: SLF001 - one package


def settled_by_day(engine: Engine, namespace: str) -> Iterator[DaySpend]:
    """What each root settled on each UTC day, in the order of roots and days.

    Raises:
        StoreUnavailable: The database failed.
    """
    day = (ledger.c.at_ms // _DAY_MS).label("day")
    asked = select(ledger.c.root, day, func.sum(ledger.c.amount_units))
    asked = asked.where(ledger.c.namespace == namespace, ledger.c.kind == int(Kind.SETTLE)).group_by(ledger.c.root, day)
    try:
        with engine.connect() as connection:
            for root, number, units in connection.execute(asked.order_by(ledger.c.root, day)):
                yield DaySpend(root, int(number), int(units))
    except SQLAlchemyError as cause:
        raise StoreUnavailable(f"the database failed: {told_by(cause)}") from cause


def _sums(namespace: str) -> Select[Any]:
    """Per root what its rows grant and charge, and their number; in the order of the key, so that a page is cheap."""
    amount, kind = ledger.c.amount_units, ledger.c.kind
    granted = func.sum(case((kind == int(Kind.GRANT), amount), else_=0))
    charged = func.sum(case((kind.in_(_CHARGES), amount), else_=0))
    asked = select(ledger.c.root, granted, charged, func.count())
    return asked.where(ledger.c.namespace == namespace).group_by(ledger.c.root)


def _pages(engine: Engine, asked: Select[Any], root: Column[str]) -> Iterator[Any]:
    """The rows of a question that answers one per root, a page in a transaction."""
    after = ""
    while True:
        with engine.connect() as connection:
            page = connection.execute(asked.where(root > after).order_by(root).limit(PAGE)).all()
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _count(connection: Connection, table: Table, namespace: str) -> int:
    where = table.c.namespace == namespace
    return int(connection.execute(select(func.count()).select_from(table).where(where)).scalar_one())
