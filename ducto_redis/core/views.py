"""Reads ``read_account``: balances, the list of caps, and which cap ``check_spend_cap`` reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from ducto_redis.codes import Code
from ducto_redis.core.codec import code_of, message_of
from ducto_redis.core.packed import (
    ACTIONS,
    BALANCE_KIND,
    SHADOW,
    THRESHOLD,
    Node,
    Note,
    PackedCap,
    read_caps,
    read_node,
    read_shadows,
    read_timed,
)
from ducto_redis.core.scale import Scale
from ducto_redis.core.steps import Reply
from ducto_redis.models import AvailableResult, BalanceResult, CapCheckResult, CapListResult, Result

_DENY = ACTIONS.index("deny")


class Levels(NamedTuple):
    """What ``read_account`` answers: the counters and packed caps of each level, the root first.

    ``own_caps``: how many bytes of the caps are the account's own; the others are defaults of the namespace.
    """

    code: Code
    now_ms: int
    lifetime_units: int
    payer_level: int
    plan: str
    nodes: tuple[Node, ...]
    caps: tuple[bytes, ...]
    own_caps: tuple[int, ...]
    timed: tuple[bytes, ...]
    limits: tuple[bytes, ...]
    shadows: tuple[bytes, ...]

    @property
    def own(self) -> Node:
        """The counters of the account itself."""
        return self.nodes[-1] if self.nodes else Node()

    @property
    def payer(self) -> Node:
        """The counters of who pays for it."""
        return self.nodes[self.payer_level - 1] if self.payer_level else self.own

    def notes(self) -> Iterator[Note]:
        """Every cap of every level with its present spend, the root's first."""
        levels = zip(self.nodes, self.caps, self.own_caps, self.timed, self.shadows, strict=True)
        for level, (node, packed, own, packed_timed, shadows) in enumerate(levels, 1):
            for is_default, part in enumerate((packed[:own], packed[own:])):
                for note in _simple(level, node, part, shadows):
                    yield note._replace(default=bool(is_default))
            yield from _timed(level, node, packed_timed, shadows)


def _simple(level: int, node: Node, packed: bytes, shadows: bytes) -> Iterator[Note]:
    items = list(read_caps(packed))
    for cap in items:
        note = Note(level, cap.kind, cap.action, 0, cap.limit, node.spent(cap.kind), node.admitted)
        if cap.action == SHADOW:
            count, units = read_shadows(shadows).get((cap.kind, ""), (0, 0))
            yield note._replace(shadow_denied=count, shadow_denied_units=units)
        elif cap.action < THRESHOLD:
            yield note._replace(thresholds=_thresholds(items, cap.kind))


def _timed(level: int, node: Node, packed: bytes, shadows: bytes) -> Iterator[Note]:
    items = list(read_timed(packed))
    for cap in items:
        if cap.action >= THRESHOLD:
            continue
        held = cap.held if cap.model else node.admitted
        note = Note(
            level, cap.kind, cap.action, 0, cap.limit, cap.spent, held, cap.end_ms, cap.since_ms, cap.model, cap.zone
        )
        if cap.action == SHADOW:
            count, units = read_shadows(shadows).get((cap.kind, cap.model), (0, 0))
            yield note._replace(shadow_denied=count, shadow_denied_units=units)
        else:
            own = (each for each in items if (each.kind, each.model) == (cap.kind, cap.model))
            at = tuple(each.action - THRESHOLD for each in own if each.action >= THRESHOLD)
            yield note._replace(thresholds=at)


def _thresholds(items: list[PackedCap], kind: int) -> tuple[int, ...]:
    return tuple(item.action - THRESHOLD for item in items if item.kind == kind and item.action >= THRESHOLD)


def read_levels(reply: Reply) -> Levels:
    """Reads the reply of ``read_account``."""
    code = code_of(reply)
    packed = reply[5:]
    nodes = tuple(read_node(data) for data in packed[::6])
    plan = unquote(reply[4].decode())
    return Levels(code, reply[1], reply[2], reply[3], plan, nodes, *(tuple(packed[at::6]) for at in (1, 2, 3, 4, 5)))


