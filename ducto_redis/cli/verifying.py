"""``ducto-redis verify``: what the ledger adds up to beside the state."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, fail, open_store
from ducto_redis.errors import CreditError

_SHOWN = 20
_TOLD = ("roots", "entries", "holds", "newer", "unverifiable")


def verify(redis: RedisOption = None, namespace: NamespaceOption = "ducto", as_json: JsonOption = False) -> None:
    """Checks that ledger and state agree: balances, holds, spend and caps of every account; may run under load.

    Exits with 1 when something differs, 2 when it could not be checked. Accounts whose first entries were trimmed from
    the ledger are counted as not verifiable.

    Examples:
      ducto-redis verify --redis redis://localhost:6379/0
      ducto-redis verify --redis redis://localhost:6379/0 --namespace billing --json
    """
    console = Console(stderr=as_json)
    try:
        with open_store(redis, namespace) as store, Progress(console=console, transient=True) as progress:
            store.setup(create=False)
            task = progress.add_task("shards", total=None)
            result = store.verify(lambda done, total: progress.update(task, completed=done, total=total))
    except CreditError as error:
        fail(console, f"{type(error).__name__}: {error}")
    if as_json:
        typer.echo(
            result.model_dump_json(include={"roots", "entries", "holds", "newer", "unverifiable", "differences"})
        )
    else:
        table = Table(title=f"Ledger and state of {namespace!r}", show_header=False)
        for name in _TOLD:
            table.add_row(name, f"{getattr(result, name):,}")
        table.add_row("differences", f"{len(result.differences):,}")
        console.print(table)
        for each in result.differences[:_SHOWN]:
            console.print(
                f"[red]{escape(each.root)}[/red] {each.what}: " + escape(f"stored {each.stored}, ledger {each.folded}"),
                soft_wrap=True,
            )
    raise typer.Exit(1 if result.differences else 0)
