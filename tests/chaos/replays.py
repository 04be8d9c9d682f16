"""A trace replayed by threads while a snapshotter drains, Redis is killed, comes back empty and is restored from SQL.

In the middle, at a counted number of operations, the server is killed by SIGKILL and an empty one is started in its
place. The callers go on with the store objects they have: each sends what failed again, under the same id, until it is
answered. ``quiet``: the snapshotter has carried all there was when the server is killed, so nothing may be lost. ``at
once``: killed under load, and what was told as executed since the last drain is lost: it is counted, then every caller
repeats all that it was ever told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from urllib.parse import unquote

from gates import LIMIT_S, Gate, Turns
from replay_callers import PER_REQUEST, Asked, Callers
from servers import RedisProcess
from sql import DATABASES, Database, run_on_each

from ducto_redis import NeedsRestore, RedisStore, RetryPolicy
from ducto_redis.core.entries import Kind, read_entry
from ducto_redis.durable import Restore, Snapshotter, books_in_redis, books_in_sql, open_database, settled_by_day

SHARDS, WORKERS = 4, 4
UNIT = 10**4
VARIANTS = ("quiet", "at once")
#: What must be 0.
WRONG = (
    "doubled", "other amounts", "not asked", "units created", "units off", "caps passed", "not once",
    "lost after the repeats", "held at the end", "lost, quiet",
)  # fmt: skip
_OF_CALLERS = re.compile(r"[gr]\d{1,6}")


class Durable:
    """A snapshotter that runs when it is told to, with a store of its own, and what its database holds."""

    def __init__(self, server: RedisProcess, namespace: str, database: Database) -> None:
        self._store = RedisStore.from_url(server.url, namespace=namespace, retry=RetryPolicy(deadline_s=0))
        self.namespace, self._server, self._database = namespace, server, database
        self.turns, self.engine = Turns(), open_database(database.url)
        self.snapshotter = Snapshotter(self._store, database.url, wait=self.turns.wait)

    def carry(self) -> None:
        """Drains all there is."""
        self.turns.take()
        if self.snapshotter.last_error is not None:
            raise self.snapshotter.last_error

    def close(self) -> None:
        self.turns.stop()
        self.snapshotter.close()
        self.engine.dispose()
        self._store.close()

    def restore(self, gate: Gate) -> int:
        """As an operator does, from a process of its own; at each step callers and snapshotter try in vain."""

        def refused(point: str) -> None:
            if point != "finished":
                gate.try_again()
                self.turns.take()
                assert isinstance(self.snapshotter.last_error, NeedsRestore)

        with RedisStore.from_url(self._server.url, namespace=self.namespace) as store:
            restore = Restore(store, self._database.url)
            restore.at_point = refused
            with closing(restore):
                return restore.run().roots

    def operations(self) -> dict[Asked, list[int]]:
        """Operations under an id of the callers', and the amounts of the rows that each has."""
        found: dict[Asked, list[int]] = {}
        for namespace, data in self._database.rows("namespace, data"):
            entry = read_entry(bytes(data))
            if (
                namespace == self.namespace
                and entry.kind in (Kind.GRANT, Kind.HOLD, Kind.SETTLE)
                and _OF_CALLERS.fullmatch(entry.reference[1:])
            ):
                asked = Asked(entry.kind, unquote(entry.root), entry.reference[1:])
                found.setdefault(asked, []).append(entry.amount)
        return found


@contextmanager
def at_work(server: RedisProcess, namespace: str, requests: int, seed: int) -> Iterator[tuple[Callers, Future[float]]]:
    """A block in which callers work, once the gate is open; at its end they stop."""
    never = RetryPolicy(deadline_s=0)
    with (
        RedisStore.from_url(server.url, namespace=namespace, shards=SHARDS, retry=never) as store,
        ThreadPoolExecutor(1) as pool,
    ):
        store.setup()
        callers = Callers(store, requests, seed)
        callers.prepare(lambda: None)
        try:
            yield callers, pool.submit(callers.run, WORKERS, lambda: None)
        finally:
            callers.gate.end()


def killed(gate: Gate, server: RedisProcess) -> Callable[[], None]:
    """Kills the server; who is under way fails, and waits."""

    def strike() -> None:
        gate.go_down()
        server.kill()

    return strike


def run(namespace: str, database: Database, requests: int, seed: int, variant: str) -> Counter[str]:
    """Replays so many requests with a kill in the middle.

    Returns:
        ``acknowledged`` operations and ``kills``; ``lost`` of what was told, and ``credits lost``: amounts of grants
        and settlements; ``repeated`` and ``anew``: repetitions at the end that were answered as such, and that were
        executed; what callers met; and what must be 0 (``WRONG``).
    """
    server = RedisProcess()
    try:
        with (
            at_work(server, namespace, requests, seed) as (callers, done),
            closing(Durable(server, namespace, database)) as durable,
        ):
            return _struck(server, callers, done, durable, variant)
    finally:
        server.stop()


