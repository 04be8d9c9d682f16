"""One function per operation: checks the input and says which script to run, with what, and how to read its reply.

Every function takes the space (whose configuration must be known) and the account first. Operations that answer
results for refused input (``reserve`` and its like) return an ``Answer`` instead of a ``Call``; the others raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from ducto_redis.core.arguments import (
    ADMIT,
    DEEP,
    DEFAULT_TTL,
    DRY,
    MAX_TYPE_BYTES,
    RECORD,
    STRICT,
    Metadata,
    answers,
    bills_late,
    common,
    floor_units,
    hold_id_of,
    label_of,
    member_of,
    metadata_json,
    passes_caps,
    scale_of,
    text,
    token_count,
    ttl_ms,
)
from ducto_redis.core.codec import CapReply, DeductionReply, GrantReply, HoldReply
from ducto_redis.core.dry import DryReply
from ducto_redis.core.hold_replies import ReleaseReply, SettleReply, successor_of
from ducto_redis.core.keys import Account, op_field
from ducto_redis.core.packed import ACTIONS, SHADOW, packed
from ducto_redis.core.scale import Scale
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Call
from ducto_redis.core.views import AvailableView, BalanceView, CapCheckView, CapListView
from ducto_redis.errors import InvalidAmountError, InvalidArgumentError
from ducto_redis.models import (
    MAX_MODEL_BYTES,
    AddCreditsResult,
    AvailableResult,
    BalanceResult,
    BillingMode,
    CapCheckResult,
    CapListResult,
    CapResult,
    DeductionResult,
    HoldResult,
    LateSettlement,
    OverCap,
    ReleaseResult,
    Result,
    SpendCap,
)
from ducto_redis.money import MAX_UNITS, Amount, to_units
from ducto_redis.periods import KIND_OF, Calendar, period_bounds

R = TypeVar("R", bound=Result)

_PURCHASE, _ADJUSTMENT, _DEEP_GRANT = 1, 2, 4
_LOWEST: Final = -MAX_UNITS
_BILL_LATE, _SUCCESSOR, _TOKENS = 1, 2, 4


def add_credits(
    space: Space,
    user_id: str,
    amount: Amount,
    type: str = "adjustment",  # noqa: A002 - ducto's spelling
    metadata: Metadata = None,
    *,
    op_id: str,
    own_key: bool,
) -> Call[AddCreditsResult]:
    """A grant. ``own_key``: the id is the caller's, so a repetition may come a day later."""
    scale = scale_of(space, user_id)
    account = scale.account
    credit_type = text(type, "type", MAX_TYPE_BYTES)
    adjustment = type == "adjustment"
    units = to_units(amount, scale.precision, lowest=_LOWEST if adjustment else 1)
    if units == 0 and Decimal(str(amount)) != 0:
        msg = f"invalid_amount: {amount!r:.80} rounds to 0"
        raise InvalidAmountError(msg)
    flags = (
        (_PURCHASE if type == "purchase" else 0) | (_ADJUSTMENT if adjustment else 0) | (_DEEP_GRANT if own_key else 0)
    )
    field = op_field("g", op_id, account)
    detail = bytes([len(credit_type)]) + credit_type + metadata_json(metadata)
    args = (*common(space, account), field, units, flags, detail)
    return Call("add_credits", account.keys, args, GrantReply(scale, type), user_id, op_id)


def build_reserve(
    space: Space,
    user_id: str,
    amount: Amount,
    operation_type: str = "usage",
    *,
    ttl: float = DEFAULT_TTL,
    model: str | None = None,
    billing_mode: BillingMode = "strict",
    min_balance: Amount = 0,
    overdraft_floor: Amount | None = None,
    over_cap: OverCap = "clamp",
    metadata: Metadata = None,
    tokens: int = 0,
    within: Sequence[str] = (),
    admit: bool = True,
    dry_run: bool = False,
    op_id: str,
    own_key: bool,
) -> Call[HoldResult]:
    """A hold. ``admit``: gated by caps and counted against them; without it (the seed's) caps are only noted."""
    scale = scale_of(space, user_id)
    account = member_of(space, scale.account, within)
    units = to_units(amount, scale.precision, lift=True)
    floor = floor_units(scale.precision, billing_mode, min_balance, overdraft_floor)
    label = label_of(operation_type, model, billing_mode, tokens)
    flags = (ADMIT if admit else 0) | (STRICT if billing_mode == "strict" else 0) | (DEEP if own_key else 0)
    flags |= (RECORD if passes_caps(over_cap) else 0) | (DRY if dry_run else 0)
    field = op_field("h", op_id, account)
    terms = packed(units) + packed(floor) + packed(ttl_ms(ttl), 6) + bytes([flags, len(label)]) + label
    args = (*common(space, account), field, terms, metadata_json(metadata))
    parse = HoldReply(scale, op_id, operation_type, billing_mode)
    if dry_run:
        return Call("reserve", account.keys, args, DryReply(parse), user_id)
    return Call("reserve", account.keys, args, parse, user_id, op_id)


