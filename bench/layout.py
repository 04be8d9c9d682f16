"""Measures what the layout of the data costs in server time and memory, beside the layouts that were not chosen.

Run ``.venv/bin/python bench/layout.py`` (or ``make bench-layout``). It starts a redis-server of its own, prints its
tables and writes them to ``bench/results/layout.md``. Only ratios within one run are to be trusted.
"""

from __future__ import annotations

import sys
import time

from layout_memory import memory_tables
from layout_speed import measure_crowded, measure_entries, measure_ops, measure_state
from measuring import ROOT, conditions, running_server

COMMAND = ".venv/bin/python bench/layout.py"
RESULTS = ROOT / "bench" / "results" / "layout.md"

INTRODUCTION = """\
# What the layout costs

Written by `{command}`; do not edit. {conditions}

Times are the server's own (INFO commandstats: usec per EVALSHA), median [least-greatest] of 5 repetitions (operation
records: 3) in which all rows of a table take turns; pipelines of 64. "x bare" is the median of the ratios to the bare
script, a HMGET of 10 fields and a HSET of 6, in the same repetition. Memory is the growth of `used_memory`; account ids
are uuid4. Goals are those of the project for the same figures."""

STATE = """\
## 1 Encodings of the state

A charge on 5,000 accounts: two deny caps, balance, look-up of the operation id, ledger entry, state, record. A, B and C
are straight-line scripts that differ only in how the state is read and written: what an encoding costs at least. The
rows below are the library's scripts, which also keep the index of open holds, expire, roll periods and know levels;
deduct_credits and settle end the holds that the reserve of the row above made."""

FORMS = """\
The weight of one account in each encoding. A small hash is compact (listpack) until a value exceeds 64 bytes; then the
whole hash becomes a table of separately allocated fields. That is why the packed state is three fields."""

CROWDED = """\
### The library's scripts on accounts with many open holds

150 accounts with this many holds open, and as many operation records; up to 512 records are one listpack, which every
look-up and every write of a record scans."""

ENTRIES = """\
## 2 Forms of a ledger entry

The same entry (a root with a uuid, no metadata), 100,000 of each into one stream. A node of a stream has 4 KiB; when
its last entry passes that, the allocator gives 5 KiB: one byte more or less in an entry may show as 5 to 10."""

OPS = """\
## 3 Operation records

40,000 ids; the time is that of the last tenth, when the stores are nearly full: look up, then write. 60 bytes is the
record of a settled hold, 67 that of a clamped one."""

MEMORY = """\
## 4 Memory of the library's layout, through its API

Accounts are opened with `add_credits` and two `set_spend_cap`; the operation records of these writes (keys `:0:`, gone
after 24 to 48 hours) are deleted and the ledger is weighed and emptied before an account is read. `l` is written by
HSET in place of the rate limit that comes later. An account's share of the server's table of keys, 8 to 16 bytes, is
included (13 at 20,000 keys). An open hold is its record and its entry in the index; the shares of the two keys are
included. MEMORY USAGE estimates the index of a stream too high."""


def main() -> None:
    """Runs everything and writes the page."""
    started = time.monotonic()
    with running_server() as client:
        page = [INTRODUCTION.format(command=COMMAND, conditions=conditions(client))]
        page += [STATE, measure_state(client)]
        state_at = len(page)
        page += [CROWDED, measure_crowded(client, (1, 400, 1_000))]
        page += [ENTRIES, measure_entries(client)]
        page += [OPS, measure_ops(client)]
        goals, forms = memory_tables(client)
        page += [MEMORY, goals]
        page[state_at:state_at] = [FORMS, forms]
    text = "\n\n".join(page) + "\n"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)
    print(f"{time.monotonic() - started:.0f} s; written to {RESULTS.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
