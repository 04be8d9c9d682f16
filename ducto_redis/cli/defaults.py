"""``ducto-redis defaults`` and ``plan``: caps and limits for many accounts at once, and who is on which plan."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, UserArgument, fail, manager_of, show
from ducto_redis.defaults import DefaultCap, DefaultSet, DefaultsResult
from ducto_redis.errors import CreditError, InvalidArgumentError
from ducto_redis.rates import ConcurrencyLimit, RateLimit

defaults = typer.Typer(no_args_is_help=True, help="Caps and limits of plans and levels: set, list, remove.")

PlanOption = Annotated[str | None, typer.Option("--plan", help="For accounts on this plan.")]
LevelOption = Annotated[
    int | None, typer.Option("--level", min=1, max=6, help="For accounts at this depth of their path, 1 the root.")
]


def _whose(each: DefaultSet) -> str:
    plan = f"plan {each.plan}" if each.plan is not None else "all"
    return plan if each.level is None else f"{plan}, level {each.level}"


def _cap_text(cap: DefaultCap) -> str:
    told = ", ".join(f"{percent} %" for percent in cap.thresholds)
    action = "shadow" if cap.shadow else cap.action
    return f"{cap.limit} {cap.cap_type}, {action}" + (f", tells at {told}" if told else "")


def _limit_text(limit: RateLimit | ConcurrencyLimit) -> str:
    if isinstance(limit, ConcurrencyLimit):
        return f"{limit.max_concurrent} open at once" + (", shadow" if limit.shadow else "")
    burst = f", burst {limit.burst}" if limit.burst is not None else ""
    scope = "".join(f", {name}" for name in (limit.model, limit.operation_type) if name)
    return f"{limit.rate} {limit.counts}, {limit.algorithm}{burst}{scope}" + (", shadow" if limit.shadow else "")


def _show(result: DefaultsResult, *, as_json: bool) -> None:
    if as_json:
        typer.echo(result.model_dump_json(include={"version", "sets"}))
        return
    table = Table("for", "caps", "limits", title=f"Defaults, version {result.version}")
    for each in result.sets:
        table.add_row(_whose(each), "\n".join(map(_cap_text, each.caps)), "\n".join(map(_limit_text, each.limits)))
    show(table)


def _cap(text: str) -> DefaultCap:
    """Reads ``daily=5000`` and ``monthly=200:warn``."""
    period, equals, rest = text.partition("=")
    limit, _, action = rest.partition(":")
    if not equals:
        raise InvalidArgumentError(
            f"--cap is PERIOD=CREDITS[:ACTION], such as daily=5000, monthly=200:warn; not {text!r}"
        )
    kind = {"shadow": True} if action == "shadow" else {"action": action or "deny"}
    return DefaultCap.model_validate({"cap_type": period, "limit": limit, **kind})


def _rate(text: str) -> RateLimit:
    """Reads ``60/minute``, ``100k/minute:tokens`` and ``30/minute:shadow``."""
    rate, *rest = text.split(":")
    counts = [each for each in rest if each != "shadow"]
    return RateLimit.model_validate(
        {"rate": rate, "counts": ":".join(counts) or "requests", "shadow": "shadow" in rest}
    )


@defaults.command("set")
def set_(
    plan: PlanOption = None,
    level: LevelOption = None,
    cap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERIOD=CREDITS[:ACTION]", help="daily, monthly, total; deny, warn, notify, shadow. Repeatable."
        ),
    ] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(metavar="RATE[:COUNTS][:shadow]", help="Such as 60/minute or 100k/minute:tokens. Repeatable."),
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="How many holds may be open at once.")] = None,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Sets what holds for accounts that have no cap or limit of their own, in place of what was set for the same.

    It holds for every process at its next call; nothing is written per account.

    Examples:
      ducto-redis defaults set --plan free --cap daily=5000 --rate 60/minute --concurrency 4
      ducto-redis defaults set --plan enterprise --cap daily=50000
      ducto-redis defaults set --level 1 --cap monthly=200:warn --cap monthly=150:shadow
    """
    console = Console(stderr=True)
    try:
        caps = [_cap(each) for each in cap or []]
        limits: list[RateLimit | ConcurrencyLimit] = [_rate(each) for each in rate or []]
        if concurrency is not None:
            limits.append(ConcurrencyLimit(concurrency))
        with manager_of(redis, namespace) as manager:
            result = manager.set_defaults(caps, limits, plan=plan, level=level)
    except ValidationError as error:
        told = error.errors()[0]
        fail(console, f"{'.'.join(map(str, told['loc']))}: {told['msg'].removeprefix('Value error, ')}")
    except CreditError as error:
        fail(console, str(error))
    _show(result, as_json=as_json)


@defaults.command("list")
def list_(redis: RedisOption = None, namespace: NamespaceOption = "ducto", as_json: JsonOption = False) -> None:
    """Lists what is set, for whom.

    Example:
      ducto-redis defaults list --json
    """
    try:
        with manager_of(redis, namespace) as manager:
            result = manager.list_defaults()
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    _show(result, as_json=as_json)


@defaults.command()
def remove(
    plan: PlanOption = None,
    level: LevelOption = None,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Removes what was set for a plan, a level or, without either, for all; exits with 1 when there was nothing.

    Example:
      ducto-redis defaults remove --plan free
    """
    try:
        with manager_of(redis, namespace) as manager:
            removed = manager.remove_defaults(plan=plan, level=level).removed
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    whose = _whose(DefaultSet(plan=plan, level=level))
    told: dict[str, Any] = {"plan": plan, "level": level, "removed": removed}
    hint = f"nothing is set for {whose}; see: ducto-redis defaults list"
    typer.echo(json.dumps(told) if as_json else f"removed what was set for {whose}" if removed else hint)
    raise typer.Exit(0 if removed else 1)


def plan(
    user: UserArgument,
    name: Annotated[str | None, typer.Argument(help="The plan; without one it is told.", metavar="[PLAN]")] = None,
    none: Annotated[bool, typer.Option("--none", help="On no plan.")] = False,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Puts an account on a plan, or tells which one it is on.

    Examples:
      ducto-redis plan alice
      ducto-redis plan alice free
      ducto-redis plan alice --none
    """
    console = Console(stderr=True)
    if none and name is not None:
        fail(console, "give a plan or --none, not both")
    try:
        with manager_of(redis, namespace) as manager:
            if none or name is not None:
                found = manager.set_plan(user, name).plan
            else:
                known = manager.get_available(user)
                if known.error_code is not None:
                    fail(console, known.message)
                found = known.plan
    except CreditError as error:
        fail(console, str(error))
    if as_json:
        typer.echo(json.dumps({"user_id": user, "plan": found}))
    else:
        typer.echo(f"{user!r} is on plan {found!r}" if found is not None else f"{user!r} is on no plan")
