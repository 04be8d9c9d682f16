"""Rebuilds a namespace in Redis: the steps and calls of a restore; what is rebuilt comes from SQL (``durable``).

Shard by shard the config says ``restoring`` under the generation of the restore, and clients are refused; then every
root is written, its root record last; then the defaults; then all shards are ready, the first one last. Any of it may
be cut off and done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple
from urllib.parse import unquote

from ducto_redis.codes import Code
from ducto_redis.core.codec import code_of
from ducto_redis.core.defaults import write_calls
from ducto_redis.core.root_fields import pack_root
from ducto_redis.core.shards import ShardConfig, shard_call
from ducto_redis.core.space import Config, Space
from ducto_redis.core.steps import Batch, Call, Flow, Reply, Scan
from ducto_redis.errors import NeedsRestore

_PART: Final = 1_000
_PAGE: Final = 1_000
Part = tuple[bytes | str | int, ...]


class RootImage(NamedTuple):
    """All that is written of a root.

    ``records`` are those of operations, by field; ``open_holds`` the expiry of those among them that are open.
    """

    name: str
    sequence: int
    fields: Mapping[str, bytes]
    records: Mapping[str, bytes]
    open_holds: Mapping[str, int]


class Present(NamedTuple):
    """What Redis holds of a namespace: each shard's generation (empty: none), the first one's state, and any roots."""

    generations: tuple[bytes, ...]
    state: str
    has_roots: bool


def look(space: Space, config: Config) -> Flow[Present]:
    """Looks at what is there before a restore."""
    space.adopt(config)
    shards: list[ShardConfig] = yield Batch(tuple(shard_call(space, shard, "read") for shard in range(config.shards)))
    cursor, found = -1, False
    while cursor and not found:
        cursor, names = yield Scan(max(cursor, 0), space.keys.state_pattern(), _PAGE)
        found = bool(names)
    return Present(tuple(shard.generation for shard in shards), shards[0].state, found)


def _read_begun(reply: Reply) -> bool:
    code_of(reply)
    return bool(reply[1])


def begin(space: Space, config: Config, replaced: Sequence[bytes]) -> Flow[None]:
    """Marks every shard as being restored, the first one first: from then on no client adopts the namespace.

    Args:
        space: The namespace.
        config: As it will be.
        replaced: Per shard the generation that may be given up there.

    Raises:
        NeedsRestore: A shard holds another one meanwhile.
    """
    space.adopt(config)
    for shard in range(config.shards):
        ledger, key = space.keys.shard_keys(shard)
        args = (config.generation, config.precision, config.shards, replaced[shard])
        yield Call("restore_shard", (key, ledger), args, _read_begun)


def drop_call(space: Space, state_key: bytes) -> Call[bool]:
    """Gives up the root whose state hash a key is, when it is of another life."""
    keys = space.keys.root_of(state_key).keys[:6]
    return Call("drop_root", keys, (space.known.generation,), _read_begun)


def drop_roots(space: Space) -> Flow[int]:
    """Gives up the roots of another life that the shards still hold; answers how many there were."""
    cursor, dropped = -1, 0
    while cursor:
        cursor, names = yield Scan(max(cursor, 0), space.keys.state_pattern(), _PAGE)
        done: list[bool] = yield Batch(tuple(drop_call(space, name) for name in names))
        dropped += sum(done)
    return dropped


def root_calls(space: Space, image: RootImage, now_ms: int) -> Iterator[Call[bool]]:
    """The calls that write a root, in parts of 1,000 arguments; the last one makes it complete."""
    keys = space.keys.account(unquote(image.name)).keys[:6]
    expiries = image.open_holds.values()
    generation = space.known.generation
    root = pack_root(generation, image.sequence, now_ms, min(expiries, default=0), max(expiries, default=0))
    records: Part = tuple(chain.from_iterable(image.records.items()))
    index: Part = tuple(chain.from_iterable((at_ms, field) for field, at_ms in image.open_holds.items()))
    state: Part = tuple(chain.from_iterable(image.fields.items()))

    def call(root: bytes, given: Part = (), listed: Part = (), others: Part = ()) -> Call[bool]:
        args = (generation, root, len(given), len(listed), len(others), *given, *listed, *others)
        return Call("restore_root", keys, args, _read_begun)

    if len(records) + len(index) + len(state) <= _PART:
        yield call(root, records, index, state)
        return
    for at in range(0, len(records), _PART):
        yield call(b"", records[at : at + _PART])
    for at in range(0, len(index), _PART):
        yield call(b"", (), index[at : at + _PART])
    for at in range(0, len(state), _PART):
        yield call(b"", (), (), state[at : at + _PART])
    yield call(root)


def finish(space: Space, version: int, defaults: str) -> Flow[None]:
    """Writes the defaults and opens the namespace, the first shard last: that is what clients look at.

    Args:
        space: The namespace.
        version: Of the defaults; 0: there never were any.
        defaults: Their text.
    """
    shards = range(space.known.shards)
    if version:
        yield Batch(write_calls(space, shards, version, defaults))
    for shard in (*shards[1:], 0):
        done: ShardConfig = yield shard_call(space, shard, "ready", space.known)
        if done.code is not Code.OK:
            raise NeedsRestore("needs_restore: another restore took the place of this one")
