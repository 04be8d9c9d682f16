"""``verify``: what the ledger adds up to is what the state says, root by root; works while others write (SPEC 8).

A root's state and the number of its last entry are read at one moment, then the ledger, which is written first and so
holds at least as many entries: those up to that number are added up and compared, field by field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, takewhile
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from ducto_redis.core.entries import OF_NO_ROOT, Entry, Kind, read_entry
from ducto_redis.core.flows import ready
from ducto_redis.core.fold import RootState, fold
from ducto_redis.core.fold_limits import counted, defined
from ducto_redis.core.fold_nodes import NOTHING_APART, read_apart
from ducto_redis.core.limit_items import CONCURRENCY, read_limits
from ducto_redis.core.packed import TimedCap, int_at, read_caps, read_node, read_timed
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Ask, Flow, Scan
from ducto_redis.errors import LedgerBroken
from ducto_redis.work_models import Difference, VerifyResult

_PAGE: Final = 1000
_SEQUENCE_AT: Final = 9
_GENERATION: Final = slice(1, _SEQUENCE_AT)


def find_roots(space: Space) -> Flow[dict[int, set[str]]]:
    """The roots that have a state, by shard."""
    yield from ready(space)
    roots: dict[int, set[str]] = {shard: set() for shard in range(space.known.shards)}
    cursor = -1
    while cursor:
        cursor, names = yield Scan(max(cursor, 0), space.keys.state_pattern(), _PAGE)
        for name in names:
            account = space.keys.root_of(name)
            roots[account.shard].add(account.name.decode())
    return roots


def list_accounts(space: Space) -> Flow[list[str]]:
    """The ids of all accounts: every node of every root."""
    roots = yield from find_roots(space)
    names: list[str] = []
    for shard, some in sorted(roots.items()):
        for root in sorted(some):
            [fields] = yield Ask((("HKEYS", space.keys.keys_of_root(shard, root)[0]),))
            paths = sorted(field[1:].decode() for field in fields if field[:1] == b"n")
            names += [unquote(f"{root}/{path}" if path else root) for path in paths]
    return names


def read_ledger(space: Space, shard: int) -> Flow[list[Entry]]:
    """All entries of a shard's ledger that are still there, oldest first."""
    yield from ready(space)
    ledger, _ = space.keys.shard_keys(shard)
    entries: list[Entry] = []
    start = b"-"
    while True:
        [page] = yield Ask((("XRANGE", ledger, start, "+", "COUNT", _PAGE),))
        entries += [read_entry(fields[1]) for _, fields in page]
        if len(page) < _PAGE:
            return entries
        start = b"(" + page[-1][0]


class StoredRoot(NamedTuple):
    """A root as Redis held it at one moment: the fields of its state; of its open holds members and expiries."""

    fields: dict[str, bytes]
    holds: list[Any]

    @property
    def sequence(self) -> int:
        """The number of its last entry."""
        return int_at(self.fields["r"], _SEQUENCE_AT, 5)


def read_roots(space: Space, shard: int, roots: Iterable[str]) -> Flow[dict[str, StoredRoot]]:
    """The roots of a shard that have a state, each at one moment."""
    found = {}
    for root in sorted(roots):
        keys = space.keys.keys_of_root(shard, root)
        hashed, index = yield Ask((("HGETALL", keys[0]), ("ZRANGE", keys[1], 0, -1, "WITHSCORES")))
        found[root] = StoredRoot({hashed[at].decode(): hashed[at + 1] for at in range(0, len(hashed), 2)}, index)
    return found


def read_sequences(space: Space, shard: int, roots: Sequence[str]) -> Flow[dict[str, int]]:
    """The number of the last entry of each root; 0 where the shard has no such root, or one of another life."""
    yield from ready(space)
    found: dict[str, int] = {}
    for at in range(0, len(roots), _PAGE):
        page = roots[at : at + _PAGE]
        records = yield Ask(tuple(("HGET", space.keys.keys_of_root(shard, root)[0], "r") for root in page))
        for root, record in zip(page, records, strict=True):
            mine = record is not None and record[_GENERATION] == space.known.generation
            found[root] = int_at(record, _SEQUENCE_AT, 5) if mine else 0
    return found


def read_defaults_version(space: Space, shard: int) -> Flow[int]:
    """The version of the defaults that a shard holds; 0: it never held any."""
    yield from ready(space)
    [version] = yield Ask((("HGET", space.keys.shard_keys(shard)[1], "defaults_version"),))
    return int(version or 0)


def verify_shard(space: Space, shard: int, roots: Iterable[str]) -> Flow[VerifyResult]:
    """Compares the roots of a shard; see the module."""
    stored = yield from read_roots(space, shard, roots)
    entries = yield from read_ledger(space, shard)
    by_root: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind not in OF_NO_ROOT:
            by_root.setdefault(entry.root, []).append(entry)
    result = VerifyResult(user_id="", entries=len(entries))
    was_trimmed = not entries or entries[0].kind is not Kind.OPEN
    for root, here in stored.items():
        if "r" in here.fields:
            compare_root(result, root, here, by_root.get(root, []), was_trimmed=was_trimmed)
    yield from tell_lost(space, shard, result, {root: len(by_root[root]) for root in by_root.keys() - stored.keys()})
    return result


