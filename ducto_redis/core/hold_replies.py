"""Replies about holds beyond the first ones: opening, releases, extensions, successors, and the list of open holds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import unquote

from ducto_redis import events
from ducto_redis.codes import Code
from ducto_redis.core.arguments import read_label
from ducto_redis.core.codec import DeductionReply, HoldReply, check_done, code_of, message_of
from ducto_redis.core.packed import int_at
from ducto_redis.core.scale import Scale
from ducto_redis.core.steps import Reply
from ducto_redis.models import BillingMode, DeductionResult, HoldResult, ReleaseReason, ReleaseResult
from ducto_redis.periods import moment
from ducto_redis.work_models import HoldInfo, HoldListResult, OpenAccountResult

_ADMITTED, _EXTENDED, _HAS_FLOOR = 1, 8, 128
_HEAD_BYTES: Final = 29
_NO_HOLD: Final = (Code.LEASE_NOT_FOUND.text, Code.LEASE_EXPIRED.text, Code.CANCELLED.text)
_SETTLE_FIELDS: Final = 9
_REASONS: Final[tuple[ReleaseReason, ...]] = ("released", "already_released", "already_settled", "not_found")


def successor_of(hold_id: str) -> str:
    """The id of the hold that succeeds another: ``<hold>:1``, then ``<hold>:2`` and so on."""
    stem, colon, number = hold_id.rpartition(":")
    return f"{stem}:{int(number) + 1}" if colon and number.isdecimal() and len(number) < 10 else f"{hold_id}:1"  # noqa: PLR2004 - a counter, not an id that ends in digits


@dataclass(slots=True)
class OpenReply:
    """Reads ``add_credits`` when it only opens an account."""

    scale: Scale

    def __call__(self, reply: Reply) -> OpenAccountResult:
        """Makes the result of the reply."""
        check_done(reply)
        return OpenAccountResult(user_id=self.scale.account.user_id, created=reply[2] == 0)


@dataclass(slots=True)
class ExtendReply:
    """Reads ``extend``: the hold as it is now, or why it was not extended. No hold was reserved, so no such event."""

    scale: Scale
    hold_id: str

    def __call__(self, reply: Reply) -> HoldResult:
        """Makes the result of the reply."""
        result = HoldReply(self.scale, self.hold_id, "usage", "strict")(reply)
        if result.error_code is None or result.error_code in _NO_HOLD:
            result.events = ()
        return result


@dataclass(slots=True)
class SettleReply:
    """Reads ``settle``, with the successor's reply behind it when one was asked for."""

    scale: Scale
    hold_id: str
    next_id: str
    mode: BillingMode

    def __call__(self, reply: Reply) -> DeductionResult:
        """Makes the result of the reply."""
        result = DeductionReply(self.scale, self.hold_id, message_as_error=False)(reply[:_SETTLE_FIELDS])
        if len(reply) > _SETTLE_FIELDS:
            code, repetition, balance, held, amount, expires_ms, notes = reply[_SETTLE_FIELDS:]
            successor = (code, reply[1], repetition, balance, held, amount, expires_ms, notes)
            result.next_hold = HoldReply(self.scale, self.next_id, "usage", self.mode)(successor)
            result.events = (*result.events, *result.next_hold.events)
        return result


@dataclass(slots=True)
class ReleaseReply:
    """Reads ``release``."""

    scale: Scale
    hold_id: str

    def __call__(self, reply: Reply) -> ReleaseResult:
        """Makes the result of the reply."""
        code_of(reply)
        _, now_ms, reason, amount = reply
        result = ReleaseResult(
            user_id=self.scale.account.user_id, hold_id=self.hold_id, released=reason == 0, reason=_REASONS[reason]
        )
        if result.released:
            result.events = (
                self.scale.event(
                    events.RESERVATION_RELEASED, now_ms, f"r{self.hold_id}", lease_id=self.hold_id, reason="released",
                    amount=self.scale.credits(amount),
                ),
            )  # fmt: skip
        return result


@dataclass(slots=True)
class HoldListView:
    """Reads ``read_holds``."""

    scale: Scale

    def __call__(self, reply: Reply) -> HoldListResult:
        """Makes the result of the reply."""
        code = code_of(reply)
        result = HoldListResult(user_id=self.scale.account.user_id, total=reply[2])
        if code is not Code.OK:
            result.error_code = result.error = code.text
            result.message = message_of(code)
        result.holds = tuple(self._hold(field, record) for field, record in zip(reply[3::2], reply[4::2], strict=True))
        return result

    def _hold(self, field: bytes, record: bytes) -> HoldInfo:
        flags = record[1]
        at = _HEAD_BYTES + (7 if flags & _EXTENDED else 0) + (7 if flags & _HAS_FLOOR else 0)
        operation_type, model, mode = read_label(record[at + 1 : at + 1 + record[at]])
        amount: Decimal = self.scale.credits(int_at(record, 2))
        return HoldInfo(
            hold_id=unquote(field[1:].split(b"/")[0].decode()),
            amount=amount,
            admitted=bool(flags & _ADMITTED),
            expires_at=moment(int_at(record, 9, 6)),
            operation_type=operation_type,
            model=model,
            billing_mode=mode,
        )
