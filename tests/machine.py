"""The random steps of the comparison (``comparison.py``): what is drawn, and one rule for each kind of step."""

from __future__ import annotations

from collections import Counter
from typing import Any

from comparison import ACCOUNTS, Comparison
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test
from model import DAY_MS, MAX, day_of, levels_of, reset_of

STEPS = 50
HOUR_MS = 3_600_000

# Half of all calls go to a few accounts, so that they meet.
accounts = st.one_of(st.sampled_from(["acme/search/alice", "acme/search/bob", "u"]), st.sampled_from(ACCOUNTS))
# A number of units, or one that lies at an edge of the present state.
amounts = st.one_of(
    st.integers(0, 40),
    st.sampled_from([f"{what}{by:+d}" for what in ("room", "free", "limit", "hold") for by in (-1, 0, 1)]),
    st.sampled_from(["room+0", "hold+0", "hold+1", "max-1", "max+0"]),
)
# What something cost in the end; often more than was held.
costs = st.one_of(amounts, st.sampled_from(["capped+0", "capped+1", "capped+9", "paid+0", "paid+1"]))
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
    st.integers(1, 5_000), st.integers(1, 26 * HOUR_MS), st.sampled_from(["daily", "daily", "monthly"])
)


def has_holds(machine: Machine) -> bool:
    return bool(machine.model.holds)


def can_repeat(machine: Machine) -> bool:
    return bool(machine.repeatable)


