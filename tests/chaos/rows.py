"""The rows of the safety table as functions of n and a seed: what ``make chaos-<row>`` repeats and tests run once.

``run(server, namespace, n, seed)`` answers a ``Figure``. Rows whose runner is a module of its own here - ``memory``,
``zones`` - are found when it is there.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
sys.path.insert(0, str(Path(__file__).parent))

import audit
import callers
import cancellation
import drains
import executions
import failovers
import power
import redis_faults
import replays as replaying
import restores
import sql_faults
import workers

TESTS = Path(__file__).parents[1]


class Figure(NamedTuple):
    """What one run of a row showed.

    Attributes:
        n: How many cases.
        bad: What must be 0.
        details: Further counts, added up over runs.
    """

    n: int
    bad: int
    details: Counter[str]


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        promise: What is 0, in words.
        unit: What n counts.
        chunk: How many cases a run makes at a time.
        run: Makes them.
        repeats: Whether another seed shows anything new.
    """

    promise: str
    unit: str
    chunk: int
    run: Callable[[Any, str, int, int], Figure]
    repeats: bool = True


def overspend(server, namespace, n, seed):
    by = (callers.by_threads, callers.by_processes, callers.by_tasks)[seed % 3]
    seen = callers.race(server.url, namespace, by, "balance" if seed // 3 % 2 else "cap", n)
    return Figure(seen["attempts"], seen["above"] + seen["reserved"], seen)


def once(server, namespace, n, seed):
    seen = executions.run(server, namespace, n, seed, asynchronous=bool(seed % 2))
    return Figure(seen["operations"], seen["not once"] + seen["told repeated"] + seen["without event"], seen)


def killed(server, namespace, n, seed):
    seen = workers.run(server, namespace, n, seed)
    bad = seen["held after"] + seen["reserved after"] + seen["wrong balances"] + n - seen["killed"]
    return Figure(seen["killed"], bad, seen)


def cancelled(server, namespace, n, seed):
    seen = cancellation.run(server, namespace, n, seed)
    bad = seen["wrong replies"] + seen["held after"] + seen["connections kept"] + seen["errors"]
    seen["deepest"] = 0  # not to be added up
    return Figure(seen["cancelled"], bad, seen)


def model(server, _namespace, n, seed):
    machine = importlib.import_module("machine")
    machine.Machine._hypothesis_internal_use_seed = seed
    tally = machine.run(server.url, max(1, n // machine.STEPS), database=None)
    return Figure(tally["steps"], 0, Counter({key: tally[key] for key in ("steps", "calls", "refused", "sent again")}))


def faults(server, _namespace, n, seed):
    known = importlib.import_module("faults")
    tally, bad = Counter(), 0
    for at in range(seed * n, (seed + 1) * n):
        fault = known.FAULTS[at % len(known.FAULTS)]
        # The first round is the one that the test command's part of it repeats, later ones are drawn anew.
        found = known.is_found(server.url, fault, tally, at if at >= len(known.FAULTS) else None)
        bad += not found
        if not found:
            print(f"not found: {fault.name}")
    return Figure(n, bad, Counter({key: tally[key] for key in ("runs", "steps")}))


def hostile_ids(_server, _namespace, n, seed):
    hypothesis = importlib.import_module("hypothesis")
    ids = importlib.import_module("test_keys")
    seen = Counter()

    def pair(first, second):
        seen["pairs"] += 1
        ids.check_pair(first, second)

    checked = hypothesis.given(ids.HOSTILE, ids.HOSTILE)(pair)
    every = list(hypothesis.HealthCheck)
    hypothesis.seed(seed)(
        hypothesis.settings(max_examples=n, database=None, deadline=None, suppress_health_check=every)(checked)
    )()
    return Figure(seen["pairs"], 0, seen)


def failing_calls(_server, _namespace, _n, _seed):
    command = [sys.executable, "-m", "pytest", "-q", str(TESTS / "lua" / "test_partial_writes.py")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TESTS.parent)
    places = re.search(r"stopped half-way: (\d+) places", run.stdout)
    failed = re.search(r"(\d+) failed", run.stdout)
    bad = int(failed[1]) if failed else int(run.returncode != 0)
    return Figure(int(places[1]) if places else 0, bad, Counter())


def zones(_server, _namespace, n, seed):
    seen = importlib.import_module("zones").run(n, seed)
    return Figure(seen["n"], seen["bad"], Counter({key: seen[key] for key in ("days", "not 24 h")}))


def drain(server, namespace, n, seed):
    seen = drains.on_each(server, namespace, n, seed)
    return Figure(seen["entries"], seen["lost"] + seen["doubled"] + seen["other"], Counter(killed=seen["killed"]))


def restored(server, namespace, n, seed):
    seen = restores.on_each(server, namespace, n, seed)
    return Figure(seen["accounts"], seen["differ"] + seen["differences"], seen)


def replays(_server, namespace, n, seed):
    seen = replaying.run_all(namespace, n, seed)
    return Figure(seen["acknowledged"], sum(replaying.wrong(seen).values()), seen)


def memory(_server, _namespace, n, seed):
    seen = importlib.import_module("memory").run(n, seed)
    return Figure(seen["n"], int(not seen["flat"]), Counter(days=seen["days"], calls=seen["calls"]))


def redis_kills(_server, namespace, n, seed):
    seen = redis_faults.kills(namespace, n, seed)
    return Figure(n, sum(audit.wrong(seen).values()), seen)


def power_loss(_server, namespace, n, seed):
    try:
        seen = redis_faults.power_losses(namespace, n, seed)
    except power.NotMeasured as why:
        print(f"not measured: {why}")
        return Figure(0, 0, Counter())
    return Figure(n, sum(audit.wrong(seen).values()), seen)


def disturbances(_server, namespace, n, seed):
    """Two thirds of them under which nothing may be lost, then torn AOFs."""
    seen, torn = (
        redis_faults.disturbances(namespace, n - n // 3, seed),
        redis_faults.torn_tails(namespace, n // 3, seed),
    )
    bad = sum(audit.wrong(seen).values()) + sum(audit.wrong(torn, may_lose=True).values())
    torn["lost with the end of an AOF"] = torn.pop("lost", 0)
    return Figure(n, bad, seen + torn)


def failed_over(_server, namespace, n, seed):
    seen = failovers.run(namespace, n, seed)
    bad = sum(audit.wrong(seen, may_lose=True).values()) + n - seen["forks told"]
    seen["lost behind the cut"] = seen.pop("lost", 0)
    return Figure(n, bad, seen)


def failing_sql(server, namespace, n, seed):
    seen = sql_faults.run(server, namespace, n, seed)
    told = sum(seen[fault] for fault in sql_faults.FAULTS)
    bad = sum(seen.pop(name, 0) for name in ("lost", "doubled", "other", "trimmed by failing")) + n - told
    return Figure(n, bad, seen)


ROWS: dict[str, Row] = {
    "overspend": Row("credits spent above a deny cap or a balance", "attempts", 16_800, overspend),
    "executions": Row(
        "operations not executed exactly once, replies and requests disturbed", "operations", 2_000, once
    ),
    "workers": Row("holds left after their time by workers killed between any two steps", "workers", 200, killed),
    "cancellation": Row(
        "wrong replies or holds left by calls cancelled at any await", "cancelled calls", 2_000, cancelled
    ),
    "model": Row("answers that differ from the model's", "steps", 2_000, model),
    "faults": Row("faults planted in the scripts that the model does not find", "faults", 1, faults),
    "failing-calls": Row("credits moved without an entry by stopped scripts", "stops", 1, failing_calls, repeats=False),
    "hostile-ids": Row("ids that share a key", "pairs", 20_000, hostile_ids),
    "zones": Row("gaps or overlaps of periods in any zone", "periods", 250_000, zones),
    "drain": Row("rows of SQL lost, doubled or changed by killed drainers", "entries", 5_000, drain),
    "redis-kills": Row(
        "acknowledged operations lost, doubled or half done by kills of Redis, appendfsync always",
        "kills",
        10,
        redis_kills,
    ),
    "power-loss": Row(
        "acknowledged operations lost, doubled or half done by losses of power, appendfsync always",
        "losses of power",
        10,
        power_loss,
    ),
    "disturbances": Row(
        "operations lost, doubled or half done when Redis is stopped, flushed, disconnected, full, its AOF torn",
        "faults",
        24,
        disturbances,
    ),
    "failovers": Row(
        "failovers to a lagging replica with forks not told, credits created or rows doubled",
        "failovers",
        10,
        failed_over,
    ),
    "sql-faults": Row(
        "rows lost or doubled, entries trimmed too early or failures not told when SQL is locked, full or gone",
        "faults",
        12,
        failing_sql,
    ),
    "restores": Row("accounts that differ after Redis was wiped and restored from SQL", "accounts", 10_000, restored),
    "replays": Row(
        "operations doubled, lost or half done, units created and caps passed over kills and restores of a replay",
        "operations",
        2_000,
        replays,
    ),
    "memory": Row("runs in which memory grew", "changes of a day", 20_000, memory),
}
