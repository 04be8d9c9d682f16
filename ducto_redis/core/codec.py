"""Replies -> results: what the scripts answer becomes models, messages and events, or an exception.

Each class here reads the reply of one script; it carries what the reply does not repeat (account, hold id).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from ducto_redis import events
from ducto_redis.codes import MEANINGS, Code
from ducto_redis.core.crossings import crossing_events
from ducto_redis.core.denials import denial_events, shadow_events, why
from ducto_redis.core.scale import Scale
from ducto_redis.core.steps import Reply
from ducto_redis.decisions import CapNotice
from ducto_redis.errors import CreditError, PeriodsDue, error_for
from ducto_redis.events import CreditEvent, made
from ducto_redis.models import (
    AddCreditsResult,
    BillingMode,
    CapResult,
    DeductionResult,
    HoldResult,
    Result,
)
from ducto_redis.money import to_credits
from ducto_redis.periods import NAME_OF, moment

R = TypeVar("R", bound=Result)

#: Codes that say something about the server, not about the request; they are raised by every operation.
_RAISED: Final = frozenset({Code.NAMESPACE_UNKNOWN, Code.NEEDS_RESTORE, Code.SCHEMA_NEWER})
_REUSED: Final = 2
_NOTHING: Final = Decimal(0)
_CAP_EVENTS: Final = {"warn": events.CAP_WARNING, "notify": events.CAP_NOTIFY, "deny": events.CAP_WARNING}


def code_of(reply: Reply) -> Code:
    """The code of a reply.

    Raises:
        ConfigError: The code is about the server or the namespace (``needs_restore`` and its like).
    """
    if reply[0] == 0:
        return Code.OK
    code = Code(reply[0])
    if code is Code.ROLL_NEEDED:
        raise PeriodsDue(message_of(code), now_ms=reply[1])
    if code in _RAISED:
        raise error_for(code, message_of(code))
    return code


def message_of(code: Code, reason: str = "") -> str:
    """The message of a code: ``code: reason``; "" for OK."""
    return "" if code is Code.OK else f"{code.text}: {reason or MEANINGS[code]}"


def check_done(reply: Reply) -> None:
    """Raises what a reply refuses; for operations that have no result to say it in.

    Raises:
        CreditError: The error of its code.
    """
    code = code_of(reply)
    if code is not Code.OK:
        raise error_for(code, message_of(code))


def refused(result: type[R], user_id: object, error: CreditError) -> R:
    """A result for input that was refused before anything was sent.

    Args:
        result: The operation's result model.
        user_id: The account as the caller gave it.
        error: The refusal; its code and text become the result's.
    """
    code = error.code or Code.INVALID_ARGUMENT
    return result(user_id=str(user_id)[:256], error_code=code.text, message=str(error), error=code.text)


@dataclass(slots=True)
class GrantReply:
    """Reads ``add_credits``; a bad amount raises."""

    scale: Scale
    credit_type: str

    def __call__(self, reply: Reply) -> AddCreditsResult:
        """Makes the result of the reply."""
        _, now_ms, repetition, balance, amount, lifetime, entry_id = reply
        check_done(reply)
        scale = self.scale
        transaction = scale.transaction(entry_id)
        result = AddCreditsResult(
            user_id=scale.account.user_id,
            transaction_id=transaction,
            amount=scale.credits(amount),
            new_balance=scale.credits(balance),
            lifetime_purchased=scale.credits(lifetime),
            idempotent=bool(repetition),
            key_reused=repetition == _REUSED,
        )
        if not repetition:
            result.events = (
                scale.event(
                    events.ADDED, now_ms, transaction, transaction_id=transaction, amount=result.amount,
                    new_balance=result.new_balance, type=self.credit_type,
                ),
            )  # fmt: skip
        return result


@dataclass(slots=True)
class HoldReply:
    """Reads ``reserve``: a hold, or the refusal of one."""

    scale: Scale
    hold_id: str
    operation_type: str
    mode: BillingMode

    def __call__(self, reply: Reply) -> HoldResult:
        """Makes the result of the reply."""
        code = code_of(reply)
        _, now_ms, repetition, balance, held, amount, expires_ms, packed = reply
        scale = self.scale
        done, precision = code is Code.OK, scale.precision
        caps, limits = scale.told(packed, now_ms, admitted=done, asked=None if done or repetition else amount)
        asked, available = to_credits(amount, precision), to_credits(balance - held, precision)
        expires_at = moment(expires_ms) if done else None
        told: tuple[CreditEvent, ...] = ()
        if done and not repetition:
            told = (
                scale.event(
                    events.RESERVED, now_ms, f"h{self.hold_id}", lease_id=self.hold_id, amount=asked,
                    available=available, billing_mode=self.mode, operation_type=self.operation_type,
                    expires_at=expires_at,
                ),
            )  # fmt: skip
        result = made(
            HoldResult,
            {
                "user_id": scale.account.user_id,
                "error_code": None,
                "message": "",
                "error": None,
                "events": told,
                "caps": caps,
                "limits": limits,
                "hold_id": self.hold_id if done else "",
                "amount": asked,
                "balance": to_credits(balance, precision),
                "reserved_total": to_credits(held, precision),
                "available": available,
                "billing_mode": self.mode,
                "expires_at": expires_at,
                "idempotent": repetition != 0,
                "key_reused": repetition == _REUSED,
            },
        )
        if not done:
            self._refuse(result, code, now_ms)
        elif told and packed:
            result.events = (*told, *shadow_events(scale, result, now_ms, f"h{self.hold_id}", asked=asked))
        return result

    def _refuse(self, result: HoldResult, code: Code, now_ms: int) -> None:
        result.error_code = result.error = code.text
        asked, held = result.amount, result.reserved_total
        reason = why(result, code, asked=asked, balance=result.balance, held=held)
        result.message = message_of(code, reason)
        result.events = denial_events(self.scale, result, code, now_ms, asked=asked, stage="reserve")


class _Charge(NamedTuple):
    transaction: str
    amount: Decimal
    balance: Decimal
    shortfall: Decimal
    caps: tuple[CapNotice, ...]


@dataclass(slots=True)
class DeductionReply:
    """Reads ``settle`` and ``deduct_credits``; on the latter ``error`` is the message, as the seed prints it."""

    scale: Scale
    hold_id: str
    message_as_error: bool

    def __call__(self, reply: Reply) -> DeductionResult:
        """Makes the result of the reply."""
        code = Code.OK if reply[0] == 0 else code_of(reply)
        _, now_ms, repetition, balance, charged, asked, _held_amount, entry_id, packed = reply
        scale = self.scale
        done = code is Code.OK
        caps, limits = scale.told(packed, now_ms, admitted=done, asked=None if done or repetition else asked)
        told = _Charge(
            scale.transaction(entry_id), to_credits(charged, scale.precision), to_credits(balance, scale.precision),
            to_credits(asked - charged, scale.precision) if done and asked != charged else _NOTHING, caps,
        )  # fmt: skip
        # Every field in the order of the fields; setting one afterwards costs as much as half of making a model.
        result = made(
            DeductionResult,
            {
                "user_id": scale.account.user_id,
                "error_code": None,
                "message": "",
                "error": None,
                "events": self._done_events(told, packed, now_ms) if done and not repetition else (),
                "caps": caps,
                "limits": limits,
                "transaction_id": told.transaction,
                "amount": told.amount,
                "shortfall": told.shortfall,
                "balance_after": told.balance,
                "cap_warning": next((cap for cap in caps if not cap.shadow), None) if done and caps else None,
                "idempotent": repetition != 0,
                "key_reused": repetition == _REUSED,
                "next_hold": None,
            },
        )
        if not done:
            self._refuse(result, code, now_ms, scale.credits(asked))
        elif result.events and packed:
            shadows = shadow_events(scale, result, now_ms, told.transaction, asked=told.amount)
            result.events = (*result.events, *shadows)
        return result

    def _refuse(self, result: DeductionResult, code: Code, now_ms: int, asked: Decimal) -> None:
        result.error_code = code.text
        reason = why(result, code, asked=asked, balance=result.balance_after, held=None)
        result.message = message_of(code, reason)
        result.error = result.message if self.message_as_error else code.text
        if not result.idempotent:
            denied = denial_events(self.scale, result, code, now_ms, asked=asked, stage="deduct")
            freed = self.scale.event(events.RESERVATION_RELEASED, now_ms, lease_id=self.hold_id, reason=code.text)
            expired = self.scale.event(events.LEASE_EXPIRED, now_ms, lease_id=self.hold_id)
            if self.hold_id and code in (Code.CAP_REACHED, Code.INSUFFICIENT_CREDITS):
                denied = (*denied, freed)
            result.events = (*denied, expired) if code is Code.LEASE_EXPIRED else denied

    def _done_events(self, told: _Charge, packed: bytes, now_ms: int) -> tuple[CreditEvent, ...]:
        transaction = told.transaction
        deducted = self.scale.event(
            events.DEDUCTED, now_ms, transaction, transaction_id=transaction, amount=told.amount,
            balance_after=told.balance, shortfall=told.shortfall, lease_id=self.hold_id,
        )  # fmt: skip
        if not packed or not packed[0]:  # a byte 0: only limits are told; memberships come before it
            return (deducted,)
        breached = tuple(
            self.scale.event(
                _CAP_EVENTS[cap.action], now_ms, f"{transaction}/{at}", amount=told.amount, limit=cap.limit,
                spent=cap.spent, cap_type=cap.cap_type, scope=cap.scope, action=cap.action, first=cap.first,
                over_cap=cap.over_cap, balance_after=told.balance,
            )
            for at, cap in enumerate(cap for cap in told.caps if not cap.shadow)
        )  # fmt: skip
        return (deducted, *breached, *crossing_events(self.scale, transaction, packed, now_ms))


@dataclass(slots=True)
class CapReply:
    """Reads ``set_spend_cap`` and ``remove_spend_cap``; refusals raise."""

    scale: Scale
    kind: int

    def __call__(self, reply: Reply) -> CapResult:
        """Makes the result of the reply."""
        check_done(reply)
        removed = len(reply) > 3 and bool(reply[3])  # noqa: PLR2004 - only remove answers a fourth element
        return CapResult(user_id=self.scale.account.user_id, cap_type=NAME_OF[self.kind], removed=removed)
