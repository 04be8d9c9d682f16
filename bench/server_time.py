"""Server time per operation, by INFO commandstats, beside the bare script: goals S1, S2, S3 and S11."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import redis
from measuring import running_server
from reporting import Figure
from subjects import (
    SIX_CAPS,
    TWO_CAPS,
    Bare,
    MissingError,
    Subject,
    Times,
    flush_scripts,
    new_names,
    ratios,
    take_turns,
)

from ducto_redis import ChargeItem

BARE = "bare"


class Size(NamedTuple):
    """How much is measured: accounts (calls) per row, repetitions, accounts of S3, accounts with many holds."""

    calls: int
    repetitions: int
    accounts: int
    crowd: int


def charge(subject: Subject, names: Sequence[str], row: str, times: Times) -> None:
    """A full charge of every account."""
    times[row].append(subject.time(subject.take_down("deduct", [(name, 1) for name in names])))


def hold_and_settle(subject: Subject, names: Sequence[str], tag: str, times: Times) -> None:
    """A hold on every account, then its settlement for less than is held."""
    calls = subject.take_down("reserve", [(name, 1) for name in names])
    times[f"reserve{tag}"].append(subject.time(calls))
    held = [(name, call.op_id, "0.5") for name, call in zip(names, calls, strict=True)]
    times[f"settle{tag}"].append(subject.time(subject.take_down("settle", held)))


def told(times: Times, name: str, base: str) -> str:
    """The times behind a ratio."""
    return f"{statistics.median(times[name]):.2f} us / {statistics.median(times[base]):.2f} us"


def figures_of(times: Times, calls: int, rows: Sequence[tuple[str, str, str, str, float | None]]) -> list[Figure]:
    """Figures: goal, what, row, base, wanted; a row that was not measured is left out."""
    return [
        Figure(goal, what, ratios(times, name, base), wanted, calls=calls, remark=told(times, name, base))
        for goal, what, name, base, wanted in rows
        if name in times
    ]


def measure_operations(client: redis.Redis, size: Size) -> list[Figure]:
    """S1 and S2: charges with caps on one and three levels, with and without rate limits; reserve, settle; by bare."""
    bare, subject = Bare(client, size.calls), Subject(client)
    plain = subject.accounts(size.calls)
    turns: list[Callable[[Times], None]] = [
        lambda times: times[BARE].append(bare.time()),
        partial(hold_and_settle, subject, plain, ""),
    ]
    missing: list[Figure] = []
    every = ", ".join(SIX_CAPS)
    variants = (
        ("full charge, rate limit and 2 caps / bare", TWO_CAPS, "", True, 2.8),
        (f"full charge, rate limit and 6 caps ({every}) / bare", SIX_CAPS, "", True, 3.3),
        ("full charge, 3 levels of a rate limit and 2 caps / bare", TWO_CAPS, "/team/alice", True, 5.5),
        ("charge without a rate limit, 2 caps / bare", TWO_CAPS, "", False, None),
        ("charge without a rate limit, 6 caps / bare", SIX_CAPS, "", False, None),
        ("charge without rate limits, 3 levels of 2 caps / bare", TWO_CAPS, "/team/alice", False, None),
    )
    for what, caps, below, limited, wanted in variants:
        try:
            names = subject.accounts(size.calls, caps, below, limited=limited)
            turns.append(partial(charge, subject, names, what))
        except MissingError as error:
            missing.append(Figure("S1", what, wanted=wanted, remark=str(error)))
    flush_scripts(client, bare, subject)
    times = take_turns(turns, size.repetitions)
    client.flushall()
    rows = [("S1" if limited else "", what, what, BARE, wanted) for what, _, _, limited, wanted in variants]
    rows += [("S2", f"{name} / bare", name, BARE, 3.3) for name in ("reserve", "settle")]
    return missing + figures_of(times, size.calls, rows)


def _ready(subject: Subject, name: str, row: Callable[[Times], None]) -> list[Callable[[Times], None]]:
    """A row of charges, unless there is no such operation yet; it is told beside S1."""
    try:
        subject.take_down("deduct", [(name, 1)])
    except MissingError:
        return []
    return [row]


def measure_many_accounts(size: Size) -> list[Figure]:
    """S3: random ones of many accounts, beside a second server that has only as many as are charged."""
    with running_server() as small_server, running_server() as large_server:
        subjects = {"few": Subject(small_server), "many": Subject(large_server)}
        names = {"few": subjects["few"].accounts(size.calls), "many": subjects["many"].accounts(size.accounts)}
        bare = {"few": Bare(small_server, size.calls), "many": Bare(large_server, size.accounts)}

        def turn(tag: str, times: Times) -> None:
            subject, some = subjects[tag], random.sample(names[tag], size.calls)
            times[f"bare {tag}"].append(bare[tag].time(random.sample(bare[tag].keys, size.calls)))
            hold_and_settle(subject, some, f" {tag}", times)
            for row in _ready(subject, some[0], partial(charge, subject, some, f"full charge {tag}")):
                row(times)

        for tag, subject in subjects.items():
            flush_scripts(subject.client, subject, bare[tag])
        times = take_turns([partial(turn, tag) for tag in subjects], size.repetitions)
    what = f"with {size.accounts:,} accounts / with {size.calls:,}"
    names_of_rows = ("full charge", "reserve", "settle")
    rows = [("S3", f"{name} {what}", f"{name} many", f"{name} few", 1.15) for name in names_of_rows]
    rows.append(("", f"control: bare {what.replace('accounts', 'hashes')}", "bare many", "bare few", None))
    return figures_of(times, size.calls, rows)


def measure_many_holds(client: redis.Redis, size: Size, open_holds: Sequence[int] = (1, 400, 1_000)) -> list[Figure]:
    """S3: accounts with this many open holds, and as many records; up to 512 records are one listpack."""
    subject = Subject(client)
    turns: list[Callable[[Times], None]] = []
    for count in open_holds:
        names = subject.accounts(1)
        subject.send(subject.take_down("reserve", [(names[0], "0.1")] * count))
        names += new_names(size.crowd - 1)
        subject.copy(names[0], names[1:])
        turns.append(partial(hold_and_settle, subject, names, f" {count}"))
        turns += _ready(subject, names[0], partial(charge, subject, names, f"full charge {count}"))
    flush_scripts(client, subject)
    times = take_turns(turns, size.repetitions, rounds=4)
    client.flushall()
    rows = [
        ("S3", f"{name} with {count:,} open holds / with {open_holds[0]}", f"{name} {count}", f"{name} {open_holds[0]}",
         1.15)
        for name in ("full charge", "reserve", "settle") for count in open_holds[1:]
    ]  # fmt: skip
    return figures_of(times, size.crowd, rows)


def measure_batches(client: redis.Redis, size: Size, per_batch: int = 100) -> list[Figure]:
    """S11: a hundred accounts in one call, on one shard and on 64, beside single charges of the same accounts."""
    figures: list[Figure] = []
    for shards in (1, 64):
        what = f"charge_many of {per_batch} accounts on {shards} shard{'s' if shards > 1 else ''}, per item / single"
        subject = Subject(client, shards)
        names = subject.accounts(size.calls // per_batch * per_batch)
        try:
            subject.operation("charge_many")
            turns = [partial(charge, subject, names, "single"), partial(_charge_many, subject, names, per_batch)]
            flush_scripts(client, subject)
            times = take_turns(turns, size.repetitions)
        except MissingError as error:
            figures.append(Figure("S11", what, wanted=0.7, remark=str(error)))
        else:
            figures += figures_of(times, len(names), [("S11", what, "many", "single", 0.7 if shards == 1 else None)])
        client.flushall()
    return figures


def _charge_many(subject: Subject, names: Sequence[str], per_batch: int, times: Times) -> None:
    items = [ChargeItem(user_id=name, amount=1) for name in names]
    subject.client.config_resetstat()
    for at in range(0, len(items), per_batch):
        results = subject.store.charge_many(items[at : at + per_batch])
        assert not any(result.error_code for result in results), results
    times["many"].append(subject.client.info("commandstats")["cmdstat_evalsha"]["usec"] / len(items))
