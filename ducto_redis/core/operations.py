"""One function per operation: checks the input and says which script to run, with what, and how to read its reply.

Every function takes the space (whose configuration must be known) and the account first. Operations that answer
results for refused input (``reserve`` and its like) return an ``Answer`` instead of a ``Call``; the others raise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import update_wrapper
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from pydantic import BaseModel

from ducto_redis.core.codec import CapReply, DeductionReply, GrantReply, HoldReply, ReleaseReply, Scale, refused
from ducto_redis.core.keys import Account, op_field
from ducto_redis.core.packed import ACTIONS
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Answer, Call
from ducto_redis.core.views import AvailableView, BalanceView, CapCheckView, CapListView
from ducto_redis.errors import InvalidAmountError, InvalidArgumentError, InvalidIdError
from ducto_redis.models import (
    AddCreditsResult,
    AvailableResult,
    BalanceResult,
    BillingMode,
    CapCheckResult,
    CapListResult,
    CapResult,
    DeductionResult,
    HoldResult,
    ReleaseResult,
    Result,
    SpendCap,
)
from ducto_redis.money import MAX_UNITS, Amount, to_units
from ducto_redis.periods import KIND_OF

R = TypeVar("R", bound=Result)
P = ParamSpec("P")
#: What callers may attach to an operation.
Metadata = Mapping[str, Any] | BaseModel | None

DEFAULT_TTL: Final = 600
MAX_TTL: Final = 7 * 24 * 3600
MAX_METADATA_BYTES: Final = 2048
MAX_TYPE_BYTES: Final = 64
MAX_MODEL_BYTES: Final = 128

_MODES: Final[tuple[BillingMode, ...]] = ("strict", "overdraft", "postpaid")
_ADMIT, _STRICT, _DEEP = 1, 2, 4
_PURCHASE, _ADJUSTMENT = 1, 2
_LOWEST: Final = -MAX_UNITS


def answers(
    result: type[R],
) -> Callable[
    [Callable[Concatenate[Space, str, P], Call[R]]], Callable[Concatenate[Space, str, P], Call[R] | Answer[R]]
]:
    """Makes an operation answer a result for input that it refuses, instead of raising."""

    def decorate(
        build: Callable[Concatenate[Space, str, P], Call[R]],
    ) -> Callable[Concatenate[Space, str, P], Call[R] | Answer[R]]:
        def checked(space: Space, user_id: str, /, *args: P.args, **options: P.kwargs) -> Call[R] | Answer[R]:
            try:
                return build(space, user_id, *args, **options)
            except (InvalidAmountError, InvalidIdError, InvalidArgumentError) as error:
                return Answer(refused(result, user_id, error))

        update_wrapper(checked, build)
        return checked

    return decorate


def _scale(space: Space, user_id: str) -> Scale:
    return Scale(space.known.precision, space.keys.account(user_id))


def _common(space: Space, account: Account) -> tuple[bytes, bytes, bytes]:
    return space.known.generation, account.name, account.path


def _text(value: object, what: str, bytes_max: int) -> bytes:
    if isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError:
            data = b""
        if 1 <= len(data) <= bytes_max:
            return data
    msg = f"invalid_argument: {what} must be text of 1 to {bytes_max} bytes, not {value!r:.80}"
    raise InvalidArgumentError(msg)


def _metadata(metadata: Metadata) -> bytes:
    if metadata is None:
        return b""
    if isinstance(metadata, BaseModel):
        metadata = metadata.model_dump(exclude_none=True, mode="json")
    try:
        kept = {key: value for key, value in metadata.items() if value is not None}
        data = json.dumps(kept, separators=(",", ":"), allow_nan=False).encode()
    except (AttributeError, TypeError, ValueError) as cause:
        msg = f"invalid_argument: metadata must be a mapping that JSON can hold ({cause})"
        raise InvalidArgumentError(msg) from cause
    if len(data) > MAX_METADATA_BYTES:
        msg = f"invalid_argument: metadata has {len(data)} bytes of JSON, {MAX_METADATA_BYTES} are allowed"
        raise InvalidArgumentError(msg)
    return data


def _ttl_ms(ttl: object) -> int:
    if isinstance(ttl, int | float) and not isinstance(ttl, bool) and 1 <= ttl <= MAX_TTL:
        return round(ttl * 1000)
    msg = f"invalid_argument: ttl must be 1 to {MAX_TTL} seconds, not {ttl!r:.80}"
    raise InvalidArgumentError(msg)


def _floor_units(space: Space, mode: object, min_balance: Amount, overdraft_floor: Amount | None) -> int:
    """The floor of a billing mode (SPEC 5): strict ``min_balance``, overdraft its floor <= 0, postpaid none."""
    precision = space.known.precision
    if mode == "strict":
        return to_units(min_balance, precision)
    if mode == "postpaid":
        return _LOWEST
    if mode == "overdraft" and overdraft_floor is not None:
        floor = to_units(overdraft_floor, precision, lowest=_LOWEST)
        if floor <= 0:
            return floor
    if mode == "overdraft":
        msg = f"invalid_argument: billing_mode 'overdraft' needs an overdraft_floor <= 0, not {overdraft_floor!r:.80}"
    else:
        msg = f"invalid_argument: billing_mode must be one of {', '.join(_MODES)}, not {mode!r:.80}"
    raise InvalidArgumentError(msg)


def _hold_id(hold: str | HoldResult) -> str:
    return hold.hold_id if isinstance(hold, HoldResult) else hold


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
    scale = _scale(space, user_id)
    account = scale.account
    credit_type = _text(type, "type", MAX_TYPE_BYTES)
    adjustment = type == "adjustment"
    units = to_units(amount, scale.precision, lowest=_LOWEST if adjustment else 1)
    if units == 0 and Decimal(str(amount)) != 0:
        msg = f"invalid_amount: {amount!r:.80} rounds to 0"
        raise InvalidAmountError(msg)
    flags = (_PURCHASE if type == "purchase" else 0) | (_ADJUSTMENT if adjustment else 0) | (_DEEP if own_key else 0)
    field = op_field("g", op_id, account)
    detail = bytes([len(credit_type)]) + credit_type + _metadata(metadata)
    args = (*_common(space, account), field, units, flags, detail)
    return Call("add_credits", account.keys, args, GrantReply(scale, type), user_id, op_id)


@answers(HoldResult)
def reserve(
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
    metadata: Metadata = None,
    admit: bool = True,
    op_id: str,
    own_key: bool,
) -> Call[HoldResult]:
    """A hold. ``admit``: gated by caps and counted against them; without it (the seed's) caps are only noted."""
    scale = _scale(space, user_id)
    account = scale.account
    units = to_units(amount, scale.precision, lift=True)
    floor = _floor_units(space, billing_mode, min_balance, overdraft_floor)
    kind = _text(operation_type, "operation_type", MAX_TYPE_BYTES)
    used_model = b"" if model is None else _text(model, "model", MAX_MODEL_BYTES)
    label = bytes([len(kind)]) + kind + bytes([len(used_model)]) + used_model + bytes([_MODES.index(billing_mode)])
    flags = (_ADMIT if admit else 0) | (_STRICT if billing_mode == "strict" else 0) | (_DEEP if own_key else 0)
    field = op_field("h", op_id, account)
    args = (*_common(space, account), field, units, floor, _ttl_ms(ttl), flags, label, _metadata(metadata))
    parse = HoldReply(scale, op_id, operation_type, billing_mode)
    return Call("reserve", account.keys, args, parse, user_id, op_id)


def _end_with_charge(
    script: str, space: Space, user_id: str, hold: str | HoldResult, *, amount: Amount, metadata: Metadata
) -> Call[DeductionResult]:
    scale = _scale(space, user_id)
    account = scale.account
    hold_id = _hold_id(hold)
    units = to_units(amount, scale.precision, lift=True)
    args = (*_common(space, account), op_field("h", hold_id, account), units, _metadata(metadata))
    parse = DeductionReply(scale, hold_id, script == "deduct_credits")
    return Call(script, account.keys, args, parse, user_id, hold_id)


@answers(DeductionResult)
def settle(
    space: Space, user_id: str, hold: str | HoldResult, amount: Amount, *, metadata: Metadata = None
) -> Call[DeductionResult]:
    """The actual cost against a hold; clamped, never refused, by caps and floor."""
    return _end_with_charge("settle", space, user_id, hold, amount=amount, metadata=metadata)


@answers(DeductionResult)
def deduct_credits(
    space: Space, user_id: str, hold: str | HoldResult, amount: Amount, *, metadata: Metadata = None
) -> Call[DeductionResult]:
    """Exactly the amount against a hold, or a refusal that frees the hold."""
    return _end_with_charge("deduct_credits", space, user_id, hold, amount=amount, metadata=metadata)


@answers(ReleaseResult)
def release(space: Space, user_id: str, hold: str | HoldResult) -> Call[ReleaseResult]:
    """The end of a hold without a charge."""
    scale = _scale(space, user_id)
    account = scale.account
    hold_id = _hold_id(hold)
    args = (*_common(space, account), op_field("h", hold_id, account))
    return Call("release", account.keys, args, ReleaseReply(scale, hold_id), user_id, hold_id)


def set_spend_cap(space: Space, cap: SpendCap, *, op_id: str) -> Call[CapResult]:
    """Registers a cap, replacing the one of the same account and period."""
    scale = _scale(space, cap.user_id)
    account = scale.account
    kind = KIND_OF[cap.cap_type]
    limit = to_units(cap.limit, scale.precision)
    field = op_field("c", op_id, account)
    args = (*_common(space, account), field, kind, ACTIONS.index(cap.action), limit)
    return Call("set_spend_cap", account.keys, args, CapReply(scale, kind), cap.user_id, op_id)


def remove_spend_cap(space: Space, user_id: str, cap_type: str, *, op_id: str) -> Call[CapResult]:
    """Removes the cap of a period."""
    scale = _scale(space, user_id)
    account = scale.account
    if cap_type not in KIND_OF:
        msg = f"invalid_argument: cap_type must be one of {', '.join(KIND_OF)}, not {cap_type!r:.80}"
        raise InvalidArgumentError(msg)
    args = (*_common(space, account), op_field("c", op_id, account), KIND_OF[cap_type])
    return Call("remove_spend_cap", account.keys, args, CapReply(scale, KIND_OF[cap_type]), user_id, op_id)


def _read(space: Space, view: Callable[[Any], R], account: Account) -> Call[R]:
    return Call("read_account", account.keys, _common(space, account), view, account.user_id)


def get_balance(space: Space, user_id: str) -> Call[BalanceResult]:
    """The balance."""
    scale = _scale(space, user_id)
    return _read(space, BalanceView(scale), scale.account)


def get_available(space: Space, user_id: str) -> Call[AvailableResult]:
    """Balance, reserved, available."""
    scale = _scale(space, user_id)
    return _read(space, AvailableView(scale), scale.account)


def list_spend_caps(space: Space, user_id: str) -> Call[CapListResult]:
    """The account's own caps with their spend."""
    scale = _scale(space, user_id)
    return _read(space, CapListView(scale), scale.account)


def check_spend_cap(
    space: Space, user_id: str, model: str | None = None, amount: Amount | None = None
) -> Call[CapCheckResult]:
    """Where the account stands against its caps; per-model caps are not in this release, so ``model`` must be None."""
    scale = _scale(space, user_id)
    if model is not None:
        msg = "invalid_argument: caps per model are not supported by this release"
        raise InvalidArgumentError(msg)
    units = None if amount is None else to_units(amount, scale.precision, lift=True)
    return _read(space, CapCheckView(scale, units), scale.account)