class Machine(Comparison):
    """Random steps on a store and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.repeatable: list[tuple[str, dict[str, Any]]] = []

    @initialize(limits=st.lists(st.sampled_from([25, 60, 100, 250]), min_size=3, max_size=3))
    def begin(self, limits):
        for account in ("acme/search/alice", "acme/search/bob", "u"):
            self.do("grant", account=account, amount=200, kind="seed", key=None)
        caps = (("acme", "monthly", "deny", limits[0]), ("acme/search", "daily", "deny", limits[1]),
                ("u", "daily", "deny", limits[2]), ("u", "monthly", "notify", 40),
                ("acme/search/alice", "daily", "warn", 15))  # fmt: skip
        for account, period, action, limit in caps:
            self.do("set_cap", account=account, period=period, action=action, limit=limit)
        self._reserve("acme/search/alice", 10, ttl=7 * DAY_MS)

    def do(self, name, **args):
        if args.get("key") or args.get("hold_id"):
            self.repeatable.append((name, args))
        return super().do(name, **args)

    def units(self, amount: int | str, account: str, hold: int = 10) -> int:
        """The number that an amount means in the present state."""
        if isinstance(amount, int):
            return amount
        what, by = amount[:-2], int(amount[-2:])
        limits = [limit for level in levels_of(account) for _, limit in self.model.caps.get(level, {}).values()]
        value = {
            "room": min(self.model.room(account), 10**6), "free": self.model.free(account, 0), "hold": hold,
            "capped": hold + min(self.model.room(account), 10**6), "paid": hold + self.model.free(account, 0),
            "limit": min([*limits, 10**6]),
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

    @rule(account=accounts, period=st.sampled_from(["daily", "monthly"]), limit=amounts,
          action=st.sampled_from(["deny", "deny", "deny", "warn", "notify", None]))  # fmt: skip
    def cap(self, account, period, action, limit):
        if action is None:
            self.do("remove_cap", account=account, period=period)
        else:
            self.do("set_cap", account=account, period=period, action=action, limit=self.units(limit, account))

    # Holds

    def _reserve(self, account, amount, *, ttl=600_000, mode=("strict", 0), admit=True):
        key = ("h{}", "h/{}", "{{{}}}:h%\0🧮")[self.steps % 3].format(self.steps)
        self.do("reserve", account=account, key=key, amount=self.units(amount, account), ttl_ms=ttl, mode=mode[0],
                floor=mode[1], admit=admit)  # fmt: skip
        return (account, key) in self.model.holds, (account, key)

    def _charge(self, name, at, amount):
        asked = self.units(amount, at[0], self.model.holds[at].amount)
        self.do(name, account=at[0], hold_id=at[1], asked=asked)

    @rule(account=accounts, amount=amounts, ttl=ttls, mode=modes)
    def reserve(self, account, amount, ttl, mode):
        self._reserve(account, amount, ttl=ttl, mode=mode)

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

    @rule(account=accounts, amount=amounts, cost=costs, mode=modes, twice=st.booleans())
    def our_flow(self, account, amount, cost, mode, twice):
        """Reserve and settle in one step."""
        if self._flow(account, amount, cost, mode) and twice:
            self._again(-1, {})

    def _flow(self, account, amount, cost, mode=("strict", 0)):
        made, at = self._reserve(account, amount, mode=mode)
        if made:
            self._charge("settle", at, cost)
        return made

    @precondition(has_holds)
    @rule(pick=picks, cost=costs)
    def settle(self, pick, cost):
        self._charge("settle", self.hold(pick), cost)

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

    def _again(self, at, changes):
        name, args = self.repeatable[at]
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
            step = reset_of(step[:-2], self.clock.now_ms) + int(step[-2:]) - self.clock.now_ms
        if step > 0:
            self.move(step)

    @rule(account=accounts, amount=amounts, ttl=ttls, by=st.sampled_from([-1, 0, 0, 0, 1, 60_000]),
          then=st.sampled_from(["", "settle", "deduct", "release"]))  # fmt: skip
    def expire(self, account, amount, ttl, by, then):
        """To where a new hold ends, or a little beside it, and there something is done with it."""
        made, at = self._reserve(account, amount, ttl=ttl)
        if made:
            self.move(ttl + by)
            if then:
                self.do(then, account=account, hold_id=at[1], **({} if then == "release" else {"asked": 3}))

    @rule(step=backward_steps)
    def backward(self, step):
        self.end_what_is_due()
        now = self.clock.now_ms
        if isinstance(step, str):  # to the last millisecond of the day or month before
            start = self.clock.now.replace(hour=0, minute=0, second=0, microsecond=0)
            start = start.replace(day=1) if step == "monthly" else start
            step = now + 1 - round(start.timestamp() * 1000)
        # EXCLUSION 2: one earlier period is kept; the clock stays within the day before the latest it has seen.
        step = min(step, 26 * HOUR_MS, now - self.first_day * DAY_MS)
        if step > 0:
            self.move(-step)

    @rule(account=accounts, amount=st.integers(0, 40), length=st.integers(1, 200), mode=modes,
          what=st.sampled_from(["leap", "old hold", "old record"]))  # fmt: skip
    def days(self, account, amount, length, *, mode, what):
        if what == "leap" and not self.model.ahead():  # EXCLUSION 2: two other periods with spend in a leap
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
        self.write_all(self.model.known)  # EXCLUSION 2 again: so the period that is kept is the present one
        self.move(days * DAY_MS)
        self._flow(account, amount, amount)
        self.look(self.focus)
        self.end_what_is_due()
        self.move(-days * DAY_MS)
        self.look(self.focus)
        self.write_all(self.model.known)
        self.first_day = day_of(self.clock.now_ms)

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
        self.focus = set()
        self.check_deny_caps()

    def teardown(self):
        self.check_everything()
        self.store.close()


def run(url: str, examples: int, tally: Counter[str] | None = None, **options: Any) -> Counter[str]:
    """Runs the machine and answers what it met, counted in ``tally`` as it goes."""
    tally = Counter() if tally is None else tally
    machine = type("MachineOnEngine", (Machine,), {"url": url, "tally": tally})
    chosen = settings(
        max_examples=examples, stateful_step_count=STEPS, deadline=None, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), **options,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=chosen)
    return tally
