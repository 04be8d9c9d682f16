"""``ducto-redis events``: crossings of thresholds, as the streams of events tell them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, fail, manager_of, show
from ducto_redis.errors import CreditError
from ducto_redis.events import CAP_THRESHOLD, LOW_BALANCE, CreditEvent
from ducto_redis.manager import CreditManager

_EVERY_S = 1.0
#: Between two looks of --follow; tests put another in its place.
pause: Callable[[float], None] = time.sleep


def _pages(manager: CreditManager, *, follow: bool) -> Iterator[tuple[CreditEvent, ...]]:
    after: dict[int, str] = {}
    while True:
        page = manager.read_events(after)
        after = page.after
        yield page.events
        if not page.more:
            if not follow:
                return
            pause(_EVERY_S)


def _text(event: CreditEvent) -> str:
    if event.type == LOW_BALANCE:
        return f"balance {event.data['balance']}, low at {event.data['threshold']}"
    if event.type != CAP_THRESHOLD:
        return f"{event.type}: {event.data}"
    data = event.data
    return f"{data['percent']} % of the {data['cap_type']} cap of {data['limit']}: {data['spent']} spent"


def events(
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Lists what crossed a threshold of a cap or came to a low balance, oldest first; with --json an object per line.

    Examples:
      ducto-redis events --redis redis://localhost:6379/0
      ducto-redis events --follow --json
    """
    try:
        with manager_of(redis, namespace) as manager:
            if as_json or follow:
                for page in _pages(manager, follow=follow):
                    for event in page:
                        plain = f"{event.timestamp:%Y-%m-%d %H:%M:%S} {event.user_id} {_text(event)}"
                        typer.echo(json.dumps(event.model_dump(mode="json")) if as_json else plain)
                return
            table = Table("at (UTC)", "account", "event", title=f"Events of {namespace!r}")
            for page in _pages(manager, follow=False):
                for event in page:
                    table.add_row(f"{event.timestamp:%Y-%m-%d %H:%M:%S}", event.user_id, _text(event))
            show(table)
    except CreditError as error:
        fail(Console(stderr=True), str(error))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
