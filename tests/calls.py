"""The model's operations on a store: the same names and arguments, units instead of credits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from model_state import BESIDE
from told import Units

import ducto_redis
from ducto_redis import ChargeItem, DefaultCap, InvalidArgumentError, MemoryStore, ReserveItem, SpendCap

#: Whether the library has rate limits.
LIMITED = hasattr(MemoryStore, "set_rate_limit")
#: Periods of limits in milliseconds, as rates write them.
PERIODS = {1_000: "second", 10_000: "10s", 60_000: "min", 3_600_000: "hour", 604_800_000: "week"}


def _tokens(tokens: int | None, without: int | None = 0) -> dict[str, Any]:
    """The argument, where it says something."""
    return {} if tokens == without else {"tokens": tokens}


class Calls:
    """The model's operations, on a store.

    Args:
        store: It.
        units: Of its precision.
    """

    def __init__(self, store: Any, units: Units) -> None:
        self.store, self.units, self.credits = store, units, units.credits_of

    def _options(self, mode: str, floor: int, model: str) -> dict[str, Any]:
        kept = "overdraft_floor" if mode == "overdraft" else "min_balance"
        return {"billing_mode": mode, kept: self.credits(floor), "model": model or None}

    def grant(self, account, amount, kind, key):
        return self.store.add_credits(account, self.credits(amount), type=kind, idempotency_key=key)

    def open_account(self, account):
        return self.store.open_account(account)

    def reserve(self, account, key, *, amount, ttl_ms, mode, floor, admit, model="", over_cap="clamp",
                operation="usage", tokens=0, within=()):  # fmt: skip
        options = {**self._options(mode, floor, model), "operation_type": operation, "ttl": ttl_ms / 1000,
                   "idempotency_key": key}  # fmt: skip
        if not admit:
            del options["billing_mode"]
            return self.store.reserve_credits(account, self.credits(amount), **options)
        return self.store.reserve(
            account, self.credits(amount), over_cap=over_cap, within=within, **options, **_tokens(tokens)
        )

    def charge(self, account, amount, key, mode="strict", floor=0, model="", operation="usage", tokens=0, within=()):
        options = {**self._options(mode, floor, model), "operation_type": operation, **_tokens(tokens),
                   "within": within}  # fmt: skip
        return self.store.deduct(account, self.credits(amount), idempotency_key=key, **options)

    def settle(self, account, hold_id, asked, model="", late="reject", tokens=None):
        options = {"model": model or None, "late_settlement": late, **_tokens(tokens, None)}
        return self.store.settle(account, hold_id, self.credits(asked), **options)

    def succeed(self, account, hold_id, asked, *, next_amount, ttl_ms=600_000, model="", late="reject", tokens=None):
        options = {"model": model or None, "late_settlement": late, "next_amount": self.credits(next_amount),
                   **_tokens(tokens, None)}  # fmt: skip
        return self.store.settle(account, hold_id, self.credits(asked), next_ttl=ttl_ms / 1000, **options)

    def deduct(self, account, hold_id, asked):
        return self.store.deduct_credits(account, hold_id, self.credits(asked))

    def release(self, account, hold_id):
        return self.store.release(account, hold_id)

    def extend(self, account, hold_id, amount, key, ttl_ms=0, tokens=0):
        if not (amount or tokens) and ttl_ms:
            return self.store.renew(account, hold_id, ttl_ms / 1000, idempotency_key=key)
        ttl = ttl_ms / 1000 if ttl_ms else None
        return self.store.extend(
            account, hold_id, self.credits(amount), ttl=ttl, idempotency_key=key, **_tokens(tokens)
        )

    def resolve(self, account, key, operation):
        return self.store.resolve(account, key, operation)

    def list_holds(self, account):
        return self.store.list_holds(account, 1000)

    def charge_many(self, items):
        return self.store.charge_many([ChargeItem(**self._item(each)) for each in items])

    def reserve_many(self, items):
        return self.store.reserve_many([ReserveItem(**self._item(each), ttl=each["ttl_ms"] / 1000) for each in items])

    def _item(self, item):
        return {
            "user_id": item["account"], "amount": self.credits(item["amount"]), "idempotency_key": item["key"],
            "operation_type": item["operation"], **self._options(item["mode"], item["floor"], item["model"]),
            **_tokens(item["tokens"]), "within": item.get("within", ()),
        }  # fmt: skip

    def set_cap(
        self, account, period, action, limit, model="", zone="UTC", week_start="monday", anchor_day=1, thresholds=()
    ):  # fmt: skip
        kind = {"action": "deny", "shadow": True} if action == "shadow" else {"action": action}
        cap = SpendCap(user_id=account, cap_type=period, limit=self.credits(limit), model=model or None, timezone=zone,
                       week_start=week_start, anchor_day=anchor_day, thresholds=thresholds, **kind)  # fmt: skip
        return self.store.set_spend_cap(cap)

    def set_low(self, account, threshold):
        return self.store.set_low_balance(account, None if threshold is None else self.credits(threshold))

    def set_payer(self, account, payer):
        return self.store.set_payer(account, payer)

    def set_plan(self, account, plan):
        try:
            return self.store.set_plan(account, plan)
        except InvalidArgumentError:
            return "invalid_argument"

    def set_defaults(self, plan, level, caps, limits):
        """Caps by period, limits as the model has them."""
        made = [
            DefaultCap(cap_type=period, action="deny" if key == BESIDE else action, limit=self.credits(limit),
                       thresholds=thresholds, shadow=key == BESIDE)
            for (period, key), (action, limit, thresholds) in caps.items()
        ]  # fmt: skip
        rates = [self._limit(*each[:4], burst=each[4], shadow=each[5]) for each in limits]
        return self.store.set_defaults(made, rates, plan=plan, level=level)

    def remove_cap(self, account, period, model=""):
        if model.startswith(BESIDE):
            return self.store.remove_spend_cap(account, period, model.removeprefix(BESIDE) or None, shadow=True)
        return self.store.remove_spend_cap(account, period, model or None)

    def available(self, account):
        return self.store.get_available(account)

    def listed(self, account):
        return self.store.list_spend_caps(account)

    def check(self, account, amount, model=""):
        amount = None if amount is None else self.credits(amount)
        return self.store.check_spend_cap(account, model=model or None, amount=amount)

    # Limits

    def _limit(self, algorithm, counts, limit, period, *, burst=None, model="", operation="", shadow=False):
        """The library's definition; amounts are credits there, and whole ones."""
        scope = {"model": model or None, "operation_type": operation or None, "shadow": shadow}
        if algorithm == "concurrency":
            return ducto_redis.ConcurrencyLimit(limit, **scope)
        one = self.units.one if counts == "amount" else 1
        assert limit % one == (burst or 0) % one == 0, "limits of amounts are whole credits"
        burst = None if burst is None else burst // one
        options = {"burst": burst, "counts": counts, "algorithm": algorithm, **scope}
        return ducto_redis.RateLimit(f"{limit // one}/{PERIODS[period]}", **options)

    def set_limit(self, account, algorithm, counts, limit, period, **options):
        made = self._limit(algorithm, counts, limit, period, **options)
        call = self.store.set_concurrency_limit if algorithm == "concurrency" else self.store.set_rate_limit
        return call(account, made)

    def remove_limit(self, account, algorithm, counts, period, **options):
        """By its identity; what else a definition says does not matter."""
        made = self._limit(algorithm, counts, self.units.one, period, **options)
        call = self.store.remove_concurrency_limit if algorithm == "concurrency" else self.store.remove_rate_limit
        return call(account, made)

    def listed_limits(self, account):
        """Both lists as one."""
        rates, open_holds = self.store.list_rate_limits(account), self.store.list_concurrency_limits(account)
        return SimpleNamespace(error_code=rates.error_code, limits=(*rates.limits, *open_holds.limits))
