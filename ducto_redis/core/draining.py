"""The ledger as a drainer reads it: in parts, behind a position; and trimmed behind what it has committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ducto_redis.codes import Code
from ducto_redis.core.codec import code_of, message_of
from ducto_redis.core.flows import ready
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Ask, Batch, Call, Flow, Reply
from ducto_redis.errors import InvalidArgumentError, NeedsRestore

#: Before every stream id.
BEGINNING: Final = "0-0"
_NONE: Final = b"none"
#: How many entries of a shard may wait for the drainer, before nothing new is admitted.
MAX_BACKLOG: Final = 1_000_000
_SMALLEST, _LARGEST = 1_000, 100_000_000


class LedgerPart(NamedTuple):
    """Entries of a shard behind a position, oldest first; ``more``: there may be others.

    ``first``, ``last``: where all that is there begins and ends. Of each entry its stream id, whether it has the one
    field of an entry, and what it holds.
    """

    entries: tuple[tuple[str, bool, bytes], ...]
    more: bool
    last: str = ""
    first: str = ""


def read_part(space: Space, shard: int, after: str, limit: int) -> Flow[LedgerPart]:
    """Reads a part of a shard's ledger.

    Args:
        space: The namespace.
        shard: The shard.
        after: The stream id of the last entry that is known.
        limit: How many entries at most.

    Raises:
        NeedsRestore: The shard is gone, or of another generation.
    """
    yield from ready(space)
    ledger, config = space.keys.shard_keys(shard)
    page, oldest, generation = yield Ask(
        (
            ("XRANGE", ledger, f"({after}", "+", "COUNT", limit),
            ("XRANGE", ledger, "-", "+", "COUNT", 1),
            ("HGET", config, "generation"),
        )
    )
    if generation != space.known.generation:
        raise NeedsRestore(message_of(Code.NEEDS_RESTORE))
    first = oldest[0][0].decode() if oldest else ""
    if page:
        entries = tuple((entry_id.decode(), *held_in(fields)) for entry_id, fields in page)
        return LedgerPart(entries, len(page) == limit, entries[-1][0], first)
    # Where nothing is new, what is there may be older than what was carried.
    [info] = yield Ask((("XINFO", "STREAM", ledger),))
    last = info[info.index(b"last-generated-id") + 1].decode()
    # The embedded engine says 0-0 of a stream that is empty, which tells nothing.
    return LedgerPart((), more=False, last="" if last == BEGINNING else last, first=first)


def held_in(fields: Sequence[bytes]) -> tuple[bool, bytes]:
    """Whether the fields in a stream are those of an entry, and what they hold."""
    is_entry = len(fields) == 2 and fields[0] == b"e"  # noqa: PLR2004 - a name and a value
    return is_entry, fields[1] if is_entry else b"".join(fields)


def _trimmed(reply: Reply) -> int:
    code_of(reply)
    return int(reply[1])


def _next_id(stream_id: str) -> str:
    at_ms, _, number = stream_id.partition("-")
    return f"{at_ms}-{int(number) + 1}"


def checked_backlog(most: int) -> int:
    """A bound of the backlog as it was given.

    Raises:
        InvalidArgumentError: It is none, or out of range.
    """
    if isinstance(most, bool) or not isinstance(most, int) or not _SMALLEST <= most <= _LARGEST:
        raise InvalidArgumentError(
            f"invalid_argument: max_backlog must be {_SMALLEST} to {_LARGEST} entries, not {most!r:.80}"
        )
    return most


def _call(space: Space, shard: int, behind: bytes | str, max_entries: int) -> Call[int]:
    ledger, config = space.keys.shard_keys(shard)
    return Call("trim_ledger", (config, ledger), (space.known.generation, 0, behind, max_entries), _trimmed)


def trim_behind(space: Space, lasts: Mapping[int, str], max_entries: int) -> Flow[int]:
    """Drops the entries of shards up to and with those that SQL holds; answers how many there were.

    Args:
        space: The namespace.
        lasts: Per shard the stream id of the last entry that SQL holds.
        max_entries: The bound of a shard's backlog, as at ``register``.
    """
    calls = tuple(_call(space, shard, _next_id(last), max_entries) for shard, last in lasts.items())
    trimmed: list[int] = yield Batch(calls)
    return sum(trimmed)


def register(space: Space, *, wanted: bool, max_entries: int = 0) -> Flow[None]:
    """Says to every shard that a drainer carries its ledger away, or that none does: then the sweep bounds it.

    Args:
        space: The namespace.
        wanted: Whether one does.
        max_entries: How many entries of a shard may wait for it; 0: as many as come.
    """
    yield from ready(space)
    behind = BEGINNING.encode() if wanted else _NONE
    yield Batch(tuple(_call(space, shard, behind, max_entries) for shard in range(space.known.shards)))


def backlog(space: Space) -> Flow[int]:
    """How many entries wait to be carried away, of all shards."""
    yield from ready(space)
    lengths: list[int] = []
    for shard in range(space.known.shards):
        lengths += yield Ask((("XLEN", space.keys.shard_keys(shard)[0]),))
    return sum(lengths)