reserve = answers(HoldResult)(build_reserve)


@answers(DeductionResult)
def deduct(
    space: Space,
    user_id: str,
    amount: Amount,
    operation_type: str = "usage",
    *,
    model: str | None = None,
    billing_mode: BillingMode = "strict",
    min_balance: Amount = 0,
    overdraft_floor: Amount | None = None,
    metadata: Metadata = None,
    tokens: int = 0,
    within: Sequence[str] = (),
    dry_run: bool = False,
    op_id: str,
    own_key: bool,
) -> Call[DeductionResult]:
    """A charge without a hold, gated like an admission."""
    generation, precision, _ = space.known
    account = space.keys.account(user_id)
    name = member_of(space, account, within).name if within else account.name
    units = to_units(amount, precision, lift=True)
    floor = floor_units(precision, billing_mode, min_balance, overdraft_floor)
    label = label_of(operation_type, model, billing_mode, tokens)
    flags = (STRICT if billing_mode == "strict" else 0) | (DEEP if own_key else 0) | (DRY if dry_run else 0)
    terms = units.to_bytes(7, "little") + floor.to_bytes(7, "little", signed=True) + bytes((flags, len(label))) + label
    detail = b"" if metadata is None else metadata_json(metadata)
    args = (generation, name, account.path, op_field("d", op_id, account), terms, detail)
    parse = DeductionReply(Scale(precision, account), "", False)
    if dry_run:
        return Call("deduct", account.charging_keys, args, DryReply(parse), user_id)
    return Call("deduct", account.charging_keys, args, parse, user_id, op_id)


def _settle_options(
    space: Space,
    account: Account,
    next_id: str,
    *,
    model: str | None,
    next_amount: Amount | None,
    next_ttl: float,
    late_settlement: LateSettlement,
    tokens: int | None,
) -> bytes:
    late, successor = bills_late(late_settlement), next_amount is not None
    if not (late or successor or model is not None or tokens is not None):
        return b""
    used_model = b"" if model is None else text(model, "model", MAX_MODEL_BYTES)
    units = 0 if next_amount is None else to_units(next_amount, space.known.precision, lift=True)
    field = op_field("h", next_id, account) if successor else b""
    flags = (_BILL_LATE if late else 0) | (_SUCCESSOR if successor else 0) | (0 if tokens is None else _TOKENS)
    head = bytes([flags, len(used_model)]) + used_model + packed(units) + packed(ttl_ms(next_ttl), 6)
    used = b"" if tokens is None else packed(token_count(tokens))
    return head + len(field).to_bytes(2, "little") + field + used


@answers(DeductionResult)
def settle(
    space: Space,
    user_id: str,
    hold: str | HoldResult,
    amount: Amount,
    *,
    model: str | None = None,
    next_amount: Amount | None = None,
    next_ttl: float = DEFAULT_TTL,
    late_settlement: LateSettlement = "reject",
    metadata: Metadata = None,
    tokens: int | None = None,
) -> Call[DeductionResult]:
    """The actual cost against a hold; clamped, never refused, by caps and floor."""
    scale = scale_of(space, user_id)
    account = scale.account
    hold_id = hold_id_of(hold)
    field, units = op_field("h", hold_id, account), to_units(amount, scale.precision, lift=True)
    next_id = "" if next_amount is None else successor_of(hold_id)
    options = _settle_options(
        space, account, next_id, model=model, next_amount=next_amount, next_ttl=next_ttl,
        late_settlement=late_settlement, tokens=tokens,
    )  # fmt: skip
    args = (*common(space, account), field, packed(units) + options, metadata_json(metadata))
    parse = SettleReply(scale, hold_id, next_id, (isinstance(hold, HoldResult) and hold.billing_mode) or "strict")
    return Call("settle", account.charging_keys, args, parse, user_id, hold_id)


