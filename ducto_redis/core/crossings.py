"""Events of the thresholds and low balances that a charge reached, out of the notes of its reply."""

from __future__ import annotations

from ducto_redis import events
from ducto_redis.core.packed import BALANCE_KIND, THRESHOLD, Note, read_notes
from ducto_redis.core.scale import Scale
from ducto_redis.events import CreditEvent
from ducto_redis.periods import NAME_OF


def crossing_events(scale: Scale, transaction: str, packed: bytes, now_ms: int) -> tuple[CreditEvent, ...]:
    """One event per threshold that the charge reached; the id is the same as in the stream of events.

    Args:
        scale: The account that was charged.
        transaction: The charge.
        packed: The notes of the reply. Of a threshold: the spend that reaches it, the spend now, the cap's limit; of a
            low balance: the threshold, the balance now.
        now_ms: The server's time.
    """
    scale = scale.also_within(packed)
    return tuple(_event(scale, transaction, note, now_ms) for note in read_notes(packed) if note.action >= THRESHOLD)


def _event(scale: Scale, transaction: str, note: Note, now_ms: int) -> CreditEvent:
    scope, percent = scale.account.scopes[note.level - 1], note.action - THRESHOLD
    threshold, reached = scale.credits(note.limit), scale.credits(note.spent)
    if note.kind == BALANCE_KIND:
        event = scale.event(
            events.LOW_BALANCE, now_ms, balance=reached, threshold=threshold, scope=scope, transaction_id=transaction
        )
    else:
        event = scale.event(
            events.CAP_THRESHOLD, now_ms, percent=percent, threshold=threshold, limit=scale.credits(note.admitted),
            spent=reached, cap_type=NAME_OF[note.kind], scope=scope, transaction_id=transaction,
            model=note.model or None,
        )  # fmt: skip
    return event.model_copy(update={"id": crossing_id(transaction, scope, note.kind, percent, note.model)})


def crossing_id(transaction: str, scope: str, kind: int, percent: int, model: str = "") -> str:
    """The id of a crossing: of transaction, account, kind of cap, percentage and, when it has one, model."""
    return f"{transaction}:{scope}:{kind}:{percent}" + (f":{model}" if model else "")
