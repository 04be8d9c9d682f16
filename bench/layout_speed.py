"""Server time: encodings of the state, of ledger entries and of operation records, and the real scripts."""

from __future__ import annotations

import secrets
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import layout_variants as variants
import redis
from measuring import Command, load, median_range, memory_of, ratio_to, run, table, time_calls, verdict

from ducto_redis import SpendCap
from ducto_redis.core import operations
from ducto_redis.core.flows import open_namespace
from ducto_redis.core.scripts import ScriptSet
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Answer, Call
from ducto_redis.drivers.replies import command_of
from ducto_redis.drivers.sync import SyncDriver
from ducto_redis.ids import new_generation, new_id

REPETITIONS = 5
ROUNDS = 2  # of all rows in a repetition, whose time is their mean
ACCOUNTS = 5_000
BARE = "bare: HMGET of 10 fields, HSET of 6"

Times = dict[str, list[float]]


def new_names(count: int) -> list[str]:
    """Account ids as most callers have them."""
    return [str(uuid.uuid4()) for _ in range(count)]


def repeated(take_turns: Callable[[Times], None], rounds: int) -> Times:
    """Times by name, one per repetition: the mean of its rounds."""
    times: Times = defaultdict(list)
    for _ in range(REPETITIONS):
        taken: Times = defaultdict(list)
        for _ in range(rounds):
            take_turns(taken)
        for name, each in taken.items():
            times[name].append(sum(each) / len(each))
    return times


class Bare:
    """The script that every time is compared with, over hashes of its own."""

    def __init__(self, client: redis.Redis, accounts: int = ACCOUNTS) -> None:
        self.client = client
        self.sha = load(client, variants.BARE)
        self.keys = [f"bare:{name}" for name in new_names(accounts)]
        fields = [part for at in range(1, 11) for part in (f"f{at}", 1000 * at)]
        run(client, [("HSET", key, *fields) for key in self.keys])

    def time(self) -> float:
        """Microseconds per call, one call per account."""
        values = (5000000, 1000, 2000, 3000, 20000, 600)
        return time_calls(self.client, [("EVALSHA", self.sha, 1, key, *values) for key in self.keys])[0]