@answers(DeductionResult)
def deduct_credits(
    space: Space, user_id: str, hold: str | HoldResult, amount: Amount, *, metadata: Metadata = None
) -> Call[DeductionResult]:
    """Exactly the amount against a hold, or a refusal that frees the hold."""
    scale = scale_of(space, user_id)
    account = scale.account
    hold_id = hold_id_of(hold)
    units = to_units(amount, scale.precision, lift=True)
    args = (*common(space, account), op_field("h", hold_id, account), units, metadata_json(metadata))
    parse = DeductionReply(scale, hold_id, message_as_error=True)
    return Call("deduct_credits", account.charging_keys, args, parse, user_id, hold_id)


@answers(ReleaseResult)
def release(space: Space, user_id: str, hold: str | HoldResult) -> Call[ReleaseResult]:
    """The end of a hold without a charge."""
    scale = scale_of(space, user_id)
    account = scale.account
    hold_id = hold_id_of(hold)
    args = (*common(space, account), op_field("h", hold_id, account))
    return Call("release", account.keys, args, ReleaseReply(scale, hold_id), user_id, hold_id)


def _scope_of_cap(cap: SpendCap, now_ms: int) -> bytes:
    """Calendar and model of a cap; the present period there and in UTC, when the time is known; its thresholds."""
    zone = "" if cap.cap_type == "total" else Calendar(cap.timezone, cap.week_start, cap.anchor_day).text
    texts = [zone.encode(), b"" if cap.model is None else text(cap.model, "model", MAX_MODEL_BYTES)]
    bounds = (0, 0, 0, 0)
    if now_ms:
        bounds = (*period_bounds(cap.cap_type, now_ms, zone), *period_bounds(cap.cap_type, now_ms, ""))
    head = b"".join(bytes([len(each)]) + each for each in texts)
    return head + b"".join(packed(each, 6) for each in bounds) + bytes(cap.thresholds)


def set_spend_cap(space: Space, cap: SpendCap, *, op_id: str, now_ms: int = 0) -> Call[CapResult]:
    """Registers a cap, replacing the one of the same account, period and model."""
    scale = scale_of(space, cap.user_id)
    account = scale.account
    kind = KIND_OF[cap.cap_type]
    limit = to_units(cap.limit, scale.precision)
    field = op_field("c", op_id, account)
    action = SHADOW if cap.shadow else ACTIONS.index(cap.action)
    args = (*common(space, account), field, kind, action, limit, _scope_of_cap(cap, now_ms))
    return Call("set_spend_cap", account.keys, args, CapReply(scale, kind), cap.user_id, op_id)


def remove_spend_cap(
    space: Space, user_id: str, cap_type: str, model: str | None = None, *, shadow: bool = False, op_id: str
) -> Call[CapResult]:
    """Removes the cap of a period, of one model or of all; or its shadow."""
    scale = scale_of(space, user_id)
    account = scale.account
    if cap_type not in KIND_OF:
        msg = f"invalid_argument: cap_type must be one of {', '.join(KIND_OF)}, not {cap_type!r:.80}"
        raise InvalidArgumentError(msg)
    used_model = b"" if model is None else text(model, "model", MAX_MODEL_BYTES)
    field = op_field("c", op_id, account)
    args = (*common(space, account), field, KIND_OF[cap_type], used_model, 1 if shadow else 0)
    return Call("remove_spend_cap", account.keys, args, CapReply(scale, KIND_OF[cap_type]), user_id, op_id)


def _read(space: Space, view: Callable[[Any], R], account: Account) -> Call[R]:
    return Call("read_account", account.keys, common(space, account), view, account.user_id)


def get_balance(space: Space, user_id: str) -> Call[BalanceResult]:
    """The balance."""
    scale = scale_of(space, user_id)
    return _read(space, BalanceView(scale), scale.account)


def get_available(space: Space, user_id: str) -> Call[AvailableResult]:
    """Balance, reserved, available."""
    scale = scale_of(space, user_id)
    return _read(space, AvailableView(scale), scale.account)


def list_spend_caps(space: Space, user_id: str) -> Call[CapListResult]:
    """The account's own caps with their spend."""
    scale = scale_of(space, user_id)
    return _read(space, CapListView(scale), scale.account)


def check_spend_cap(
    space: Space, user_id: str, model: str | None = None, amount: Amount | None = None
) -> Call[CapCheckResult]:
    """Where the account stands against its caps: those of all models, and those of ``model``."""
    scale = scale_of(space, user_id)
    used_model = "" if model is None else text(model, "model", MAX_MODEL_BYTES).decode()
    units = None if amount is None else to_units(amount, scale.precision, lift=True)
    return _read(space, CapCheckView(scale, units, used_model), scale.account)