def tell_unknown(result: Result, levels: Levels) -> None:
    """Says on a result that there is no such account, when so."""
    if levels.code is not Code.OK:
        result.error_code = result.error = levels.code.text
        result.message = message_of(levels.code)


@dataclass(slots=True)
class BalanceView:
    """Reads the balance; an unknown account has the code ``account_unknown`` beside its 0."""

    scale: Scale

    def __call__(self, reply: Reply) -> BalanceResult:
        """Makes the result of the reply."""
        levels = read_levels(reply)
        result = BalanceResult(
            user_id=self.scale.account.user_id,
            balance=self.scale.credits(levels.own.balance),
            lifetime_purchased=self.scale.credits(levels.lifetime_units),
        )
        for item in read_caps(levels.caps[-1]) if levels.caps else ():
            if item.kind == BALANCE_KIND:
                result.low_balance = self.scale.credits(item.limit)
        tell_unknown(result, levels)
        return result


@dataclass(slots=True)
class AvailableView:
    """Reads balance, reserved and available."""

    scale: Scale

    def __call__(self, reply: Reply) -> AvailableResult:
        """Makes the result of the reply."""
        levels = read_levels(reply)
        result = AvailableResult(
            user_id=self.scale.account.user_id,
            payer=self.scale.account.scopes[levels.payer_level - 1],
            plan=levels.plan or None,
            balance=self.scale.credits(levels.payer.balance),
            reserved=self.scale.credits(levels.payer.held),
            available=self.scale.credits(levels.payer.balance - levels.payer.held),
        )
        tell_unknown(result, levels)
        return result


@dataclass(slots=True)
class CapListView:
    """Lists the caps of the account itself, and the defaults that hold for it."""

    scale: Scale

    def __call__(self, reply: Reply) -> CapListResult:
        """Makes the result of the reply."""
        levels = read_levels(reply)
        own = len(self.scale.account.scopes)
        caps = tuple(self.scale.notice(note, levels.now_ms) for note in levels.notes() if note.level == own)
        return CapListResult(user_id=self.scale.account.user_id, caps=caps)


def _rank(note: Note, amount_units: int | None) -> tuple[int, int]:
    """Orders caps for the report: a refusing deny cap, else the largest overshoot, else the least room (SPEC 3).

    No amount asks for anything more, that is for one unit; an amount of 0 is never refused.
    """
    needed_units = 1 if amount_units is None else amount_units
    room = note.limit - note.spent - note.admitted
    overshoot = note.spent + (amount_units or 0) - note.limit
    if note.action == _DENY and max(room, 0) < needed_units:
        return (0, room)
    if overshoot > 0:
        return (1, -overshoot)
    return (2, room)


@dataclass(slots=True)
class CapCheckView:
    """Says where the account stands against its caps and its ancestors', for an amount or (None) for anything more."""

    scale: Scale
    amount_units: int | None
    model: str = ""

    def __call__(self, reply: Reply) -> CapCheckResult:
        """Makes the result of the reply."""
        levels = read_levels(reply)
        result = CapCheckResult(
            user_id=self.scale.account.user_id, current_spend=self.scale.credits(levels.own.spent_day)
        )
        tell_unknown(result, levels)
        caps = (note for note in levels.notes() if note.action != SHADOW)
        looked_at = [note for note in caps if note.model in ("", self.model)]
        notes = sorted(looked_at, key=lambda note: _rank(note, self.amount_units))
        if not notes:
            return result
        note = notes[0]
        rank = _rank(note, self.amount_units)[0]
        result.capped = rank == 0
        result.current_spend = self.scale.credits(note.spent)
        result.held = self.scale.credits(note.admitted)
        result.cap_limit = self.scale.credits(note.limit)
        cap = self.scale.notice(note, levels.now_ms)
        result.action = cap.action if rank < 2 else None  # noqa: PLR2004
        for name in ("model", "cap_type", "timezone", "week_start", "anchor_day", "scope", "reset_at"):
            setattr(result, name, getattr(cap, name))
        return result
