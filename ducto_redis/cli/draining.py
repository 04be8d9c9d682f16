"""What ``replay --durable`` needs of SQL: a drain in the background, the last one, and the books of both sides.

SQL is an extra of its own, so it is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from ducto_redis.cli.opening import durable_part
from ducto_redis.money import to_credits
from ducto_redis.store import RedisStore
from ducto_redis.work_models import VerifyResult

#: Seconds between two drains.
EVERY_S: Final = 1.0
_OPTION: Final = "--durable"


def check_database(url: str) -> None:
    """Makes the tables where there are none, before anything is written to Redis.

    Raises:
        ConfigError: The database cannot be used.
        SchemaNewer: A newer release made its tables.
        StoreUnavailable: It could not be reached.
    """
    durable_part(_OPTION).open_database(url).dispose()


@contextmanager
def drained_meanwhile(store: RedisStore, url: str) -> Iterator[None]:
    """A block in which the ledger is drained and snapshots are brought forward, at its begin and every second.

    What fails in the background is tried again; what stands against it at all fails at the begin.
    """
    with durable_part(_OPTION).Snapshotter(store, url, every=EVERY_S):
        _carry(store, url)
        yield


def tell_books(store: RedisStore, url: str, granted_units: int) -> dict[str, Any]:
    """A last drain; then the books of SQL and of Redis in credits, and whether they balance to the last unit.

    Args:
        store: The store; nobody writes any more.
        url: The database.
        granted_units: What was granted, as callers were told: Redis keeps no sum of it.

    Returns:
        Per side ``granted``, ``charged``, ``balances`` and ``balanced``; what SQL holds; ``ok``: all of it is right.
    """
    _carry(store, url)
    durable, setup = durable_part(_OPTION), store.setup(create=False)
    with closing(durable.LedgerDrain(store, url)) as drain:
        sql = durable.books_in_sql(drain.engine, setup.namespace)
    redis = durable.books_in_redis(store)

    def side(granted: int, charged: int, balances: int, *, balanced: bool) -> dict[str, Any]:
        sums = {"granted": granted, "charged": charged, "balances": balances}
        return {name: to_credits(units, setup.precision) for name, units in sums.items()} | {"balanced": balanced}

    of_redis = granted_units == redis.balance_units + redis.charged_units
    of_sql = sql.balanced and sql.granted_units == granted_units
    return {
        "redis": side(granted_units, redis.charged_units, redis.balance_units, balanced=of_redis),
        "sql": side(sql.granted_units, sql.charged_units, sql.folded.balance_units, balanced=of_sql),
        "rows": sql.rows,
        "snapshots_behind": sql.behind,
        "dead": sql.dead,
        "ok": of_redis and of_sql and sql.folded == redis and not sql.behind and not sql.dead,
    }


def verify_in_sql(store: RedisStore, url: str, progress: Callable[[int, int], None] | None = None) -> VerifyResult:
    """What SQL's rows add up to beside the state in Redis, account by account."""
    verified: VerifyResult = durable_part(_OPTION).verify_sql(store, url, progress)
    return verified


def settled_in_sql(store: RedisStore, url: str) -> Iterator[tuple[str, int, int]]:
    """What each root settled on each UTC day, in units: the ledger in Redis is trimmed."""
    durable = durable_part(_OPTION)
    with closing(durable.LedgerDrain(store, url)) as drain:
        yield from durable.settled_by_day(drain.engine, store.setup(create=False).namespace)


def _carry(store: RedisStore, url: str) -> None:
    """Drains what is there and brings the snapshots forward."""
    durable = durable_part(_OPTION)
    with closing(durable.LedgerDrain(store, url)) as drain:
        drain.drain()
        durable.Snapshots(drain.engine, store.setup(create=False).namespace).update()
