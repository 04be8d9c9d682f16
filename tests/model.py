"""What the library must answer, in plain Python: slow, obvious and sharing no line with it.

Written from SPEC, not from the scripts. It keeps history instead of counters (``model_state``) and sums it anew for
each answer; amounts are integer units, times milliseconds. Operations answer a dict whose keys are the attributes of
the library's result. This file has the operations of the seed, ``model_work`` the others, ``model_limits`` what rate
and concurrency limits do.

Rules:
- Balance = grants - charges (SPEC 1). Whatever would lead a balance or a total beyond 2^53-1 units is
  ``invalid_amount``, before caps and money.
- Spend and admitted holds of an account count at every level of its path, balance and held at the account alone
  (SPEC 4). A grant or a cap opens an account and its ancestors; on others a hold is refused: in strict
  ``insufficient_credits``, otherwise ``account_unknown`` (SPEC 6).
- Deny caps admit while spent + admitted holds + amount <= limit; caps come before money in a refusal. An amount of 0,
  or what a hold was admitted for, is never refused, however low a limit was set since (SPEC 3).
- A cap of one model sees charges of it - the model given at settle, else the hold's - and holds admitted for it; a
  hold of another model has no admitted part there (SPEC 4).
- ``reserve_credits`` is neither gated by caps nor admitted against them, it names those that would refuse.
  ``deduct_credits`` charges the exact amount, or frees the hold and remembers its refusal (SPEC 3).
- Floor: strict ``min_balance``, overdraft its floor, postpaid none. ``settle`` charges min(asked, own amount + free),
  in strict also at most own admitted part + least room of the deny caps; free and room are never below 0 (SPEC 5).
- While the backlog is full, what would admit anew - a hold, a charge, a successor, an extension of more than 0 - is
  ``backlog_full``, before caps and money; repetitions and what ends a hold go on.
- A hold is over when expires_at <= now; it may then only be released, or settled late without a part of its own.
- An id sent again is answered as at first, flagged ``idempotent``, with another amount ``key_reused`` too. A refused
  reserve or grant is not remembered. Records are certain while open and for 24 hours from their last change (SPEC 6).
- A threshold of a cap is crossed by the charge that brings the period's spend to it from below.
- A charge counts in the period of its settling, and in every earlier one that the clock is stepped back to: no step
  reopens a period (SPEC 6). Daily, monthly and total caps in UTC know all history, others what came since
  their registration.
"""

from __future__ import annotations

from typing import Any

from model_limits import Ask, LimitState
from model_state import BESIDE, MAX, Cap, Hold, Notice, Outcome, levels_of, where_of

FRESH = {"idempotent": False, "key_reused": False}
CANCELLED = {"error_code": "cancelled"}


