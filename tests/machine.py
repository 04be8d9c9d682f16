"""The random steps of the comparison (``comparison.py``): what is drawn, and one rule for each kind of step."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from comparison import ACCOUNTS, Comparison, client_of
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test
from model_state import DAY_MS, HOUR_MS, MAX, levels_of, period_of
from model_work import LETTERS

STEPS = 50

# Half of all calls go to a few accounts, so that they meet.
accounts = st.one_of(st.sampled_from(["acme/search/alice", "acme/search/bob", "u"]), st.sampled_from(ACCOUNTS))
# A number of units, or one that lies at an edge of the present state.
amounts = st.one_of(
    st.integers(0, 40),
    st.sampled_from([f"{what}{by:+d}" for what in ("room", "free", "limit", "hold") for by in (-1, 0, 1)]),
    st.sampled_from(["room+0", "hold+0", "hold+1", "max-1", "max+0"]),
)
# What something cost in the end; often more than was held.
costs = st.one_of(amounts, st.sampled_from(["capped+0", "capped+1", "model+1", "model+9", "paid+0", "paid+1"]))
modes = st.sampled_from(
    [("strict", 0), ("strict", 0), ("strict", 7), ("overdraft", 0), ("overdraft", -25), ("postpaid", 0)]
)
ttls = st.sampled_from([1_000, 600_000, DAY_MS, 3 * DAY_MS, 7 * DAY_MS])
picks = st.integers(0, 400)
forward_steps = st.one_of(
    st.sampled_from(["daily-1", "daily+0", "daily+0", "monthly-1", "monthly+0"]),
    st.integers(1, 20_000),
    st.sampled_from([1, 2, 14, 24, 25, 30, 180, 960]).map(lambda hours: hours * HOUR_MS),
)
backward_steps = st.one_of(
    st.integers(1, 5_000), st.integers(1, 22 * HOUR_MS), st.sampled_from(["daily", "daily", "monthly"])
)
models = st.sampled_from(["", "", "m", "m", "other"])
periods = st.sampled_from(["daily", "daily", "monthly", "daily", "monthly", "total", "hourly", "weekly", "yearly"])
zones = st.sampled_from(["UTC", "UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Asia/Kolkata"])
# Quiet days, the eves of a new year and of a leap day, and of changes to and from summer time.
starts = st.sampled_from([
    datetime(*day, tzinfo=UTC) for day in (
        (2026, 6, 15, 12), (2026, 6, 15, 12), (2026, 10, 24, 12), (2026, 10, 31, 20), (2026, 12, 31, 12),
        (2027, 3, 13, 20), (2027, 3, 27, 12), (2028, 2, 28, 12), (2027, 4, 3, 20), (2027, 9, 4, 20),
    )
])  # fmt: skip


def has_holds(machine: Machine) -> bool:
    return bool(machine.model.holds)


def can_repeat(machine: Machine) -> bool:
    return bool(machine.repeatable)


class Machine(Comparison):
    """Random steps on a store and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.repeatable: list[tuple[str, dict[str, Any]]] = []

    @initialize(limits=st.lists(st.sampled_from([25, 60, 100, 250]), min_size=3, max_size=3), start=starts,
                hourly=st.sampled_from([False, False, True]), zone=zones)  # fmt: skip
    def begin(self, limits, start, hourly, zone):
        self.start(start)
        self.hourly, self.reach_ms = hourly, 59 * 60_000 if hourly else self.reach_ms
        for account in ("acme/search/alice", "acme/search/bob", "u"):
            self.do("grant", account=account, amount=200, kind="seed", key=None)
        caps = (("acme", "monthly", "deny", limits[0], "", "UTC"),
                ("acme/search", "daily", "deny", limits[1], "", zone),
                ("u", "daily", "deny", limits[2], "", "UTC"), ("u", "monthly", "deny", limits[0], "m", zone),
                ("u", "hourly" if hourly else "monthly", "notify", 40, "", "UTC"),
                ("acme/search/alice", "weekly", "warn", 15, "m", "UTC"))  # fmt: skip
        for account, period, action, limit, model, of_zone in caps:
            self.do("set_cap", account=account, period=period, action=action, limit=limit, model=model, zone=of_zone)
        self._reserve("acme/search/alice", 10, ttl=7 * DAY_MS, model="m")

    def do(self, name, **args):
        if args.get("key") or args.get("hold_id"):
            self.repeatable.append((name, args))
        return super().do(name, **args)

    def units(self, amount: int | str, account: str, hold: int = 10) -> int:
        """The number that an amount means in the present state."""
        if isinstance(amount, int):
            return amount
        what, by = amount[:-2], int(amount[-2:])
        limits = [cap.limit for level in levels_of(account) for cap in self.model.caps.get(level, {}).values()]
        room = min(self.model.bound(account, ""), 10**6)
        value = {
            "room": room, "free": self.model.free(account, 0), "hold": hold,
            "capped": hold + room, "paid": hold + self.model.free(account, 0),
            "model": hold + min(self.model.bound(account, "m"), 10**6), "limit": min([*limits, 10**6]),
            "max": MAX - 1,
        }[what]  # fmt: skip
        return min(MAX, max(0, value + by))

    def hold(self, pick: int) -> tuple[str, str]:
        """A hold; open ones are picked more often."""
        every = list(self.model.holds)
        listed = [at for at in every if self.model.holds[at].state == "open"] * 4 + every[-8:]
        return listed[pick % len(listed)]

    # Grants and caps

    @rule(account=accounts, amount=amounts, kind=st.sampled_from(["seed", "purchase", "adjustment"]),
          sign=st.sampled_from([1, 1, -1]), keyed=st.booleans(), twice=st.booleans())  # fmt: skip
    def grant(self, account, amount, kind, *, sign, keyed, twice):
        value = self.units(amount, account) * sign
        self.do("grant", account=account, amount=value, kind=kind, key=f"g{self.steps}" if keyed else None)
        if keyed and twice:
            self._again(-1, {})

    @rule(account=accounts, period=periods, limit=amounts, model=st.sampled_from(["", "", "m"]), zone=zones,
          action=st.sampled_from(["deny", "deny", "deny", "warn", "notify", None]))  # fmt: skip
    def cap(self, account, period, action, limit, *, model, zone):
        period = "daily" if period == "hourly" and not self.hourly else period
        if action is None:
            self.do("remove_cap", account=account, period=period, model=model)
            return
        # EXCLUSION 2: another zone counts from the next period on; tests/lua/test_timed_caps.py has it.
        known = self.model.caps.get(account, {}).get((period, model))
        zone = known.zone if known else "UTC" if period == "total" else zone
        self.do("set_cap", account=account, period=period, action=action, limit=self.units(limit, account), model=model,
                zone=zone)  # fmt: skip

    @rule(account=accounts)
    def open(self, account):
        self.do("open_account", account=account)

    @rule(account=accounts, amount=amounts, mode=modes, model=models, twice=st.booleans())
    def charge(self, account, amount, mode, model, twice):
        self.do("charge", account=account, amount=self.units(amount, account), key=f"d{self.steps}", mode=mode[0],
                floor=mode[1], model=model)  # fmt: skip
        if twice:
            self._again(-1, {})

    # Holds

    def _reserve(self, account, amount, *, ttl=600_000, mode=("strict", 0), admit=True, model="", over_cap="clamp"):
        key = ("h{}", "h/{}", "{{{}}}:h%\0🧮")[self.steps % 3].format(self.steps)
        self.do("reserve", account=account, key=key, amount=self.units(amount, account), ttl_ms=ttl, mode=mode[0],
                floor=mode[1], admit=admit, model=model, over_cap=over_cap)  # fmt: skip
        return (account, key) in self.model.holds, (account, key)

    def _charge(self, name, at, amount, **options):
        asked = self.units(amount, at[0], self.model.holds[at].amount)
        self.do(name, account=at[0], hold_id=at[1], asked=asked, **options)

    @rule(account=accounts, amount=amounts, ttl=ttls, mode=modes, model=models,
          over_cap=st.sampled_from(["clamp", "clamp", "record"]))  # fmt: skip
    def reserve(self, account, amount, ttl, *, mode, model, over_cap):
        self._reserve(account, amount, ttl=ttl, mode=mode, model=model, over_cap=over_cap)

    @rule(account=accounts, amount=amounts, ttl=ttls, floor=st.sampled_from([0, 0, 7]))
    def reserve_credits(self, account, amount, ttl, floor):
        self._reserve(account, amount, ttl=ttl, mode=("strict", floor), admit=False)

    @rule(account=accounts, amount=amounts, cost=costs, twice=st.booleans())
    def seed_flow(self, account, amount, cost, twice):
        """reserve_credits and deduct_credits in one step."""
        made, at = self._reserve(account, amount, admit=False)
        if made:
            self._charge("deduct", at, cost)
            if twice:
                self._again(-1, {})

    @rule(account=accounts, amount=amounts, cost=costs, mode=modes, model=models, used=models, twice=st.booleans(),
          over_cap=st.sampled_from(["clamp", "clamp", "record"]))  # fmt: skip
    def our_flow(self, account, amount, cost, *, mode, model, used, twice, over_cap):
        """Reserve and settle in one step."""
        made, at = self._reserve(account, amount, mode=mode, model=model, over_cap=over_cap)
        if made:
            self._charge("settle", at, cost, model=used)
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
    @rule(pick=picks, cost=costs, model=models, late=st.sampled_from(["reject", "bill"]))
    def settle(self, pick, cost, model, late):
        self._charge("settle", self.hold(pick), cost, model=model, late=late)

    @rule(account=accounts, amount=amounts, cost=costs, mode=modes, model=models, next_amount=amounts,
          late=st.sampled_from(["reject", "bill"]), ttl=ttls)  # fmt: skip
    def stream(self, account, amount, cost, *, mode, model, next_amount, late, ttl):
        """A hold is succeeded twice, and asked for again."""
        made, at = self._reserve(account, amount, mode=mode, model=model)
        for _ in range(2):
            if made:
                units = self.units(next_amount, account, 10)
                self._charge("succeed", at, cost, next_amount=units, late=late, ttl_ms=ttl)
                at = (account, self.model.successor(at[1]))
                made = at in self.model.holds
        self._again(-1, {})

    @precondition(has_holds)
    @rule(pick=picks, cost=costs, model=models, next_amount=amounts, late=st.sampled_from(["reject", "bill"]))
    def succeed(self, pick, cost, model, next_amount, late):
        at = self.hold(pick)
        self._charge("succeed", at, cost, model=model, next_amount=self.units(next_amount, at[0]), late=late)

    @precondition(has_holds)
    @rule(pick=picks, amount=amounts, ttl=st.one_of(st.just(0), ttls), twice=st.booleans())
    def extend(self, pick, amount, ttl, twice):
        account, hold_id = self.hold(pick)
        self.do("extend", account=account, hold_id=hold_id, amount=self.units(amount, account), ttl_ms=ttl,
                key=f"e{self.steps}")  # fmt: skip
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
        several=st.lists(st.tuples(accounts, amounts, modes, models, st.booleans()), max_size=6), charges=st.booleans()
    )
    def many(self, several, charges):
        """One call for some accounts, now and then twice under one id."""
        items = []
        for at, (account, amount, mode, model, again) in enumerate(several):
            key = items[-1]["key"] if again and items else f"m{self.steps}-{at}"
            item = {"account": account, "amount": self.units(amount, account), "key": key, "mode": mode[0],
                    "floor": mode[1], "model": model}  # fmt: skip
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

    # Repetitions

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

    # Time

    @rule(step=forward_steps)
    def forward(self, step):
        if isinstance(step, str):
            step = period_of(step[:-2], self.clock.now_ms)[1] + int(step[-2:]) - self.clock.now_ms
        if step > 0:
            self.move(step)

    @rule(account=accounts, amount=amounts, ttl=ttls, by=st.sampled_from([-1, 0, 0, 0, 1, 60_000]), model=models,
          cost=costs, then=st.sampled_from(["", "settle", "bill", "bill", "deduct", "release"]))  # fmt: skip
    def expire(self, account, amount, ttl, *, by, model, cost, then):
        """To where a new hold ends, or a little beside it, and there something is done with it."""
        made, at = self._reserve(account, amount, ttl=ttl, model=model)
        if made:
            self.move(ttl + by)
            if then == "bill":
                self._charge("settle", at, cost, late="bill")
            elif then:
                self.do(then, account=account, hold_id=at[1], **({} if then == "release" else {"asked": 3}))

    @rule(step=backward_steps)
    def backward(self, step):
        self.end_what_is_due()
        now = self.clock.now_ms
        if isinstance(step, str):  # to the last millisecond of the day or month before
            step = now + 1 - period_of(step, now)[0]
        # EXCLUSION 3: one earlier period is kept; the clock stays within less than a period of the latest it has seen.
        step = min(step, now - self.earliest_ms)
        if step > 0:
            self.move(-step)

    @rule(account=accounts, amount=st.integers(0, 40), step=backward_steps)
    def wobble(self, account, amount, step):
        """Back, a charge there, and forward to where it was."""
        before = self.clock.now_ms
        self.backward(step)
        self._flow(account, amount, amount)
        if self.clock.now_ms < before:
            self.move(before - self.clock.now_ms)

    @rule(account=accounts, amount=st.integers(0, 40), length=st.integers(1, 200), mode=modes,
          what=st.sampled_from(["leap", "old hold", "old record"]))  # fmt: skip
    def days(self, account, amount, length, *, mode, what):
        if what == "leap" and not self.model.in_future():  # EXCLUSION 3: two other periods with spend in a leap
            self._leap(account, amount, length)
        elif what == "old hold":
            self._old_hold(account, amount, (20 + length // 20) * HOUR_MS, mode)
        elif what == "old record" and self._flow(account, amount, amount):  # the same answer 16 hours later
            self._wait(account, 8 * HOUR_MS)
            self._wait(account, 8 * HOUR_MS)
            self._again(-1, {})

    def _leap(self, account, amount, days):
        """The clock jumps ahead, something is spent, and it jumps back: the spend counts in the present."""
        self._flow(account, amount, amount)
        self.write_all(self.model.known)  # EXCLUSION 3 again: so the period that is kept is the present one
        self.move(days * DAY_MS)
        self._flow(account, amount, amount)
        self.look(self.focus)
        self.end_what_is_due()
        self.move(-days * DAY_MS)
        self.look(self.focus)
        self.write_all(self.model.known)
        self.earliest_ms = self.clock.now_ms

    def _old_hold(self, account, amount, step, mode):
        """A hold is settled when it is more than a day old."""
        made, at = self._reserve(account, amount, ttl=3 * DAY_MS, mode=mode)
        if made:
            self._wait(account, step)
            self._wait(account, 5 * HOUR_MS)
            self._charge("settle", at, amount)

    def _wait(self, account, step):
        self.move(step)
        self.do("grant", account=account, amount=1, kind="seed", key=None)

    # What must hold

    @invariant()
    def same_state(self):
        self.tally["steps"] += 1
        self.look(self.focus)
        self.check_ledger(self.focus)
        self.focus = set()
        self.check_deny_caps()

    def teardown(self):
        self.check_everything()
        self.store.close()


def run(url: str, examples: int, tally: Counter[str] | None = None, **options: Any) -> Counter[str]:
    """Runs the machine and answers what it met, counted in ``tally`` as it goes."""
    tally = Counter() if tally is None else tally
    machine = type("MachineOnEngine", (Machine,), {"url": url, "client": client_of(url), "tally": tally})
    chosen = settings(
        max_examples=examples, stateful_step_count=STEPS, deadline=None, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), **options,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=chosen)
    return tally
