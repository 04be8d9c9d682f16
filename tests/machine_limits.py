"""The machine's steps with rate and concurrency limits: set, removed, used up and waited for."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule
from machine_draws import accounts, amounts, limited_accounts, limits, modes, tokens, trickles, used_tokens
from model_state import levels_of


class LimitRules:
    """Limits of every algorithm, of what they count and look at."""

    @rule(limit=limits)
    def limit(self, limit):
        self._limit(limit)

    def _limit(self, limit):
        """Requests and open holds have lower limits, so that a run meets them; amounts are whole credits."""
        account, algorithm, counts, most, period, burst, scope = limit
        few = counts == "requests" or algorithm == "concurrency"
        most, burst = (1 + each % 5 if few and each is not None else each for each in (most, burst))
        one = self.units_told.one if counts == "amount" and algorithm != "concurrency" else 1
        self.do("set_limit", account=account, algorithm=algorithm, counts=counts, limit=most * one, period=period,
                burst=burst * one if burst and algorithm == "gcra" else None, **scope)  # fmt: skip

    @rule(account=limited_accounts, pick=st.integers(0, 40))
    def unlimit(self, account, pick):
        """Removes one that is there, or says that it is not."""
        algorithm, identity = "gcra", ("requests", 60_000, "", "", False)
        mine = [each for level in levels_of(account) for each in self.model.limits.get(level, {}).values()]
        if mine:
            account, algorithm = mine[pick % len(mine)].scope, mine[pick % len(mine)].algorithm
            identity = mine[pick % len(mine)].identity
        counts, period, model, operation, shadow = identity
        counts, period = ("requests", 1_000) if algorithm == "concurrency" else (counts, period)
        self.do("remove_limit", account=account, algorithm=algorithm, counts=counts, period=period, model=model,
                operation=operation, shadow=shadow)  # fmt: skip

    @rule(account=limited_accounts, amount=st.one_of(st.integers(1, 4), amounts), mode=modes, step=trickles,
          tokens=tokens, times=st.integers(2, 6), holds=st.booleans())  # fmt: skip
    def trickle(self, account, amount, mode, *, step, tokens, times, holds):
        """Asks, lets a little time pass - as much as a refusal says, or a little less - and asks again."""
        for turn in range(1 + times):
            if holds:
                key, units = f"h{self.steps}", self.units(amount, account)
                told = self.do("reserve", account=account, key=key, amount=units, ttl_ms=600_000, mode=mode[0],
                               floor=mode[1], admit=True, tokens=tokens)  # fmt: skip
            else:
                units, key = self.units(amount, account), f"d{self.steps}"
                told = self.do("charge", account=account, amount=units, key=key, mode=mode[0], floor=mode[1],
                               tokens=tokens)  # fmt: skip
            if turn < times:
                waits = [each[-1] for each in told["limits"] if each[-1] > 0]
                # Holds would expire and caps roll on the way to a moment that is far away.
                wait = min(max(waits, default=1_000), 4 * 3_600_000)
                self.move(max(1, wait + int(step[-2:])) if isinstance(step, str) else step)

    @rule(account=limited_accounts, most=st.integers(10, 40), estimate=tokens, more=st.integers(1, 20),
          used=used_tokens, algorithm=st.sampled_from(["gcra", "fixed", "sliding"]),
          late=st.sampled_from([0, 1_000, 20_000]))  # fmt: skip
    def grow(self, account, most, estimate, more, used, *, algorithm, late):
        """A hold whose estimate of tokens grows before it is settled; then all that is left is asked for."""
        self._limit((account, algorithm, "tokens", most, 60_000, None, {"model": "", "operation": ""}))
        mode = ("postpaid", 0)
        made, at = self._reserve(account, 0, mode=mode, tokens=estimate)
        if made:
            self.do("extend", account=account, hold_id=at[1], amount=0, ttl_ms=0, key=f"e{self.steps}", tokens=more)
            self._again(-2, {})
            if late:
                self.move(late)
            self._charge("settle", at, 0, tokens=used)
        self._reserve(account, 0, mode=mode, tokens=1)

    @rule(account=limited_accounts, used=st.integers(0, 10), half=st.integers(10, 20),
          late=st.sampled_from([("gcra", 20_000), ("fixed", 60_000), ("fixed", 20_000)]))  # fmt: skip
    def drain(self, account, used, half, late):
        """A hold whose estimate counts no more, or in part, is settled for less beside another's use; one more asks."""
        algorithm, wait = late
        self._limit((account, algorithm, "tokens", 2 * half, 60_000, None, {"model": "", "operation": ""}))
        made, at = self._reserve(account, 0, mode=("postpaid", 0), tokens=half)
        if made:
            self.move(wait)
            self._reserve(account, 0, mode=("postpaid", 0), tokens=half)
            self._charge("settle", at, 0, tokens=used)
        self._reserve(account, 0, mode=("postpaid", 0), tokens=1)

    @rule(account=limited_accounts, holder=accounts, most=st.integers(0, 2), ttl=st.sampled_from([1_000, 600_000]),
          then=st.sampled_from(["settle", "release", "deduct", "succeed", "expire", "resolve"]))  # fmt: skip
    def crowd(self, account, holder, most, ttl, then):
        """As many holds as may be open and one more; one ends, and one more is asked for."""
        scope = {"model": "", "operation": ""}
        self._limit((account, "concurrency", "requests", most, 0, None, scope))
        holder = holder if account in levels_of(holder) else account
        before = set(self.model.holds)
        for _ in range(most + 2):
            self._reserve(holder, 1, ttl=ttl, mode=("postpaid", 0))
        made = [at for at in self.model.holds if at not in before]
        if made and then == "expire":
            self.move(ttl)
        elif made and then == "succeed":
            self._charge(then, made[0], 1, next_amount=1)
        elif made and then == "resolve":
            self.do(then, account=holder, key=made[0][1], operation="settle")
        elif made:
            self.do(then, account=holder, hold_id=made[0][1], **({} if then == "release" else {"asked": 1}))
        self._reserve(holder, 1, mode=("postpaid", 0))

    @rule(account=st.sampled_from(["acme/search/alice", "acme/search/bob"]), most=st.integers(0, 2),
          level=st.sampled_from(["acme/chat", "acme/chat/{carol}"]), mode=modes)  # fmt: skip
    def crowd_within(self, account, most, level, mode):
        """A hold within a membership is open when a limit on open holds is set there; then one more is asked for."""
        self.do("open_account", account="acme/chat/{carol}")
        within = ("acme/chat/{carol}",)
        self._reserve(account, 1, mode=("postpaid", 0), within=within)
        self._limit((level, "concurrency", "requests", most, 0, None, {"model": "", "operation": ""}))
        self._reserve(account, 0, mode=mode, within=within)
