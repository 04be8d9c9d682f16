"""Callers of a replay that send again what fails, under the same ids, and keep what each operation was told."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any, NamedTuple

from gates import Ended, Gate
from traces import part_of_trace

from ducto_redis import RedisStore
from ducto_redis.cli.replay import Replay
from ducto_redis.cli.trace import draw_users
from ducto_redis.codes import Code
from ducto_redis.core.entries import Kind

USERS, MAX_TOKENS = 20, 2048
#: Every so many requests the user is granted so many credits before.
TOP_UP_EVERY, TOP_UP = 8, 300
#: Operations that a request is about to make, refused ones aside.
PER_REQUEST = 1.5


class Asked(NamedTuple):
    """An operation as the ledger names it."""

    kind: Kind
    user: str
    op_id: str


class Callers(Replay):
    """A replay whose operations have ids of their own, and which keeps what it was told.

    Attributes:
        told: Operations that were told as executed, with their amounts in credits; ``asked``: those asked for.
        anew: Holds that were told, lost, and made anew under their id.
    """

    def __init__(self, store: RedisStore, requests: int, seed: int) -> None:
        super().__init__(store, part_of_trace(requests, seed), draw_users(requests, USERS, seed), MAX_TOKENS)
        self.gate = Gate()
        self.told: dict[Asked, Decimal] = {}
        self.asked: dict[Asked, Decimal] = {}
        self.anew = 0
        self._lock = threading.Lock()

    def send(self, asked: Asked, amount: Decimal) -> Any:
        """Sends an operation, as often as it takes; the same arguments are the same operation."""
        if asked.kind is Kind.SETTLE:
            return self.gate.call(lambda: self.store.settle(asked.user, asked.op_id, amount))
        method = self.store.reserve if asked.kind is Kind.HOLD else self.store.add_credits
        return self.gate.call(lambda: method(asked.user, amount, idempotency_key=asked.op_id))

    def _tell(self, asked: Asked, amount: Decimal) -> bool:
        """Sends an operation and keeps what was told; whether it was executed."""
        result = self.send(asked, amount)
        if result.error_code is None:
            with self._lock:
                self.anew += asked in self.told
                self.told[asked], self.asked[asked] = result.amount, amount
        elif result.error_code is not Code.LEASE_NOT_FOUND:
            with self.books.lock:
                self.books.denied[result.error_code] += 1
        return result.error_code is None

    def _one(self, at: int) -> None:
        request, user = self.requests[at], self.names[self.users[at]]
        try:
            if at % TOP_UP_EVERY == 0:
                self._tell(Asked(Kind.GRANT, user, f"g{at}"), Decimal(TOP_UP))
            # A hold that was told and is lost: the caller begins again, under the same id.
            while self._tell(Asked(Kind.HOLD, user, f"r{at}"), Decimal(request.context + self.max_tokens)):
                if self._tell(Asked(Kind.SETTLE, user, f"r{at}"), Decimal(request.context + request.generated)):
                    return
        except Ended:
            return

    def sum_of(self, kind: Kind) -> Decimal:
        """What was told of a kind, in credits."""
        return sum((amount for asked, amount in self.told.items() if asked.kind is kind), Decimal(0))
