"""The commands of ``ducto-redis``; each is a thin call of the library."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ducto_redis import CreditError, __version__
from ducto_redis.cli.accounts import balance, holds, top_up
from ducto_redis.cli.caps import caps
from ducto_redis.cli.defaults import defaults, plan
from ducto_redis.cli.demo import tell
from ducto_redis.cli.events import events
from ducto_redis.cli.explaining import explain
from ducto_redis.cli.ledger import ledger
from ducto_redis.cli.limits import limits
from ducto_redis.cli.opening import open_store
from ducto_redis.cli.replaying import replay
from ducto_redis.cli.snapshots import restore, snapshot
from ducto_redis.cli.verifying import verify

app = typer.Typer(
    no_args_is_help=True,
    help="Spend caps, limits, balances and holds on Redis.",
    epilog="Try it: ducto-redis demo · on a server: ducto-redis demo --redis redis://localhost:6379/0",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ducto-redis {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Spend caps, limits, balances and holds on Redis."""


app.command()(replay)
app.command()(verify)
app.command()(snapshot)
app.command()(restore)
app.command()(ledger)
app.command()(balance)
app.command()(holds)
app.command()(explain)
app.command()(events)
app.command("top-up")(top_up)
app.command()(plan)
app.add_typer(caps, name="caps")
app.add_typer(limits, name="limits")
app.add_typer(defaults, name="defaults")


@app.command()
def demo(
    redis: Annotated[
        str | None,
        typer.Option(
            "--redis",
            metavar="URL",
            envvar="DUCTO_REDIS_URL",
            help="A server (redis://, rediss://, unix://) instead of the embedded engine.",
        ),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Where the demo's accounts are kept on the server.")] = "ducto-demo",
) -> None:
    """Tells the story of a spend cap: under it, over it, in a loop, from many callers at once.

    Examples:
      ducto-redis demo
      ducto-redis demo --redis redis://localhost:6379/0
    """
    console = Console()
    try:
        with open_store(redis, namespace) as store:
            as_told = tell(store, console, "a Redis server" if redis else "the embedded engine")
    except CreditError as error:
        console.print(f"[red]{type(error).__name__}[/red]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    if not as_told:
        raise typer.Exit(1)
