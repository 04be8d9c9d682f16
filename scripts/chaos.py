"""Repeats a row of the safety table in chunks and adds n up, as ``make chaos-executions N=100000``.

A run goes on where the last one ended: totals are kept in ``.chaos/``, one file per row and version of the code, and N
is the total to reach. What failed is told with its seed. ``make chaos-report`` lists the totals; both write them
between the row's markers in ``docs/guarantees.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "chaos"))

import rows
from servers import RedisProcess

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "guarantees.md"
KEPT = ROOT / ".chaos"
HEAD = """# Guarantees

## Totals

What must be 0, and in how many cases it was. `make chaos-<row> N=<n>` repeats a row, goes on where the last run ended
and writes its total here. `code` tells the version of package and scripts that a total belongs to.

| row | what is 0 | found |
|---|---|---|
"""


def version() -> str:
    """What tells one version of package and scripts from another."""
    text = hashlib.sha256()
    for path in sorted([*(ROOT / "ducto_redis").rglob("*.py"), *(ROOT / "lua").rglob("*.lua")]):
        text.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return text.hexdigest()[:10]


class Total:
    """What all runs of a row showed for this version of the code, kept in a file.

    Args:
        row: The row's name.
        code: The version.
    """

    def __init__(self, row: str, code: str) -> None:
        self.row, self.code = row, code
        self.path = KEPT / f"{row}-{code}.json"
        kept: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        self.n: int = kept.get("n", 0)
        self.bad: int = kept.get("bad", 0)
        self.next_seed: int = kept.get("next_seed", 0)
        self.seconds: float = kept.get("seconds", 0.0)
        self.details: Counter[str] = Counter(kept.get("details", {}))

    def add(self, figure: rows.Figure, seconds: float) -> None:
        """Adds a run, and keeps the sum at once."""
        self.n += figure.n
        self.bad += figure.bad
        self.next_seed += 1
        self.seconds += seconds
        self.details.update(figure.details)
        KEPT.mkdir(exist_ok=True)
        data = {key: getattr(self, key) for key in ("n", "bad", "next_seed", "seconds", "details")}
        written = self.path.with_suffix(".new")
        written.write_text(json.dumps(data, indent=1), encoding="utf-8")
        written.replace(self.path)

    def told(self) -> str:
        """The figure: ``0 of 100,000 operations``."""
        return f"{self.bad} of {self.n:,} {rows.ROWS[self.row].unit}" if self.n or self.bad else "not run"


def run_chunk(row: str, n: int, seed: int) -> rows.Figure:
    """Runs a row once, on a server of its own; whatever it raises is one bad case."""
    server = RedisProcess()
    try:
        return rows.ROWS[row].run(server, f"{row}{seed}", n, seed)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == row:
            raise
        traceback.print_exc()
        return rows.Figure(0, 1, Counter())
    finally:
        server.stop()


def repeat(row: str, total: Total, wanted: int, console: Console) -> None:
    """Runs chunks until the total reaches what is wanted, something was bad, or nothing can be measured here."""
    chosen = rows.ROWS[row]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"{row} ({total.code})", total=wanted, completed=total.n)
        while total.n < wanted and not total.bad:
            seed, begun = total.next_seed, time.monotonic()
            figure = run_chunk(row, chosen.chunk, seed)
            total.add(figure, time.monotonic() - begun)
            progress.update(task, completed=total.n)
            if figure.bad:
                told = f"seed {seed}: {figure.bad} bad, {dict(figure.details)}; to start anew remove {total.path.name}"
                console.print(told)
            elif not figure.n:
                break


def write_table(totals: list[Total]) -> list[str]:
    """Writes the totals into the table; answers the rows that have no markers there."""
    if not TABLE.exists():
        lines = (f"| {name} | {row.promise} | {_marked(name, 'not run')} |\n" for name, row in rows.ROWS.items())
        TABLE.write_text(HEAD + "".join(lines), encoding="utf-8")
    text, without = TABLE.read_text(encoding="utf-8"), []
    for total in totals:
        pattern = re.escape(_marked(total.row, "@")).replace("@", ".*?")
        text, found = re.subn(pattern, _marked(total.row, f"{total.told()} (code {total.code})"), text)
        if not found:
            without.append(total.row)
    TABLE.write_text(text, encoding="utf-8")
    return without


def _marked(row: str, text: str) -> str:
    return f"<!-- chaos:{row} -->{text}<!-- /chaos:{row} -->"


def main() -> int:
    """Runs a row, or reports all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("row", choices=[*rows.ROWS, "report"])
    parser.add_argument("--n", type=int, help="the total to reach; without it one chunk more is run")
    options = parser.parse_args()
    console, code = Console(), version()
    if options.row == "report":
        totals = [total for total in (Total(name, code) for name in rows.ROWS) if total.n or total.bad]
    else:
        totals = [Total(options.row, code)]
        chosen = rows.ROWS[options.row]
        wanted = (options.n or totals[0].n + chosen.chunk) if chosen.repeats else 1
        try:
            repeat(options.row, totals[0], wanted, console)
        except ModuleNotFoundError as error:
            console.print(f"{options.row} has no runner yet: tests/chaos/{error.name}.py is not there")
            return 2
    for total in totals:
        console.print(f"{total.row}: {total.told()}, in {total.seconds:.0f} s, code {code}")
        if total.details:
            console.print("  " + ", ".join(f"{key} {value:,}" for key, value in total.details.items() if value))
    for row in write_table(totals):
        console.print(f"docs/guarantees.md has no markers for {row}")
    return int(any(total.bad for total in totals))


if __name__ == "__main__":
    sys.exit(main())
