"""The machine: random steps on a store and the model (``comparison.py``), from rules by topic (``machine_*``)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from calls import LIMITED
from comparison import Comparison
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, run_state_machine_as_test
from ledger_check import client_of
from machine_backlog import BacklogRules
from machine_draws import anchors, first_limits, precisions, starts, week_starts, zones
from machine_holds import HoldRules
from machine_limits import LimitRules
from machine_money import AgainRules, MoneyRules
from machine_time import TimeRules
from model_state import DAY_MS, MAX, levels_of

STEPS = 50
RULES = (MoneyRules, HoldRules, AgainRules, TimeRules, BacklogRules, *([LimitRules] if LIMITED else []))


class Machine(*RULES, Comparison):
    """Random steps on a store and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.repeatable: list[tuple[str, dict[str, Any]]] = []

    @initialize(limits=st.lists(st.sampled_from([25, 60, 100, 250]), min_size=3, max_size=3), start=starts,
                hourly=st.sampled_from([False, False, True]), zone=zones, precision=precisions,
                limited=first_limits, paid=st.booleans(), week_start=week_starts, anchor_day=anchors)  # fmt: skip
    def begin(self, limits, start, *, hourly, zone, precision, limited, paid, week_start, anchor_day):
        self.start(start, precision)
        self.hourly, self.reach_ms = hourly, 59 * 60_000 if hourly else self.reach_ms
        for account in ("acme/search/alice", "acme/search/bob", "u"):
            self.do("grant", account=account, amount=200, kind="seed", key=None)
        caps = (("acme", "monthly", "deny", limits[0], "", "UTC"),
                ("acme/search", "daily", "deny", limits[1], "", zone),
                ("u", "daily", "deny", limits[2], "", "UTC"), ("u", "monthly", "deny", limits[0], "m", zone),
                ("u", "hourly" if hourly else "monthly", "notify", 40, "", "UTC"),
                ("acme/search/alice", "weekly", "warn", 15, "m", "UTC"))  # fmt: skip
        for account, period, action, limit, model, of_zone in caps:
            self.do("set_cap", account=account, period=period, action=action, limit=limit, model=model, zone=of_zone,
                    thresholds=(50, 80, 100) if (period, action, model) == ("monthly", "deny", "") else (),
                    week_start=week_start if period == "weekly" else "monday",
                    anchor_day=anchor_day if (period, model) == ("monthly", "m") else 1)  # fmt: skip
        for limit in limited:
            self._limit(limit)
        if paid:
            self.do("grant", account="acme", amount=100, kind="seed", key=None)
            self.do("set_payer", account="acme/search/bob", payer="acme")
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
            "room": room, "free": self.model.free(self.model.payer(account), 0), "hold": hold,
            "capped": hold + room, "paid": hold + self.model.free(self.model.payer(account), 0),
            "model": hold + min(self.model.bound(account, "m"), 10**6), "limit": min([*limits, 10**6]),
            "max": MAX - 1, "rated": self.model.rate_room(account) or 0,
        }[what]  # fmt: skip
        return min(MAX, max(0, value + by))

    def hold(self, pick: int) -> tuple[str, str]:
        """A hold; open ones are picked more often."""
        every = list(self.model.holds)
        listed = [at for at in every if self.model.holds[at].state == "open"] * 4 + every[-8:]
        return listed[pick % len(listed)]

    # What must hold

    @invariant()
    def same_state(self):
        self.tally["steps"] += 1
        self.look(self.focus)
        self.check_ledger(self.focus)
        self.focus = set()
        self.check_deny_caps()

    def teardown(self):
        if self.store is not None:  # what is drawn may end before the beginning
            self.check_everything()
            self.store.close()


def run(
    url: str, examples: int, tally: Counter[str] | None = None, base: type[Machine] = Machine, **options: Any
) -> Counter[str]:
    """Runs the machine and answers what it met, counted in ``tally`` as it goes."""
    tally = Counter() if tally is None else tally
    machine = type("MachineOnEngine", (base,), {"url": url, "client": client_of(url), "tally": tally})
    chosen = settings(
        max_examples=examples, stateful_step_count=STEPS, deadline=None, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), **options,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=chosen)
    return tally
