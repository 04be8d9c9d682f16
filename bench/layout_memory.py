"""Memory of the layout, weighed through the public API with uuid account ids, against the figures of GOALS."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from typing import NamedTuple

import layout_variants as variants
import redis
from measuring import Command, load, memory_of, run, table, url_of, verdict

from ducto_redis import RedisStore, SpendCap

MODEL = "claude-sonnet-4-5-20250929"

HEAD = ("what", "weighed", "bytes each", "goal", "remark")


class Weight(NamedTuple):
    """Bytes of one thing: how many were weighed, and the goal (0: there is none)."""

    what: str
    count: int
    each: float
    goal: int = 0
    remark: str = ""

    def row(self) -> tuple[str, ...]:
        """The row of the table."""
        goal = verdict(self.each, self.goal) if self.goal else ""
        return self.what, f"{self.count:,}", f"{self.each:.0f}", goal, self.remark


class Scale:
    """A store on an emptied server, and what to take off the scale before it is read.

    It has one shard, so that the ledger is one long stream: the last node of every stream is allocated in advance.
    """

    def __init__(self, client: redis.Redis) -> None:
        client.flushall()
        self.client = client
        self.store = RedisStore.from_url(url_of(client), namespace="ducto", shards=1)
        self.store.setup()
        self._warm_up()

    def _warm_up(self) -> None:
        """Every script is loaded before the first reading."""
        (name,) = self.open_accounts(1)
        self.store.settle(name, self.store.reserve(name, 1), 1)
        self.clear_records()
        self.take_ledger("")

    def open_accounts(self, count: int, balance: int = 1_000_000) -> list[str]:
        """Accounts with credits and two deny caps; the records of these writes are deleted as they come up."""
        names = [str(uuid.uuid4()) for _ in range(count)]
        for at, name in enumerate(names, 1):
            self.store.add_credits(name, balance)
            self.store.set_spend_cap(SpendCap(user_id=name, cap_type="daily", limit=500_000, action="deny"))
            self.store.set_spend_cap(SpendCap(user_id=name, cap_type="monthly", limit=900_000, action="deny"))
            if at % 500 == 0:
                self.clear_records()  # in small steps, so that they do not enlarge the server's table of keys
        self.clear_records()
        return names

    def clear_records(self) -> None:
        """Deletes the stores of operation records."""
        for key in self.client.scan_iter(match="ducto:*:0:*", count=5_000):
            self.client.delete(key)

    def take_ledger(self, what: str) -> Weight:
        """Weighs the entries written since the last time, and deletes them."""
        keys = list(self.client.scan_iter(match="ducto:*:ledger", count=5_000))
        entries = sum(self.client.xlen(key) for key in keys)
        by_redis = sum(self.client.memory_usage(key, samples=0) for key in keys)
        before = memory_of(self.client)
        for key in keys:
            self.client.xtrim(key, maxlen=0, approximate=False)
        each = (before - memory_of(self.client)) / entries
        return Weight(what, entries, each, 110, f"MEMORY USAGE says {by_redis / entries:.0f}")

    def grown(self, count: int, action: Callable[[], None]) -> float:
        """Bytes that an action adds per thing."""
        before = memory_of(self.client)
        action()
        return (memory_of(self.client) - before) / count


def weigh_accounts(client: redis.Redis, count: int = 20_000) -> list[Weight]:
    """Idle accounts with two caps, then with a stand-in for the rate limit."""
    scale = Scale(client)
    names: list[str] = []
    ledger: list[Weight] = []

    def opened() -> None:
        names.extend(scale.open_accounts(count))
        ledger.append(scale.take_ledger("ledger entry, GRANT and CAP_SET"))

    idle = scale.grown(count, opened)
    keys = list(client.scan_iter(match="ducto:*:s:*", count=5_000))
    limit = scale.grown(count, lambda: _put_all(client, keys, {"l": os.urandom(29)}))
    return [
        Weight("idle account, two caps", count, idle, 0, "idle: no hold, no record of an operation"),
        Weight("idle account, two caps and a rate limit (29 bytes in `l`)", count, idle + limit, 300),
        *ledger,
    ]


def _put_all(client: redis.Redis, keys: Iterable[str | bytes], fields: dict[str, bytes]) -> None:
    flat = [part for pair in fields.items() for part in pair]
    run(client, [("HSET", key, *flat) for key in keys])


def _forms(client: redis.Redis) -> dict[str, Callable[[str], Command]]:
    """The same state of an account in different forms: each a command that writes it to a key."""

    def seeded(text: str) -> Callable[[str], Command]:
        sha, values = load(client, text), variants.seed_values()
        return lambda key: ("EVALSHA", sha, 1, key, *values)

    forms = {name: seeded(seed) for name, (seed, _) in variants.CHARGES.items()}
    r, n, c, wide = (os.urandom(size) for size in (39, 64, 18, 72))
    forms["C in one field of 121 bytes"] = lambda key: ("HSET", key, "s", r + n + c)
    forms["C with doubles in the node: 72 bytes instead of 64"] = lambda key: ("HSET", key, "r", r, "n", wide, "c", c)
    return forms


def weigh_forms(client: redis.Redis, count: int = 20_000) -> list[Weight]:
    """What the limit of 64 bytes per value does: the same state as one value, or in fields that keep below it."""
    weights = []
    client.flushall()
    for what, command in _forms(client).items():
        client.flushall()
        keys = [f"ducto:{{0}}:s:{uuid.uuid4()}" for _ in range(count)]
        before = memory_of(client)
        run(client, [command(key) for key in keys])
        run(client, [("EXISTS", "-")] * count)  # every look-up moves the server on in enlarging its table of keys
        encoding = client.object("encoding", keys[0]).decode()
        weights.append(Weight(what, count, (memory_of(client) - before) / count, 0, encoding))
    return weights


def weigh_holds(client: redis.Redis, model: str | None, accounts: int = 1_000, per_account: int = 10) -> list[Weight]:
    """Open holds of an operation type ("usage") and maybe a model, and what is left of them when they are settled."""
    scale = Scale(client)
    names = scale.open_accounts(accounts)
    scale.take_ledger("")
    holds: list[tuple[str, str]] = []
    weights: list[Weight] = []
    label = f"model of {len(model)} bytes" if model else "no model"
    count = accounts * per_account

    def hold_all() -> None:
        holds.extend((name, scale.store.reserve(name, 1, model=model).hold_id) for name in names * per_account)
        weights.append(scale.take_ledger(f"ledger entry, HOLD, {label}"))

    weights.append(Weight(f"open hold, ten per account, {label}", count, scale.grown(count, hold_all), 110))
    for name, hold in holds:
        assert scale.store.settle(name, hold, 1).amount == 1
    if not model:
        weights.append(scale.take_ledger("ledger entry, SETTLE"))
        each = -scale.grown(count, scale.clear_records)
        weights.append(Weight("op id (settled hold), 10 per root", count, each, 100))
    return weights


def weigh_records(client: redis.Redis, per_root: int, *, clamped: int = 0, roots: int = 10) -> Weight:
    """Operation records of settled holds; the last ones of a root may be clamped, which makes them longer."""
    scale = Scale(client)
    names = scale.open_accounts(roots)
    for name in names:
        for at in range(per_root):
            asked = 10**7 if at >= per_root - clamped else 1
            hold = scale.store.reserve(name, 0 if clamped else 1)
            assert scale.store.settle(name, hold, asked).error_code is None
    scale.take_ledger("")
    count = per_root * roots
    what = f"op id (settled hold), {per_root:,} per root" + (f", {clamped} of them clamped" if clamped else "")
    return Weight(what, count, -scale.grown(count, scale.clear_records), 100 if per_root <= 500 else 150)


def memory_tables(client: redis.Redis) -> tuple[str, str]:
    """The table of the goals, and the one of the 64-byte limit."""
    client.config_set("latency-tracking", "no")  # its histograms, made at the first use of a command, would be weighed
    weights = weigh_accounts(client) + weigh_holds(client, None) + weigh_holds(client, MODEL)
    weights += [weigh_records(client, 500), weigh_records(client, 500, clamped=1), weigh_records(client, 1_000)]
    ledger = [weight for weight in weights if weight.what.startswith("ledger")]
    others = [weight for weight in weights if not weight.what.startswith("ledger")]
    goals = table(HEAD, [weight.row() for weight in others + ledger])
    return goals, table(HEAD, [weight.row() for weight in weigh_forms(client)])
