"""``ducto-redis replay``: the command around ``cli.replay`` - options, progress, the final table, the exit code."""

from __future__ import annotations

import json
import secrets
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ducto_redis.cli.draining import check_database, drained_meanwhile
from ducto_redis.cli.opening import JsonOption, RedisOption, fail, open_store
from ducto_redis.cli.replay import Replay
from ducto_redis.cli.trace import TraceError, draw_users, read_trace
from ducto_redis.errors import CreditError


def _run(
    replay: Replay, workers: int, speed: float | None, console: Console, durable: str | None = None
) -> dict[str, Any]:
    columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        with nullcontext() if durable is None else drained_meanwhile(replay.store, durable):
            opening = progress.add_task("accounts", total=len(replay.names))
            replay.prepare(lambda: progress.advance(opening))
            sending = progress.add_task("requests", total=len(replay.requests))
            seconds = replay.run(workers, lambda: progress.advance(sending), speed)
        checking = progress.add_task("check", total=None)
        checked = replay.check(lambda done, total: progress.update(checking, completed=done, total=total), durable)
    books = replay.books
    return {
        "requests": len(replay.requests),
        "admitted": books.admitted,
        "denied": dict(sorted(books.denied.items())),
        "warned_or_notified": books.warnings,
        "held": books.held,
        "billed": books.billed,
        "released": books.released,
        "shortfall": books.shortfall,
        **checked,
        "workers": workers,
        "seconds": round(seconds, 2),
    }


def _show(told: dict[str, Any], console: Console) -> None:
    table = Table(title="Replay", show_header=False)
    for name in ("requests", "admitted"):
        table.add_row(name, f"{told[name]:,}")
    for reason, count in told["denied"].items():
        table.add_row(f"denied: {reason}", f"{count:,}")
    table.add_row("warned or notified", f"{told['warned_or_notified']:,}", end_section=True)
    for name in ("held", "billed", "released", "shortfall"):
        table.add_row(f"{name} (tokens)", f"{told[name]:,}", end_section=name == "shortfall")
    table.add_row("highest spend / deny cap", f"{told['highest_ratio']:.4f}")
    table.add_row("grants", f"{told['granted']:,}")
    table.add_row("balances + charges", f"{told['balances'] + told['billed']:,}")
    table.add_row("difference", f"{told['difference']:,}")
    table.add_row("still held", f"{told['still_held']:,}")
    table.add_row("accounts whose ledger and state differ", str(told["differences_from_ledger"]), end_section=True)
    if "durable" in told:
        _show_durable(told["durable"], table)
    pace = told["requests"] / max(told["seconds"], 0.01)
    table.add_row("workers, seconds", f"{told['workers']}, {told['seconds']} ({pace:,.0f} requests/s)")
    table.add_row("books", "[green]balance[/green]" if told["ok"] else "[red]DO NOT BALANCE[/red]")
    console.print(table)


def _show_durable(books: dict[str, Any], table: Table) -> None:
    for name, title in (("redis", "Redis"), ("sql", "SQL")):
        side = books[name]
        sums = f"{side['granted']:,} {'=' if side['balanced'] else '!='} {side['balances']:,} + {side['charged']:,}"
        table.add_row(f"{title}: grants = balances + charges", sums if side["balanced"] else f"[red]{sums}[/red]")
    for name, title in (("rows", "rows"), ("snapshots_behind", "snapshots behind"), ("dead", "dead entries")):
        table.add_row(f"SQL: {title}", f"{books[name]:,}", end_section=name == "dead")


def replay(
    trace: Annotated[Path, typer.Option(help="CSV: TIMESTAMP, ContextTokens, GeneratedTokens.")],
    users: Annotated[int, typer.Option(min=1, max=100_000, help="How many users the requests are drawn for.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the draw; the same seed gives the same users.")] = 7,
    max_tokens: Annotated[int, typer.Option(min=0, max=10**6, help="What a request may generate at most.")] = 2048,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Threads.")] = 16,
    redis: RedisOption = None,
    namespace: Annotated[str, typer.Option(help="A new namespace; none takes one of its own.")] = "",
    speed: Annotated[
        float | None, typer.Option(min=0.01, help="Times the trace's pace; else as fast as it goes.")
    ] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Only so many requests.")] = None,
    durable: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Drain into this database meanwhile: sqlite:///ledger.db, postgresql://..."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replays a real LLM trace: reserve the worst case, settle the actual cost, check the books to the last unit.

    Exits with 1 when the books do not balance, a deny cap was passed, or ledger and state differ. With --durable the
    ledger is drained meanwhile, and at the end SQL's books have to balance as well, and be those of Redis.

    Examples:
      ducto-redis replay --trace azure_llm_code_2023.csv --redis redis://localhost:6379/0
      ducto-redis replay --trace trace.csv --users 50 --requests 1000 --speed 60 --json
      ducto-redis replay --trace trace.csv --redis redis://localhost:6379/0 --durable sqlite:///ledger.db
    """
    console = Console(stderr=as_json)
    try:
        rows = read_trace(trace, requests)
        if durable is not None:
            check_database(durable)
        with open_store(redis, namespace or f"replay-{secrets.token_hex(4)}") as store:
            if not store.setup().created:
                fail(console, f"namespace {namespace!r} exists already; name a new one, or none")
            run = Replay(store, rows, draw_users(len(rows), users, seed), max_tokens)
            told = _run(run, workers, speed, console, durable)
    except (TraceError, CreditError) as error:
        fail(console, f"{type(error).__name__}: {error}")
    if as_json:
        typer.echo(json.dumps(told, default=str))  # amounts are Decimals
    else:
        _show(told, console)
    raise typer.Exit(0 if told["ok"] else 1)
