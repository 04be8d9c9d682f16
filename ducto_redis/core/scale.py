"""How units, caps, limits and moments of one account are told to people."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, cast
from urllib.parse import unquote

from ducto_redis.core import rates
from ducto_redis.core.keys import Account
from ducto_redis.core.limit_items import (
    ALGORITHMS,
    AMOUNT,
    CONCURRENCY,
    COUNTS,
    GCRA,
    LimitNote,
    read_limit_notes,
    read_limits,
)
from ducto_redis.core.packed import (
    ACTIONS,
    NOTE_FIRST,
    NOTE_OVER,
    NOTE_REFUSED,
    SHADOW,
    THRESHOLD,
    WITHIN_NOTE,
    Note,
    first_note,
    read_notes,
    split_notes,
    within_in,
)
from ducto_redis.decisions import CapAction, CapNotice, LimitNotice, Quantity
from ducto_redis.events import CreditEvent, made
from ducto_redis.money import to_credits
from ducto_redis.periods import NAME_OF, calendar_of, moment

_Name = Literal["gcra", "fixed", "sliding", "concurrency"]
_ONE_MORE: Final = 1


class Scale(NamedTuple):
    """How units of one account are told to people: the namespace's precision and the account's scopes."""

    precision: int
    account: Account

    def credits(self, units: int) -> Decimal:
        """Credits of units."""
        return to_credits(units, self.precision)

    def notice(self, note: Note, now_ms: int, asked: int | None = None) -> CapNotice:
        """A cap as a decision saw it.

        Args:
            note: What the reply says of it.
            now_ms: The server's time.
            asked: The units that were refused; None when nothing was refused just now.
        """
        shadow = note.action == SHADOW
        action: CapAction = "deny" if shadow else ACTIONS[note.action]
        end_ms = rates.cap_end_ms(note, now_ms)
        calendar = calendar_of(note.zone)
        notice = CapNotice(
            scope=self.account.scopes[note.level - 1],
            cap_type=NAME_OF[note.kind],
            limit=self.credits(note.limit),
            action=action,
            spent=self.credits(note.spent),
            held=self.credits(note.admitted),
            reset_at=None if end_ms is None else moment(end_ms),
            model=note.model or None,
            timezone=calendar.timezone,
            week_start=calendar.week_start,
            anchor_day=calendar.anchor_day,
            counted_since=moment(note.since_ms) if note.since_ms else None,
            first=bool(note.flags & NOTE_FIRST),
            over_cap=bool(note.flags & NOTE_OVER),
            refused=bool(note.flags & NOTE_REFUSED) and not shadow,
            thresholds=note.thresholds,
            default=note.default,
            shadow=shadow,
        )
        if shadow:
            notice.would_refuse = bool(note.flags & NOTE_REFUSED)
            notice.shadow_denied = note.shadow_denied
            notice.shadow_denied_amount = self.credits(note.shadow_denied_units)
        if asked is not None and notice.refused and end_ms is not None:
            notice.reset_after = max(end_ms - now_ms, 0) / 1000
            notice.retry_after = rates.cap_retry_after(note, now_ms, asked)
        return notice

    def also_within(self, packed: bytes) -> Scale:
        """The same, with the scopes of the memberships that notes begin with behind the account's own."""
        scopes = list(self.account.scopes)
        for path in within_in(packed):
            names = [unquote(name) for name in path.split("/")]
            levels = ("/".join([scopes[0], *names[: depth + 1]]) for depth in range(len(names)))
            scopes += [level for level in levels if level not in scopes]
        return self._replace(account=self.account._replace(scopes=tuple(scopes)))

    def told(
        self, packed: bytes, now_ms: int, *, admitted: bool, asked: int | None = None
    ) -> tuple[tuple[CapNotice, ...], tuple[LimitNotice, ...]]:
        """The caps and the limits that a reply speaks of.

        Args:
            packed: The notes of the reply.
            now_ms: The server's time.
            admitted: Whether the decision took what it asked for.
            asked: The units that a cap refused just now, or None.
        """
        if not packed:
            return (), ()
        if packed[0] == WITHIN_NOTE:
            rest = packed[first_note(packed) :]
            return self.also_within(packed).told(rest, now_ms, admitted=admitted, asked=asked)
        of_caps, of_limits = split_notes(packed)
        caps = tuple(self.notice(note, now_ms, asked) for note in read_notes(of_caps) if note.action < THRESHOLD)
        if not of_limits:
            return caps, ()
        return caps, tuple(self.limit_notice(note, now_ms, admitted) for note in read_limit_notes(of_limits))

    def limit_notice(self, note: LimitNote, now_ms: int, admitted: bool) -> LimitNotice:
        """A limit as a decision saw it and as it is after it."""
        item, cost = note.item, note.cost
        # What a shadow would have refused takes nothing of it, but a hold is open all the same.
        admitted = admitted and not (item.shadow and note.refused and item.kind != CONCURRENCY)
        return LimitNotice(
            scope=self.account.scopes[note.level - 1],
            algorithm=cast("_Name", ALGORITHMS[item.kind]),
            counts=COUNTS[item.counts],
            limit=self._quantity(item.counts, item.limit),
            period_ms=item.period_ms,
            burst=self._quantity(item.counts, item.capacity) if item.kind == GCRA else None,
            model=item.model or None,
            operation_type=item.operation_type or None,
            used=self._quantity(item.counts, rates.used(item, now_ms, cost, admitted)),
            remaining=self._quantity(item.counts, rates.remaining(item, now_ms, cost, admitted)),
            reset_after=rates.reset_after(item, now_ms, cost, admitted),
            retry_after=rates.retry_after(item, now_ms, cost, admitted),
            refused=note.refused and not item.shadow,
            default=item.default,
            shadow=item.shadow,
            would_refuse=note.refused and item.shadow,
            shadow_denied=item.denied,
        )

    def listed_limits(self, packed: bytes, now_ms: int, *, concurrency: bool) -> tuple[LimitNotice, ...]:
        """The account's own limits as they are now, in the order of their registration; waits are for one unit more.

        Args:
            packed: The field ``l`` of the account.
            now_ms: The server's time, to which the script has brought the items.
            concurrency: Whether those of open holds are wanted, or the rates.
        """
        level = len(self.account.scopes)
        wanted = (item for item in read_limits(packed) if (item.kind == CONCURRENCY) == concurrency)
        return tuple(self.limit_notice(LimitNote(level, False, _ONE_MORE, item), now_ms, False) for item in wanted)

    def event(self, kind: str, now_ms: int, entry_id: str = "", **data: Any) -> CreditEvent:
        """An event of this account."""
        at: datetime = moment(now_ms)
        event_id = f"{entry_id}/{kind}" if entry_id else ""
        return made(
            CreditEvent,
            {"type": kind, "timestamp": at, "user_id": self.account.user_id, "data": data, "id": event_id},
        )

    def transaction(self, entry_id: bytes) -> str:
        """A transaction id: where its ledger entry stands."""
        return f"{self.account.shard}-{entry_id.decode()}" if entry_id else ""

    def _quantity(self, counts: int, units: int) -> Quantity:
        return self.credits(units) if counts == AMOUNT else units
