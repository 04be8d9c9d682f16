"""Defaults in the model: what holds for an account of what it has none of itself; see ``model_limits``.

Rules (docs/limits.md, "Defaults and plans"):
- A cap of a period, a limit of an identity: of the account itself, else of the set for its plan and level, its plan,
  its level, all - the first of these that has one. A plan of which no set is left is none.
- Every account counts by itself. A limit that takes the place of another goes on with what was used, when the algorithm
  is the same: a default in place of another, an account's own in place of a default, a default in place of an own one.
- What was used is there from the first admission on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from model_rates import KINDS, Limit, identity_of
from model_state import BESIDE, Cap, levels_of

#: A default cap: action, limit, thresholds; a default limit: algorithm, counts, limit, period, burst, shadow.
DefaultCap = tuple[str, int, tuple[int, ...]]
DefaultLimit = tuple[str, str, int, int, int | None, bool]


@dataclass
class Defaults:
    """Sets by plan and level, and which plan each account is on; mixed into the model."""

    sets: dict[tuple[str | None, int | None], tuple[dict[tuple[str, str], DefaultCap], list[DefaultLimit]]] = field(
        default_factory=dict
    )
    plans: dict[str, str] = field(default_factory=dict)
    used: dict[str, dict[Any, Limit]] = field(default_factory=dict)  # what defaults have used, by account and identity

    def plan_of(self, account: str) -> str | None:
        """The plan whose sets hold for an account."""
        plan = self.plans.get(account)
        return plan if any(plan == of for of, _ in self.sets) else None

    def _sets_for(self, account: str) -> list[tuple[dict[tuple[str, str], DefaultCap], list[DefaultLimit]]]:
        # The weakest first.
        level, plan = len(levels_of(account)), self.plan_of(account)
        keys = [(None, None), (None, level)] + ([(plan, None), (plan, level)] if plan else [])
        return [self.sets[key] for key in keys if key in self.sets]

    def caps(self, account: str) -> dict[tuple[str, str], Cap]:
        """Caps by period, in the order daily, monthly, total; a shadow behind the cap of its period."""
        found: dict[tuple[str, str], DefaultCap] = {}
        for caps, _ in self._sets_for(account):
            found |= caps
        return {
            (period, key): Cap(*found[period, key][:2], "UTC", 0, None, thresholds=found[period, key][2], default=True)
            for period in ("daily", "monthly", "total")
            for key in ("", BESIDE)
            if (period, key) in found
        }

    def limits(self, account: str, opened: Any) -> dict[Any, Limit]:
        """Limits by identity, with what was used under the same algorithm; ``opened`` counts the open holds of one."""
        found: dict[Any, DefaultLimit] = {}
        for _, limits in self._sets_for(account):
            found |= {identity_of(each[0], each[1], each[3], "", "", shadow=each[5]): each for each in limits}
        made = {}
        for identity, (algorithm, counts, limit, period, burst, shadow) in found.items():
            kept = self.used.get(account, {}).get(identity)
            if kept is None or kept.algorithm != algorithm:
                length = 0 if algorithm == "concurrency" else period
                kept = KINDS[algorithm](algorithm, counts, limit, length, burst, scope=account, shadow=shadow)
                if algorithm == "concurrency":
                    kept.count = lambda kept=kept: opened(kept)
            kept.limit, kept.burst = limit, burst
            made[identity] = kept
        return made