class Charge:
    """One encoding of the state: its accounts and what a charge costs."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        seed, charge = variants.CHARGES[name]
        self.client = client
        self.sha = load(client, charge)
        self.tag = name[0]
        self.names = new_names(ACCOUNTS)
        values = variants.seed_values()
        self.generation = values[0]
        seed_sha = load(client, seed)
        run(client, [("EVALSHA", seed_sha, 1, self.key("s", name), *values) for name in self.names])

    def key(self, kind: str, name: str) -> str:
        """A key of an account."""
        return f"ducto:{{{self.tag}}}:{kind}:{name}"

    def time(self) -> float:
        """Microseconds per charge, one per account; every one must be admitted."""
        ledger = f"ducto:{{{self.tag}}}:ledger"
        commands = [
            ("EVALSHA", self.sha, 3, self.key("s", name), self.key("0", name), ledger, self.generation, name,
             "d" + new_id(), 250, 0, self.generation.hex())
            for name in self.names
        ]  # fmt: skip
        usec, replies = time_calls(self.client, commands)
        assert all(reply[0] == 0 for reply in replies), replies[0]
        return usec


class RealScripts:
    """The library's own calls, built by its core and sent in pipelines."""

    def __init__(self, client: redis.Redis, accounts: int = ACCOUNTS) -> None:
        self.client = client
        self.scripts = ScriptSet()
        self.space = Space("real")
        flow = open_namespace(self.space, create=True, generation=new_generation())
        SyncDriver(client, self.scripts).run_flow(flow)
        for name in ("add_credits", "set_spend_cap", "reserve", "settle", "deduct_credits"):
            load(client, self.scripts[name].text)
        self.names = new_names(accounts)
        for name in self.names:
            self._send([operations.add_credits(self.space, name, 100_000, op_id=new_id(), own_key=False)])
        for period, limit in (("daily", 50_000), ("monthly", 90_000)):
            caps = [SpendCap(user_id=name, cap_type=period, limit=limit, action="deny") for name in self.names]
            self._send([operations.set_spend_cap(self.space, cap, op_id=new_id()) for cap in caps])

    def _commands(self, calls: Sequence[Call[Any] | Answer[Any]]) -> list[Command]:
        return [command_of(call, self.scripts[call.script], None) for call in calls if isinstance(call, Call)]

    def _send(self, calls: Sequence[Call[Any] | Answer[Any]]) -> None:
        run(self.client, self._commands(calls))

    def _time(self, calls: Sequence[Call[Any] | Answer[Any]]) -> float:
        usec, replies = time_calls(self.client, self._commands(calls))
        assert all(reply[0] == 0 for reply in replies), replies[0]
        return usec

    def reserve(self, holds: dict[str, str], *, admit: bool) -> float:
        """Microseconds per hold, one per account."""
        return self._time([
            operations.reserve(self.space, name, 1, admit=admit, op_id=op_id, own_key=False)
            for name, op_id in holds.items()
        ])  # fmt: skip

    def end(self, operation: Callable[..., Call[Any] | Answer[Any]], holds: dict[str, str]) -> float:
        """Microseconds per settle or deduct_credits, one per account, of less than what is held."""
        return self._time([operation(self.space, name, op_id, "0.5") for name, op_id in holds.items()])

    def new_holds(self) -> dict[str, str]:
        """A fresh hold id for every account."""
        return {name: new_id() for name in self.names}

    def open_holds(self, count: int) -> None:
        """Opens this many holds on every account, untimed."""
        for _ in range(count):
            self.reserve(self.new_holds(), admit=True)

    def time_pairs(self, times: Times) -> None:
        """One repetition of all the operations."""
        holds = self.new_holds()
        times["`reserve`"].append(self.reserve(holds, admit=True))
        times["`settle`"].append(self.end(operations.settle, holds))
        holds = self.new_holds()
        times["`reserve` without caps (`reserve_credits`)"].append(self.reserve(holds, admit=False))
        times["`deduct_credits`"].append(self.end(operations.deduct_credits, holds))


def measure_state(client: redis.Redis) -> str:
    """The charge in each encoding and the real scripts, interleaved with the bare script; goals S1 and S2."""
    bare = Bare(client)
    charges = {name: Charge(client, name) for name in variants.CHARGES}
    real = RealScripts(client)

    def take_turns(times: Times) -> None:
        times[BARE].append(bare.time())
        for name, charge in charges.items():
            times[name].append(charge.time())
        real.time_pairs(times)

    times = repeated(take_turns, ROUNDS)
    client.flushall()
    rows = []
    for name, usec in times.items():
        ratio = ratio_to(usec, times[BARE])
        goal = verdict(ratio, 3.3, 2) if name in ("`reserve`", "`settle`") else ""
        rows.append((name, median_range(usec), f"{ratio:.2f}", goal))
    return table(("script", "server us per call", "x bare", "goal S2"), rows)


def measure_crowded(client: redis.Redis, open_holds: Sequence[int], accounts: int = 150) -> str:
    """Reserve and settle on accounts that have this many holds open, and as many records: GOALS S3."""
    bare = Bare(client, 2_500)
    crowds: dict[int, RealScripts] = {}
    for count in open_holds:
        crowds[count] = RealScripts(client, accounts)
        crowds[count].open_holds(count)

    def take_turns(times: Times) -> None:
        times[BARE].append(bare.time())
        for count, crowd in crowds.items():
            holds = crowd.new_holds()
            times[f"`reserve` {count}"].append(crowd.reserve(holds, admit=True))
            times[f"`settle` {count}"].append(crowd.end(operations.settle, holds))

    times = repeated(take_turns, 3)
    client.flushall()
    rows = []
    for count in open_holds:
        row: list[str] = [f"{count:,}"]
        for name in ("`reserve`", "`settle`"):
            mine, first = times[f"{name} {count}"], times[f"{name} {open_holds[0]}"]
            growth = ratio_to(mine, first)
            goal = verdict(growth, 1.15, 2) if count > open_holds[0] else ""
            row += [median_range(mine), f"{ratio_to(mine, times[BARE]):.2f}", f"{growth:.2f}", goal]
        rows.append(row)
    few = f"x {open_holds[0]}"
    return table(("open holds", "reserve us", "x bare", few, "goal S3", "settle us", "x bare", few, "goal S3"), rows)


