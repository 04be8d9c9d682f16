"""How fast the ledger is carried into SQL: goal S14."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import redis
from measuring import url_of
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


def measure_drain(client: redis.Redis, size: Size) -> list[Figure]:
    """S14: ledger entries per second into SQLite, a file on the disk, every commit synchronous; trimmed behind."""
    entries, rates = 10 * size.calls, []
    with RedisStore.from_url(url_of(client), namespace="drained") as store, tempfile.TemporaryDirectory() as folder:
        store.setup()
        for each in range(BATCH):
            store.open_account(f"u{each}")
        drain = LedgerDrain(store, f"sqlite:///{Path(folder) / 'ledger.db'}")
        drain.drain()
        for _ in range(size.repetitions):
            _write(store, entries)
            started = time.perf_counter()
            rows = drain.drain().rows
            rates.append(rows / (time.perf_counter() - started) / 1_000)
            assert rows == entries
        drain.close()
    client.flushall()
    remark = f"{statistics.median(rates) * 1_000:,.0f} entries/s over 64 shards; the table grows meanwhile"
    what = "thousand ledger entries/s drained into SQLite"
    return [Figure("S14", what, rates, 20, at_least=True, calls=entries, digits=1, remark=remark)]
