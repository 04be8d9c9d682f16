"""Checks what callers pass and packs it for the scripts; every operation's arguments go through here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, update_wrapper
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from pydantic import BaseModel

from ducto_redis import models
from ducto_redis.core.codec import refused
from ducto_redis.core.keys import Account
from ducto_redis.core.packed import packed
from ducto_redis.core.scale import Scale
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Answer, Call
from ducto_redis.errors import InvalidAmountError, InvalidArgumentError, InvalidIdError
from ducto_redis.models import (
    MAX_MODEL_BYTES,
    BillingMode,
    HoldResult,
    LateSettlement,
    OverCap,
    Result,
)
from ducto_redis.money import MAX_UNITS, Amount, to_units

R = TypeVar("R", bound=Result)
P = ParamSpec("P")
#: What callers may attach to an operation.
Metadata = Mapping[str, Any] | BaseModel | None

DEFAULT_TTL: Final = 600
MAX_TTL: Final = 7 * 24 * 3600
MAX_METADATA_BYTES: Final = 2048
MAX_TYPE_BYTES: Final = models.MAX_TYPE_BYTES
MAX_WITHIN: Final = 4

_MODES: Final[tuple[BillingMode, ...]] = ("strict", "overdraft", "postpaid")
_OVER_CAP: Final[tuple[OverCap, ...]] = ("clamp", "record")
_LATE: Final[tuple[LateSettlement, ...]] = ("reject", "bill")
ADMIT, STRICT, DEEP, RECORD, DRY = 1, 2, 4, 8, 16
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


def scale_of(space: Space, user_id: str) -> Scale:
    """How amounts of an account are told; resolves its id."""
    return Scale(space.known.precision, space.keys.account(user_id))


def common(space: Space, account: Account) -> tuple[bytes, bytes, bytes]:
    """The arguments that every script on a root starts with."""
    return space.known.generation, account.name, account.path


def text(value: object, what: str, bytes_max: int) -> bytes:
    """Text of bounded length, encoded."""
    if isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError:
            data = b""
        if 1 <= len(data) <= bytes_max:
            return data
    msg = f"invalid_argument: {what} must be text of 1 to {bytes_max} bytes, not {value!r:.80}"
    raise InvalidArgumentError(msg)


def metadata_json(metadata: Metadata) -> bytes:
    """Metadata as the ledger keeps it: JSON of at most 2 KiB, empty without any."""
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


def ttl_ms(ttl: object) -> int:
    """Milliseconds of a hold's seconds, 1 s to 7 days."""
    if isinstance(ttl, int | float) and not isinstance(ttl, bool) and 1 <= ttl <= MAX_TTL:
        return round(ttl * 1000)
    msg = f"invalid_argument: ttl must be 1 to {MAX_TTL} seconds, not {ttl!r:.80}"
    raise InvalidArgumentError(msg)


def floor_units(precision: int, mode: object, min_balance: Amount, overdraft_floor: Amount | None) -> int:
    """The floor of a billing mode (SPEC 5): strict ``min_balance``, overdraft its floor <= 0, postpaid none."""
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


def hold_id_of(hold: str | HoldResult) -> str:
    """The id of a hold or of its result."""
    return hold.hold_id if isinstance(hold, HoldResult) else hold


def token_count(tokens: object) -> int:
    """A number of tokens, 0 to 2^53-1.

    Raises:
        InvalidArgumentError: It is none.
    """
    if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens <= MAX_UNITS:
        return tokens
    raise InvalidArgumentError(
        f"invalid_argument: tokens must be a whole number of 0 to {MAX_UNITS}, not {tokens!r:.80}"
    )


def label_of(operation_type: str, model: str | None, mode: BillingMode, tokens: int = 0) -> bytes:
    """Type, model, mode and tokens (when there are any) as a hold or a charge keeps them."""
    if type(operation_type) is str and (model is None or type(model) is str):
        label = _label_of(operation_type, model, mode)  # few differ, so the last ones are kept
    else:
        label = _label_of.__wrapped__(operation_type, model, mode)
    return label + packed(token_count(tokens)) if tokens != 0 or tokens is False else label


@lru_cache(maxsize=1024)
def _label_of(operation_type: str, model: str | None, mode: BillingMode) -> bytes:
    kind = text(operation_type, "operation_type", MAX_TYPE_BYTES)
    used_model = b"" if model is None else text(model, "model", MAX_MODEL_BYTES)
    return bytes([len(kind)]) + kind + bytes([len(used_model)]) + used_model + bytes([_MODES.index(mode)])


def read_label(data: bytes) -> tuple[str, str | None, BillingMode]:
    """Reads type, model and mode of a label; what may follow them is for the scripts."""
    model_at = 2 + data[0]
    mode_at = model_at + data[model_at - 1]
    model = data[model_at:mode_at].decode()
    return data[1 : model_at - 1].decode(), model or None, _MODES[data[mode_at]]


def one_of(value: object, what: str, allowed: tuple[str, ...]) -> str:
    """A word of a short list.

    Raises:
        InvalidArgumentError: It is none of them.
    """
    if value in allowed:
        return str(value)
    raise InvalidArgumentError(f"invalid_argument: {what} must be one of {', '.join(allowed)}, not {value!r:.80}")


def passes_caps(over_cap: OverCap) -> bool:
    """Whether settling may pass caps in strict."""
    return one_of(over_cap, "over_cap", _OVER_CAP) == "record"


def bills_late(late_settlement: LateSettlement) -> bool:
    """Whether a hold that expired is billed."""
    return one_of(late_settlement, "late_settlement", _LATE) == "bill"


def member_of(space: Space, account: Account, within: Sequence[str]) -> Account:
    """An account with the memberships that an operation counts for beside its own path.

    Args:
        space: The namespace.
        account: The account.
        within: Accounts of the same root, at most four.

    Raises:
        InvalidArgumentError: Too many, or one of another root.
        InvalidIdError: One is no account id.
    """
    if not within:
        return account
    if isinstance(within, str) or len(within) > MAX_WITHIN:
        raise InvalidArgumentError(f"invalid_argument: within takes a list of at most {MAX_WITHIN} accounts")
    paths: list[bytes] = []
    for user_id in within:
        other = space.keys.account(user_id)
        if other.scopes[0] != account.scopes[0]:
            raise InvalidArgumentError(
                f"invalid_argument: {user_id!r} is not below {account.scopes[0]!r}; all that one script decides on has"
                " one root"
            )
        if user_id not in account.scopes and other.path not in paths:
            paths.append(other.path)
    return account._replace(name=b"+".join([account.name, *paths]))