def tell_lost(space: Space, shard: int, result: VerifyResult, counts: dict[str, int]) -> Flow[None]:
    """Tells of roots that have entries and had no state: opened after the roots were listed - or the state is gone.

    Args:
        space: The namespace.
        shard: Their shard.
        result: Where it is told.
        counts: How many entries each has.
    """
    for root, count in sorted(counts.items()):
        [exists] = yield Ask((("EXISTS", space.keys.keys_of_root(shard, root)[0]),))
        result.newer += exists
        if not exists:
            tell(result, root, "state", "missing", f"{count} entries")


def tell(result: VerifyResult, root: str, what: str, stored: object, folded: object) -> None:
    """Adds a difference to a result."""
    found = Difference(root=root, what=what, stored=str(stored)[:200], folded=str(folded)[:200])
    result.differences = (*result.differences, found)


def compare_root(
    result: VerifyResult, root: str, here: StoredRoot, entries: Iterable[Entry], *, was_trimmed: bool
) -> RootState | None:
    """Compares a root with what its entries add up to, up to the number of its last entry.

    Args:
        result: Where it is told.
        root: The root, encoded.
        here: The root as Redis holds it.
        entries: Its entries in the order of their sequence; read no further than needed.
        was_trimmed: Whether the first entries of the ledger are gone.

    Returns:
        What the entries add up to; None where they cannot be added up.
    """
    last = here.sequence
    result.roots += 1
    known = takewhile(lambda entry: entry.sequence <= last, entries)
    try:
        first = next(known, None)
        if was_trimmed and (first is None or first.sequence != 1):
            result.unverifiable += 1
            return None
        state = fold(chain(() if first is None else (first,), known)).get(root, RootState())
    except LedgerBroken as broken:
        tell(result, root, "ledger", "", broken)
        return None
    except (ValueError, LookupError) as broken:
        tell(result, root, "ledger", "", f"an entry cannot be added up: {broken!r}")
        return None
    result.holds += len(state.holds)
    for what, stored, folded in state_pairs(here.fields, here.holds, state):
        if stored != folded:
            tell(result, root, what, stored, folded)
    return state


def state_pairs(stored: dict[str, bytes], index: list[Any], state: RootState) -> Iterator[tuple[str, object, object]]:
    """What is stored beside what the entries add up to: a name, and both.

    Args:
        stored: The fields of a root's state.
        index: Members and expiries of its open holds, one after the other.
        state: What its entries add up to.
    """

    def fields(letter: str) -> dict[str, bytes]:
        return {name[1:]: data for name, data in stored.items() if name[0] == letter and data}

    yield "sequence", int_at(stored["r"], _SEQUENCE_AT, 5) if "r" in stored else 0, state.sequence
    nodes = {path: read_node(data) for path, data in fields("n").items()}
    for path in sorted(nodes.keys() | state.nodes.keys()):
        yield f"node {path!r}", nodes.get(path), state.nodes.get(path)
    yield "caps", {path: caps for path, data in fields("c").items() if (caps := list(read_caps(data)))}, state.caps
    timed = {path: list(map(_ordered, read_timed(data))) for path, data in fields("z").items()}
    yield "timed caps", timed, {path: list(map(_ordered, caps)) for path, caps in state.timed.items()}
    yield "payers", {path: data[0] for path, data in fields("p").items() if data[0]}, state.payers
    yield "plans", {path: data[1:].decode() for path, data in fields("p").items() if data[1:]}, state.plans
    yield "limits", {path: defined(data) for path, data in fields("l").items()}, state.limits
    for path, data in sorted(fields("l").items()):
        labels = [(hold.operation_type, hold.model) for hold in state.holds.values() if path in hold.levels]
        concurrent = [item for item in read_limits(data) if item.kind == CONCURRENCY]
        yield f"open of {path!r}", [item.used for item in concurrent], [counted(item, labels) for item in concurrent]
    apart = {path: kept for path, data in fields("b").items() if (kept := read_apart(data)) != NOTHING_APART}
    yield "other periods", apart, state.apart
    yield "purchased", {path: int_at(data, 0) for path, data in fields("g").items()}, state.purchased
    members = {index[at].decode(): int(float(index[at + 1])) for at in range(0, len(index), 2)}
    yield "open holds", members, {field: hold.expires_ms for field, hold in state.holds.items()}
    for path, node in sorted(state.nodes.items()):
        yield f"held of {path!r}", node.held, sum(hold.amount for hold in state.holds.values() if hold.payer == path)


def _ordered(cap: TimedCap) -> TimedCap:
    """A cap whose other periods stand in the order of time."""
    return cap._replace(others=tuple(sorted(cap.others)))
