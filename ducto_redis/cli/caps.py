"""``ducto-redis caps``: set, list and remove spend caps; report accounts over a warn cap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, UserArgument, fail, manager_of, show
from ducto_redis.decisions import CapNotice
from ducto_redis.errors import CreditError
from ducto_redis.manager import CreditManager
from ducto_redis.models import SpendCap

caps = typer.Typer(no_args_is_help=True, help="Spend caps: set, list, remove, report.")

PeriodOption = Annotated[str, typer.Option("--period", help="hourly, daily, weekly, monthly, yearly or total.")]
ShadowOption = Annotated[
    bool, typer.Option("--shadow", help="The one beside the cap that refuses nothing and counts what it would have.")
]
ModelOption = Annotated[str | None, typer.Option(help="Only what is spent on this model.")]


def _plain(cap: CapNotice) -> dict[str, Any]:
    told = cap.model_dump(mode="json", include={
        "scope", "cap_type", "limit", "action", "spent", "held", "model", "timezone", "week_start", "anchor_day",
        "reset_at", "counted_since", "thresholds", "default", "shadow", "shadow_denied", "shadow_denied_amount",
    })  # fmt: skip
    return dict(told)


def _calendar(cap: CapNotice) -> str:
    """The zone, and on which day weeks or months start where that is told."""
    week = f", from {cap.week_start}" if cap.week_start != "monday" else ""
    return cap.timezone + (week or (f", from day {cap.anchor_day}" if cap.anchor_day != 1 else ""))


def _show(title: str, found: list[CapNotice], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_plain(cap) for cap in found]))
        return
    table = Table(
        "account", "period", "action", "spent", "held", "limit", "model", "zone", "resets", "tells", title=title
    )
    for cap in found:
        resets = f"{cap.reset_at:%Y-%m-%d %H:%M} UTC" if cap.reset_at else "never"
        at = ", ".join(f"{percent} %" for percent in cap.thresholds)
        tells = (
            f"would have refused {cap.shadow_denied}, of {cap.shadow_denied_amount}"
            if cap.shadow
            else at and f"at {at}"
        )
        action = "shadow" if cap.shadow else f"{cap.action} (default)" if cap.default else cap.action
        numbers = (str(cap.spent), str(cap.held), str(cap.limit))
        table.add_row(cap.scope, cap.cap_type, action, *numbers, cap.model or "", _calendar(cap), resets, tells)
    show(table)


@caps.command("set")
def set_(
    user: UserArgument,
    limit: Annotated[str, typer.Argument(help="Credits per period.")],
    period: PeriodOption = "daily",
    action: Annotated[str, typer.Option(help="deny, warn or notify.")] = "deny",
    model: ModelOption = None,
    timezone: Annotated[str, typer.Option(help="IANA zone whose calendar counts.")] = "UTC",
    week_start: Annotated[str, typer.Option(help="The day on which weekly caps start.")] = "monday",
    anchor_day: Annotated[
        int, typer.Option(help="The day on which monthly caps start; the last one of shorter months.")
    ] = 1,
    threshold: Annotated[
        list[int] | None, typer.Option(min=1, max=100, help="Tell when spend reaches so many per cent; repeatable.")
    ] = None,
    shadow: ShadowOption = False,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Registers a cap, replacing the account's cap of the same period and model; the spend stays.

    Examples:
      ducto-redis caps set alice 5000
      ducto-redis caps set acme 200 --period monthly --action warn --model gpt-4o --timezone Europe/Berlin
      ducto-redis caps set acme 50 --period weekly --week-start sunday --timezone America/New_York
      ducto-redis caps set acme 900 --period monthly --anchor-day 15
      ducto-redis caps set acme 900 --period monthly --threshold 50 --threshold 80 --threshold 100
      ducto-redis caps set alice 3000 --shadow
    """
    try:
        wanted = SpendCap.model_validate({
            "user_id": user, "cap_type": period, "limit": limit, "action": action, "model": model, "timezone": timezone,
            "week_start": week_start, "anchor_day": anchor_day, "thresholds": threshold or [],
            "shadow": shadow,
        })  # fmt: skip
        with manager_of(redis, namespace) as manager:
            manager.set_spend_cap(wanted)
            found = manager.list_spend_caps(user).caps
    except ValidationError as error:
        told = error.errors()[0]
        where = ".".join(map(str, told["loc"]))
        fail(Console(stderr=True), f"{where}: {told['msg']}" if where else told["msg"].removeprefix("Value error, "))
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    _show(f"Caps of {user!r}", list(found), as_json=as_json)


@caps.command("list")
def list_(
    user: UserArgument, redis: RedisOption = None, namespace: NamespaceOption = "ducto", as_json: JsonOption = False
) -> None:
    """Lists an account's own caps with their present spend.

    Example:
      ducto-redis caps list alice --json
    """
    try:
        with manager_of(redis, namespace) as manager:
            found = manager.list_spend_caps(user).caps
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    _show(f"Caps of {user!r}", list(found), as_json=as_json)


@caps.command()
def remove(
    user: UserArgument,
    period: PeriodOption = "daily",
    model: ModelOption = None,
    shadow: ShadowOption = False,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Removes a cap; exits with 1 when there was none.

    Example:
      ducto-redis caps remove alice --period monthly
    """
    try:
        with manager_of(redis, namespace) as manager:
            removed = manager.remove_spend_cap(user, period, model, shadow=shadow).removed
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    if as_json:
        typer.echo(json.dumps({"user_id": user, "cap_type": period, "model": model, "removed": removed}))
    else:
        typer.echo(f"removed the {period} cap of {user!r}" if removed else f"{user!r} has no {period} cap")
    raise typer.Exit(0 if removed else 1)


def _over(manager: CreditManager, console: Console) -> Iterator[CapNotice]:
    """Caps that warn or notify and whose spend lies above the limit, of all accounts."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("accounts", total=None)
        accounts = manager.list_accounts()
        progress.update(task, total=len(accounts))
        for user in accounts:
            for cap in manager.list_spend_caps(user).caps:
                if cap.action != "deny" and cap.spent > cap.limit:
                    yield cap
            progress.advance(task)


@caps.command()
def report(redis: RedisOption = None, namespace: NamespaceOption = "ducto", as_json: JsonOption = False) -> None:
    """Reports accounts over a warn or notify cap in the present period, the largest overshoot first.

    Example:
      ducto-redis caps report --redis redis://localhost:6379/0 --json
    """
    console = Console(stderr=True)
    try:
        with manager_of(redis, namespace) as manager:
            found = sorted(_over(manager, console), key=lambda cap: cap.limit - cap.spent)
    except CreditError as error:
        fail(console, str(error))
    _show(f"{len(found)} caps are passed", found, as_json=as_json)
