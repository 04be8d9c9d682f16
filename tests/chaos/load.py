"""Threads that grant, reserve, settle, release and charge under ids of their own, and keep what each was told.

Half of them are patient: the library repeats their calls. Half are hasty: they are told ``OutcomeUnknown`` at once, and
when the server is there again they send the call under the same id or ask ``resolve`` what became of it.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from ducto_redis import OutcomeUnknown, RedisStore, RetryPolicy, StoreUnavailable
from ducto_redis.core.entries import Kind
from ducto_redis.errors import NeedsRestore, ScriptFailed

USERS = ("u0", "u1", "acme/x/u2")
SHARDS = 2
OPENING = 10**5
PATIENT, HASTY = RetryPolicy(deadline_s=60, cap_s=0.02), RetryPolicy(deadline_s=0)
#: What the control appends to an id that it does not use again.
ANEW = "~"
#: Longer than any fault takes.
LIMIT_S = 60
_LETTERS = {Kind.GRANT: "g", Kind.CHARGE: "d", Kind.HOLD: "h", Kind.SETTLE: "h", Kind.RELEASE: "h"}
_METHODS = {
    Kind.GRANT: "add_credits", Kind.CHARGE: "deduct", Kind.HOLD: "reserve", Kind.SETTLE: "settle",
    Kind.RELEASE: "release",
}  # fmt: skip


class Asked(NamedTuple):
    """An operation as the ledger names it."""

    kind: Kind
    user: str
    op_id: str

    @property
    def reference(self) -> str:
        return _LETTERS[self.kind] + self.op_id


def call(store: RedisStore, asked: Asked, amount: int) -> Any:
    """Sends an operation; the same arguments are the same operation."""
    method = getattr(store, _METHODS[asked.kind])
    if asked.kind is Kind.RELEASE:
        return method(asked.user, asked.op_id)
    if asked.kind is Kind.SETTLE:
        return method(asked.user, asked.op_id, amount)
    return method(asked.user, amount, idempotency_key=asked.op_id)


class Wiped(Exception):
    """The server was found without its data."""


class History:
    """What callers were told: amounts in credits by operation, and counts.

    Attributes:
        acked: Executed.
        refused: Not executed.
        pending: Not told yet.
        seen: How often what was met.
        wiped: Whether the server was found without its data.
    """

    def __init__(self) -> None:
        self.acked: dict[Asked, int] = {}
        self.refused: dict[Asked, int] = {}
        self.pending: dict[Asked, int] = {}
        self.seen: Counter[str] = Counter()
        self.wiped = False
        self._changed = threading.Condition()

    def tell(self, asked: Asked, amount: int, known: dict[Asked, int] | None, met: str = "") -> None:
        """Files an operation among those that are known, or that are pending (None), and counts what was met."""
        with self._changed:
            self.pending.pop(asked, None)
            self.refused.pop(asked, None)
            (self.pending if known is None else known)[asked] = amount
            self.seen[met] += bool(met)
            self._changed.notify_all()

    def end(self) -> None:
        """The server has lost its data."""
        with self._changed:
            self.wiped = True
            self._changed.notify_all()

    def await_more(self, n: int, what: Callable[[History], int] = lambda history: len(history.acked)) -> None:
        """Waits until callers were told ``n`` more; by default: that an operation was executed.

        Raises:
            TimeoutError: They were not.
            Wiped: The server has lost its data; there will be no more.
        """
        with self._changed:
            wanted = what(self) + n
            if not self._changed.wait_for(lambda: self.wiped or what(self) >= wanted, LIMIT_S):
                raise TimeoutError(f"{what(self)} of {wanted}, {dict(self.seen)}")
            if self.wiped:
                raise Wiped


class Load:
    """A block in which workers work; at its end each has been told about all it sent.

    Args:
        url: The server; it may move to another one.
        namespace: Is created, with accounts of plenty.
        seed: Chooses operations.
        workers: How many threads.
        timeout_s: How long a call waits for a reply.
        anew: The unprotected control: what is unknown is sent again under another id.
    """

    def __init__(
        self, url: str, namespace: str, seed: int, *, workers: int = 4, timeout_s: float = 5, anew: bool = False
    ) -> None:
        self._anew = anew
        self.history = History()
        self._url, self._namespace, self._seed = f"{url}?socket_timeout={timeout_s}", namespace, seed
        self._patient, self._hasty = self._opened(PATIENT), self._opened(HASTY)
        self._stopping, self._up = threading.Event(), threading.Event()
        self._up.set()
        self.failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work, args=(at,)) for at in range(workers)]

    def _opened(self, policy: RetryPolicy) -> RedisStore:
        return RedisStore.from_url(self._url, namespace=self._namespace, shards=SHARDS, precision=0, retry=policy)

    def __enter__(self) -> Self:
        self._patient.setup()
        self._hasty.setup()
        for at, user in enumerate(USERS):
            self._send(self._patient, Asked(Kind.GRANT, user, f"open{at}"), OPENING)
        for thread in self._threads:
            thread.start()
        return self

    def end(self) -> None:
        """Ends the workers; each is told first about what it sent."""
        self._stopping.set()
        self._up.set()
        for thread in self._threads:
            thread.join()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.end()
        self._patient.close()
        self._hasty.close()
        if self.failed and kind in (None, Wiped):
            raise self.failed[0]

    @contextlib.contextmanager
    def away(self) -> Any:
        """A block in which the server is away; hasty callers wait for its end with what failed."""
        self._up.clear()
        try:
            yield
        finally:
            self._up.set()

    def send(self, kind: Kind, user: str, op_id: str, amount: int) -> bool:
        """Sends an operation besides the workers', patiently; answers whether it was executed."""
        return self._send(self._patient, Asked(kind, user, op_id), amount)

    def _work(self, worker: int) -> None:
        draw, held = random.Random(f"{self._seed}-{worker}"), []
        store = self._hasty if worker % 2 else self._patient
        try:
            at = 0
            while not self._stopping.is_set():
                at += 1
                kind, user, op_id = (
                    draw.choice(tuple(Kind(n) for n in (1, 2, 2, 9))),
                    draw.choice(USERS),
                    f"{worker}-{at}",
                )
                amount = draw.randint(1, 9)
                if held and draw.random() < 0.45:
                    _, user, op_id = held.pop(draw.randrange(len(held)))
                    kind = draw.choice((Kind.SETTLE, Kind.RELEASE))
                asked = Asked(kind, user, op_id)
                if self._send(store, asked, amount) and kind is Kind.HOLD:
                    held.append(asked)
        except NeedsRestore:
            self.history.end()
        except BaseException as error:  # told where the block ends
            self.failed.append(error)
            self.history.end()

    def _send(self, store: RedisStore, asked: Asked, amount: int) -> bool:
        """Sends an operation until it is known what became of it; answers whether it was executed."""
        tell = self.history.tell
        tell(asked, amount, None)
        try:
            return self._told(asked, amount, call(store, asked, amount))
        except OutcomeUnknown:
            tell(asked, amount, None, "unknown")
            self._up.wait(LIMIT_S)
            return self._find_out(asked, amount)
        except StoreUnavailable:
            tell(asked, amount, self.history.refused, "unavailable")
            self._up.wait(LIMIT_S)
        except ScriptFailed as error:
            tell(asked, amount, self.history.refused, "no memory" if "maxmemory" in str(error) else "script failed")
        return False

    def _told(self, asked: Asked, amount: int, result: Any, *, again: bool = False) -> bool:
        reason = result.reason if asked.kind is Kind.RELEASE else "released"
        # A hold is the identity of what ends it: sent again, a release tells that it was executed before.
        fine = result.error_code is None and reason in ("released", "already_released" if again else "released")
        met = ("sent again" if again else "") if fine else result.error_code or reason
        self.history.tell(asked, amount, self.history.acked if fine else self.history.refused, met)
        return fine

    def _find_out(self, asked: Asked, amount: int) -> bool:
        """Of what is unknown: sends it again, patiently, or resolves it."""
        if self._anew or asked.op_id[-1] in "02468":
            sent = asked._replace(op_id=asked.op_id + ANEW * self._anew)
            return self._told(asked, amount, call(self._patient, sent, amount), again=True)
        found = self._patient.resolve(asked.user, asked.op_id, _METHODS[asked.kind])
        if found.executed:
            self.history.tell(asked, amount, self.history.acked, "resolved")
            return True
        self.history.tell(asked, amount, self.history.refused, "resolved")
        if found.state == "released":  # what cannot be ended any more is freed
            self.history.tell(asked._replace(kind=Kind.RELEASE), amount, self.history.acked)
        return False
