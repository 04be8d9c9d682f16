"""Whether the entries of a ledger add up to what the server holds, for the comparison of machine and model."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import redis
from model_state import levels_of

from ducto_redis.core.entries import read_entry
from ducto_redis.core.fold import RootState, fold
from ducto_redis.core.verify import state_pairs
from ducto_redis.drivers.embedded import connect
from ducto_redis.drivers.replies import flat
from ducto_redis.drivers.urls import engine_of
from ducto_redis.periods import NAME_OF


def client_of(url: str) -> Any:
    """A redis-py client of an engine."""
    return connect(url) if engine_of(url) == "memory" else redis.Redis.from_url(url)


class Ledger:
    """What the entries of a namespace add up to, beside what the server holds; read on from call to call.

    Args:
        client: A redis-py client, of a server or embedded.
        space: The store's.
    """

    def __init__(self, client: Any, space: Any) -> None:
        self.client, self.space, self.keys = client, space, space.keys
        self.states: dict[str, RootState] = {}
        self.last: dict[bytes, bytes] = {}
        self.entries = 0

    def crossings(self) -> list[tuple[str, str, int, int, int, int]]:
        """All streams of events: account, period, per cent, threshold, limit and spend in units; sorted."""
        found = []
        for shard in range(self.space.known.shards):
            for _, fields in self.client.xrange(self.space.keys.events_key(shard)):
                told = {name.decode(): value.decode() for name, value in fields.items()}
                reached = "balance" if told["type"] == "low_balance" else "spent"
                numbers = [int(told[name]) for name in ("percent", "threshold", "limit", reached)]
                what = "balance" if reached == "balance" else NAME_OF[int(told["kind"])]
                found.append((unquote(told["account"]), what, *numbers))
        return sorted(found)

    def _read(self, keys: tuple[bytes, ...]) -> tuple[Any, dict[str, bytes], Any]:
        """New entries, state and index of a root, in one round trip."""
        read = self.client.pipeline(transaction=False)
        read.xrange(keys[4], min=b"(" + self.last.get(keys[4], b"0"))
        read.hgetall(keys[0])
        read.zrange(keys[1], 0, -1, withscores=True)
        entries, state, index = read.execute()
        return entries, {name.decode(): data for name, data in state.items()}, flat(index)

    def differences(self, accounts: set[str]) -> list[Any]:
        """Where the state of these accounts' roots is not what the entries add up to."""
        found = []
        for root in {levels_of(account)[0] for account in accounts}:
            account = self.keys.account(root)
            ledger = account.keys[4]
            written, stored, index = self._read(account.keys)
            for entry_id, fields in written:
                self.last[ledger] = entry_id
                self.entries += 1
                fold([read_entry(fields[b"e"])], self.states)
            state = self.states.get(account.name.decode().split("/")[0], RootState())
            if stored or state.sequence:
                found += [each for each in state_pairs(stored, index, state) if each[1] != each[2]]
        return found
