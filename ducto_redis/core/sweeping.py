"""``sweep``: frees expired holds of roots that nobody touches, and bounds the ledger where no drainer is registered."""

from __future__ import annotations

from typing import Final

from ducto_redis.codes import Code
from ducto_redis.core.codec import code_of
from ducto_redis.core.flows import ready
from ducto_redis.core.keys import Account
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Batch, Call, Flow, Reply, Scan
from ducto_redis.errors import InvalidArgumentError
from ducto_redis.work_models import SweepResult

MAX_KEYS: Final = 100_000
#: Entries a shard keeps when nobody drains them (SPEC 8).
MAX_ENTRIES: Final = 1_000_000
_BATCH: Final = 100


def _freed(reply: Reply) -> tuple[int, bool]:
    code = code_of(reply)
    return (reply[2], bool(reply[3])) if code is Code.OK else (0, False)


def _trimmed(reply: Reply) -> int:
    code_of(reply)
    return int(reply[1])


def _sweep_call(space: Space, account: Account) -> Call[tuple[int, bool]]:
    return Call("sweep", account.keys, (space.known.generation, account.name, account.path), _freed)


def _trim(space: Space) -> Flow[int]:
    calls = []
    for shard in range(space.known.shards):
        ledger, config = space.keys.shard_keys(shard)
        calls.append(Call("trim_ledger", (config, ledger), (space.known.generation, MAX_ENTRIES, b"", 0), _trimmed))
    return sum((yield Batch(tuple(calls))))


def sweep(space: Space, cursor: int, limit: int) -> Flow[tuple[SweepResult, int]]:
    """Looks at a bounded part of the key space.

    Args:
        space: The namespace.
        cursor: Where to go on, 0 to start a round.
        limit: How many keys of the server to look at, about; 1 to 100,000.

    Returns:
        What was done, and where to go on.

    Raises:
        InvalidArgumentError: The limit is out of range.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_KEYS:
        raise InvalidArgumentError(f"invalid_argument: limit must be 1 to {MAX_KEYS}, not {limit!r:.80}")
    yield from ready(space)
    result = SweepResult(user_id="")
    left = limit
    while left > 0:
        count = min(left, 1000)
        cursor, names = yield Scan(cursor, space.keys.holds_pattern(), count)
        left -= count
        yield from _free(space, [space.keys.account_of(name) for name in names], result)
        if cursor == 0:
            result.trimmed = yield from _trim(space)
            result.complete = True
            break
    return result, cursor


def _free(space: Space, accounts: list[Account], result: SweepResult) -> Flow[None]:
    """Frees what is due on each root, at most 100 holds a call, until nothing is."""
    result.roots += len(accounts)
    while accounts:
        again: list[Account] = []
        for first in range(0, len(accounts), _BATCH):
            part = accounts[first : first + _BATCH]
            freed: list[tuple[int, bool]] = yield Batch(tuple(_sweep_call(space, account) for account in part))
            result.freed += sum(count for count, _ in freed)
            again += [account for account, (_, more) in zip(part, freed, strict=True) if more]
        accounts = again
