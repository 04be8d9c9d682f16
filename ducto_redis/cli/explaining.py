"""``ducto-redis explain``: what would be decided now, and why, as a table; nothing is taken."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, UserArgument, fail, manager_of, show
from ducto_redis.decisions import CapNotice, LimitNotice
from ducto_redis.errors import CreditError
from ducto_redis.rates import period_text
from ducto_redis.work_models import ExplainResult


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"


def _mark(refused: bool, would_refuse: bool = False) -> str:
    return "refuses" if refused else "would refuse" if would_refuse else ""


def _cap_row(cap: CapNotice) -> tuple[str, ...]:
    spent = f"{cap.spent} + {cap.held} held" if cap.held else f"{cap.spent}"
    resets = f"{cap.reset_at:%Y-%m-%d %H:%M} UTC" if cap.reset_at else "never"
    numbers = (spent, str(cap.limit), str(cap.remaining))
    action = "shadow" if cap.shadow else cap.action
    return (cap.scope, f"{cap.cap_type} cap", action, *numbers, resets, _mark(cap.refused, cap.would_refuse))


def _limit_row(limit: LimitNotice) -> tuple[str, ...]:
    is_open = limit.algorithm == "concurrency"
    what = "concurrency" if is_open else f"{limit.counts}/{period_text(limit.period_ms)}"
    numbers = (str(limit.used), str(limit.burst or limit.limit), str(limit.remaining))
    resets = "-" if is_open else _seconds(limit.reset_after)
    mark = _mark(limit.refused, limit.would_refuse)
    return (limit.scope, what, limit.algorithm + (", shadow" if limit.shadow else ""), *numbers, resets, mark)


def _money_row(told: ExplainResult) -> tuple[str, ...]:
    short = told.error_code in ("insufficient_credits", "account_unknown")
    numbers = (f"{told.reserved} held", str(told.balance), str(told.available))
    return (told.user_id, "balance", "", *numbers, "-", _mark(short))


def _plain(told: ExplainResult) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(told.model_dump_json(exclude={"events"}))
    return {
        "allowed": told.allowed,
        "reason": told.reason,
        "scope": told.scope,
        "retry_after": told.retry_after,
        **data,
    }


def explain(
    user: UserArgument,
    amount: Annotated[str, typer.Argument(help="Credits that are asked for.")],
    operation_type: Annotated[str, typer.Option(help="The operation type.")] = "usage",
    tokens: Annotated[int, typer.Option(min=0, help="The estimate, for limits that count tokens.")] = 0,
    model: Annotated[str | None, typer.Option(help="The model that would be used.")] = None,
    within: Annotated[
        list[str] | None, typer.Option(metavar="USER", help="A membership beside the account's path; repeatable.")
    ] = None,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Says what a reserve would be answered now, and what every cap and limit has left; takes nothing.

    Exits with 1 when it would be refused.

    Examples:
      ducto-redis explain acme/alice 2.5 --tokens 1200
      ducto-redis explain acme/alice 100 --model gpt-4o --json
      ducto-redis explain acme/alice 100 --within acme/projects/apollo
    """
    try:
        with manager_of(redis, namespace) as manager:
            told = manager.explain(user, amount, operation_type, model=model, tokens=tokens, within=within or [])
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    if told.error_code and told.error_code.startswith("invalid_"):
        fail(Console(stderr=True), told.message)
    if as_json:
        typer.echo(json.dumps(_plain(told)))
    else:
        retry = "" if told.allowed else f"; retry after {_seconds(told.retry_after)}"
        title = f"{amount} of {user!r}: {'admitted' if told.allowed else told.message}{retry}"
        table = Table("account", "limit", "kind", "used", "of", "left", "resets", "", title=title)
        for row in (*map(_cap_row, told.caps), *map(_limit_row, told.limits), _money_row(told)):
            table.add_row(*row)
        show(table)
    raise typer.Exit(0 if told.allowed else 1)
