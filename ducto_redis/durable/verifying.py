"""``verify_sql``: what SQL holds adds up to what Redis says, root by root; works while others write and drain.

The states are read first, then how far the shard is drained, then what its stream still holds, then SQL. So an entry up
to a root's number is in SQL, or in the stream behind the position; and what SQL holds beyond it was drained since - or
Redis is an older one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from sqlalchemy import Connection, Engine, bindparam, func, select

from ducto_redis.core import draining, verify
from ducto_redis.core.entries import OF_NO_ROOT, Entry, Kind, read_entry
from ducto_redis.core.fold import RootState
from ducto_redis.core.listing import order_of
from ducto_redis.core.packed import read_node
from ducto_redis.core.verify import StoredRoot
from ducto_redis.durable.namespaces import read_namespace
from ducto_redis.durable.reading import open_to_read, reading
from ducto_redis.durable.rows import operation_of, row_of
from ducto_redis.durable.schema import dead, ledger, position
from ducto_redis.errors import ConfigError, LedgerBroken, SchemaNewer
from ducto_redis.history import Books, SqlVerifyResult
from ducto_redis.store import RedisStore

#: Rows, names of roots and entries of a stream that are read at a time.
PAGE: Final = 5_000
_NAMED: Final = 10
#: Made once: there are many roots.
_PAGE_OF_ROOT: Final = (
    select(ledger)
    .where(*(ledger.c[name] == bindparam(name) for name in ("namespace", "root", "generation")))
    .where(ledger.c.sequence > bindparam("after"), ledger.c.sequence <= bindparam("until"))
    .order_by(ledger.c.sequence)
    .limit(bindparam("page"))
)
#: Kinds whose amount was spent.
CHARGES: Final = (Kind.CHARGE, Kind.SETTLE)


class _Held(NamedTuple):
    """An entry that a stream still holds; ``behind``: it was not drained yet when that was asked."""

    data: bytes
    behind: bool


@dataclass
class _Shard:
    """What is read of a shard."""

    number: int
    roots: dict[str, StoredRoot]
    held: dict[str, dict[int, _Held]] = field(default_factory=dict)
    was_trimmed: bool = True


def verify_sql(store: RedisStore, url: str, progress: Callable[[int, int], None] | None = None) -> SqlVerifyResult:
    """Compares what the ledger in SQL adds up to with the state in Redis; may run while others write and drain.

    Args:
        store: The store; its namespace must be there.
        url: That of ``LedgerDrain``.
        progress: Is told after each shard how many are done, and of how many.

    Raises:
        ConfigError: The database cannot be used, or holds nothing of the namespace.
        SchemaNewer: A newer release wrote an entry, or made the tables.
        StoreUnavailable: Redis or the database could not be reached.
    """
    engine = open_to_read(url)
    try:
        return _Verification(store, engine).run(progress)
    finally:
        engine.dispose()


class _Verification:
    """One pass over all shards."""

    def __init__(self, store: RedisStore, engine: Engine) -> None:
        self._run, self._space = store._driver.run_flow, store._space  # noqa: SLF001 - one package
        self._engine = engine
        self._result = SqlVerifyResult(user_id="", books=Books())

    def run(self, progress: Callable[[int, int], None] | None) -> SqlVerifyResult:
        """Compares every shard."""
        roots = self._run(verify.find_roots(self._space))
        with reading(self._engine) as connection:
            self._count(connection)
        in_sql = self._roots_in_sql()
        for done, shard in enumerate(sorted(roots), 1):
            self._compare(self._read(shard, roots[shard]), in_sql.get(shard, {}))
            if progress is not None:
                progress(done, len(roots))
        return self._result

    def _count(self, connection: Connection) -> None:
        here = ledger.c.namespace == self._space.name
        if connection.execute(select(ledger.c.root).where(here).limit(1)).first() is None:
            raise ConfigError(f"the database holds no entry of namespace {self._space.name!r}; drain into it first")
        self._generations = list(connection.execute(select(ledger.c.generation).where(here).distinct()).scalars())
        known, mine = read_namespace(connection, self._space.name), self._space.known.generation
        if known is not None and known.config.generation != mine:
            verify.tell(self._result, "", "generation", mine.hex(), f"{known.config.generation.hex()}: another life")
        earlier = select(func.count()).select_from(ledger).where(here, ledger.c.generation != mine[:4].hex())
        self._result.other_generations = connection.execute(earlier).scalar_one()
        set_aside = select(func.count()).select_from(dead).where(dead.c.namespace == self._space.name)
        self._result.dead = connection.execute(set_aside).scalar_one()

    def _roots_in_sql(self) -> dict[int, dict[str, int]]:
        """The roots that have rows, and the number of their last one, by shard."""
        found: dict[int, dict[str, int]] = {}
        last, rows = "", [("", 0)]
        while rows:
            page = select(ledger.c.root, func.max(ledger.c.sequence)).where(*self._here(), ledger.c.root > last)
            with reading(self._engine) as connection:
                page = page.group_by(ledger.c.root).order_by(ledger.c.root).limit(PAGE)
                rows = [(root, sequence) for root, sequence in connection.execute(page)]
            for root, sequence in rows:
                if not root.startswith("#"):
                    found.setdefault(self._space.keys.account(unquote(root)).shard, {})[root] = sequence
            last = rows[-1][0] if rows else last
        return found

    def _here(self, root: str | None = None) -> tuple[Any, ...]:
        here = (ledger.c.namespace == self._space.name,)
        return here if root is None else (*here, ledger.c.root == root)

    def _lives(self, root: str) -> list[str]:
        """The generations that a root lived in, in their order: a restore goes on where the one before it ended."""
        if len(self._generations) == 1:
            return self._generations
        first = select(func.min(ledger.c.sequence)).where(*self._here(root))
        with reading(self._engine) as connection:
            found = [
                (connection.execute(first.where(ledger.c.generation == generation)).scalar(), generation)
                for generation in self._generations
            ]
        return [generation for _, generation in sorted(each for each in found if each[0] is not None)]

    def _read(self, number: int, roots: set[str]) -> _Shard:
        """States, position and stream of a shard, in this order."""
        shard = _Shard(number, self._run(verify.read_roots(self._space, number, roots)))
        with reading(self._engine) as connection:
            where = (position.c.namespace == self._space.name, position.c.shard == number)
            drained = connection.execute(select(position.c.last).where(*where)).scalar()
        last, more = draining.BEGINNING, True
        while more:
            part = self._run(draining.read_part(self._space, number, last, PAGE))
            more = part.more
            for last, is_entry, data in part.entries:
                self._hold(
                    shard, data if is_entry else b"", behind=drained is None or order_of(last) > order_of(drained)
                )
        with reading(self._engine) as connection:
            opened = (*self._here(f"#{number}"), ledger.c.kind == int(Kind.OPEN))
            shard.was_trimmed &= connection.execute(select(ledger.c.root).where(*opened)).first() is None
        return shard

    def _hold(self, shard: _Shard, data: bytes, *, behind: bool) -> None:
        self._result.entries += 1
        try:
            entry = read_entry(data)
        except SchemaNewer:
            raise
        except (ValueError, IndexError):
            self._result.dead += behind  # else it is set aside, and counted there
            return
        if entry.kind in OF_NO_ROOT:
            shard.was_trimmed &= entry.kind is not Kind.OPEN
        else:
            shard.held.setdefault(entry.root, {})[entry.sequence] = _Held(data, behind)

    def _compare(self, shard: _Shard, in_sql: dict[str, int]) -> None:
        for root, here in shard.roots.items():
            if "r" not in here.fields:
                continue
            if in_sql.get(root, 0) > here.sequence:  # SQL was asked before
                self._tell_missing(root, here.sequence, in_sql[root])
            if root in shard.held and root in in_sql and self._tell_forked(root, shard.held[root]):
                self._result.roots += 1
                continue
            books = Books()
            entries = self._entries(shard, root, here.sequence, books)
            state = verify.compare_root(self._result, root, here, entries, was_trimmed=shard.was_trimmed)
            if state is not None:
                self._add(books, here, state)
        strangers = (in_sql.keys() | shard.held.keys()) - shard.roots.keys()
        counts = {root: self._length(root, shard.held.get(root, {})) for root in strangers}
        self._run(verify.tell_lost(self._space, shard.number, self._result, counts))

    def _length(self, root: str, held: dict[int, _Held]) -> int:
        counted = select(func.count()).select_from(ledger).where(*self._here(root))
        with reading(self._engine) as connection:
            return int(connection.execute(counted).scalar_one()) + sum(each.behind for each in held.values())

    def _tell_missing(self, root: str, sequence: int, last: int) -> None:
        beyond = (*self._here(root), ledger.c.sequence > sequence)
        named = select(ledger.c.reference).where(*beyond).order_by(ledger.c.sequence).limit(_NAMED)
        with reading(self._engine) as connection:
            count = connection.execute(select(func.count()).select_from(ledger).where(*beyond)).scalar_one()
            names = ", ".join(map(operation_of, connection.execute(named).scalars()))
        self._result.missing += count
        told = f"entry {last}: {count} missing in Redis, which is behind SQL: {names}"
        verify.tell(self._result, root, "behind SQL", f"entry {sequence}", told)

    def _tell_forked(self, root: str, held: dict[int, _Held]) -> bool:
        """Tells of entries that SQL and the stream have under one number, each their own."""
        forks = []
        for row in self._rows(root, min(held) - 1, max(held)):
            mine = held.get(row.sequence)
            if mine is not None and mine.data != bytes(row.data):
                here, there = read_entry(mine.data).reference, row.reference
                forks.append((f"#{row.sequence} {operation_of(here)}", f"#{row.sequence} {operation_of(there)}"))
        if forks:
            self._result.forked += len(forks)
            stored, folded = (", ".join(names) for names in zip(*forks[:_NAMED], strict=True))
            verify.tell(self._result, root, f"fork of {len(forks)} entries", stored, folded)
        return bool(forks)

    def _entries(self, shard: _Shard, root: str, until: int, books: Books) -> Iterator[Entry]:
        """The entries of a root up to a number: SQL's, then those of the stream that were not drained."""
        held = shard.held.get(root, {})
        last = 0
        for row in self._rows(root, 0, until):
            last = row.sequence
            yield _counted(self._checked(shard.number, row), books)
        for sequence in sorted(held):
            if last < sequence <= until and held[sequence].behind:
                yield _counted(read_entry(held[sequence].data), books)

    def _rows(self, root: str, after: int, until: int) -> Iterator[Any]:
        """Rows of a root in the order of their sequence, a page at a time."""
        for generation in self._lives(root):
            values = {"namespace": self._space.name, "generation": generation, "root": root}
            read, more = after, True
            while more:
                page = {**values, "after": read, "until": until, "page": PAGE}
                with reading(self._engine) as connection:
                    rows = connection.execute(_PAGE_OF_ROOT, page).all()
                self._result.rows += len(rows)
                yield from rows
                more = len(rows) == PAGE
                read = rows[-1].sequence if rows else read

    def _checked(self, shard: int, row: Any) -> Entry:
        """The entry of a row, whose columns say what its data says."""
        data = bytes(row.data)  # not every driver gives bytes
        try:
            made = row_of(self._space.name, shard, row.stream_id, data)
        except (ValueError, IndexError) as cause:
            raise LedgerBroken(f"root {row.root}: row {row.sequence} holds no entry: {cause}") from cause
        if row != made:
            for name, value, stored in zip(ledger.c.keys(), made, row, strict=True):
                if value != stored:
                    what = f"row {row.sequence}, column {name}"
                    verify.tell(self._result, row.root, what, f"data {value!r}", f"column {stored!r}")
        return read_entry(data)

    def _add(self, books: Books, here: StoredRoot, state: RootState) -> None:
        """Adds a root's sums."""
        total = self._result.books
        nodes = {name[1:]: read_node(data) for name, data in here.fields.items() if name[0] == "n"}
        total.granted += books.granted
        total.charged += books.charged
        total.balances += sum(node.balance for node in state.nodes.values())
        total.redis_charged += nodes[""].spent_total if "" in nodes else 0
        total.redis_balances += sum(node.balance for node in nodes.values())


def _counted(entry: Entry, books: Books) -> Entry:
    if entry.kind is Kind.GRANT:
        books.granted += entry.amount
    elif entry.kind in CHARGES:
        books.charged += entry.amount
    return entry
