"""Measures the goals of speed and memory, each beside its own yardstick in the same run.

``make bench`` runs all of it, ``make bench QUICK=1`` less of everything in under two minutes, and
``make bench ARGS="--accounts 1000000 --periods 10000000"`` the full counts. It starts redis-servers of its own, prints
tables and writes them to ``bench/results/`` with the values of every repetition as JSON.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from client_time import measure_async, measure_sync
from drain_time import measure_drain
from measuring import ROOT, conditions, running_server
from peers_time import measure_three_limits
from reporting import Figure, Section, versions, write
from restore_time import measure_restore
from server_time import Size, measure_batches, measure_many_accounts, measure_many_holds, measure_operations
from weights import measure_flat, measure_memory

RESULTS = ROOT / "bench" / "results"

INTRODUCTION = """\
# What it costs

Written by `{command}`; do not edit. ducto_redis {version} · {conditions}

Load of the machine: {before} at the start, {after} at the end, per core. Every figure but memory is a ratio of two
things that took turns in this run; only ratios are to be trusted. A repetition gives one ratio; told is their median,
and [least-greatest]. SCRIPT FLUSH comes before every part. Account ids are uuid4."""

SERVER = """\
Server time is INFO commandstats, microseconds per EVALSHA. The calls are those that the public store makes, sent in
pipelines of 64, as is the bare script: one HMGET of 10 fields and one HSET of 6. A full charge is `store.deduct`
with a GCRA rate limit, caps, balance, operation id and ledger entry; reserve and settle are without a rate limit."""

ACCOUNTS = """\
Random accounts of many, beside a second server with few. All are copies of one account with two caps and a record.
The control tells what the machine's memory adds to any script that meets another key each time."""

CALLERS = """\
One call after the other over a unix socket, in blocks of 100 that take turns, results as models. Beside the bare script
the ratio holds the work of the scripts; beside the same script, sent by redis-py's EVALSHA, it is driver and models."""

PEERS = """\
One thread, blocks that take turns, results as models. On our side one charge with a rate limit, a daily and a monthly
cap, balance, operation id and ledger entry, all or nothing; on the other three calls of `limits` (fixed windows on the
same server), which are three decisions and count where another refuses."""

DRAIN = """\
`LedgerDrain` of a full ledger, one pass: read, rows and positions committed in parts of 10,000, trimmed behind; the
two databases take turns. PostgreSQL: fsync on, 16 MB of shared buffers, a unix socket. No ratio: the disk is what
it is."""

RESTORE = """\
SQLite. The large namespace has copies of one account. A restore is the whole of it: snapshots checked, roots written by
scripts in batches of 500, over a unix socket, the server's time included."""

MEMORY = """\
Growth of `used_memory`; how it is weighed is told in `bench/results/layout.md`. The rate limit is a stand-in of
29 bytes."""

FLAT = """\
Accounts with two caps live through days of an injected clock; each day every one is charged, holds or settles at
random, some holds expire, and the ledger is drained. Compared are the means of the first and the last quarter of
the days."""

Part = tuple[str, str, Callable[[], list[Figure]]]


class Options(NamedTuple):
    """How much is measured."""

    size: Size
    periods: int
    weighed: int
    held: int


def options_of(arguments: argparse.Namespace) -> Options:
    """The amounts: quick or not, and what the command line says."""
    if arguments.quick:
        size = Size(1_000, arguments.repetitions or 3, arguments.accounts or 20_000, crowd=50)
        return Options(size, arguments.periods or 5_000, weighed=2_000, held=300)
    size = Size(4_000, arguments.repetitions or 7, arguments.accounts or 100_000, crowd=150)
    return Options(size, arguments.periods or 20_000, weighed=20_000, held=1_000)


def parts_of(options: Options) -> list[Part]:
    """The parts of a run, in order; each on a server of its own."""
    size = options.size

    def served(measure: Callable[..., list[Figure]], *amounts: object) -> Callable[[], list[Figure]]:
        def run() -> list[Figure]:
            with running_server() as client:
                return measure(client, *amounts)

        return run

    return [
        ("Server time of an operation", SERVER, served(measure_operations, size)),
        ("Server time with many accounts", ACCOUNTS, lambda: measure_many_accounts(size)),
        ("Server time with many open holds", "", served(measure_many_holds, size)),
        ("Server time of an item in a batch", "", served(measure_batches, size)),
        ("A lone caller, sync", CALLERS, served(measure_sync, size)),
        ("A lone caller, asyncio", "", served(measure_async, size)),
        ("Three limits in one call", PEERS, served(measure_three_limits, size)),
        ("Draining the ledger", DRAIN, served(measure_drain, size)),
        ("Snapshots and restore", RESTORE, lambda: measure_restore(size.accounts, size)),
        ("Memory", MEMORY, served(measure_memory, options.weighed, options.held)),
        ("Memory over time", FLAT, lambda: measure_flat(options.periods)),
    ]


def load_per_core() -> str:
    """The load of the last minute per core."""
    return f"{os.getloadavg()[0] / (os.cpu_count() or 1):.1f}"


def main() -> None:
    """Runs the parts and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, under two minutes")
    parser.add_argument("--accounts", type=int, help="accounts of S3 (100,000; the goal says 1,000,000)")
    parser.add_argument("--periods", type=int, help="simulated changes of a day (20,000; the goal says 10,000,000)")
    parser.add_argument("--repetitions", type=int, help="of every ratio (7; quick 3)")
    parser.add_argument("--only", help="only parts whose title holds this text; nothing is written")
    arguments = parser.parse_args()
    started, before = time.monotonic(), load_per_core()
    sections: list[Section] = []
    for title, text, measure in parts_of(options_of(arguments)):
        if arguments.only and arguments.only.lower() not in title.lower():
            continue
        since = time.monotonic()
        sections.append((title, text, measure()))
        print(f"{title}: {time.monotonic() - since:.0f} s", file=sys.stderr)
    command = " ".join(["python bench/run.py", *sys.argv[1:]])
    with running_server() as client:
        about = {"command": command, "versions": versions(client), "load_per_core": [before, load_per_core()]}
        introduction = INTRODUCTION.format(
            command=command, version=about["versions"]["ducto_redis"], conditions=conditions(client), before=before,
            after=load_per_core(),
        )  # fmt: skip
    name = "quick" if arguments.quick else "bench"
    folder = None if arguments.only else RESULTS
    print(write(folder, name, introduction, about, sections))
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
