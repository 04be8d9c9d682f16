"""Rebuilds a namespace in Redis from what SQL holds: idempotent, and going on where it was cut off.

First the snapshots are brought forward to the last row, so every root is one image; then see ``core.restoring``. SQL
says ``restoring`` and under which generation before Redis does, so a second run - or a second process - goes on with
the same one. Nobody drains meanwhile, and clients are told ``needs_restore``; when it is ready they adopt it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, and_, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from ducto_redis.core.entries import Kind, read_entry
from ducto_redis.core.fold_records import open_hold
from ducto_redis.core.restoring import Present, RootImage, begin, drop_roots, finish, look, root_calls
from ducto_redis.core.root_fields import begun, read_state, split_fields
from ducto_redis.core.steps import Batch, Call
from ducto_redis.durable.database import open_database
from ducto_redis.durable.namespaces import Known, begin_restore, end_restore, read_namespace
from ducto_redis.durable.schema import ledger, records, roots
from ducto_redis.durable.snapshots import Snapshots, known_since, wall_clock
from ducto_redis.errors import LedgerBroken, NamespaceUnknown, NeedsRestore, StoreUnavailable
from ducto_redis.ids import new_generation
from ducto_redis.store import RedisStore

#: Roots that are read and written at a time.
PAGE: Final = 500
Prefer = Literal["sql"]
Progress = Callable[[int, int], None]


@dataclass
class RestoreResult:
    """What was brought back.

    Attributes:
        roots: Roots that Redis holds since.
        already: Those among them that an earlier run, cut off, had written.
        holds: Open holds among what was written.
        records: Records of operations among what was written.
        generation: The namespace's new generation, in hexadecimal.
        dropped: Roots that Redis held and that were given up (``prefer="sql"``).
    """

    roots: int = 0
    already: int = 0
    holds: int = 0
    records: int = 0
    generation: str = ""
    dropped: int = 0


class Restore:
    """Rebuilds a namespace from a database.

    Args:
        store: A store of the namespace; it need not be set up.
        url: The database, as for ``LedgerDrain``.
        now_ms: The time, in ms; tests inject theirs.

    Raises:
        ConfigError: The database cannot be used.
        StoreUnavailable: It could not be reached.
    """

    #: Tests stop a restore at these places.
    at_point: Callable[[str], None] = staticmethod(lambda _point: None)

    def __init__(self, store: RedisStore, url: str, *, now_ms: Callable[[], int] = wall_clock) -> None:
        self._run, self._space = store._driver.run_flow, store._space  # noqa: SLF001 - one package
        self._engine: Engine = open_database(url)
        self._now_ms = now_ms

    def close(self) -> None:
        """Closes the database; the store stays open."""
        self._engine.dispose()

    def run(
        self,
        *,
        prefer: Prefer | None = None,
        rebuild: bool = False,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> RestoreResult:
        """Rebuilds the namespace, into a Redis that has nothing of it.

        Args:
            prefer: ``"sql"``: what Redis holds of the namespace is given up. None: there must be nothing.
            rebuild: Whether snapshots are made anew from all rows before.
            progress: Told how many roots are written, of how many.

        Raises:
            NamespaceUnknown: The database holds nothing of the namespace.
            NeedsRestore: Redis holds accounts; nothing was written. Say what is to count.
            LedgerBroken: Rows of a root are missing or altered; nothing was written.
            StoreUnavailable: Redis or the database failed; run it again.
        """
        try:
            return self._restore(prefer, progress, rebuild=rebuild)
        except SQLAlchemyError as cause:
            raise StoreUnavailable(f"the database failed: {cause}; run the restore again") from cause

    def _restore(self, prefer: Prefer | None, progress: Progress, *, rebuild: bool) -> RestoreResult:
        name = self._space.name
        with self._engine.connect() as connection:
            known = read_namespace(connection, name)
        if known is None:
            raise NamespaceUnknown(f"namespace_unknown: the database holds nothing of namespace {name!r}")
        present: Present = self._run(look(self._space, known.config))
        result = RestoreResult()
        if known.state == "restoring" and (present.generations[0], present.state) == (known.config.generation, "ready"):
            end_restore(self._engine, name)  # all was written; only this was not said any more
            result.generation = known.config.generation.hex()
            return result
        self._check(known, present, prefer)
        self._prepare(rebuild=rebuild)
        known = begin_restore(self._engine, name, new_generation())
        if Snapshots(self._engine, name).behind():
            # A drain that had read before Redis was lost has committed meanwhile; from here on none can.
            self._prepare(rebuild=False)
        self.at_point("said")
        self._run(begin(self._space, known.config, present.generations))
        self.at_point("begun")
        if present.has_roots and prefer == "sql":
            result.dropped = self._run(drop_roots(self._space))
        self._write_roots(result, progress)
        with self._engine.connect() as connection:
            version, text = _defaults(connection, name, known.config.shards)
        self._run(finish(self._space, version, text))
        self.at_point("finished")
        end_restore(self._engine, name)
        result.generation = known.config.generation.hex()
        return result

    def _check(self, known: Known, present: Present, prefer: Prefer | None) -> None:
        mine = known.state == "restoring" and present.generations[0] in (b"", known.config.generation)
        if mine or not present.has_roots or prefer == "sql":
            return
        same = known.config.generation in present.generations
        what = "the namespace is there and needs no restore" if same else "it is another life of the namespace"
        raise NeedsRestore(
            f"Redis holds accounts of {self._space.name!r}: {what}. Nothing was written. `ducto-redis verify --sql`"
            ' shows what differs; prefer="sql" (--prefer sql) gives up what Redis holds'
        )

    def _prepare(self, *, rebuild: bool) -> None:
        """Brings the snapshots forward and makes sure that they can be read, before Redis is written to."""
        snapshots = Snapshots(self._engine, self._space.name, self._now_ms)
        if rebuild:
            snapshots.drop()
        broken = snapshots.update().broken
        if broken:
            told = "; ".join(f"{root}: {why}" for root, why in sorted(broken.items())[:5])
            raise LedgerBroken(f"{len(broken)} roots cannot be rebuilt from their rows: {told}")
        snapshots.check()

    def _write_roots(self, result: RestoreResult, progress: Progress) -> None:
        where = roots.c.namespace == self._space.name
        with self._engine.connect() as connection:
            total = int(connection.execute(select(func.count()).select_from(roots).where(where)).scalar_one())
            since_ms = known_since(connection, self._space.name, self._now_ms())
        # The next page is read while Redis writes this one.
        with ThreadPoolExecutor(1) as ahead:
            page = ahead.submit(self._page, "", since_ms)
            while images := page.result():
                page = ahead.submit(self._page, images[-1].name, since_ms)
                self._write(images, result)
                progress(result.roots, total)
                self.at_point("written")

    def _page(self, after: str, since_ms: int) -> list[RootImage]:
        """The roots behind a name, with what is written of them; none: there are no more."""
        where = (roots.c.namespace == self._space.name, roots.c.root > after)
        with self._engine.connect() as connection:
            page = connection.execute(select(roots).where(*where).order_by(roots.c.root).limit(PAGE)).all()
            return list(_images(connection, self._space.name, page, since_ms)) if page else []

    def _write(self, images: list[RootImage], result: RestoreResult) -> None:
        calls: list[Call[bool]] = []
        last: list[int] = []
        for image in images:
            calls += root_calls(self._space, image, self._now_ms())
            last.append(len(calls) - 1)
        written = self._run(_batch(tuple(calls)))
        for image, at in zip(images, last, strict=True):
            result.roots += 1
            result.already += not written[at]
            result.holds += len(image.open_holds)
            result.records += len(image.records)


def _batch(calls: tuple[Call[bool], ...]) -> Any:
    return (yield Batch(calls))


def _images(connection: Connection, namespace: str, page: Any, since_ms: int) -> Iterator[RootImage]:
    """The roots of a page with their records: those of open holds, and what a caller may still repeat."""
    of_page = and_(records.c.namespace == namespace, records.c.root.between(page[0].root, page[-1].root))
    wanted = or_(records.c.expires_ms > 0, records.c.at_ms >= since_ms)
    columns = (records.c.root, records.c.field, records.c.expires_ms, records.c.data)
    made: dict[str, dict[str, bytes]] = {row.root: {} for row in page}
    open_holds: dict[str, dict[str, int]] = {row.root: {} for row in page}
    for root, name, expires_ms, data in connection.execute(select(*columns).where(of_page, wanted)).all():
        made[root][name] = data
        if expires_ms:
            open_holds[root][name] = expires_ms
    for row in page:
        root, own, held = row.root, made[row.root], open_holds[row.root]
        yield RootImage(root, row.sequence, _fields(row, own, held), own, held)


def _fields(row: Any, made: Mapping[str, bytes], open_holds: Mapping[str, int]) -> dict[str, bytes]:
    """The fields of a root's state; limits on concurrency count the holds that are open."""
    fields = split_fields(row.data)
    limited = [name for name in fields if name[0] == "l"]
    if limited:
        holds = [open_hold(name, made[name]) for name in open_holds]
        limits = read_state({name: fields[name] for name in limited}, row.sequence).limits
        for path, items in limits.items():
            labels = [(hold.operation_type, hold.model) for hold in holds if path in hold.levels]
            fields[f"l{path}"] = begun(items, row.sequence, labels)
    return fields


def _defaults(connection: Connection, namespace: str, shards: int) -> tuple[int, str]:
    """Version and text of the defaults; version 0: there never were any."""
    of_none = [f"#{shard}" for shard in range(shards)]
    where = (ledger.c.namespace == namespace, ledger.c.root.in_(of_none), ledger.c.kind == int(Kind.DEFAULTS_SET))
    found = connection.execute(select(ledger.c.data).where(*where).order_by(ledger.c.sequence.desc()).limit(1)).first()
    if found is None:
        return 0, ""
    entry = read_entry(found.data)
    return entry.amount, entry.detail.decode()
