"""The machine's steps while the backlog is full: what would admit anew is refused, all else goes on."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule
from machine_draws import accounts, amounts, costs, modes, withins

from ducto_redis.core import draining


class BacklogRules:
    """A drainer for one step, which lets one entry wait on each shard: as many are always there."""

    def _bound(self, *, full):
        self._assert_marked()
        self.store._driver.run_flow(draining.register(self.store._space, wanted=full, max_entries=int(full)))
        self.model.backlog_full = full
        self._assert_marked()

    def _assert_marked(self):
        """Every shard says of its backlog what the model says."""
        for shard in range(self.shards):
            known = self.client.hget(self.store._space.keys.shard_keys(shard)[1], "d")
            assert known.startswith(b"F") == self.model.backlog_full, "only the drainer sets the mark and takes it off"

    @rule(account=accounts, amount=st.one_of(st.integers(0, 9), amounts), mode=modes, more=st.integers(0, 5),
          cost=costs, within=withins, admit=st.booleans(), changed=st.sampled_from([False, False, True]),
          then=st.sampled_from(["settle", "deduct", "release", "resolve"]))  # fmt: skip
    def backlog(self, account, amount, mode, *, more, cost, within, admit, then, changed):
        """Holds are made; full, the last is asked for again, extended and ended, and others are asked for."""
        self.do("grant", account=account, amount=20, kind="seed", key=None)
        is_next, succeeded = self._reserve(account, 1, admit=False)
        made, at = self._reserve(account, amount, mode=mode if admit else ("strict", 0), admit=admit, within=within)
        self._bound(full=True)
        if changed:
            self.defaults(None, None, 40, "warn", told_at=(), period="daily", more=0, rates=(9, 9, 9))
        self._again(-1, {})
        self._reserve(account, amount, mode=mode, within=within)
        self.do("charge", account=account, amount=self.units(amount, account), key=f"d{self.steps}", mode=mode[0],
                floor=mode[1])  # fmt: skip
        self.do("grant", account=account, amount=1, kind="seed", key=None)
        item = {"account": account, "amount": 1, "key": f"m{self.steps}", "mode": mode[0], "floor": mode[1],
                "model": "", "operation": "usage", "tokens": 0, "ttl_ms": 600_000, "admit": True}  # fmt: skip
        self.do_many("reserve_many", [item])
        if made:
            self.do("extend", account=account, hold_id=at[1], amount=more, ttl_ms=700_000, key=f"e{self.steps}")
            self.do("extend", account=account, hold_id=at[1], amount=0, ttl_ms=800_000, key=f"e{self.steps}")
            self._end_of(then, at, cost)
            self._again(-1, {})
        if is_next:
            self._charge("succeed", succeeded, 1, next_amount=more)
        self._bound(full=False)
        self._again(-1, {})

    def _end_of(self, then, at, cost):
        if then == "resolve":
            self.do(then, account=at[0], key=at[1], operation="settle")
        elif then == "release":
            self.do(then, account=at[0], hold_id=at[1])
        else:
            self._charge(then, at, cost)
