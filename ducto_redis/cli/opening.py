"""What the commands share: the options that name the store, opening it, and failing clearly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from ducto_redis.drivers.retrying import RetryPolicy
from ducto_redis.manager import CreditManager
from ducto_redis.store import MemoryStore, RedisStore

RedisOption = Annotated[
    str | None,
    typer.Option(
        "--redis", metavar="URL", envvar="DUCTO_REDIS_URL",
        help="A server (redis://, rediss://, unix://); without one the embedded engine, which is empty.",
    ),
]  # fmt: skip
SqlOption = Annotated[
    str | None,
    typer.Option(
        "--sql", metavar="URL", envvar="DUCTO_SQL_URL",
        help="The database that LedgerDrain writes: sqlite:///ledger.db, postgresql+psycopg://...",
    ),
]  # fmt: skip
NamespaceOption = Annotated[str, typer.Option(envvar="DUCTO_NAMESPACE", help="The installation on that server.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


#: A person at a terminal would rather be told soon that the server is away.
PATIENCE_S = 2.0

UserArgument = Annotated[str, typer.Argument(help="The account; a path for one below others.", metavar="USER")]


@contextmanager
def manager_of(redis: str | None, namespace: str) -> Iterator[CreditManager]:
    """A manager on the store that the options name; the namespace must be there, but on the embedded engine."""
    with open_store(redis, namespace) as store:
        store.setup(create=redis is None)
        yield CreditManager(store)


def open_store(redis: str | None, namespace: str) -> RedisStore:
    """The store that the options name."""
    if redis is None:
        return MemoryStore(namespace=namespace)
    return RedisStore.from_url(redis, namespace=namespace, retry=RetryPolicy(deadline_s=PATIENCE_S))


def durable_part(option: str) -> ModuleType:
    """``ducto_redis.durable``, for an option that names a database; told where its extra is missing."""
    try:
        from ducto_redis import durable  # noqa: PLC0415 - imported only by commands that were given a database
    except ModuleNotFoundError as missing:
        if missing.name != "sqlalchemy":
            raise
        fail(
            Console(stderr=True),
            f"{option} needs an extra: pip install 'ducto-redis[durable]', of PostgreSQL 'ducto-redis[postgres]'",
        )
    return durable


def show(table: Table) -> None:
    """Prints a table; into a pipe or a file without breaking its lines. Brackets in a name are no markup."""
    console = Console(markup=False)
    if not console.is_terminal:
        console.width = 240
    console.print(table)


def fail(console: Console, message: str) -> NoReturn:
    """Ends with exit code 2 and a message: the command could not be carried out."""
    console.print(message, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(2)