class SeedModel(LimitState):
    """The operations that the seed names, with every cap and mode."""

    def _gate(
        self, account: str, amount: int, floor: int, *, payer: str, binds: bool, model: str, hold: Hold | None = None,
        ask: Ask | None = None,
    ) -> Outcome:  # fmt: skip
        """Why an amount is refused, by which caps and limits; an own hold's parts are spendable."""

        if self.backlog_full and ask and (amount or ask.what != "more"):
            return {"error_code": "backlog_full", "caps": (), "limits": ()}

        def refuses(each: Notice) -> bool:
            return each.action == "deny" and amount - self.own_part(each, hold) > max(0, each.free)

        caps = tuple(each.told() for each in self.notices(account, model, by_level=False) if refuses(each))
        limited, limits = self.limit_gate(account, ask) if ask else (None, ())
        told = {"caps": caps, "limits": limits}
        if limited or (caps and binds):
            return {"error_code": limited or "cap_reached", **told}
        if amount > (hold.amount if hold else 0) + self.free(payer, floor):
            return {"error_code": "insufficient_credits", **told}
        return {
            "error_code": None,
            **told,
            "caps": (*caps, *(self._shadows(account, amount, model, hold) if binds else ())),
        }

    def _shadows(self, account: str, amount: int, model: str, hold: Hold | None) -> tuple[Any, ...]:
        """The shadows that would have refused what is admitted now; they count it."""
        told = []
        for each in self.notices(account, model, by_level=False):
            if each.shadow and amount - self.own_part(each, hold) > max(0, each.free):
                told.append(each.told(would=True))
                self.count_shadow(each, amount)
        return tuple(told)

    def grant(self, account: str, amount: int, kind: str, key: str | None) -> Outcome:
        """``add_credits``."""
        if amount <= 0 and kind != "adjustment":
            return {"error_code": "invalid_amount"}
        record = ("g", account, key or "")
        if record in self.cancelled:
            return CANCELLED
        if record in self.keys:
            first = self.keys[record][1]
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
            self.keys[record] = (self.travelled, answer)
        return answer

    # Holds

    def reserve(
        self, account: str, key: str, *, amount: int, ttl_ms: int, mode: str, floor: int, admit: bool,
        model: str = "", over_cap: str = "clamp", operation: str = "usage", tokens: int = 0,
        within: tuple[str, ...] = (),
    ) -> Outcome:  # fmt: skip
        """``reserve``, or without ``admit`` ``reserve_credits``."""
        payer, where = self.payer(account), where_of(account, within)
        if ("h", account, key) in self.cancelled:
            return self._refused_hold(payer, amount, "cancelled")
        if hold := self.holds.get((account, key)):
            label = (model, mode, operation, where)
            reused = hold.made["amount"] != amount or (hold.state == "open" and hold.label != label)
            return {**hold.made, "expires_at": hold.expires, "idempotent": True, "key_reused": reused}
        floor = -MAX if mode == "postpaid" else floor
        decided: Outcome
        if code := self._stranger(account, where, mode):
            return self._refused_hold(account if account not in self.known else payer, amount, code)
        if not self.exact(where, payer, held=amount):
            return self._refused_hold(payer, amount, "invalid_amount")
        ask = Ask("hold", amount, tokens, model, operation)
        decided = self._gate(where, amount, floor, payer=payer, binds=admit, model=model, ask=ask)
        if decided["error_code"]:
            return self._refused_hold(payer, amount, **decided)
        strict = mode == "strict" and over_cap == "clamp"
        terms = (floor, strict, admit, self.now + ttl_ms, self.travelled, {}, model, (model, mode, operation, where))
        hold = Hold(account, amount, *terms, operation=operation, tokens=tokens, payer=payer, where=where)
        return self._open(key, hold, decided["caps"], ask)

    def _stranger(self, account: str, where: str, mode: str) -> str | None:
        """The code for an account, or a membership of it, that does not exist."""
        if account not in self.known:
            return "insufficient_credits" if mode == "strict" else "account_unknown"
        return None if self.known.issuperset(levels_of(where)) else "account_unknown"

    def _refused_hold(
        self, payer: str, amount: int, error_code: str, caps: tuple[Any, ...] = (), limits: tuple[Any, ...] = (), *,
        unread: bool = False,
    ) -> Outcome:  # fmt: skip
        balance, held = self.balance(payer), self.held(payer)
        told = {} if unread else {"balance": balance, "reserved_total": held, "available": balance - held}
        told |= {"hold_id": "", "amount": amount, "expires_at": None}
        return {"error_code": error_code, "caps": caps, "limits": limits, **told, **FRESH}

    def _open(self, key: str, hold: Hold, caps: tuple[Any, ...], ask: Ask) -> Outcome:
        self.holds[hold.account, key] = hold
        balance, held = self.balance(hold.payer), self.held(hold.payer)
        hold.made = {
            "error_code": None, "caps": caps, "hold_id": key, "amount": hold.amount, "balance": balance,
            "reserved_total": held, "available": balance - held, "expires_at": hold.expires, "limits": (), **FRESH,
        }  # fmt: skip
        hold.begun = self.now
        return {**hold.made, "limits": self.take(hold.where, ask, hold)}

    def _answer(self, payer: str, code: str | None, charged: int, asked: int, caps: tuple[Any, ...]) -> Outcome:
        balance = self.balance(payer)
        answer = {"error_code": code, "amount": charged, "shortfall": asked - charged, "caps": caps}
        return {**answer, "balance_after": balance, **FRESH}

    def _not_open(self, account: str, hold_id: str, asked: int, answered: tuple[str, ...]) -> Outcome:
        """The first outcome again where the hold ended in one of these states, else that there is no such hold."""
        hold = self.holds.get((account, hold_id))
        if hold and hold.state in answered:
            return {**hold.ended, "idempotent": True, "key_reused": hold.asked != asked}
        code = {"expired": "lease_expired", "resolved": "cancelled"}.get(hold.state if hold else "", "lease_not_found")
        code = "cancelled" if ("h", account, hold_id) in self.cancelled else code
        return self._answer(self.payer_of(account, hold), code, 0, 0, ())

    def _end(self, hold: Hold, state: str, asked: int, answer: Outcome, by: str = "") -> Outcome:
        hold.state, hold.asked, hold.ended, hold.ended_by = state, asked, answer, by
        hold.written = self.travelled
        return answer

    def _spend(self, account: str, charged: int, model: str, payer: str) -> tuple[Any, ...]:
        """Charges, and names the caps that spend lies above now."""
        self.spend(account, charged, model, payer)
        notices = self.notices(account, model, by_level=False)
        after, low = self.balance(payer), self.low.get(payer)
        if low is not None and after <= low < after + charged:
            self.crossed.append((payer, "balance", 0, low, 0, after))
        for each in notices:
            for percent in each.cap.thresholds:
                # Reached by the spend of the period, for the first time in it.
                if 100 * (each.spent - charged) < percent * each.limit <= 100 * each.spent:
                    reached = -(-percent * each.limit // 100)
                    self.crossed.append((each.scope, each.period, percent, reached, each.limit, each.spent))
        return tuple(
            each.told(first=each.spent - charged <= each.limit, over=each.action == "deny")
            for each in notices
            if each.spent > each.limit and charged and not each.shadow
        )

    def _charge(
        self, hold: Hold, asked: int, charged: int, model: str, by: str, shadows: tuple[Any, ...] = ()
    ) -> Outcome:  # fmt: skip
        hold.state = "settled"
        caps = (*self._spend(hold.where, charged, model, hold.payer), *shadows)
        return self._end(hold, "settled", asked, self._answer(hold.payer, None, charged, asked, caps), by)

    def settle(
        self, account: str, hold_id: str, asked: int, *, model: str = "", late: str = "reject",
        tokens: int | None = None,
    ) -> Outcome:  # fmt: skip
        """Never refused because of caps or balance."""
        hold = self.holds.get((account, hold_id))
        if not hold or hold.state not in ("open", "expired") or (hold.state == "expired" and late == "reject"):
            return self._not_open(account, hold_id, asked, ("settled",))
        own = hold if hold.state == "open" else None
        used = model or hold.model
        charged = min(asked, (own.amount if own else 0) + self.free(hold.payer, hold.floor))
        if hold.strict:
            charged = min(charged, self.bound(hold.where, used, own))
        if not self.exact(hold.where, hold.payer, charged=charged):
            return self._answer(hold.payer, "invalid_amount", 0, 0, ())
        if own:
            self.correct(hold, asked, tokens)
        return self._charge(hold, asked, charged, used, "settle")

    def deduct(self, account: str, hold_id: str, asked: int) -> Outcome:
        """``deduct_credits``."""
        hold = self.holds.get((account, hold_id))
        if not hold or hold.state != "open":
            return self._not_open(account, hold_id, asked, ("settled", "refused"))
        decided: Outcome = {"error_code": "invalid_amount", "caps": ()}
        if self.exact(hold.where, hold.payer, charged=asked):
            decided = self._gate(
                hold.where, asked, hold.floor, payer=hold.payer, binds=True, model=hold.model, hold=hold
            )
        self.correct(hold, 0 if decided["error_code"] else asked, 0 if decided["error_code"] else None)
        if decided["error_code"] is None:
            return self._charge(hold, asked, asked, hold.model, "deduct_credits", decided["caps"])
        return self._end(hold, "refused", asked, self._answer(hold.payer, decided["error_code"], 0, 0, decided["caps"]))

    def release(self, account: str, hold_id: str) -> Outcome:
        """Never an error."""
        hold = self.holds.get((account, hold_id))
        if hold and hold.state in ("open", "expired"):
            if hold.state == "open":
                self.correct(hold, 0, 0)
            hold.state, hold.ended_by, hold.written = "released", "release", self.travelled
            return {"released": True, "reason": "released"}
        reasons = {"settled": "already_settled"}
        return {"released": False, "reason": reasons.get(hold.state, "already_released") if hold else "not_found"}

    # Caps and questions

    def set_cap(
        self, account: str, period: str, action: str, limit: int, *, model: str = "", zone: str = "UTC",
        week_start: str = "monday", anchor_day: int = 1, thresholds: tuple[int, ...] = (),
    ) -> Outcome:  # fmt: skip
        """``set_spend_cap``; a cap that is replaced keeps its counter and moves to the end of the list."""
        self.known |= set(levels_of(account))
        mine = self.caps.setdefault(account, {})
        key = BESIDE + model if action == "shadow" else model
        old = mine.pop((period, key), None)
        if old is None:
            simple = period in ("daily", "monthly", "total") and zone == "UTC" and not model and anchor_day == 1
            old = Cap(action, limit, zone, self.now, None if simple else {}, week_start, anchor_day)
        old.action, old.limit, old.thresholds = action, limit, thresholds
        if action == "shadow":
            self.shadow_counts.pop((account, period, model), None)
        mine[period, key] = old
        return {"error_code": None}

    def set_payer(self, account: str, payer: str) -> Outcome:
        """``set_payer``; open holds keep theirs."""
        self.known |= set(levels_of(account))
        self.payers[account] = payer
        return {"error_code": None, "payer": payer}

    def set_low(self, account: str, threshold: int | None) -> Outcome:
        """``set_low_balance``; the charge that brings the payer's balance to it from above tells it."""
        if threshold is None:
            self.low.pop(account, None)
        else:
            self.known |= set(levels_of(account))
            self.low[account] = threshold
        return {"error_code": None, "threshold": threshold}

    def remove_cap(self, account: str, period: str, *, model: str = "") -> Outcome:
        """``remove_spend_cap``."""
        removed = self.caps.get(account, {}).pop((period, model), None)
        if removed and model.startswith(BESIDE):
            self.shadow_counts.pop((account, period, model.removeprefix(BESIDE)), None)
        return {"error_code": None, "removed": removed is not None}

    def available(self, account: str) -> Outcome:
        """``get_available``."""
        code = None if account in self.known else "account_unknown"
        payer = self.payer(account)
        balance, held = self.balance(payer), self.held(payer)
        told = {"payer": payer, "balance": balance, "reserved": held, "available": balance - held}
        return {"error_code": code, **told, "plan": self.defaults.plans.get(account)}

    def listed(self, account: str) -> Outcome:
        """``list_spend_caps``."""
        mine = [each for each in self.notices(account) if each.scope == account]
        resets = tuple(
            (None if each.period == "total" else each.cap.bounds(each.period, self.now)[1],
             None if each.cap.own is None else each.cap.since, each.cap.thresholds, each.cap.default,
             *(self.shadow_counts.get((account, each.period, each.model), (0, 0)) if each.shadow else (0, 0)))
            for each in mine
        )  # fmt: skip
        return {"caps": tuple(each.told() for each in mine), "resets": resets}

    def check(self, account: str, amount: int | None, model: str = "") -> Outcome:
        """``check_spend_cap``: a refusing deny cap, else the largest overshoot, else the least room."""
        code = None if account in self.known else "account_unknown"
        ranked = []
        for at, each in enumerate(each for each in self.notices(account, model) if not each.shadow):
            over = each.spent + (amount or 0) - each.limit
            refuses = each.action == "deny" and (1 if amount is None else amount) > max(0, each.free)
            rank = (0, each.free) if refuses else (1, -over) if over > 0 else (2, each.free)
            ranked.append((rank, at, {
                "error_code": code, "capped": refuses, "current_spend": each.spent, "held": each.held,
                "cap_limit": each.limit, "action": each.action if refuses or over > 0 else None, "scope": each.scope,
                "cap_type": each.period, "model": each.model or None, "timezone": each.cap.zone,
                "week_start": each.cap.week_start, "anchor_day": each.cap.anchor_day,
                "reset_at": None if each.period == "total" else each.cap.bounds(each.period, self.now)[1],
            }))  # fmt: skip
        if ranked:
            return min(ranked)[2]
        spent = self.spent(account, "daily")
        return {"error_code": code, "capped": False, "current_spend": spent, "cap_limit": 0, "cap_type": None}