def _struck(
    server: RedisProcess, callers: Callers, done: Future[float], durable: Durable, variant: str
) -> Counter[str]:
    gate, expected = callers.gate, int(len(callers.requests) * PER_REQUEST)
    strike = killed(gate, server)
    gate.expect(expected // 4, gate.close)
    gate.go_up()
    gate.await_quiet()
    durable.carry()
    gate.expect(expected // 2, gate.close if variant == "quiet" else strike)
    gate.go_up()
    if variant == "quiet":
        gate.await_quiet()
        durable.carry()
        strike()
    else:
        gate.await_it()
    gate.try_again()
    server.kill_and_start_again()
    gate.try_again()
    roots = durable.restore(gate)
    assert roots == len(callers.names)
    gate.go_up()
    done.result(LIMIT_S)
    seen = audit(callers, durable) + Counter(kills=1, acknowledged=gate.executed, **gate.met)
    seen["holds anew"] = callers.anew
    return repeat_all(callers, durable, seen)


def audit(callers: Callers, durable: Durable) -> Counter[str]:
    """What was told beside rows, balances and charges, behind a last drain; nobody may be at work."""
    durable.carry()
    found, seen = durable.operations(), Counter[str]()
    lost = {asked: amount for asked, amount in callers.told.items() if asked not in found}
    moved: Counter[Kind] = Counter()
    for asked, amount in lost.items():
        moved[asked.kind] += int(amount * UNIT)
    sql, redis = books_in_sql(durable.engine, durable.namespace), books_in_redis(callers.store)
    granted = int((callers.granted + callers.sum_of(Kind.GRANT)) * UNIT) - moved[Kind.GRANT]
    charged = int(callers.sum_of(Kind.SETTLE) * UNIT) - moved[Kind.SETTLE]
    seen["lost"] = len(lost)
    seen["credits lost"] = (moved[Kind.GRANT] + moved[Kind.SETTLE]) // UNIT
    seen["doubled"] = sum(len(amounts) - 1 for amounts in found.values())
    seen["not asked"] = len(found.keys() - callers.told.keys())
    seen["other amounts"] = sum(
        amounts[0] != callers.told[asked] * UNIT for asked, amounts in found.items() if asked in callers.told
    )
    seen["units created"] = max(0, redis.balance_units + redis.charged_units - granted)
    seen["caps passed"] = sum(
        spend.units > callers.limits[spend.root] * UNIT
        for spend in settled_by_day(durable.engine, durable.namespace)
        if spend.root in callers.limits
    )
    seen["units off"] = (
        abs(sql.granted_units - granted) + abs(sql.charged_units - charged) + abs(redis.charged_units - charged)
        + abs(granted - charged - redis.balance_units) + abs(granted - charged - sql.folded.balance_units)
        + abs(redis.held_units - sql.folded.held_units) + sql.behind + sql.dead
    )  # fmt: skip
    return seen


def repeat_all(callers: Callers, durable: Durable, seen: Counter[str]) -> Counter[str]:
    """Every caller sends again all that it was told: what is there is answered as a repetition, what was lost made
    anew; then nothing is lost but what is refused now."""
    before = durable.operations()
    for asked in sorted(callers.asked, key=lambda asked: (int(asked.op_id[1:]), asked.kind)):
        first = callers.told.pop(asked)
        result = callers.send(asked, callers.asked[asked])
        executed = result.error_code is None
        is_repeated = executed and result.idempotent
        seen["repeated"] += is_repeated
        seen["anew"] += executed and not is_repeated
        seen["not once"] += is_repeated != (asked in before)
        seen["other amounts"] += is_repeated and result.amount != first
        seen["refused now"] += not executed
        if executed:
            callers.told[asked] = result.amount  # made anew, caps and balance may allow another one
    after = audit(callers, durable)
    seen["lost after the repeats"] = after.pop("lost")
    seen["held at the end"] = books_in_redis(callers.store).held_units
    after.pop("credits lost")
    return seen + after


def control(requests: int, seed: int) -> Counter[str]:
    """The same kill without a durable store: operations and credits that callers were told of, and that are there."""
    server = RedisProcess()
    try:
        with at_work(server, "control", requests, seed) as (callers, done):
            gate = callers.gate
            gate.expect(int(requests * PER_REQUEST) // 2, killed(gate, server))
            gate.go_up()
            gate.await_it()
            server.kill_and_start_again()
            gate.end()
            done.result(LIMIT_S)
            with RedisStore.from_url(server.url, namespace="control") as anew:
                assert anew.setup().created
                left = books_in_redis(anew)
            charged, granted = callers.sum_of(Kind.SETTLE), callers.granted + callers.sum_of(Kind.GRANT)
            return Counter({
                "acknowledged": len(callers.told), "granted": int(granted), "charged": int(charged),
                "units left": left.balance_units + left.charged_units, "roots left": left.roots,
            })  # fmt: skip
    finally:
        server.stop()


def run_all(namespace: str, n: int, seed: int) -> Counter[str]:
    """Both variants on every database: about ``n`` operations."""
    requests = int(n / PER_REQUEST / 2 / len(DATABASES))

    def both(name: str, database: Database) -> Counter[str]:
        seen: Counter[str] = Counter()
        for variant in VARIANTS:
            found = run(f"{namespace}.{name}.{variant[0]}", database, requests, seed, variant)
            for what in ("lost", "credits lost"):
                found[f"{what}, {variant}"] = found.pop(what, 0)
            seen += found
        return seen

    return run_on_each(both)


def wrong(seen: Counter[str]) -> dict[str, int]:
    """What must be 0 and is not."""
    return {name: seen[name] for name in WRONG if seen[name]}
