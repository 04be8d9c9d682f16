"""The model's operations beyond the seed's: direct charges, longer holds, successors, resolving; see ``model``.

Rules:
- A direct charge is admitted like a hold and charged at once; an extension is admitted like a hold, against the caps
  only where the hold was; refused it changes nothing. An expiry never moves back.
- Rate and concurrency limits are asked by all of these; see ``model_limits``.
- A successor has the terms of the hold that it succeeds. The settlement stands whether or not it is admitted; sent
  again, the successor is looked up, never made.
- Resolving an id that was never executed cancels it: whatever comes later under that id answers ``cancelled``.
  Resolving what ends a hold that still can be ended frees the hold, and says not executed (SPEC 2).
"""

from __future__ import annotations

from typing import Any

from model import FRESH, SeedModel
from model_limits import Ask
from model_state import MAX, Hold, Outcome, levels_of, where_of

LETTERS = {"reserve": "h", "settle": "h", "deduct_credits": "h", "release": "h", "add_credits": "g", "deduct": "d",
           "extend": "e"}  # fmt: skip
NAMES = {"h": "reserve", "g": "grant", "d": "deduct", "e": "extend"}


class Model(SeedModel):
    """Every operation of the store."""

    def open_account(self, account: str) -> Outcome:
        """Opens it and its ancestors."""
        created = account not in self.known
        self.known |= set(levels_of(account))
        return {"error_code": None, "created": created}

    def charge(
        self, account: str, amount: int, key: str, *, mode: str = "strict", floor: int = 0, model: str = "",
        operation: str = "usage", tokens: int = 0, within: tuple[str, ...] = (),
    ) -> Outcome:  # fmt: skip
        """``deduct``."""
        record, payer, where = ("d", account, key), self.payer(account), where_of(account, within)
        if record in self.cancelled:
            return self._refused_charge(payer, "cancelled")
        if record in self.keys:
            first = self.keys[record][1]
            return {**first, "idempotent": True, "key_reused": first["amount"] != amount}
        if code := self._stranger(account, where, mode):
            return self._refused_charge(account if account not in self.known else payer, code)
        if not self.exact(where, payer, charged=amount):
            return self._refused_charge(payer, "invalid_amount")
        floor = -MAX if mode == "postpaid" else floor
        ask = Ask("charge", amount, tokens, model, operation)
        decided = self._gate(where, amount, floor, payer=payer, binds=True, model=model, ask=ask)
        if decided["error_code"]:
            return self._refused_charge(payer, **decided)
        caps = (*self._spend(where, amount, model, payer), *decided["caps"])
        answer = {**self._answer(payer, None, amount, amount, caps), "limits": ()}
        self.keys[record] = (self.travelled, answer)
        return {**answer, "limits": self.take(where, ask)}

    def _refused_charge(
        self, payer: str, error_code: str, caps: tuple[Any, ...] = (), limits: tuple[Any, ...] = ()
    ) -> Outcome:
        return {**self._answer(payer, error_code, 0, 0, caps), "limits": limits}

    def extend(
        self, account: str, hold_id: str, amount: int, key: str, *, ttl_ms: int = 0, tokens: int = 0
    ) -> Outcome:  # fmt: skip
        """``extend``, with 0 units ``renew``."""
        record, hold = ("e", account, key), self.holds.get((account, hold_id))
        payer = self.payer_of(account, hold)
        if record in self.cancelled:
            return self._refused_hold(payer, amount, "cancelled")
        if record in self.keys:
            first = self.keys[record][1]
            reused = (first["asked"], first["ttl"], first["tokens"]) != (amount, ttl_ms, tokens)
            return {**first["told"], "hold_id": hold_id, "idempotent": True, "key_reused": reused}
        if not hold or hold.state != "open":
            code = {"expired": "lease_expired", "resolved": "cancelled"}.get(hold.state if hold else "")
            code = "cancelled" if ("h", account, hold_id) in self.cancelled else code or "lease_not_found"
            return self._refused_hold(payer, amount, code)
        if not self.exact(hold.where, payer, held=amount) or hold.amount + amount > MAX:
            return self._refused_hold(payer, amount, "invalid_amount")
        ask = Ask("more", amount, tokens, hold.model, hold.operation)
        decided = self._gate(
            hold.where, amount, hold.floor, payer=payer, binds=hold.is_admitted, model=hold.model, ask=ask
        )
        if decided["error_code"]:
            return self._refused_hold(payer, amount, **decided)
        hold.amount, hold.written = hold.amount + amount, self.travelled
        hold.tokens += tokens
        hold.expires = max(hold.expires, self.now + ttl_ms if ttl_ms else 0)
        balance, held = self.balance(payer), self.held(payer)
        told = {
            "error_code": None, "hold_id": hold_id, "amount": hold.amount, "balance": balance, "reserved_total": held,
            "available": balance - held, "expires_at": hold.expires, "caps": (), "limits": (), **FRESH,
        }  # fmt: skip
        self.keys[record] = (self.travelled, {"asked": amount, "ttl": ttl_ms, "tokens": tokens, "told": told})
        return {**told, "caps": decided["caps"], "limits": self.take(hold.where, ask, grown=hold)}

    def succeed(
        self, account: str, hold_id: str, asked: int, *, next_amount: int, ttl_ms: int = 600_000, model: str = "",
        late: str = "reject", tokens: int | None = None,
    ) -> Outcome:  # fmt: skip
        """``settle`` with a successor, whose outcome is ``next_hold``."""
        hold = self.holds.get((account, hold_id))
        before = hold.state if hold else ""
        settled = self.settle(account, hold_id, asked, model=model, late=late, tokens=tokens)
        if settled["error_code"] is not None:
            return {**settled, "next_hold": None}
        next_id = self.successor(hold_id)
        return {**settled, "next_hold": self._successor(hold, next_id, next_amount, ttl_ms, before)}

    @staticmethod
    def successor(hold_id: str) -> str:
        """``<hold>:1``, then ``<hold>:2``."""
        stem, colon, number = hold_id.rpartition(":")
        is_counted = bool(colon) and number.isdecimal() and len(number) <= 9
        return f"{stem}:{int(number) + 1}" if is_counted else f"{hold_id}:1"

    def _successor(self, hold: Hold, key: str, amount: int, ttl_ms: int, before: str) -> Outcome:
        account, payer = hold.account, hold.payer
        if ("h", account, key) in self.cancelled:
            return self._refused_hold(account, amount, "cancelled", unread=True)
        if made := self.holds.get((account, key)):
            told = {**made.made, "caps": (), "expires_at": made.expires, "idempotent": True}
            return {**told, "key_reused": made.made["amount"] != amount}
        if before == "settled":
            return {**self._refused_hold(account, amount, "lease_not_found"), "idempotent": True}
        if not self.exact(hold.where, payer, held=amount):
            return self._refused_hold(payer, amount, "invalid_amount")
        ask = Ask("next" if before == "open" else "late next", amount, 0, hold.model, hold.operation)
        decided = self._gate(
            hold.where, amount, hold.floor, payer=payer, binds=hold.is_admitted, model=hold.model, ask=ask
        )
        if decided["error_code"]:
            return self._refused_hold(payer, amount, **decided)
        terms = (hold.floor, hold.strict, hold.is_admitted, self.now + ttl_ms, self.travelled, {})
        made = Hold(
            account, amount, *terms, hold.model, hold.label, operation=hold.operation, payer=payer, where=hold.where
        )
        return self._open(key, made, decided["caps"], ask)

    def resolve(self, account: str, key: str, operation: str | None) -> Outcome:
        """Of ids whose record is certain."""
        letters = "hgcde" if operation is None else LETTERS[operation]
        answer = {"error_code": None, "executed": False, "operation": "", "state": "cancelled", "amount": 0}
        for letter in letters:
            if letter == "h" and (account, key) in self.holds:
                return {**answer, **self._resolve_hold(self.holds[account, key], operation),
                        "balance": self.balance(account)}  # fmt: skip
            if (letter, account, key) in self.keys:
                first = self.keys[letter, account, key][1]
                amount = first["asked"] if letter == "e" else first["amount"]
                done = {"executed": True, "operation": NAMES[letter], "state": "done", "amount": amount}
                return {**answer, **done, "balance": self.balance(account)}
        if any((letter, account, key) not in self.cancelled for letter in letters):
            self.cancelled |= {(letter, account, key): self.travelled for letter in letters}
        return {**answer, "balance": self.balance(account)}

    def _resolve_hold(self, hold: Hold, operation: str | None) -> Outcome:
        ends = operation in ("settle", "deduct_credits", "release")
        if ends and hold.state in ("open", "expired"):
            if hold.state == "open":
                self.correct(hold, 0, 0)
            hold.state, hold.written = "resolved", self.travelled
        state = "released" if hold.state in ("refused", "resolved") else hold.state
        first = hold.made["amount"]
        amount = {"settled": hold.ended.get("amount"), "released": first}.get(state, hold.amount)
        if not ends:
            return {"executed": True, "operation": "reserve", "state": state, "amount": amount}
        return {"executed": hold.ended_by == operation, "operation": hold.ended_by, "state": state, "amount": amount}

    def list_holds(self, account: str) -> Outcome:
        """Open holds, soonest expiry first; at one moment in the order of their ids."""
        mine = [
            (hold.expires, key, hold.amount, hold.is_admitted, hold.model or None, hold.label[1])
            for (owner, key), hold in self.holds.items()
            if owner == account and hold.state == "open"
        ]
        code = None if account in self.known else "account_unknown"
        return {"error_code": code, "total": len(mine), "holds": tuple(sorted(mine))}

    def charge_many(self, items: list[dict[str, Any]]) -> list[Outcome]:
        """Each item like ``charge``."""
        return [self.charge(**item) for item in items]

    def reserve_many(self, items: list[dict[str, Any]]) -> list[Outcome]:
        """Each item like ``reserve``."""
        return [self.reserve(**item) for item in items]
