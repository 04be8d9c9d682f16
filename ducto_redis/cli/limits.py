"""``ducto-redis limits``: set, list and remove rate and concurrency limits."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, UserArgument, fail, manager_of, show
from ducto_redis.decisions import LimitNotice
from ducto_redis.errors import CreditError
from ducto_redis.manager import CreditManager
from ducto_redis.rates import ConcurrencyLimit, RateLimit, period_text

limits = typer.Typer(no_args_is_help=True, help="Rate and concurrency limits: set, list, remove.")

#: Where a command takes a rate or --concurrency, and was given both or neither.
_ONE_OF = "give a rate such as 60/minute, or --concurrency {}for open holds: one of them"

RateArgument = Annotated[
    str | None,
    typer.Argument(help="How much per period: 60/minute, 100k/minute, 5/10s, 1000/day.", metavar="[RATE]"),
]
CountsOption = Annotated[str, typer.Option(help="requests, amount (credits) or tokens.")]
ModelOption = Annotated[str | None, typer.Option(help="Only what uses this model.")]
ShadowOption = Annotated[bool, typer.Option("--shadow", help="One that refuses nothing and counts what it would have.")]
TypeOption = Annotated[str | None, typer.Option("--operation-type", help="Only what is of this operation type.")]


def _plain(limit: LimitNotice) -> dict[str, Any]:
    told = limit.model_dump(mode="json", include={
        "scope", "algorithm", "counts", "limit", "period_ms", "burst", "model", "operation_type", "used", "remaining",
        "reset_after", "default", "shadow", "shadow_denied",
    })  # fmt: skip
    return dict(told)


def _limit_text(limit: LimitNotice) -> tuple[str, str]:
    # What is limited, and how far.
    if limit.algorithm == "concurrency":
        return "open holds", f"{limit.limit} at once"
    counted = "credits" if limit.counts == "amount" else limit.counts
    burst = f", burst {limit.burst}" if limit.burst not in (None, limit.limit) else ""
    return counted, f"{limit.limit} per {period_text(limit.period_ms)}{burst}"


def _reset_text(limit: LimitNotice) -> str:
    if limit.reset_after is None:
        return "when they end"
    return f"in {limit.reset_after:.15g} s" if limit.reset_after else "unused"


def _show(user: str, found: list[LimitNotice], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_plain(limit) for limit in found]))
        return
    table = Table("account", "counts", "limit", "algorithm", "used", "remaining", "resets", "model", "type", "")
    for limit in found:
        denied = f"would have refused {limit.shadow_denied}" if limit.shadow else "default" if limit.default else ""
        marks = (limit.algorithm, str(limit.used), str(limit.remaining), _reset_text(limit))
        table.add_row(limit.scope, *_limit_text(limit), *marks, limit.model or "", limit.operation_type or "", denied)
    table.title = f"Limits of {user!r}"
    show(table)


def _found(manager: CreditManager, user: str) -> list[LimitNotice]:
    """The account's own rates, then its limits on open holds; ends the command where there is no such account."""
    rates, concurrent = manager.list_rate_limits(user), manager.list_concurrency_limits(user)
    if rates.error_code is not None:
        fail(Console(stderr=True), rates.message)
    return [*rates.limits, *concurrent.limits]


def _told(error: ValidationError) -> str:
    # The option that is wrong, and what it takes.
    first = error.errors()[0]
    names = {"rate": "RATE", "max_concurrent": "--concurrency"}
    where = [names.get(str(name), f"--{name}".replace("_", "-")) for name in first["loc"]]
    return ": ".join([*where, first["msg"].removeprefix("Value error, ")])


