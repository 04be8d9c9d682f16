"""The machine's steps with grants, caps and direct charges, and the calls that are sent again."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from machine_draws import (
    accounts,
    actions,
    amounts,
    anchors,
    can_repeat,
    default_limits,
    models,
    modes,
    operations,
    percentages,
    periods,
    picks,
    plans,
    tokens,
    week_starts,
    withins,
    zones,
)
from model_state import BESIDE, MAX, levels_of


class MoneyRules:
    """Grants, caps, charges without a hold."""

    @rule(account=accounts, amount=amounts, kind=st.sampled_from(["seed", "purchase", "adjustment"]),
          sign=st.sampled_from([1, 1, -1]), keyed=st.booleans(), twice=st.booleans())  # fmt: skip
    def grant(self, account, amount, kind, *, sign, keyed, twice):
        value = self.units(amount, account) * sign
        self.do("grant", account=account, amount=value, kind=kind, key=f"g{self.steps}" if keyed else None)
        if keyed and twice:
            self._again(-1, {})

    @rule(account=accounts, period=periods, limit=amounts, model=st.sampled_from(["", "", "m"]), zone=zones,
          action=st.sampled_from(["deny", "deny", "deny", "warn", "notify", "shadow", None]), week_start=week_starts,
          anchor_day=anchors, told_at=percentages)  # fmt: skip
    def cap(self, account, period, action, limit, *, model, zone, week_start, anchor_day, told_at):
        period = "daily" if period == "hourly" and not self.hourly else period
        if action is None:
            self.do("remove_cap", account=account, period=period, model=BESIDE * (anchor_day == 31) + model)
            return
        # EXCLUSION 2: another zone or first day counts from the next period on; tests/lua/test_timed_caps.py has it.
        known = self.model.caps.get(account, {}).get((period, BESIDE * (action == "shadow") + model))
        starts = {"week_start": week_start if period == "weekly" else "monday",
                  "anchor_day": anchor_day if period == "monthly" else 1}  # fmt: skip
        if known:
            zone, starts = known.zone, {"week_start": known.week_start, "anchor_day": known.anchor_day}
        zone = "UTC" if period == "total" else zone
        self.do("set_cap", account=account, period=period, action=action, limit=self.units(limit, account), model=model,
                zone=zone, thresholds=() if action == "shadow" else told_at, **starts)  # fmt: skip

    @rule(pick=picks, limit=amounts, action=st.sampled_from(["deny", "deny", "warn", "notify"]), told_at=percentages)
    def cap_again(self, pick, limit, action, told_at):
        """Another limit, action and thresholds for a cap that is there."""
        there = [(account, *key) for account, mine in self.model.caps.items() for key in mine]
        if there:
            account, period, model = there[pick % len(there)]
            known = self.model.caps[account][period, model]
            if model.startswith(BESIDE):
                action, told_at, model = "shadow", (), model.removeprefix(BESIDE)
            self.do("set_cap", account=account, period=period, action=action, limit=self.units(limit, account),
                    model=model, zone=known.zone, week_start=known.week_start, anchor_day=known.anchor_day,
                    thresholds=told_at)  # fmt: skip

    @rule(account=accounts, period=periods, model=models, zone=zones, limit=st.integers(0, 6), amount=st.integers(0, 9),
          told_at=percentages)  # fmt: skip
    def watched(self, account, period, model, *, zone, limit, amount, told_at):
        """A shadow and a cap that warns, with thresholds, one beside the other; then charges that come near to them."""
        period = "daily" if period == "hourly" and not self.hourly else period
        for action, key in (("shadow", BESIDE + model), ("notify", model)):
            known = self.model.caps.get(account, {}).get((period, key))
            chosen = known.zone if known else "UTC" if period == "total" else zone
            starts = {"week_start": known.week_start, "anchor_day": known.anchor_day} if known else {}
            self.do("set_cap", account=account, period=period, action=action, limit=limit, model=model, zone=chosen,
                    thresholds=() if action == "shadow" else told_at, **starts)  # fmt: skip
        for _ in range(2):
            self.do(
                "charge", account=account, amount=amount, key=f"d{self.steps}", mode="postpaid", floor=0, model=model
            )
        self._again(-1, {})

    @rule(account=accounts, holder=accounts, below=st.one_of(st.none(), st.just(0), st.integers(0, 40)),
          beside=st.sampled_from([None, -1, 0, 0, 1, 1]))  # fmt: skip
    def low(self, account, holder, below, beside):
        """A little below the balance, or none; then a charge that comes to it, or a unit beside, here or below."""
        threshold = None if below is None else max(0, min(MAX, self.model.balance(account) - below))
        self.do("set_low", account=account, threshold=threshold)
        if below is not None and beside is not None:
            holder = holder if account in levels_of(holder) else account
            self.do("charge", account=holder, amount=max(0, below + beside), key=f"d{self.steps}", mode="postpaid",
                    floor=0)  # fmt: skip

    @rule(account=accounts, level=st.integers(0, 5))
    def payer(self, account, level):
        """Itself or one above it."""
        levels = levels_of(account)
        self.do("set_payer", account=account, payer=levels[level % len(levels)])

    @rule(plan=plans, level=st.sampled_from([None, None, 1, 2, 3]), limit=amounts, action=actions, told_at=percentages,
          period=st.sampled_from(["daily", "daily", "monthly", "total"]), more=st.integers(0, 60),
          rates=st.tuples(*[st.integers(2, 12)] * 3))  # fmt: skip
    def defaults(self, plan, level, limit, action, *, told_at, period, more, rates):
        """What holds for a plan, a level, or all; the same limits are there from the first set for all on."""
        is_shadow = action == "shadow"
        caps = {(period, BESIDE if is_shadow else ""): (action, self.units(limit, "u"), () if is_shadow else told_at)}
        caps = caps if action else {}
        if more > 30:
            caps["total" if period == "daily" else "daily", ""] = ("deny", more * self.units_told.one, ())
        limits = (
            default_limits(rates, self.units_told.one)
            if (None, None) in self.model.defaults.sets or not (plan or level)
            else []
        )
        self.steps += 1
        self.calls.set_defaults(plan, level, caps, limits)
        self.model.defaults.sets[plan, level] = (caps, limits)
        self.focus |= {"u", "acme/search/alice"}
        self.excuse = True
        self.tally["defaults set"] += 1

    @rule(account=accounts, plan=plans)
    def plan(self, account, plan):
        """On a plan, or on none."""
        self.do("set_plan", account=account, plan=plan)

    @rule(account=accounts)
    def open(self, account):
        self.do("open_account", account=account)

    @rule(account=accounts, amount=amounts, mode=modes, model=models, twice=st.booleans(), operation=operations,
          tokens=tokens, within=withins)  # fmt: skip
    def charge(self, account, amount, mode, model, *, twice, operation, tokens, within):
        within = within if account.split("/")[0] == "acme" else ()
        self.do("charge", account=account, amount=self.units(amount, account), key=f"d{self.steps}", mode=mode[0],
                floor=mode[1], model=model, operation=operation, tokens=tokens, within=within)  # fmt: skip
        if twice:
            self._again(-1, {})


class AgainRules:
    """Calls that were sent before."""

    def _is_certain(self, account, key):
        """Whether every record that may have this id must still be there."""
        return all(self.model.certain((letter, account, key)) for letter in "hgcde")

    def _again(self, at, changes):
        name, args = self.repeatable[at]
        if name == "resolve" and not self._is_certain(args["account"], args["key"]):
            return
        self.tally["sent again"] += 1
        self.do(name, **{**args, **{word: value for word, value in changes.items() if word in args}})

    @precondition(can_repeat)
    @rule(pick=picks)
    def again(self, pick):
        """Any earlier call once more."""
        self._again(pick % len(self.repeatable), {})

    @precondition(can_repeat)
    @rule(pick=picks)
    def again_soon(self, pick):
        """One of the last calls once more."""
        self._again(-1 - pick % min(4, len(self.repeatable)), {})

    @precondition(can_repeat)
    @rule(pick=picks, amount=st.integers(1, 40))
    def again_otherwise(self, pick, amount):
        """The same id with another amount."""
        self._again(-1 - pick % min(12, len(self.repeatable)), {"amount": amount, "asked": amount})
