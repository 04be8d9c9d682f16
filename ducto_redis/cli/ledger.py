"""``ducto-redis ledger``: what was done, from SQL or from what Redis still holds; and what could not be read."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Protocol

import typer
from rich.console import Console
from rich.table import Table

from ducto_redis.cli.opening import (
    JsonOption,
    NamespaceOption,
    RedisOption,
    SqlOption,
    durable_part,
    fail,
    manager_of,
    show,
)
from ducto_redis.core.listing import Listed, list_last, list_on
from ducto_redis.core.transactions import KINDS, Wanted, checked_limit, wanted
from ducto_redis.errors import CreditError
from ducto_redis.history import Transaction
from ducto_redis.store import RedisStore

_EVERY_S: Final = 1.0
_MOST: Final = 10_000
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
#: Between two looks of --follow, and the present; tests put others in their places.
pause: Callable[[float], None] = time.sleep
now: Callable[[], float] = time.time


class _Source(Protocol):
    """Where entries are listed from."""

    def last(self, wanted: Wanted, limit: int) -> Listed: ...
    def on(self, wanted: Wanted, after: Mapping[int, str]) -> Iterator[Listed]: ...


class _Streams:
    """What Redis' streams still hold."""

    def __init__(self, store: RedisStore) -> None:
        self._run, self._space = store._driver.run_flow, store._space  # noqa: SLF001 - one package

    def last(self, wanted: Wanted, limit: int) -> Listed:
        return self._run(list_last(self._space, wanted, limit))

    def on(self, wanted: Wanted, after: Mapping[int, str]) -> Iterator[Listed]:
        more = True
        while more:
            part = self._run(list_on(self._space, wanted, after))
            after, more = part.after, part.more
            yield part


@contextmanager
def _source(sql: str | None, redis: str | None, namespace: str) -> Iterator[tuple[_Source, str]]:
    """What is listed, and what it is called."""
    if sql is not None:
        with durable_part("--sql").SqlLedger(sql, namespace=namespace) as ledger_in_sql:
            dead = ledger_in_sql.count_dead()
            if dead:
                typer.echo(
                    f"{dead:,} entries could not be read or were given up: ducto-redis ledger --dead --sql URL",
                    err=True,
                )
            yield ledger_in_sql, "from SQL"
        return
    with manager_of(redis, namespace) as manager:
        yield _Streams(manager.store), "from Redis' streams: what they still hold"


def _moment(text: str | None, name: str) -> datetime | None:
    """A time as people write it: ISO, UTC without a zone, or so long ago: 90s, 30m, 2h, 7d, 1w."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return datetime.fromtimestamp(now(), UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(text)
        # Also what lies beyond the calendar is told here.
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        fail(
            Console(stderr=True),
            f"--{name} takes a time such as 2026-06-15T12:00 (UTC) or 90s, 30m, 2h, 7d; not {text}",
        )


def _followed(source: _Source, asked: Wanted, limit: int, *, follow: bool) -> Iterator[Transaction]:
    listed = source.last(asked, limit)
    yield from listed.transactions
    while follow:
        pause(_EVERY_S)
        after = listed.after
        for listed in source.on(asked, after):
            yield from listed.transactions


def _cells(each: Transaction) -> tuple[str, ...]:
    paid = f" (paid by {each.payer})" if each.payer not in (None, each.user_id) else ""
    what = " ".join(filter(None, (each.operation_type, each.model)))
    amounts = (f"{each.amount:,}", f"{each.balance_after:,}")
    return (f"{each.at:%Y-%m-%d %H:%M:%S}", each.user_id + paid, each.kind, *amounts, each.operation_id, what)


def _line(each: Transaction, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(each.model_dump(mode="json"))
    at, account, kind, amount, balance, operation, what = _cells(each)
    told = f"{at} {account} {kind} {amount}, balance {balance}"
    return " ".join(filter(None, (told, operation and f"[{operation}]", what)))


def _show_dead(sql: str | None, namespace: str, limit: int, *, as_json: bool) -> None:
    if sql is None:
        fail(Console(stderr=True), "--dead needs --sql: what could not be read is set aside there")
    with durable_part("--sql").SqlLedger(sql, namespace=namespace) as ledger_in_sql:
        entries, count = ledger_in_sql.dead(limit), ledger_in_sql.count_dead()
    table = Table(
        "entry", "reason", "data", title=f"{count:,} entries of {namespace!r} that could not be read or were given up"
    )
    for each in entries:
        row: dict[str, Any] = {**each.model_dump(), "data": each.data.hex()}
        if as_json:
            typer.echo(json.dumps(row))
        table.add_row(*row.values())
    if not as_json:
        show(table)


def _complete_kind(incomplete: str) -> list[str]:
    return [name for name in KINDS if name.startswith(incomplete)]


KindOption = Annotated[
    list[str] | None,
    typer.Option("--kind", autocompletion=_complete_kind, help="Only this kind, such as charge; may be repeated."),
]


def ledger(
    account: Annotated[str | None, typer.Option(help="Only what this account itself did.")] = None,
    kind: KindOption = None,
    since: Annotated[str | None, typer.Option(help="From then on: 2026-06-15T12:00 (UTC), or 2h, 7d ago.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then.")] = None,
    operation: Annotated[str | None, typer.Option(help="Only this operation: its key, or the hold's id.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most: the last ones.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    dead: Annotated[
        bool, typer.Option("--dead", help="What the drain could not read, and what was given up; why.")
    ] = False,
    sql: SqlOption = None,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Lists entries of the ledger, oldest first: from SQL, else from what Redis still holds; with --json one a line.

    Examples:
      ducto-redis ledger --account acme/alice --since 2h --redis redis://localhost:6379/0
      ducto-redis ledger --sql sqlite:///ledger.db --kind charge --kind settle --limit 20
      ducto-redis ledger --sql sqlite:///ledger.db --follow --json
      ducto-redis ledger --dead --sql sqlite:///ledger.db
    """
    try:
        checked_limit(limit, _MOST)
        if dead:
            _show_dead(sql, namespace, limit, as_json=as_json)
            return
        from_, to = _moment(since, "since"), _moment(until, "until")
        asked = wanted(account, kinds=kind or None, since=from_, until=to, operation_id=operation)
        with _source(sql, redis, namespace) as (source, name):
            found = _followed(source, asked, limit, follow=follow)
            if as_json or follow:
                typer.echo(f"Ledger of {namespace!r} {name}", err=True)
                for each in found:
                    typer.echo(_line(each, as_json=as_json))
                return
            columns = ("at (UTC)", "account", "kind", "amount", "balance after", "operation", "type, model")
            table = Table(*columns, title=f"Ledger of {namespace!r}, {name}")
            for each in found:
                table.add_row(*_cells(each))
            show(table)
    except CreditError as error:
        fail(Console(stderr=True), f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