def measure_entries(client: redis.Redis, per_repetition: int = 20_000) -> str:
    """Server time and bytes of a ledger entry in each form."""
    shas = {name: load(client, text) for name, text in variants.ENTRIES.items()}
    times: Times = defaultdict(list)
    grown: dict[str, int] = defaultdict(int)
    generation = secrets.token_bytes(8)
    for turn in range(REPETITIONS):
        for name, sha in shas.items():
            packed = "packed" in name
            tail = b"\3" if packed else b"3"
            life = generation if packed else generation[:4].hex()
            commands = [
                ("EVALSHA", sha, 1, name, life, root, "h" + new_id(), turn + 4, 250_000, 4_999_750_000 - turn, tail)
                for root in new_names(per_repetition)
            ]
            before = memory_of(client)
            times[name].append(time_calls(client, commands)[0])
            grown[name] += memory_of(client) - before
    entries = REPETITIONS * per_repetition
    rows = [
        (name, median_range(times[name]), f"{grown[name] / entries:.0f}",
         f"{client.memory_usage(name, samples=0) / entries:.0f}")
        for name in shas
    ]  # fmt: skip
    client.flushall()
    return table(("form", "server us per call", "bytes per entry", "by MEMORY USAGE"), rows)


class OpLayout(NamedTuple):
    """A way to keep operation records: how many in a root's hash (0: a key each), bytes of a record."""

    name: str
    per_root: int
    record: int


OP_LAYOUTS = (
    OpLayout("a key per id, PX", 0, 60),
    OpLayout("hash of the root, 10 ids", 10, 60),
    OpLayout("hash of the root, 400 ids", 400, 60),
    OpLayout("hash of the root, 2,000 ids", 2_000, 60),
    OpLayout("hash of the root, 10 ids, record of 67 B", 10, 67),
    OpLayout("hash of the root, 400 ids, record of 67 B", 400, 67),
)


def _fill_ops(client: redis.Redis, layout: OpLayout, shas: dict[bool, bytes], ops: int = 40_000) -> tuple[float, float]:
    """Bytes per id, and microseconds per call for the last tenth of the ids."""
    roots = [f"ducto:{{1}}:0:{name}" for name in new_names(ops // (layout.per_root or 10))]
    record = secrets.token_bytes(layout.record)
    commands: list[Command] = []
    for _ in range(layout.per_root or 10):
        for root in roots:
            field = "h" + new_id()
            key = root if layout.per_root else f"{root}:{field}"
            commands.append(("EVALSHA", shas[layout.per_root > 0], 1, key, field, record))
    before = memory_of(client)
    run(client, commands[: -ops // 10])
    usec, replies = time_calls(client, commands[-ops // 10 :])
    assert not any(replies)
    weight = (memory_of(client) - before) / ops
    client.flushall()
    return weight, usec


def measure_ops(client: redis.Redis) -> str:
    """Bytes and time of operation records, a key each or fields of one hash."""
    shas = {False: load(client, variants.OP_AS_KEY), True: load(client, variants.OP_AS_FIELD)}
    weights: Times = defaultdict(list)
    times: Times = defaultdict(list)
    for _ in range(3):
        for layout in OP_LAYOUTS:
            weight, usec = _fill_ops(client, layout, shas)
            weights[layout.name].append(weight)
            times[layout.name].append(usec)
    rows = [(each.name, median_range(weights[each.name], 0), median_range(times[each.name])) for each in OP_LAYOUTS]
    return table(("layout", "bytes per id", "server us, look up and write"), rows)
