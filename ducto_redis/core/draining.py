"""The ledger as a drainer reads it: in parts, behind a position; and trimmed behind what it has committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ducto_redis.codes import Code
from ducto_redis.core.codec import code_of, message_of
from ducto_redis.core.flows import ready
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Ask, Batch, Call, Flow, Reply
from ducto_redis.errors import NeedsRestore

#: Before every stream id.
BEGINNING: Final = "0-0"
_NONE: Final = b"none"


class LedgerPart(NamedTuple):
    """Entries of a shard behind a position, oldest first; ``more``: there may be others.

    Of each its stream id, whether it has the one field of an entry, and what it holds.
    """

    entries: tuple[tuple[str, bool, bytes], ...]
    more: bool


def read_part(space: Space, shard: int, after: str, limit: int) -> Flow[LedgerPart]:
    """Reads a part of a shard's ledger.

    Args:
        space: The namespace.
        shard: The shard.
        after: The stream id of the last entry that is known.
        limit: How many entries at most.
    """
    yield from ready(space)
    ledger, _ = space.keys.shard_keys(shard)
    [page] = yield Ask((("XRANGE", ledger, f"({after}", "+", "COUNT", limit),))
    return LedgerPart(tuple((entry_id.decode(), *_held(fields)) for entry_id, fields in page), len(page) == limit)


def read_newest(space: Space, shard: int) -> Flow[str | None]:
    """The stream id of a shard's last entry that is still there; None when all were trimmed.

    Raises:
        NeedsRestore: The shard is gone, or of another generation.
    """
    ledger, config = space.keys.shard_keys(shard)
    page, generation = yield Ask((("XREVRANGE", ledger, "+", "-", "COUNT", 1), ("HGET", config, "generation")))
    if generation != space.known.generation:
        raise NeedsRestore(message_of(Code.NEEDS_RESTORE))
    return page[0][0].decode() if page else None


def is_before(stream_id: str, other: str) -> bool:
    """Whether a stream id comes before another one."""
    (at_ms, number), (other_ms, other_number) = (map(int, each.split("-")) for each in (stream_id, other))
    return (at_ms, number) < (other_ms, other_number)


def _held(fields: Sequence[bytes]) -> tuple[bool, bytes]:
    is_entry = len(fields) == 2 and fields[0] == b"e"  # noqa: PLR2004 - a name and a value
    return is_entry, fields[1] if is_entry else b"".join(fields)


def _trimmed(reply: Reply) -> int:
    code_of(reply)
    return int(reply[1])


def _next_id(stream_id: str) -> str:
    at_ms, _, number = stream_id.partition("-")
    return f"{at_ms}-{int(number) + 1}"


def _call(space: Space, shard: int, behind: bytes | str) -> Call[int]:
    ledger, config = space.keys.shard_keys(shard)
    return Call("trim_ledger", (config, ledger), (space.known.generation, 0, behind), _trimmed)


def trim_behind(space: Space, shard: int, last: str) -> Flow[int]:
    """Drops the entries up to and with ``last``, which SQL holds; answers how many there were."""
    trimmed: int = yield _call(space, shard, _next_id(last))
    return trimmed


def register(space: Space, *, wanted: bool) -> Flow[None]:
    """Says to every shard that a drainer carries its ledger away, or that none does: then the sweep bounds it."""
    yield from ready(space)
    behind = BEGINNING.encode() if wanted else _NONE
    yield Batch(tuple(_call(space, shard, behind) for shard in range(space.known.shards)))
