"""Replays a trace of LLM requests as reserve(worst case) -> settle(actual) from many threads, and checks the books.

A credit is a token. User k gets credits for 0.6, 1 or 2 times what it will ask for, in turns, and one daily cap: deny
at 0.5, deny at 0.9, warn at 0.5, notify at 0.5 of it, in turns. So a real share is denied by caps and by balances.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from ducto_redis.cli.draining import settled_in_sql, tell_books, verify_in_sql
from ducto_redis.cli.trace import Request
from ducto_redis.core.entries import Kind
from ducto_redis.decisions import CapAction
from ducto_redis.models import SpendCap
from ducto_redis.money import to_credits, to_units
from ducto_redis.store import RedisStore

_BALANCES: Final = (Decimal("0.6"), Decimal(1), Decimal(2))
_CAPS: Final[tuple[tuple[CapAction, Decimal], ...]] = (
    ("deny", Decimal("0.5")), ("deny", Decimal("0.9")), ("warn", Decimal("0.5")), ("notify", Decimal("0.5")),
)  # fmt: skip
_DAY_MS: Final = 86_400_000


@dataclass
class Books:
    """What the callers were told, summed over all requests; credits, i.e. tokens."""

    admitted: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    held: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    released: Decimal = Decimal(0)
    shortfall: Decimal = Decimal(0)
    warnings: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Replay:
    """One run on a fresh namespace.

    Args:
        store: Its namespace must be new.
        requests: The trace.
        users: The user of each request.
        max_tokens: What a request may generate at most; the worst case is context + this.
    """

    def __init__(self, store: RedisStore, requests: Sequence[Request], users: Sequence[int], max_tokens: int) -> None:
        self.store = store
        self.requests = requests
        self.users = users
        self.max_tokens = max_tokens
        self.books = Books()
        self.granted = Decimal(0)
        self.limits: dict[str, Decimal] = {}
        self.names = {user: f"user-{user:04d}" for user in sorted(set(users))}

    def prepare(self, step: Callable[[], object]) -> None:
        """Opens the accounts with their balances and caps; ``step`` is called after each."""
        demand: Counter[int] = Counter()
        for user, request in zip(self.users, self.requests, strict=True):
            demand[user] += request.context + request.generated
        for user, name in self.names.items():
            asked = Decimal(demand[user])
            grant = (asked * _BALANCES[user % len(_BALANCES)]).quantize(Decimal(1)) + self.max_tokens
            self.granted += self.store.add_credits(name, grant, type="seed").amount
            action, share = _CAPS[user % len(_CAPS)]
            limit = (asked * share).quantize(Decimal(1)) + self.max_tokens
            self.store.set_spend_cap(SpendCap(user_id=name, cap_type="daily", limit=limit, action=action))
            if action == "deny":
                self.limits[name] = limit
            step()

    def _one(self, at: int) -> None:
        request, name, books = self.requests[at], self.names[self.users[at]], self.books
        hold = self.store.reserve(name, request.context + self.max_tokens, "inference")
        if hold.error_code is not None:
            with books.lock:
                books.denied[hold.error_code] += 1
            return
        done = self.store.settle(name, hold, request.context + request.generated)
        with books.lock:
            books.admitted += 1
            books.held += hold.amount
            books.billed += done.amount
            books.released += max(hold.amount - done.amount, Decimal(0))
            books.shortfall += done.shortfall
            books.warnings += done.cap_warning is not None

    def run(self, workers: int, step: Callable[[], object], speed: float | None = None) -> float:
        """Sends every request once, from so many threads; at ``speed`` times the trace's pace or as fast as possible.

        Returns:
            Seconds.
        """
        begin = time.monotonic()
        numbers = iter(range(len(self.requests)))
        turn = threading.Lock()

        def work() -> None:
            while True:
                with turn:
                    at = next(numbers, None)
                if at is None:
                    return
                if speed is not None:
                    time.sleep(max(0.0, begin + self.requests[at].at_s / speed - time.monotonic()))
                self._one(at)
                step()

        with ThreadPoolExecutor(workers) as pool:
            for each in [pool.submit(work) for _ in range(workers)]:
                each.result()
        return time.monotonic() - begin

    def _settled(self) -> Iterator[tuple[str, int, int]]:
        """What each user settled on each UTC day, in units, from the ledger in Redis."""
        spent: Counter[tuple[str, int]] = Counter()
        for shard in range(self.store.setup(create=False).shards):
            for entry in self.store.read_ledger(shard):
                if entry.kind is Kind.SETTLE:
                    spent[entry.root, entry.at_ms // _DAY_MS] += entry.amount
        for (name, day), units in spent.items():
            yield name, day, units

    def _highest_ratio(self, settled: Iterable[tuple[str, int, int]]) -> Decimal:
        """The highest spend of any user on any UTC day / its deny cap."""
        precision = self.store.setup(create=False).precision
        limited = [(to_credits(units, precision), name) for name, _, units in settled if name in self.limits]
        return max((spent / self.limits[name] for spent, name in limited), default=Decimal(0))

    def check(self, progress: Callable[[int, int], None] | None = None, durable: str | None = None) -> dict[str, Any]:
        """The books: what was granted is what is left and what was billed, to the last unit; and ``verify``.

        Args:
            progress: Is told how many shards ``verify`` has seen, of how many.
            durable: The database that was drained into. Then the ledger in Redis is trimmed, and SQL is asked instead
                of it: ``durable`` tells the books of both.
        """
        balances = held = Decimal(0)
        for name in self.names.values():
            available = self.store.get_available(name)
            balances += available.balance
            held += available.reserved
        told: dict[str, Any] = {}
        if durable is None:
            verified, settled = self.store.verify(progress), self._settled()
        else:
            granted_units = to_units(self.granted, self.store.setup(create=False).precision)
            told["durable"] = tell_books(self.store, durable, granted_units)
            verified, settled = verify_in_sql(self.store, durable, progress), settled_in_sql(self.store, durable)
        ratio, differences = self._highest_ratio(settled), len(verified.differences) + verified.unverifiable
        same = not differences and (durable is None or told["durable"]["ok"])
        return {
            "granted": self.granted,
            "balances": balances,
            "difference": self.granted - balances - self.books.billed,
            "still_held": held,
            "differences_from_ledger": differences,
            "highest_ratio": ratio,
            **told,
            "ok": self.granted == balances + self.books.billed and held == 0 and ratio <= 1 and same,
        }
