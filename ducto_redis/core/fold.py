"""fold(ledger entries) = state: the one pure function behind verify, restore and the tests (SPEC 8).

Entries are transitions; replaying a root's entries in the order of their sequence gives its nodes, caps and open holds
exactly as the scripts left them, period counters and clock steps included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from ducto_redis.core.entries import Entry, Kind
from ducto_redis.core.packed import Node, PackedCap, int_at, read_caps

_DAY_MS: Final = 86_400_000
_BACK_MAX: Final = 254
_PURCHASE, _ADMITTED = 1, 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LedgerBroken(ValueError):
    """The entries of a root do not follow one another: a gap, a repetition, or a balance that does not add up."""


class OpenHold(NamedTuple):
    """A hold that has not ended: units held, units admitted against caps, expiry."""

    path: str
    amount: int
    admitted: int
    expires_ms: int


@dataclass
class RootState:
    """What the entries of one root add up to."""

    sequence: int = 0
    nodes: dict[str, Node] = field(default_factory=dict)
    caps: dict[str, list[PackedCap]] = field(default_factory=dict)
    holds: dict[str, OpenHold] = field(default_factory=dict)
    purchased: dict[str, int] = field(default_factory=dict)


def levels_of(path: str) -> list[str]:
    """The paths of an account's levels, the root ("") first."""
    segments = path.split("/") if path else []
    return ["/".join(segments[:depth]) for depth in range(len(segments) + 1)]


def period_ids(at_ms: int) -> tuple[int, int]:
    """The number of a moment's UTC day and of its month since 1970."""
    day = at_ms // _DAY_MS
    date = _EPOCH + timedelta(days=day)
    return day, (date.year - 1970) * 12 + date.month - 1


def _rolled(last: int, spent: int, previous: int, back: int, present: int) -> tuple[int, int, int]:
    """One counter brought to the present period: spent, previous, how far back the previous one lies (SPEC 6)."""
    if present > last:
        distance = present - last
        return (0, spent, distance) if distance <= _BACK_MAX else (0, 0, 0)
    if back > 0 and last - back < present:
        return spent, previous, present - (last - back)
    return spent + previous, 0, 0


def roll(node: Node, at_ms: int) -> Node:
    """A node's counters as they stand at a moment; steps back carry what lies in the future into the present."""
    day, month = period_ids(at_ms)
    if node.day_id == day:
        return node
    spent, previous, back = _rolled(node.day_id, node.spent_day, node.previous_day, node.day_back, day)
    node = node._replace(spent_day=spent, previous_day=previous, day_back=back, day_id=day)
    if node.month_id != month:
        spent, previous, back = _rolled(node.month_id, node.spent_month, node.previous_month, node.month_back, month)
        node = node._replace(spent_month=spent, previous_month=previous, month_back=back, month_id=month)
    return node


def _touch(state: RootState, entry: Entry) -> None:
    """Brings the nodes of all levels of the entry's account to its time, as every script does; new ones start empty."""
    for path in levels_of(entry.path):
        if path in state.nodes:
            state.nodes[path] = roll(state.nodes[path], entry.at_ms)
        else:
            day, month = period_ids(entry.at_ms)
            state.nodes[path] = Node(day_id=day, month_id=month)


def _move(state: RootState, entry: Entry, hold: OpenHold, sign: int) -> None:
    for path in levels_of(entry.path):
        node = state.nodes[path]
        state.nodes[path] = node._replace(
            held=node.held + sign * hold.amount * (path == entry.path),
            admitted=node.admitted + sign * hold.admitted,
            open_holds=node.open_holds + sign,
        )


def _charge(state: RootState, entry: Entry) -> None:
    for path in levels_of(entry.path):
        node = state.nodes[path]
        state.nodes[path] = node._replace(
            balance=node.balance - entry.amount * (path == entry.path),
            spent_day=node.spent_day + entry.amount,
            spent_month=node.spent_month + entry.amount,
            spent_total=node.spent_total + entry.amount,
        )


def _grant(state: RootState, entry: Entry) -> None:
    node = state.nodes[entry.path]
    state.nodes[entry.path] = node._replace(balance=node.balance + entry.amount)
    if entry.detail[0] & _PURCHASE:
        state.purchased[entry.path] = state.purchased.get(entry.path, 0) + entry.amount


def _hold(state: RootState, entry: Entry) -> None:
    admitted = entry.amount if entry.detail[6] & _ADMITTED else 0
    hold = OpenHold(entry.path, entry.amount, admitted, int_at(entry.detail, 0, 6))
    state.holds[entry.field] = hold
    _move(state, entry, hold, 1)


def _end(state: RootState, entry: Entry) -> None:
    """An end of a hold; the release of an expired one has nothing left to free."""
    hold = state.holds.pop(entry.field, None)
    if hold is not None:
        _move(state, entry, hold, -1)
    if entry.kind is Kind.SETTLE:
        _charge(state, entry)


def _set_cap(state: RootState, entry: Entry) -> None:
    [cap] = read_caps(entry.detail)
    kept = [each for each in state.caps.get(entry.path, []) if each.kind != cap.kind]
    state.caps[entry.path] = [*kept, cap]


def _remove_cap(state: RootState, entry: Entry) -> None:
    kept = [each for each in state.caps.get(entry.path, []) if each.kind != entry.detail[0]]
    if kept:
        state.caps[entry.path] = kept
    else:
        state.caps.pop(entry.path, None)


_STEPS: Final = {
    Kind.GRANT: _grant,
    Kind.HOLD: _hold,
    Kind.SETTLE: _end,
    Kind.RELEASE: _end,
    Kind.EXPIRE: _end,
    Kind.CAP_SET: _set_cap,
    Kind.CAP_REMOVE: _remove_cap,
}


def fold(entries: Iterable[Entry]) -> dict[str, RootState]:
    """Adds entries up to the state of each root.

    Args:
        entries: Entries of one generation; each root's in the order of their sequence. ``OPEN`` entries are skipped.

    Returns:
        Encoded root -> state.

    Raises:
        LedgerBroken: A sequence has a gap or repeats, or an entry's balance is not what the entries add up to.
    """
    states: dict[str, RootState] = {}
    for entry in entries:
        if entry.kind is Kind.OPEN:
            continue
        state = states.setdefault(entry.root, RootState())
        if entry.sequence != state.sequence + 1:
            raise LedgerBroken(f"root {entry.root}: entry {entry.sequence} follows entry {state.sequence}")
        state.sequence = entry.sequence
        _touch(state, entry)
        _STEPS[entry.kind](state, entry)
        balance = state.nodes[entry.path].balance
        if balance != entry.balance_after:
            raise LedgerBroken(
                f"root {entry.root}: entry {entry.sequence} says balance {entry.balance_after}, not {balance}"
            )
    return states
