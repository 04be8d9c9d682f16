"""The ledger as the shards' streams still hold it, for people: the last entries that are asked for, and what comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

from ducto_redis.core.draining import BEGINNING, held_in
from ducto_redis.core.entries import Entry, read_entry
from ducto_redis.core.flows import ready
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Ask, Flow
from ducto_redis.core.transactions import UNREADABLE, Holds, Wanted, transaction_of
from ducto_redis.errors import SchemaNewer
from ducto_redis.history import Transaction
from ducto_redis.periods import moment

PAGE: Final = 1000
#: So many pages are looked through for the holds of what is told.
_LOOKED: Final = 10


class Line(NamedTuple):
    """Something in a stream; ``entry`` is None where it cannot be read, ``data`` then says what it holds."""

    shard: int
    stream_id: str
    entry: Entry | None
    data: bytes

    @property
    def order(self) -> tuple[int, int, int]:
        """By time, then as they were written."""
        return (*order_of(self.stream_id), self.shard)


class Listed(NamedTuple):
    """Transactions, oldest first; the last stream id that was looked at, by shard; whether there may be more now."""

    transactions: tuple[Transaction, ...]
    after: dict[int, str]
    more: bool


def order_of(stream_id: str) -> tuple[int, int]:
    """Stream ids are numbers, not text."""
    at_ms, _, number = stream_id.partition("-")
    return int(at_ms), int(number)


def list_last(space: Space, wanted: Wanted, limit: int) -> Flow[Listed]:
    """The last entries that are asked for.

    Args:
        space: The namespace.
        wanted: Which.
        limit: How many at most.
    """
    yield from ready(space)
    found: list[Line] = []
    after: dict[int, str] = {}
    for shard in _shards(space, wanted):
        mine: list[Line] = []
        end, more = "+", True
        while more and len(mine) < limit:
            page = yield from _read(space, shard, ("XREVRANGE", end, "-"))
            after.setdefault(shard, page[0].stream_id if page else BEGINNING)
            mine += [line for line in page if _takes(wanted, line)]
            more = len(page) == PAGE
            end = f"({page[-1].stream_id}" if page else end
        found += mine[:limit]
    told = yield from _told(space, sorted(found, key=lambda line: line.order)[-limit:])
    return Listed(told, after, more=False)


def list_on(space: Space, wanted: Wanted, after: Mapping[int, str]) -> Flow[Listed]:
    """What came since.

    Args:
        space: The namespace.
        wanted: Which entries.
        after: What the listing before answered.
    """
    yield from ready(space)
    found: list[Line] = []
    read, more = dict(after), False
    for shard in _shards(space, wanted):
        page = yield from _read(space, shard, ("XRANGE", f"({read.get(shard, BEGINNING)}", "+"))
        found += [line for line in page if _takes(wanted, line)]
        read[shard] = page[-1].stream_id if page else read.get(shard, BEGINNING)
        more = more or len(page) == PAGE
    told = yield from _told(space, sorted(found, key=lambda line: line.order))
    return Listed(told, read, more)


def _shards(space: Space, wanted: Wanted) -> Iterable[int]:
    if wanted.account is None:
        return range(space.known.shards)
    return (space.keys.account(unquote(wanted.account[0])).shard,)


def _read(space: Space, shard: int, command: tuple[str, str, str]) -> Flow[list[Line]]:
    verb, start, end = command
    ledger, _ = space.keys.shard_keys(shard)
    [page] = yield Ask(((verb, ledger, start, end, "COUNT", PAGE),))
    lines = []
    for entry_id, fields in page:
        is_entry, data = held_in(fields)
        try:
            entry = read_entry(data) if is_entry else None
        except (SchemaNewer, ValueError, IndexError):
            entry = None
        lines.append(Line(shard, entry_id.decode(), entry, data))
    return lines


def _takes(wanted: Wanted, line: Line) -> bool:
    return wanted == Wanted() if line.entry is None else wanted.takes(line.entry)


def _told(space: Space, lines: list[Line]) -> Flow[tuple[Transaction, ...]]:
    entries = [line.entry for line in lines if line.entry is not None]
    holds = Holds(entries)
    holds.offer(entries)
    missing = set(map(id, holds.missing()))
    last = {line.shard: line.stream_id for line in lines if id(line.entry) in missing}
    for shard, end in last.items():
        for _ in range(_LOOKED):
            page = yield from _read(space, shard, ("XREVRANGE", f"({end}", "-"))
            holds.offer(line.entry for line in page if line.entry is not None)
            mine = [entry for entry in holds.missing() if space.keys.account(unquote(entry.root)).shard == shard]
            if len(page) < PAGE or not mine:
                break
            end = page[-1].stream_id  # noqa: PLW2901 - where the next look begins
    return tuple(_transaction(space, line, holds) for line in lines)


def _transaction(space: Space, line: Line, holds: Holds) -> Transaction:
    if line.entry is None:
        return Transaction(
            transaction_id=f"{line.shard}-{line.stream_id}",
            kind=UNREADABLE,
            at=moment(order_of(line.stream_id)[0]),
            user_id="",
            metadata={UNREADABLE: line.data.hex()},
        )
    return transaction_of(line.shard, line.stream_id, line.entry, holds.of(line.entry), space.known.precision)
