"""Memory in Redis: what an account, a hold, an operation id and a ledger entry weigh, and that nothing grows."""

from __future__ import annotations

import sys

import redis
from layout_memory import MODEL, Weight, weigh_accounts, weigh_holds, weigh_records
from measuring import ROOT
from reporting import Figure

sys.path.insert(0, str(ROOT / "tests" / "chaos"))

import memory as flat_memory

SEED = 20260615


def _figure(weight: Weight) -> Figure:
    return Figure("memory", weight.what, [weight.each], weight.goal or None, calls=weight.count, digits=0,
                  remark=weight.remark)  # fmt: skip


def measure_memory(client: redis.Redis, accounts: int, holds: int) -> list[Figure]:
    """The memory goals, weighed through the public API with uuid account ids.

    Args:
        client: The server; it is emptied.
        accounts: Idle accounts to weigh.
        holds: Accounts with ten open holds to weigh.
    """
    latency_tracking = client.config_get("latency-tracking")["latency-tracking"]
    client.config_set("latency-tracking", "no")  # its histograms, made at the first use of a command, would be weighed
    weights = weigh_accounts(client, accounts) + weigh_holds(client, None, holds) + weigh_holds(client, MODEL, holds)
    weights += [weigh_records(client, 500), weigh_records(client, 500, clamped=1), weigh_records(client, 1_000)]
    client.config_set("latency-tracking", latency_tracking)
    client.flushall()
    return [_figure(weight) for weight in weights]


def measure_flat(periods: int) -> list[Figure]:
    """Growth over simulated days; and of a control whose ledger nobody drains."""
    kept = flat_memory.run(periods, SEED)
    control = flat_memory.run(min(periods, 20_000), SEED, drained=False)
    figures = []
    for told, tag, wanted in ((kept, "", flat_memory.FLAT_PERCENT), (control, ", ledger not drained (control)", None)):
        what = f"growth in per cent over {told['n']:,} changes of a day, {told['month_changes']:,} of a month{tag}"
        remark = f"{told['bytes_first']:,} -> {told['bytes_last']:,} B per account until {told['until']}"
        figures.append(Figure("memory", what, [told["grown_percent"]], wanted, calls=told["n"], remark=remark))
    return figures
