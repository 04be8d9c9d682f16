"""What the library must answer, in plain Python: slow, obvious and sharing no line with it.

Written from SPEC, not from the scripts. It keeps history instead of counters - every grant, every charge, every hold -
and sums it anew for each answer; amounts are integer units, times milliseconds. Operations answer a dict whose keys are
the attributes of the library's result.

Rules:
- Balance = grants - charges (SPEC 1). Whatever would lead a balance or a total beyond 2^53-1 units is
  ``invalid_amount``, before caps and money.
- Spend and admitted holds of an account count at every level of its path, balance and held at the account alone
  (SPEC 4). A grant or a cap opens an account and its ancestors; on others a hold is refused: in strict
  ``insufficient_credits``, otherwise ``account_unknown`` (SPEC 6).
- Deny caps admit while spent + admitted holds + amount <= limit; caps come before money in a refusal. An amount of 0,
  or what a hold was admitted for, is never refused, however low a limit was set since (SPEC 3).
- ``reserve_credits`` is neither gated nor admitted, it names the caps that would refuse. ``deduct_credits`` charges the
  exact amount, or frees the hold and remembers its refusal (SPEC 3).
- Floor: strict ``min_balance``, overdraft its floor, postpaid none. ``settle`` charges min(asked, own amount + free),
  in strict also at most own admitted part + least room of the deny caps; free and room are never below 0 (SPEC 5).
- A hold is over when expires_at <= now; it may then only be released, once (SPEC 5).
- An id sent again is answered as at first, flagged ``idempotent``, with another amount ``key_reused`` too. A refused
  reserve or grant is not remembered. Records are certain while open and for 24 hours from their last change (SPEC 6).
- A charge counts in the UTC day and month of its settling, and in every earlier one that the clock is stepped back to:
  no step reopens a period (SPEC 6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAX = 2**53 - 1
DAY_MS = 86_400_000
Outcome = dict[str, Any]
FRESH = {"idempotent": False, "key_reused": False}


def day_of(at_ms: int) -> int:
    return at_ms // DAY_MS


def month_of(at_ms: int) -> int:
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return at.year * 12 + at.month - 1


def reset_of(period: str, at_ms: int) -> int:
    """When the period of a moment ends."""
    if period == "daily":
        return (day_of(at_ms) + 1) * DAY_MS
    year, month = divmod(month_of(at_ms) + 1, 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * 1000


def levels_of(account: str) -> list[str]:
    """The account and its ancestors, the root first."""
    parts = account.split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


@dataclass
class Charge:
    levels: list[str]
    amount: int
    day: int
    month: int


@dataclass
class Hold:
    account: str
    amount: int
    floor: int
    strict: bool
    admitted: int
    expires: int
    written: int  # travelled, at its last change
    made: Outcome
    state: str = "open"
    asked: int = 0
    ended: Outcome = field(default_factory=dict)


class Model:
    """One namespace, from a moment on."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.travelled = 0  # how far the clock went, both ways
        self.known: set[str] = set()
        self.granted: list[tuple[str, int, str]] = []
        self.charges: list[Charge] = []
        self.holds: dict[tuple[str, str], Hold] = {}
        self.keys: dict[tuple[str, str], tuple[int, Outcome]] = {}  # of grants: written, answer
        self.caps: dict[str, dict[str, tuple[str, int]]] = {}  # account -> period -> action, limit

    # Time

    def move(self, step: int) -> None:
        """Moves the clock and ends the holds that are due."""
        self.now += step
        self.travelled += abs(step)
        for hold in self.holds.values():
            if hold.state == "open" and hold.expires <= self.now:
                hold.state, hold.written = "expired", self.travelled

    def ahead(self) -> set[str]:
        """Accounts with spend in a day that lies in the future: the clock was stepped back since."""
        return {level for charge in self.charges if charge.day > day_of(self.now) for level in charge.levels}

    def certain(self, at: tuple[str, str]) -> bool:
        """Whether the record of a hold, or of a grant's key, must still be there."""
        hold, key = self.holds.get(at), self.keys.get(at)
        written = hold.written if hold else key[0] if key else self.travelled
        return (hold is not None and hold.state == "open") or self.travelled - written < DAY_MS

    def forget(self, at: tuple[str, str]) -> None:
        """Drops a record that is no longer certain."""
        self.holds.pop(at, None)
        self.keys.pop(at, None)

    # Sums

    def balance(self, account: str) -> int:
        granted = sum(amount for owner, amount, _ in self.granted if owner == account)
        return granted - sum(charge.amount for charge in self.charges if charge.levels[-1] == account)

    def held(self, account: str) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.state == "open" and hold.account == account)

    def admitted(self, level: str) -> int:
        held = [hold for hold in self.holds.values() if hold.state == "open" and level in levels_of(hold.account)]
        return sum(hold.admitted for hold in held)

    def total(self, level: str) -> int:
        return sum(charge.amount for charge in self.charges if level in charge.levels)

    def spent(self, level: str, period: str) -> int:
        """Spend, here and below, of the present period and of those that lie ahead."""
        own = [charge for charge in self.charges if level in charge.levels]
        if period == "daily":
            return sum(charge.amount for charge in own if charge.day >= day_of(self.now))
        return sum(charge.amount for charge in own if charge.month >= month_of(self.now))

    def notices(self, account: str) -> list[tuple[Any, ...]]:
        """Every cap that concerns an account: scope, period, action, limit, spent, admitted."""
        return [
            (level, period, action, limit, self.spent(level, period), self.admitted(level))
            for level in levels_of(account)
            for period, (action, limit) in self.caps.get(level, {}).items()
        ]

    def room(self, account: str) -> int:
        """What the deny caps let pass."""
        rooms = [limit - spent - held for _, _, action, limit, spent, held in self.notices(account) if action == "deny"]
        return max(0, min([*rooms, MAX]))

    def free(self, account: str, floor: int) -> int:
        """What the money lets pass."""
        return max(0, self.balance(account) - self.held(account) - floor)

    def _gate(self, account: str, amount: int, floor: int, binds: bool, hold: Hold | None = None) -> Outcome:
        """Why an amount is refused, and by which caps; an own hold's parts are spendable."""
        need = amount - (hold.admitted if hold else 0)
        caps = tuple(
            (*notice, False, False)
            for notice in self.notices(account)
            if notice[2] == "deny" and need > max(0, notice[3] - notice[4] - notice[5])
        )
        if caps and binds:
            return {"error_code": "cap_reached", "caps": caps}
        enough = amount <= (hold.amount if hold else 0) + self.free(account, floor)
        return {"error_code": None if enough else "insufficient_credits", "caps": caps}

    # Operations

    def grant(self, account: str, amount: int, kind: str, key: str | None) -> Outcome:
        """``add_credits``."""
        if amount <= 0 and kind != "adjustment":
            return {"error_code": "invalid_amount"}
        if key is not None and (account, key) in self.keys:
            first = self.keys[account, key][1]
            return {**first, "idempotent": True, "key_reused": first["amount"] != amount}
        granted = [*self.granted, (account, amount, kind)]
        lifetime = sum(each for owner, each, what in granted if owner == account and what == "purchase")
        balance = self.balance(account) + amount
        if abs(balance) > MAX or lifetime > MAX:
            return {"error_code": "invalid_amount"}
        self.granted = granted
        self.known |= set(levels_of(account))
        answer = {
            "error_code": None,
            "amount": amount,
            "new_balance": balance,
            "lifetime_purchased": lifetime,
            **FRESH,
        }
        if key is not None:
            self.keys[account, key] = (self.travelled, answer)
        return answer

    def reserve(
        self, account: str, key: str, *, amount: int, ttl_ms: int, mode: str, floor: int, admit: bool
    ) -> Outcome:
        """``reserve``, or without ``admit`` ``reserve_credits``."""
        if hold := self.holds.get((account, key)):
            return {**hold.made, "idempotent": True, "key_reused": hold.amount != amount}
        floor = -MAX if mode == "postpaid" else floor
        balance, held = self.balance(account), self.held(account)
        decided: Outcome = {"error_code": None, "caps": ()}
        if account not in self.known:
            decided["error_code"] = "insufficient_credits" if mode == "strict" else "account_unknown"
        elif max([held, *(self.admitted(level) for level in levels_of(account))]) + amount > MAX:
            decided["error_code"] = "invalid_amount"
        else:
            decided = self._gate(account, amount, floor, admit)
        made = decided["error_code"] is None
        held += amount if made else 0
        expires = self.now + ttl_ms
        answer = {
            **decided, "hold_id": key if made else "", "amount": amount, "balance": balance, "reserved_total": held,
            "available": balance - held, "expires_at": expires if made else None, **FRESH,
        }  # fmt: skip
        if made:
            admitted = amount if admit else 0
            hold = Hold(account, amount, floor, mode == "strict", admitted, expires, self.travelled, answer)
            self.holds[account, key] = hold
        return answer

    def _answer(self, account: str, code: str | None, charged: int, asked: int, caps: tuple[Any, ...]) -> Outcome:
        balance = self.balance(account)
        answer = {"error_code": code, "amount": charged, "shortfall": asked - charged, "caps": caps}
        return {**answer, "balance_after": balance, **FRESH}

    def _not_open(self, account: str, hold: Hold | None, asked: int, answered: tuple[str, ...]) -> Outcome:
        """The first outcome again where the hold ended in one of these states, else that there is no such hold."""
        if hold and hold.state in answered:
            return {**hold.ended, "idempotent": True, "key_reused": hold.asked != asked}
        expired = hold is not None and hold.state == "expired"
        return self._answer(account, "lease_expired" if expired else "lease_not_found", 0, 0, ())

    def _exact(self, account: str, charged: int) -> bool:
        totals = [self.total(level) for level in levels_of(account)]
        return self.balance(account) - charged >= -MAX and max(totals) + charged <= MAX

    def _end(self, hold: Hold, state: str, asked: int, answer: Outcome) -> Outcome:
        hold.state, hold.asked, hold.ended, hold.written = state, asked, answer, self.travelled
        return answer

    def _charge(self, hold: Hold, asked: int, charged: int) -> Outcome:
        hold.state = "settled"
        self.charges.append(Charge(levels_of(hold.account), charged, day_of(self.now), month_of(self.now)))
        caps = tuple(
            (*notice, notice[4] - charged <= notice[3], notice[2] == "deny")
            for notice in self.notices(hold.account)
            if notice[4] > notice[3] and charged
        )
        return self._end(hold, "settled", asked, self._answer(hold.account, None, charged, asked, caps))

    def settle(self, account: str, hold_id: str, asked: int) -> Outcome:
        hold = self.holds.get((account, hold_id))
        if not hold or hold.state != "open":
            return self._not_open(account, hold, asked, ("settled",))
        charged = min(asked, hold.amount + self.free(account, hold.floor))
        if hold.strict:
            charged = min(charged, hold.admitted + self.room(account))
        if not self._exact(account, charged):
            return self._answer(account, "invalid_amount", 0, 0, ())
        return self._charge(hold, asked, charged)

    def deduct(self, account: str, hold_id: str, asked: int) -> Outcome:
        """``deduct_credits``."""
        hold = self.holds.get((account, hold_id))
        if not hold or hold.state != "open":
            return self._not_open(account, hold, asked, ("settled", "refused"))
        decided: Outcome = {"error_code": "invalid_amount", "caps": ()}
        if self._exact(account, asked):
            decided = self._gate(account, asked, hold.floor, True, hold)
        if decided["error_code"] is None:
            return self._charge(hold, asked, asked)
        return self._end(hold, "refused", asked, self._answer(account, decided["error_code"], 0, 0, decided["caps"]))

    def release(self, account: str, hold_id: str) -> Outcome:
        hold = self.holds.get((account, hold_id))
        if hold and hold.state in ("open", "expired"):
            hold.state, hold.written = "released", self.travelled
            return {"released": True, "reason": "released"}
        reasons = {"settled": "already_settled", "released": "already_released", "refused": "already_released"}
        return {"released": False, "reason": reasons[hold.state] if hold else "not_found"}

    def set_cap(self, account: str, period: str, action: str, limit: int) -> Outcome:
        """``set_spend_cap``; a cap that is replaced moves to the end of the list."""
        self.known |= set(levels_of(account))
        self.caps.setdefault(account, {}).pop(period, None)
        self.caps[account][period] = (action, limit)
        return {"error_code": None}

    def remove_cap(self, account: str, period: str) -> Outcome:
        """``remove_spend_cap``."""
        return {"error_code": None, "removed": self.caps.get(account, {}).pop(period, None) is not None}

    # Questions

    def available(self, account: str) -> Outcome:
        """``get_available``."""
        code = None if account in self.known else "account_unknown"
        balance, held = self.balance(account), self.held(account)
        return {"error_code": code, "balance": balance, "reserved": held, "available": balance - held}

    def listed(self, account: str) -> Outcome:
        """``list_spend_caps``."""
        return {"caps": tuple((*notice, False, False) for notice in self.notices(account) if notice[0] == account)}

    def check(self, account: str, amount: int | None) -> Outcome:
        """``check_spend_cap``: a refusing deny cap, else the largest overshoot, else the least room."""
        code = None if account in self.known else "account_unknown"
        ranked = []
        for at, (scope, period, action, limit, spent, held) in enumerate(self.notices(account)):
            room, over = limit - spent - held, spent + (amount or 0) - limit
            refuses = action == "deny" and (1 if amount is None else amount) > max(0, room)
            rank = (0, room) if refuses else (1, -over) if over > 0 else (2, room)
            ranked.append((rank, at, {
                "error_code": code, "capped": refuses, "current_spend": spent, "held": held, "cap_limit": limit,
                "action": action if refuses or over > 0 else None, "scope": scope, "cap_type": period,
                "reset_at": reset_of(period, self.now),
            }))  # fmt: skip
        if ranked:
            return min(ranked)[2]
        spent = self.spent(account, "daily")
        return {"error_code": code, "capped": False, "current_spend": spent, "cap_limit": 0, "cap_type": None}
