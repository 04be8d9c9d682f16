"""How fast a namespace comes back from SQL, and what a snapshot of what changed costs: goals S15 and S16."""

from __future__ import annotations

import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from measuring import running_server, url_of
from reporting import Figure
from server_time import Size
from sqlalchemy import insert, select

from ducto_redis import ChargeItem, RedisStore, SpendCap
from ducto_redis.durable import LedgerDrain, Restore, Snapshots
from ducto_redis.durable.schema import records, roots

CHANGED = 1_000
_PAGE = 10_000


class Books:
    """A namespace with some accounts that change, and copies of one of them in SQL alone.

    Args:
        stack: What closes it.
        url: Of the server.
        name: Of the namespace.
        accounts: How many in all.
    """

    def __init__(self, stack: ExitStack, url: str, name: str, accounts: int) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.url = f"sqlite:///{Path(folder) / 'ledger.db'}"
        self.store = stack.enter_context(RedisStore.from_url(url, namespace=name))
        self.store.setup()
        self.users = [str(uuid.uuid4()) for _ in range(CHANGED)]
        for user in self.users:
            self.store.add_credits(user, 1_000_000)
            self.store.set_spend_cap(SpendCap(user_id=user, limit=1_000_000))
            self.store.set_spend_cap(SpendCap(user_id=user, limit=1_000_000, cap_type="monthly"))
            self.store.reserve(user, 1)
        self.drain = LedgerDrain(self.store, self.url)
        stack.callback(self.drain.close)
        self.snapshots = Snapshots(self.drain.engine, name)
        self.drain.drain()
        self.snapshots.update()
        self._copy(accounts - CHANGED)

    def _copy(self, count: int) -> None:
        """Adds copies of an account under ids of their own, its snapshot and its records."""
        engine = self.drain.engine
        with engine.begin() as connection:
            root = connection.execute(select(roots).limit(1)).mappings().one()
            held = connection.execute(select(records).where(records.c.root == root["root"])).mappings().all()
            for begun in range(0, count, _PAGE):
                names = [str(uuid.uuid4()) for _ in range(min(_PAGE, count - begun))]
                connection.execute(insert(roots), [{**root, "root": name} for name in names])
                copies: list[dict[str, Any]] = [{**each, "root": name} for name in names for each in held]
                connection.execute(insert(records), copies)

    def change(self) -> float:
        """Charges each of the accounts that change, drains, and answers the seconds that their snapshots take."""
        for begun in range(0, CHANGED, 100):
            items = [ChargeItem(user_id=user, amount=1) for user in self.users[begun : begun + 100]]
            assert all(each.error_code is None for each in self.store.charge_many(items))
        self.drain.drain()
        started = time.perf_counter()
        done = self.snapshots.update()
        assert (done.roots, done.broken) == (CHANGED, {})
        return time.perf_counter() - started


def measure_restore(accounts: int, size: Size) -> list[Figure]:
    """S15 and S16 on SQLite files.

    Args:
        accounts: Accounts of the large namespace.
        size: Repetitions of S16.
    """
    with ExitStack() as stack:
        client = stack.enter_context(running_server())
        many, few = Books(stack, url_of(client), "many", accounts), Books(stack, url_of(client), "few", CHANGED)
        ratios, seconds = [], []
        for _ in range(size.repetitions):
            alone = few.change()
            seconds.append(many.change())
            ratios.append(seconds[-1] / alone)
        client.flushall()
        restore = Restore(many.store, many.url)
        stack.callback(restore.close)
        started = time.perf_counter()
        assert restore.run().roots == accounts
        taken = time.perf_counter() - started
        assert many.store.get_balance(many.users[-1]).balance == 1_000_000 - size.repetitions
    told = f"{taken:,.1f} s for {accounts:,} accounts of two caps, a hold and four records"
    per_million = taken * 1_000_000 / accounts
    return [
        Figure("S15", "seconds per 1,000,000 restored accounts", [per_million], 120, calls=accounts, digits=0,
               remark=told),
        Figure("S16", f"snapshot of {CHANGED:,} changed accounts among {accounts:,} / among {CHANGED:,}", ratios, 1.5,
               calls=CHANGED, remark=f"{min(seconds) * 1_000:,.0f} ms at best"),
    ]  # fmt: skip
