"""The limits of every account in the model: what looks at an admission, what refuses it, what is taken and corrected.

Rules (docs/limits.md), and what is decided where it says nothing:
- Limits of every level of the path decide. An admission looks at those whose model and operation type are its own or
  none: a hold (``reserve``, ``reserve_credits``) at all, a direct charge at all but concurrency, an extension and a
  successor at those that count amounts, an extension with tokens at those that count tokens too.
- A successor has its predecessor's place; one that is billed late has lost it and looks at concurrency too.
- What costs a limit nothing is never refused by it; it is taken all the same.
- A limit that refuses, or any cap or the money, leaves all as they were.
- Settling, releasing, resolving and ``deduct_credits`` - charged, or refused and so freed - correct what the admission
  took from limits that are still there: of the amount by the whole of the hold as it is now, at the time it was made.
  What expired corrects nothing, whatever comes after.
- ``used`` and ``remaining`` are told as they are after the decision.
- A limit opens its account, like a cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_defaults import Defaults
from model_rates import KINDS, Limit, identity_of
from model_state import Cap, Hold, Outcome, State, levels_of

MOST_LIMITS = 32


@dataclass(frozen=True)
class Ask:
    """What an admission asks of limits; ``what`` is hold, charge, more (an extension), next or late next."""

    what: str
    amount: int
    tokens: int = 0
    model: str = ""
    operation: str = "usage"


class LimitState(State):
    """Limits by account; the operations on them."""

    def __init__(self, now: int) -> None:
        super().__init__(now)
        self.limits: dict[str, dict[tuple[Any, ...], Limit]] = {}
        self.defaults = Defaults()

    def caps_of(self, account: str) -> dict[tuple[str, str], Cap]:
        """Its own caps, then defaults of periods that it has none of."""
        own = self.caps.get(account, {})
        found = self.defaults.caps(account) if account in self.known else {}
        return {**own, **{at: cap for at, cap in found.items() if at not in own}}

    def _defaults_of(self, account: str) -> dict[Any, Limit]:
        # Of identities that the account has no limit of; accounts that do not exist have none.
        own = self.limits.get(account, {})
        found = self.defaults.limits(account, self._open_holds) if account in self.known else {}
        return {identity: each for identity, each in found.items() if identity not in own}

    def _keep(self, accounts: list[str]) -> None:
        """What defaults have used is written."""
        for account in accounts:
            if found := self._defaults_of(account):
                self.defaults.used[account] = found

    def set_plan(self, account: str, plan: str | None) -> Outcome:
        """``set_plan``."""
        if plan is not None and not any(plan == of for of, _ in self.defaults.sets):
            return {"error_code": "invalid_argument"}
        self.known |= set(levels_of(account))
        if plan is None:
            self.defaults.plans.pop(account, None)
        else:
            self.defaults.plans[account] = plan
        return {"error_code": None, "plan": plan}

    # Setting

    def set_limit(
        self, account: str, algorithm: str, counts: str, limit: int, period: int, *, burst: int | None = None,
        model: str = "", operation: str = "", shadow: bool = False,
    ) -> Outcome:  # fmt: skip
        """``set_rate_limit`` and ``set_concurrency_limit``; what was used stays when the algorithm does."""
        mine = self.limits.setdefault(account, {})
        identity = identity_of(algorithm, counts, period, model, operation, shadow=shadow)
        if identity not in mine and len(mine) >= MOST_LIMITS:
            return {"error_code": "too_many_limits"}
        if identity not in mine and (default := self._defaults_of(account).get(identity)):
            mine[identity] = default
            self.defaults.used.get(account, {}).pop(identity, None)
        self.known |= set(levels_of(account))
        if identity in mine and mine[identity].algorithm == algorithm:
            mine[identity].replace(self.now, limit, burst)
            mine[identity].denied = 0
            return {"error_code": None}
        period = 0 if algorithm == "concurrency" else period
        made = KINDS[algorithm](algorithm, counts, limit, period, burst, model, operation, account, shadow)
        if algorithm == "concurrency":
            made.count = lambda: self._open_holds(made)
        mine[identity] = made
        return {"error_code": None}

    def remove_limit(
        self, account: str, algorithm: str, counts: str, period: int, *, model: str = "", operation: str = "",
        shadow: bool = False,
    ) -> Outcome:  # fmt: skip
        """``remove_rate_limit`` and ``remove_concurrency_limit``."""
        identity = identity_of(algorithm, counts, period, model, operation, shadow=shadow)
        removed = self.limits.get(account, {}).pop(identity, None)
        if removed and identity in self._defaults_of(account):
            self.defaults.used.setdefault(account, {})[identity] = removed
        return {"error_code": None, "removed": removed is not None}

    def listed_limits(self, account: str) -> Outcome:
        """``list_rate_limits`` and ``list_concurrency_limits``, as one."""
        mine = self._of(account)
        denied = tuple(sorted((*each.identity, each.denied) for each in mine))
        return {"error_code": None, "limits": self._told((each, False, 0) for each in mine), "denied": denied}

    # Deciding

    def limit_gate(self, account: str, ask: Ask) -> tuple[str | None, tuple[Any, ...]]:
        """The code of a refusal, and what is told of each limit if the admission is refused."""
        looked = []
        for each in self.looked_at(account, ask):
            cost = self._cost(each, ask)
            refuses = cost > 0 and not each.fits(self.now, cost)
            looked.append((each, refuses, cost))
        refusing = {"concurrency_limit" if each.algorithm == "concurrency" else "rate_limited"
                    for each, refuses, _ in looked if refuses and not each.shadow}  # fmt: skip
        return min(refusing, default=None), self._told(looked)  # "concurrency_limit" comes first

    def take(self, account: str, ask: Ask, hold: Hold | None = None, grown: Hold | None = None) -> tuple[Any, ...]:
        """An admission; what is told of each limit after it. What a hold took is remembered with it.

        What a shadow would have refused takes nothing of it, and no shadow is corrected when the hold ends.
        """
        self._keep(levels_of(account))
        told, would_any = [], False
        for each in self.looked_at(account, ask):
            cost = self._cost(each, ask)
            # The hold is open already and counted.
            cost_left = 0 if each.algorithm == "concurrency" and hold else cost
            would = each.shadow and cost > 0 and not each.fits(self.now, cost_left)
            told.append((each, would, 0))
            would_any = would_any or would
            each.denied += would
            if would:
                each.write(self.now)  # looked at by an admission
            else:
                each.take(self.now, cost)
        if hold:
            # A successor asks no limit for tokens, but those it is said to have used are counted when it ends.
            every = [each for level in levels_of(account) for each in self._of(level)]
            hold.took = [each for each in every if each.sees(ask.model, ask.operation)]
            hold.took = [each for each in hold.took if not (would_any and each.shadow)]
        if grown and would_any:
            grown.took = [each for each in grown.took if not each.shadow]
        return self._told(told)

    def correct(self, hold: Hold, amount: int, tokens: int | None) -> None:
        """An open hold ends, and turned out as so much; without tokens the estimate of them stands."""
        for each in hold.took:
            if all(each is not other for other in self._of(each.scope)):
                continue
            estimate, actual = {"amount": (hold.amount, amount), "tokens": (hold.tokens, tokens)}.get(
                each.counts, (0, 0)
            )
            if actual is not None and actual != estimate and each.algorithm != "concurrency":
                each.correct(self.now, hold.begun, estimate, actual)

    def looked_at(self, account: str, ask: Ask) -> list[Limit]:
        """The limits that an admission meets, from the root down."""
        found = [each for level in levels_of(account) for each in self._of(level)]
        return [
            each for each in found if each.sees(ask.model, ask.operation) and self._concerns(each, ask.what, ask.tokens)
        ]

    @staticmethod
    def _concerns(limit: Limit, what: str, tokens: int) -> bool:
        if limit.algorithm == "concurrency":
            return what in ("hold", "late next")
        return what in ("hold", "charge") or limit.counts == "amount" or (limit.counts == "tokens" and tokens > 0)

    @staticmethod
    def _cost(limit: Limit, ask: Ask) -> int:
        if limit.algorithm == "concurrency" or limit.counts == "requests":
            return 1
        return ask.amount if limit.counts == "amount" else ask.tokens

    def rate_room(self, account: str, model: str = "", operation: str = "usage") -> int | None:
        """What the limits that count amounts let pass; None without any."""
        found = self.looked_at(account, Ask("more", 0, 0, model, operation))
        return min((each.remaining(self.now) for each in found), default=None)

    def _of(self, account: str) -> list[Limit]:
        return [*self.limits.get(account, {}).values(), *self._defaults_of(account).values()]

    def _open_holds(self, limit: Limit) -> int:
        return sum(
            hold.state == "open" and limit.scope in levels_of(hold.where) and limit.sees(hold.model, hold.operation)
            for hold in self.holds.values()
        )

    def _told(self, looked: Any) -> tuple[Any, ...]:
        """As results tell them, in an order of their own."""
        return tuple(sorted(
            (each.scope, each.algorithm, "" if each.algorithm == "concurrency" else each.counts, each.limit,
             each.used(self.now), each.remaining(self.now), each.model, each.operation, each.period,
             refuses and each.shadow, each.shadow, refuses and not each.shadow,
             (each.retry_ms(self.now, cost) or -1) if refuses and not each.shadow else 0)
            for each, refuses, cost in looked
        ))  # fmt: skip
