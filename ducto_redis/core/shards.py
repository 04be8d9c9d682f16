"""The configuration of a namespace as each shard holds it, and the call that reads or writes it there."""

from __future__ import annotations

from typing import Final, NamedTuple

from ducto_redis.codes import Code
from ducto_redis.core.space import Config, Space
from ducto_redis.core.steps import Call, Reply

NO_GENERATION: Final = b"\0" * 8


class ShardConfig(NamedTuple):
    """The configuration as one shard holds it; ``generation`` is empty when there is none.

    ``defaults`` is the text of the namespace's defaults; the version is -1 where a release before them wrote the shard.
    """

    code: Code
    created: bool
    generation: bytes
    layout: int
    precision: int
    shards: int
    state: str
    defaults_version: int = -1
    defaults: str = ""


def _read_shard(reply: Reply) -> ShardConfig:
    code, created, generation, layout, precision, shards, state, version, defaults = reply
    return ShardConfig(
        code=Code(code),
        created=bool(created),
        generation=generation,
        layout=int(layout or 0),
        precision=int(precision or 0),
        shards=int(shards or 0),
        state=state.decode(),
        defaults_version=int(version or -1),
        defaults=defaults.decode(),
    )


def shard_call(
    space: Space, shard: int, action: str, config: Config | None = None, state: str = ""
) -> Call[ShardConfig]:
    """Reads or writes the configuration on one shard (``lua/setup.lua``)."""
    ledger, key = space.keys.shard_keys(shard)
    wanted = config or Config(NO_GENERATION, 0, 0)
    args = (action, wanted.generation, wanted.precision, wanted.shards, state)
    return Call("setup", (key, ledger), args, _read_shard)
