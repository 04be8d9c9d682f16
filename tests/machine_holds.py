"""The machine's steps with holds: made, charged, succeeded, extended, resolved, released, and several at once."""

from __future__ import annotations

from comparison import ACCOUNTS
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine_draws import (
    accounts,
    amounts,
    costs,
    has_holds,
    models,
    modes,
    operations,
    picks,
    tokens,
    ttls,
    used_tokens,
    withins,
)  # fmt: skip
from model_work import LETTERS


class HoldRules:
    """One rule for each kind of step with a hold."""

    def _reserve(self, account, amount, *, ttl=600_000, mode=("strict", 0), admit=True, model="", over_cap="clamp",
                 operation="usage", tokens=0, within=()):  # fmt: skip
        key = ("h{}", "h/{}", "{{{}}}:h%\0🧮")[self.steps % 3].format(self.steps)
        self.do("reserve", account=account, key=key, amount=self.units(amount, account), ttl_ms=ttl, mode=mode[0],
                floor=mode[1], admit=admit, model=model, over_cap=over_cap, operation=operation,
                tokens=tokens, within=within if account.split("/")[0] == "acme" and admit else ())  # fmt: skip
        return (account, key) in self.model.holds, (account, key)

    def _charge(self, name, at, amount, **options):
        asked = self.units(amount, at[0], self.model.holds[at].amount)
        self.do(name, account=at[0], hold_id=at[1], asked=asked, **options)

    @rule(account=accounts, amount=amounts, ttl=ttls, mode=modes, model=models,
          over_cap=st.sampled_from(["clamp", "clamp", "record"]), operation=operations, tokens=tokens,
          within=withins)  # fmt: skip
    def reserve(self, account, amount, ttl, *, mode, model, over_cap, operation, tokens, within):
        self._reserve(account, amount, ttl=ttl, mode=mode, model=model, over_cap=over_cap, operation=operation,
                      tokens=tokens, within=within)  # fmt: skip

    @rule(account=accounts, amount=amounts, ttl=ttls, floor=st.sampled_from([0, 0, 7]), operation=operations)
    def reserve_credits(self, account, amount, ttl, floor, operation):
        self._reserve(account, amount, ttl=ttl, mode=("strict", floor), admit=False, operation=operation)

    @rule(account=accounts, amount=amounts, cost=costs, twice=st.booleans())
    def seed_flow(self, account, amount, cost, twice):
        """reserve_credits and deduct_credits in one step."""
        made, at = self._reserve(account, amount, admit=False)
        if made:
            self._charge("deduct", at, cost)
            if twice:
                self._again(-1, {})

    @rule(account=accounts, amount=amounts, cost=costs, mode=modes, model=models, used=models, twice=st.booleans(),
          over_cap=st.sampled_from(["clamp", "clamp", "record"]), tokens=tokens, used_tokens=used_tokens,
          within=withins)  # fmt: skip
    def our_flow(self, account, amount, cost, *, mode, model, used, twice, over_cap, tokens, used_tokens, within):
        """Reserve and settle in one step."""
        made, at = self._reserve(account, amount, mode=mode, model=model, over_cap=over_cap, tokens=tokens,
                                 within=within)  # fmt: skip
        if made:
            self._charge("settle", at, cost, model=used, tokens=used_tokens)
            if twice:
                self._again(-1, {})

    @rule(amount=st.integers(1, 20), held=models, by=st.integers(0, 9))
    def other_model(self, amount, held, by):
        """Held for one model and used for another, up to where that one's cap ends."""
        made, at = self._reserve("u", amount, model=held)
        if made:
            self._charge("settle", at, f"model+{by}", model="m")

    def _flow(self, account, amount, cost, mode=("strict", 0)):
        made, at = self._reserve(account, amount, mode=mode)
        if made:
            self._charge("settle", at, cost)
        return made

    @precondition(has_holds)
    @rule(pick=picks, cost=costs, model=models, late=st.sampled_from(["reject", "bill"]), tokens=used_tokens)
    def settle(self, pick, cost, model, late, tokens):
        self._charge("settle", self.hold(pick), cost, model=model, late=late, tokens=tokens)

    @rule(account=accounts, amount=amounts, cost=costs, mode=modes, model=models, next_amount=amounts,
          late=st.sampled_from(["reject", "bill"]), ttl=ttls, tokens=used_tokens)  # fmt: skip
    def stream(self, account, amount, cost, *, mode, model, next_amount, late, ttl, tokens):
        """A hold is succeeded twice, and asked for again."""
        made, at = self._reserve(account, amount, mode=mode, model=model, tokens=(tokens and tokens // 2) or 0)
        for _ in range(2):
            if made:
                units = self.units(next_amount, account, 10)
                self._charge("succeed", at, cost, next_amount=units, late=late, ttl_ms=ttl, tokens=tokens)
                at = (account, self.model.successor(at[1]))
                made = at in self.model.holds
        self._again(-1, {})

    @precondition(has_holds)
    @rule(pick=picks, cost=costs, model=models, next_amount=amounts, late=st.sampled_from(["reject", "bill"]))
    def succeed(self, pick, cost, model, next_amount, late):
        at = self.hold(pick)
        self._charge("succeed", at, cost, model=model, next_amount=self.units(next_amount, at[0]), late=late)

    @precondition(has_holds)
    @rule(pick=picks, amount=amounts, ttl=st.one_of(st.just(0), ttls), twice=st.booleans(), tokens=tokens)
    def extend(self, pick, amount, ttl, twice, tokens):
        account, hold_id = self.hold(pick)
        self.do("extend", account=account, hold_id=hold_id, amount=self.units(amount, account), ttl_ms=ttl,
                key=f"e{self.steps}", tokens=tokens)  # fmt: skip
        if twice:
            self._again(-1, {})

    @rule(pick=picks, account=accounts, fresh=st.sampled_from([False, False, True]),
          operation=st.sampled_from([None, *LETTERS]))  # fmt: skip
    def resolve(self, pick, account, fresh, operation):
        """An id of this run, or one that nobody used; what is cancelled is sent all the same."""
        key = f"{'eidh'[pick % 4]}{self.steps + 1}"
        used = [args for _, args in self.repeatable]
        if used and not fresh:
            args = used[-1 - pick % min(9, len(used))]
            account, key = args["account"], args.get("hold_id") or args["key"]
        if self._is_certain(account, key):
            self.do("resolve", account=account, key=key, operation=operation)
        if fresh and pick % 2:
            self.do("charge", account=account, amount=1, key=key)
            self.do("reserve", account=account, key=key, amount=1, ttl_ms=1_000, mode="strict", floor=0, admit=True)

    @rule(account=accounts, amount=amounts, operation=st.sampled_from(["settle", "deduct_credits", "release"]))
    def resolve_end(self, account, amount, operation):
        """What would end a hold never arrived: resolving frees the hold, and a late arrival is told so."""
        made, at = self._reserve(account, amount)
        if made:
            self.do("resolve", account=account, key=at[1], operation=operation)
            self._charge("settle", at, amount)

    @rule(
        several=st.lists(st.tuples(accounts, amounts, modes, models, st.booleans(), tokens), max_size=6),
        charges=st.booleans(),
    )
    def many(self, several, charges):
        """One call for some accounts, now and then twice under one id."""
        items = []
        for at, (account, amount, mode, model, again, estimate) in enumerate(several):
            key = items[-1]["key"] if again and items else f"m{self.steps}-{at}"
            item = {"account": account, "amount": self.units(amount, account), "key": key, "mode": mode[0],
                    "floor": mode[1], "model": model, "operation": "usage", "tokens": estimate}  # fmt: skip
            items.append(item if charges else {**item, "ttl_ms": 600_000, "admit": True})
        self.do_many("charge_many" if charges else "reserve_many", items)

    @rule()
    def sweep(self):
        """A round of clearing up frees what is due, and changes nothing else."""
        while not self.store.sweep().complete:
            pass
        self.focus |= set(ACCOUNTS)

    @precondition(has_holds)
    @rule(pick=picks, cost=costs)
    def deduct(self, pick, cost):
        self._charge("deduct", self.hold(pick), cost)

    @precondition(has_holds)
    @rule(pick=picks)
    def release(self, pick):
        account, hold_id = self.hold(pick)
        self.do("release", account=account, hold_id=hold_id)

    @rule(pick=picks, account=accounts, name=st.sampled_from(["settle", "deduct", "release"]), unknown=st.booleans())
    def stranger(self, pick, account, name, unknown):
        """A hold of another account, or of none."""
        hold_id = "nowhere" if unknown or not self.model.holds else self.hold(pick)[1]
        self.do(name, account=account, hold_id=hold_id, **({} if name == "release" else {"asked": 3}))
