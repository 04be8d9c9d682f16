"""Events of the thresholds that a charge crossed, out of the notes of its reply (``lua/lib/spend.lua``)."""

from __future__ import annotations

from ducto_redis import events
from ducto_redis.core.packed import THRESHOLD, read_notes
from ducto_redis.core.scale import Scale
from ducto_redis.events import CreditEvent
from ducto_redis.periods import NAME_OF


def crossing_events(scale: Scale, transaction: str, packed: bytes, now_ms: int) -> tuple[CreditEvent, ...]:
    """One event per threshold that the charge reached; the id is the same as in the stream of events.

    Args:
        scale: The account that was charged.
        transaction: The charge.
        packed: The notes of the reply. Of a threshold: the spend that reaches it, the spend now, the cap's limit.
        now_ms: The server's time.
    """
    told = []
    for note in read_notes(packed):
        if note.action >= THRESHOLD:
            scope, percent = scale.account.scopes[note.level - 1], note.action - THRESHOLD
            event = scale.event(
                events.CAP_THRESHOLD, now_ms, percent=percent, threshold=scale.credits(note.limit),
                limit=scale.credits(note.admitted), spent=scale.credits(note.spent), cap_type=NAME_OF[note.kind],
                scope=scope, transaction_id=transaction,
            )  # fmt: skip
            told.append(event.model_copy(update={"id": crossing_id(transaction, scope, note.kind, percent)}))
    return tuple(told)


def crossing_id(transaction: str, scope: str, kind: int, percent: int) -> str:
    """The id of a crossing: of transaction, account, kind of cap and percentage."""
    return f"{transaction}:{scope}:{kind}:{percent}"
