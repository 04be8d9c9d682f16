"""``ducto-redis balance``, ``holds`` and ``top-up``: one account, as a table or as JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, UserArgument, fail, manager_of, show
from ducto_redis.errors import CreditError


def _show(title: str, rows: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        plain = {name: value if isinstance(value, str | bool | None) else str(value) for name, value in rows.items()}
        typer.echo(json.dumps(plain))
        return
    table = Table(title=title, show_header=False)
    for name, value in rows.items():
        table.add_row(name.replace("_", " "), "-" if value is None else str(value))
    show(table)


def balance(
    user: UserArgument, redis: RedisOption = None, namespace: NamespaceOption = "ducto", as_json: JsonOption = False
) -> None:
    """Shows an account's balance, what is reserved of it, what is available, and what was ever purchased.

    Examples:
      ducto-redis balance alice --redis redis://localhost:6379/0
      ducto-redis balance acme/search/alice --json
    """
    try:
        with manager_of(redis, namespace) as manager:
            told, available = manager.get_balance(user), manager.get_available(user)
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    rows = {
        "user_id": user,
        "balance": told.balance,
        "reserved": available.reserved,
        "available": available.available,
        "lifetime_purchased": told.lifetime_purchased,
        "plan": available.plan,
        "low_balance": told.low_balance,
    }
    _show(f"Account {user!r}", rows, as_json=as_json)


def top_up(
    user: UserArgument,
    amount: Annotated[str, typer.Argument(help="Credits; only an adjustment may be negative (write it after --).")],
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    kind: Annotated[str, typer.Option("--type", help="Free text; 'purchase' grows lifetime_purchased.")] = "purchase",
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key grants once within 24 hours.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Grants credits, opening the account when there is none.

    Examples:
      ducto-redis top-up alice 500 --key invoice-17
      ducto-redis top-up alice --type adjustment -- -20
    """
    try:
        with manager_of(redis, namespace) as manager:
            done = manager.add_credits(user, amount, type=kind, idempotency_key=key)
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    rows = {
        "user_id": user,
        "amount": done.amount,
        "new_balance": done.new_balance,
        "transaction_id": done.transaction_id,
        "idempotent": done.idempotent,
    }
    _show("Granted before under this key" if done.idempotent else "Granted", rows, as_json=as_json)


def holds(
    user: UserArgument,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many are shown.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Lists an account's open holds, soonest expiry first.

    Examples:
      ducto-redis holds alice
      ducto-redis holds acme/search/alice --limit 10 --json
    """
    try:
        with manager_of(redis, namespace) as manager:
            told = manager.list_holds(user, limit)
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    if as_json:
        typer.echo(told.model_dump_json(include={"user_id", "total", "holds"}))
        return
    table = Table("hold", "amount", "expires", "type", "model", "mode", "counts for caps")
    for hold in told.holds:
        expires = f"{hold.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        marks = (hold.operation_type, hold.model or "", hold.billing_mode, "yes" if hold.admitted else "no")
        table.add_row(hold.hold_id, str(hold.amount), expires, *marks)
    table.title = f"{told.total} open holds of {user!r}"
    show(table)
