"""``ducto-redis verify``: what the ledger adds up to beside the state."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, SqlOption, durable_part, fail, open_store
from ducto_redis.errors import ConfigError, CreditError
from ducto_redis.history import SqlVerifyResult
from ducto_redis.work_models import VerifyResult

_SHOWN = 20
_TOLD = ("roots", "entries", "holds", "newer", "unverifiable")
_TOLD_OF_SQL = ("rows", "missing", "forked", "dead", "other_generations")


def _show(result: VerifyResult, namespace: str, console: Console) -> None:
    of_sql = isinstance(result, SqlVerifyResult)
    table = Table(title=f"Ledger{' in SQL' if of_sql else ''} and state of {namespace!r}", show_header=False)
    for name in (*_TOLD, *(_TOLD_OF_SQL if of_sql else ())):
        table.add_row(name.replace("_", " "), f"{getattr(result, name):,}")
    table.add_row("differences", f"{len(result.differences):,}")
    if isinstance(result, SqlVerifyResult):
        books = result.books
        table.add_section()
        table.add_row("granted (units)", f"{books.granted:,}")
        table.add_row("SQL: charged + balances", f"{books.charged:,} + {books.balances:,}")
        table.add_row("Redis: charged + balances", f"{books.redis_charged:,} + {books.redis_balances:,}")
        table.add_row("books", "[green]balance[/green]" if books.balanced else "[red]DO NOT BALANCE[/red]")
    console.print(table)
    for each in result.differences[:_SHOWN]:
        console.print(
            f"[red]{escape(each.root)}[/red] {escape(each.what)}: "
            + escape(f"stored {each.stored}, ledger {each.folded}"),
            soft_wrap=True,
        )


def verify(
    sql: SqlOption = None,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Checks that ledger and state agree: balances, holds, spend and caps of every account; may run under load.

    Exits with 1 when something differs, 2 when it could not be checked. Accounts whose first entries were trimmed from
    the ledger are counted as not verifiable. With --sql what SQL holds is added up, trimmed or not, with what Redis has
    behind it: finds changed and missing rows, a Redis that is older than SQL, and one that went another way since.

    Examples:
      ducto-redis verify --redis redis://localhost:6379/0
      ducto-redis verify --redis redis://localhost:6379/0 --namespace billing --json
      ducto-redis verify --redis redis://localhost:6379/0 --sql sqlite:///ledger.db
    """
    console = Console(stderr=as_json)
    try:
        if sql is not None and redis is None:
            raise ConfigError("the embedded engine is empty, SQL has nothing beside it; name a server with --redis")
        with open_store(redis, namespace) as store, Progress(console=console, transient=True) as progress:
            store.setup(create=False)
            task = progress.add_task("shards", total=None)

            def tell(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            result = store.verify(tell) if sql is None else durable_part("--sql").verify_sql(store, sql, tell)
    except CreditError as error:
        fail(console, f"{type(error).__name__}: {error}")
    if as_json:
        of_sql = isinstance(result, SqlVerifyResult)
        names = {*_TOLD, "differences", *((*_TOLD_OF_SQL, "books") if of_sql else ())}
        typer.echo(result.model_dump_json(include=names))
    else:
        _show(result, namespace, console)
    balanced = not isinstance(result, SqlVerifyResult) or result.books.balanced
    raise typer.Exit(0 if balanced and not result.differences else 1)
