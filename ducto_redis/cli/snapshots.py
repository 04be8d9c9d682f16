"""``ducto-redis snapshot`` and ``restore``: the ledger into SQL, snapshots of it, and a namespace back from there."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ducto_redis.cli.opening import JsonOption, NamespaceOption, RedisOption, durable_part, fail, open_store, show
from ducto_redis.errors import ConfigError, CreditError

if TYPE_CHECKING:
    from types import FrameType

    from ducto_redis.durable import Lag
    from ducto_redis.store import RedisStore

Prefer = Literal["sql", "redis"]
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
#: Between two runs; answers whether to stop. Tests put another in its place.
wait: Callable[[threading.Event, float], bool] = threading.Event.wait
_URL_HELP = "sqlite:///ledger.db or postgresql://user:password@host/name; without a password: DUCTO_SQL_URL."
ToOption = Annotated[str, typer.Option("--to", metavar="URL", envvar="DUCTO_SQL_URL", help=_URL_HELP)]
FromOption = Annotated[str, typer.Option("--from", metavar="URL", envvar="DUCTO_SQL_URL", help=_URL_HELP)]


@contextmanager
def _told(*, as_json: bool) -> Iterator[Console]:
    """Ends with exit code 2 and what failed."""
    console = Console(stderr=as_json)
    try:
        yield console
    except CreditError as error:
        fail(console, f"{type(error).__name__}: {error}")


def seconds_of(text: str) -> float:
    """Reads a duration: ``1s``, ``500ms``, ``5m``; a number alone is of seconds.

    Raises:
        typer.BadParameter: It is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text.strip())
    if not found or float(found[1]) == 0:
        raise typer.BadParameter(f"{text!r} is no duration; examples: 1s, 500ms, 5m")
    return float(found[1]) * _UNITS[found[2] or "s"]


def snapshot(
    to: ToOption,
    every: Annotated[str | None, typer.Option(help="Go on, so often (1s, 500ms, 5m), until Ctrl-C; else once.")] = None,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Carries the ledger into SQL and brings the snapshots there forward; of many such processes one does it.

    Stops at Ctrl-C or SIGTERM behind a last run. With --json an object per run. Exits with 2 when a single run failed.

    Examples:
      ducto-redis snapshot --redis redis://localhost:6379/0 --to sqlite:///ledger.db
      ducto-redis snapshot --every 1s --to postgresql://ducto@db/ledger --namespace billing --json
    """
    every_s = None if every is None else seconds_of(every)
    with _told(as_json=as_json) as console:
        if redis is None:
            raise ConfigError("the embedded engine holds nothing to carry; name a server with --redis")
        with open_store(redis, namespace) as store:
            store.setup(create=False)
            passes, stop = durable_part("--to").snapshotter.Passes(store, to, every_s or 1.0), threading.Event()
            try:
                with _stopped_by_signals(stop):
                    _run(passes, every_s, stop, console, as_json=as_json)
            finally:
                passes.close()


def _run(passes: Any, every_s: float | None, stop: threading.Event, console: Console, *, as_json: bool) -> None:
    while True:
        before = passes.rows
        try:
            did = passes.run()
            _tell(passes.lag(), passes.rows - before, did=did, as_json=as_json)
        except CreditError as error:
            if every_s is None:
                raise
            # It goes on: what failed is tried again.
            console.print(f"{type(error).__name__}: {error}", style="red", markup=False, soft_wrap=True)
        if every_s is None or wait(stop, every_s):
            return


def _tell(lag: Lag, rows: int, *, did: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"rows": rows, **asdict(lag)}))
        return
    others = "" if did else ", another process drains"
    poison = f", {lag.dead:,} are set aside (ducto-redis ledger --dead)" if lag.dead else ""
    typer.echo(f"{rows:,} entries carried, {lag.entries:,} wait, {lag.roots:,} snapshots behind{poison}{others}")


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {each: signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def restore(
    source: FromOption,
    prefer: Annotated[
        Prefer | None,
        typer.Option(
            help="sql: what Redis holds of the namespace is given up, and rebuilt. redis: nothing is rebuilt, SQL sets"
            " aside what Redis does not have. Without: there must be nothing in Redis."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --prefer redis: tell what SQL would give up, change nothing.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the snapshots anew from all rows before.")] = False,
    redis: RedisOption = None,
    namespace: NamespaceOption = "ducto",
    as_json: JsonOption = False,
) -> None:
    """Rebuilds a namespace in Redis from SQL, under a new generation; clients that run adopt it by themselves.

    Cut off anywhere, run it again. Exits with 2 when it was refused or failed; what is there is not touched then.
    After --prefer redis the next snapshot carries what Redis has; what was set aside: ducto-redis ledger --dead.

    Examples:
      ducto-redis restore --redis redis://localhost:6379/0 --from sqlite:///ledger.db
      ducto-redis restore --from postgresql://ducto@db/ledger --namespace billing --prefer sql
      ducto-redis restore --from sqlite:///ledger.db --redis redis://localhost:6379/0 --prefer redis --dry-run
    """
    with _told(as_json=as_json) as console:
        if redis is None:
            raise ConfigError("the embedded engine is gone with this command; name a server with --redis")
        if dry_run and prefer != "redis":
            raise ConfigError("--dry-run goes with --prefer redis; `ducto-redis verify --sql URL` tells what differs")
        if rebuild and prefer == "redis":
            raise ConfigError("--rebuild does not go with --prefer redis, which rebuilds nothing in Redis")
        with open_store(redis, namespace) as store, Progress(console=console, transient=True) as progress:
            task = progress.add_task("accounts" if prefer != "redis" else "shards", total=None)

            def tell(at: int, whole: int) -> None:
                progress.update(task, completed=at, total=whole)

            done = _rebuild(store, source, prefer, tell, rebuild=rebuild, dry_run=dry_run)
        if as_json:
            typer.echo(json.dumps(done, default=str))
            return
        did = ("Would be given up by SQL" if dry_run else "Given up by SQL") if prefer == "redis" else "Restored"
        table = Table(title=f"{did}: {namespace!r}", show_header=False)
        for name, value in done.items():
            told = (
                "\n".join(value) if isinstance(value, tuple) else f"{value:,}" if isinstance(value, int) else f"{value}"
            )
            table.add_row(name, told)
        show(table)


def _rebuild(
    store: RedisStore, source: str, prefer: Prefer | None, tell: Callable[[int, int], None], *,
    rebuild: bool, dry_run: bool,
) -> dict[str, Any]:  # fmt: skip
    """What is asked for, as what it told."""
    durable = durable_part("--from")
    if prefer == "redis":
        store.setup(create=False)
        return asdict(durable.accept_redis(store, source, dry_run=dry_run, progress=tell))
    work = durable.Restore(store, source)
    try:
        return asdict(work.run(prefer=prefer, rebuild=rebuild, progress=tell))
    finally:
        work.close()
