"""How fast the ledger is carried into SQL: goal S14."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import redis
from measuring import PostgresProcess, url_of
from reporting import Figure
from server_time import Size

from ducto_redis import ChargeItem, RedisStore
from ducto_redis.durable import LedgerDrain

BATCH = 100


def _write(store: RedisStore, entries: int) -> None:
    """Charges of a hundred accounts at a time."""
    items = [ChargeItem(user_id=f"u{each}", amount=1, billing_mode="postpaid") for each in range(BATCH)]
    for _ in range(entries // BATCH):
        assert all(each.error_code is None for each in store.charge_many(items))


def _drained(store: RedisStore, drain: LedgerDrain, entries: int) -> float:
    """Fills the ledger and carries it away; thousands of entries per second."""
    _write(store, entries)
    started = time.perf_counter()
    rows = drain.drain().rows
    assert rows == entries
    return rows / (time.perf_counter() - started) / 1_000


def measure_drain(client: redis.Redis, size: Size) -> list[Figure]:
    """S14: ledger entries per second into a SQLite file and into PostgreSQL, by turns.

    Every commit is on the disk, the ledger is trimmed behind.
    """
    entries = 10 * size.calls
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = PostgresProcess()
        stack.callback(server.stop)
        urls = {"SQLite": f"sqlite:///{Path(folder) / 'ledger.db'}", "PostgreSQL": server.url}
        subjects = {}
        for name, url in urls.items():
            store = stack.enter_context(RedisStore.from_url(url_of(client), namespace=name))
            store.setup()
            for each in range(BATCH):
                store.open_account(f"u{each}")
            drain = LedgerDrain(store, url)
            stack.callback(drain.close)
            drain.drain()
            subjects[name] = (store, drain)
        rates: dict[str, list[float]] = {name: [] for name in urls}
        for _ in range(size.repetitions):
            for name, (store, drain) in subjects.items():
                rates[name].append(_drained(store, drain, entries))
    client.flushall()
    told = "{:,.0f} entries/s over 64 shards; the table grows meanwhile"
    return [
        Figure(
            "S14", f"thousand ledger entries/s drained into {name}", values, 20, at_least=True, calls=entries,
            digits=1, remark=told.format(statistics.median(values) * 1_000),
        )
        for name, values in rates.items()
    ]  # fmt: skip