def _number(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text


@limits.command("set")
def set_(
    user: UserArgument,
    rate: RateArgument = None,
    counts: CountsOption = "requests",
    algorithm: Annotated[
        str, typer.Option(help="gcra (drains evenly), fixed (calendar windows) or sliding (two windows, weighted).")
    ] = "gcra",
    burst: Annotated[
        str | None, typer.Option(help="With gcra: how much at once; as much as the rate allows when not given.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="How many holds may be open at once, in place of RATE.")
    ] = None,
    model: ModelOption = None,
    operation_type: TypeOption = None,
    shadow: ShadowOption = False,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Registers a limit; one of the same counts, period, model and operation type is replaced.

    What was used stays, unless the algorithm changes. The account is opened when there is none.

    Examples:
      ducto-redis limits set alice 60/minute
      ducto-redis limits set acme 100k/minute --counts tokens --algorithm sliding --model gpt-4o
      ducto-redis limits set alice 10/second --burst 50
      ducto-redis limits set alice --concurrency 4 --operation-type chat
      ducto-redis limits set alice 30/minute --shadow
    """
    console = Console(stderr=True)
    scope: dict[str, Any] = {"model": model, "operation_type": operation_type, "shadow": shadow}
    if (rate is None) == (concurrency is None):
        fail(console, _ONE_OF.format("4 "))
    if concurrency is not None and (burst is not None or (counts, algorithm) != ("requests", "gcra")):
        fail(console, "--counts, --algorithm and --burst go with a rate; leave them out beside --concurrency")
    try:
        with manager_of(redis, namespace) as manager:
            if concurrency is None:
                options = {"rate": rate, "counts": counts, "algorithm": algorithm, "burst": _number(burst)}
                manager.set_rate_limit(user, RateLimit.model_validate(options | scope))
            else:
                manager.set_concurrency_limit(
                    user, ConcurrencyLimit.model_validate({"max_concurrent": concurrency} | scope)
                )
            found = _found(manager, user)
    except ValidationError as error:
        fail(console, _told(error))
    except CreditError as error:
        fail(console, str(error))
    _show(user, found, as_json=as_json)


@limits.command("list")
def list_(
    user: UserArgument, redis: RedisOption = None, namespace: NamespaceOption = "ducto", as_json: JsonOption = False
) -> None:
    """Lists an account's own limits with what is used of them now; looking takes nothing.

    Examples:
      ducto-redis limits list alice
      ducto-redis limits list acme/search --redis redis://localhost:6379/0 --json
    """
    try:
        with manager_of(redis, namespace) as manager:
            found = _found(manager, user)
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    _show(user, found, as_json=as_json)


@limits.command()
def remove(
    user: UserArgument,
    rate: Annotated[
        str | None, typer.Argument(help="The rate, or its period alone: minute, 10s.", metavar="[RATE]")
    ] = None,
    counts: CountsOption = "requests",
    concurrency: Annotated[
        bool, typer.Option("--concurrency", help="The limit of open holds, in place of RATE.")
    ] = False,
    model: ModelOption = None,
    operation_type: TypeOption = None,
    shadow: ShadowOption = False,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Removes a limit, known by its counts, period, model and operation type; exits with 1 when there was none.

    Examples:
      ducto-redis limits remove alice 60/minute
      ducto-redis limits remove acme minute --counts tokens --model gpt-4o
      ducto-redis limits remove alice --concurrency --operation-type chat
    """
    console = Console(stderr=True)
    scope: dict[str, Any] = {"model": model, "operation_type": operation_type, "shadow": shadow}
    if (rate is None) != concurrency:
        fail(console, _ONE_OF.format(""))
    try:
        with manager_of(redis, namespace) as manager:
            if rate is None:
                removed = manager.remove_concurrency_limit(user, ConcurrencyLimit(1, **scope)).removed
            else:
                known = RateLimit.model_validate({"rate": f"1/{rate.rpartition('/')[2]}", "counts": counts} | scope)
                removed = manager.remove_rate_limit(user, known).removed
    except ValidationError as error:
        fail(console, _told(error))
    except CreditError as error:
        fail(console, str(error))
    what = "limit of open holds" if rate is None else f"limit of {counts} per {rate.rpartition('/')[2]}"
    if as_json:
        told = {"user_id": user, "rate": rate, "counts": None if rate is None else counts, **scope, "removed": removed}
        typer.echo(json.dumps(told))
    else:
        hint = f"{user!r} has no such {what}; see: ducto-redis limits list {user}"
        typer.echo(f"removed the {what} of {user!r}" if removed else hint)
    raise typer.Exit(0 if removed else 1)
