"""``resolve``: whether an operation id was executed, and a tombstone when it was not (SPEC 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ducto_redis.core.arguments import answers, common, one_of, scale_of
from ducto_redis.core.codec import code_of
from ducto_redis.core.keys import op_field
from ducto_redis.core.packed import int_at
from ducto_redis.core.scale import Scale
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Call, Reply
from ducto_redis.work_models import ResolveResult

#: Operation -> letter of its record.
LETTERS: Final = {
    "reserve": "h", "reserve_credits": "h", "settle": "h", "deduct_credits": "h", "release": "h",
    "add_credits": "g", "open_account": "g", "set_spend_cap": "c", "remove_spend_cap": "c",
    "deduct": "d", "extend": "e", "renew": "e",
}  # fmt: skip
_ENDING: Final = ("settle", "deduct_credits", "release")
_NAMES: Final = {"h": "reserve", "g": "grant", "c": "cap", "d": "deduct", "e": "extend"}
_STATES: Final = {1: "open", 2: "settled", 3: "released", 4: "expired", 5: "done", 6: "cancelled"}
_SETTLED, _RELEASED, _TOMBSTONE = 2, 3, 6
_BY_DEDUCT, _WAS_REFUSED, _HAS_ASKED = 4, 8, 16
_HEAD_BYTES: Final = 29


@answers(ResolveResult)
def resolve(space: Space, user_id: str, op_id: str, operation: str | None = None) -> Call[ResolveResult]:
    """Says what became of an operation, and makes sure that what was not executed never will be.

    Args:
        space: The namespace.
        user_id: The account the operation was for.
        op_id: Its id: the idempotency key, or the hold id for what ends or makes a hold.
        operation: The method's name; None looks for any kind, and of a hold id for its reserve.
    """
    scale = scale_of(space, user_id)
    account = scale.account
    letters = "hgcde" if operation is None else LETTERS[one_of(operation, "operation", tuple(LETTERS))]
    fields = [op_field(letter, op_id, account) for letter in letters]
    ends = operation in _ENDING
    args: tuple[bytes | int, ...] = (*common(space, account), fields[0], int(ends), len(fields), *fields[1:])
    parse = ResolveReply(scale, op_id, letters, operation if ends else None)
    return Call("resolve", account.keys, args, parse, user_id, op_id)


@dataclass(slots=True)
class ResolveReply:
    """Reads ``resolve``."""

    scale: Scale
    op_id: str
    letters: str
    ending: str | None

    def __call__(self, reply: Reply) -> ResolveResult:
        """Makes the result of the reply."""
        code_of(reply)
        found, record, balance = reply[2:5]
        scale = self.scale
        result = ResolveResult(
            user_id=scale.account.user_id, op_id=self.op_id, balance=scale.credits(balance), state="cancelled"
        )
        if not found or record[0] == _TOMBSTONE:
            return result
        letter = self.letters[found - 1]
        result.operation, result.executed, result.state = _NAMES[letter], True, _STATES[record[0]]
        if letter == "h":
            self._of_hold(result, record)
        elif letter in "gd":
            result.amount = scale.credits(int_at(record, 1))
            result.transaction_id = self._transaction(record, 22 if letter == "g" else 15)
        elif letter == "e":
            result.amount = scale.credits(int_at(record, 1))
        return result

    def _transaction(self, record: bytes, at: int) -> str:
        return self.scale.transaction(record[at + 1 : at + 1 + record[at]])

    def _of_hold(self, result: ResolveResult, record: bytes) -> None:
        """Of a hold: what it was settled with, or what it holds; of an ending operation whether that one ended it."""
        state, flags = record[:2]
        result.amount = self.scale.credits(int_at(record, 2))
        ended = ""
        if state == _SETTLED:
            ended = "deduct_credits" if flags & _BY_DEDUCT else "settle"
            result.amount = self.scale.credits(int_at(record, _HEAD_BYTES))
            result.transaction_id = self._transaction(record, _HEAD_BYTES + 14 + (7 if flags & _HAS_ASKED else 0))
        elif state == _RELEASED and not flags & _WAS_REFUSED:
            ended = "release"
        if self.ending:
            result.operation = ended
            result.executed = ended == self.ending
