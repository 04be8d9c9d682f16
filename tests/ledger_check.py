"""Whether the entries of a ledger add up to what the server holds, for the comparison of machine and model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import redis
from model_state import levels_of

from ducto_redis.core.entries import read_entry
from ducto_redis.core.fold import RootState, fold
from ducto_redis.core.fold_records import EXPIRED, OPEN, WAS_EXTENDED, Records, read_terms
from ducto_redis.core.root_fields import join_fields, pack_state, read_state, split_fields
from ducto_redis.core.verify import state_pairs
from ducto_redis.drivers.embedded import connect
from ducto_redis.drivers.replies import flat
from ducto_redis.drivers.urls import engine_of
from ducto_redis.periods import NAME_OF


def is_told(field: str, stored: bytes, made: bytes) -> bool:
    """Whether a record is what its entries tell of it: all but notes on caps, which follow, and what they leave out."""
    if stored[:1] == made[:1] == b"\3":  # released: what a refusal was asked for
        return stored[:30] == made[:30] and stored[37:].startswith(made[37:])
    if field[0] == "e":  # the time to live of an extension that did not move the expiry
        return stored[:8] == made[:8] and stored[14:] == made[14:]
    if stored[:1] == made[:1] and made[0] in (OPEN, EXPIRED) and stored[1] & made[1] & WAS_EXTENDED:
        # What an extension took of rates stands in the label only where there are any, which its entry does not tell.
        stored, made = _without_rates(stored), _without_rates(made)
    return stored.startswith(made)


def _without_rates(record: bytes) -> bytes:
    terms = read_terms(record)
    at = 1 + terms.label[0]
    at += 2 + terms.label[at]
    tail = terms.label[at:]
    payer = tail[-1:] if len(tail) in (1, 8, 12, 19) else b""
    return record[:36] + terms.floor + terms.label[:at] + payer + terms.notes


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
        self.records: dict[str, Records] = {}
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

    def _other_records(self, account: Any, *, rotated: bool) -> list[Any]:
        """Records that entries tell otherwise than the stores hold them, or that are gone without a rotation."""
        made = self.records.get(account.name.decode().split("/")[0], Records({}))
        fields = [field for field in made.made if field not in made.known or made.known[field] != made.made[field]]
        made.known.update(made.made)
        if not fields:
            return []
        read = self.client.pipeline(transaction=False)
        for store in account.keys[2:4]:
            read.hmget(store, fields)
        stores = read.execute()
        told = [[each[at] for each in stores if each[at] is not None] for at in range(len(fields))]
        return [
            (field, stored, made.made[field])
            for field, stored in zip(fields, told, strict=True)
            if not any(is_told(field, each, made.made[field]) for each in stored) and (stored or not rotated)
        ]

    def differing_fields(self) -> list[Any]:
        """Fields of the state that are packed otherwise from what the entries add up to than the server holds them."""
        found = []
        for root, state in self.states.items():
            keys = self.keys.account(unquote(root)).keys
            fields = pack_state(state)
            again = split_fields(join_fields(fields))
            assert read_state(again, state.sequence) == replace(state, holds={})
            stored = {name.decode(): data for name, data in self.client.hgetall(keys[0]).items()}
            for name in {each for each in (*stored, *fields) if each[0] in "ncgpb"}:
                here, there = stored.get(name, b""), fields.get(name, b"")
                if here.strip(b"\0") != there.strip(b"\0") and not (name[0] == "b" and set(here) == set(there)):
                    found.append((root, name, here, there))
        return found

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
                entry = read_entry(fields[b"e"])
                fold([entry], self.states)
                if entry.root:
                    records = self.records.setdefault(entry.root, Records({}))
                    records.add(entry, entry_id.decode(), self.states[entry.root])
            found += self._other_records(account, rotated=stored.get("r", bytes(39))[26] > 1)
            state = self.states.get(account.name.decode().split("/")[0], RootState())
            if stored or state.sequence:
                found += [each for each in state_pairs(stored, index, state) if each[1] != each[2]]
        return found
