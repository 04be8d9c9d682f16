"""fold(ledger entries) = state: the one pure function behind verify, restore and the tests (SPEC 8).

Entries are transitions; replaying a root's entries in the order of their sequence gives its nodes, caps and open holds
exactly as the scripts left them, period counters and clock steps included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from ducto_redis.core.entries import Entry, Kind
from ducto_redis.core.packed import APART, Node, PackedCap, int_at, read_caps

_DAY_MS: Final = 86_400_000
_OTHERS_MAX: Final = 8
_PURCHASE, _ADMITTED = 1, 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LedgerBroken(ValueError):
    """The entries of a root do not follow one another: a gap, a repetition, or a balance that does not add up."""


#: Period number -> what was spent in it by itself.
Spends: TypeAlias = dict[int, int]


class Apart(NamedTuple):
    """Counters of other days and months than the present ones, kept while the clock lies behind where it was."""

    days: Spends
    months: Spends


NOTHING_APART: Final = Apart({}, {})


def read_apart(data: bytes) -> Apart:
    """Reads field ``b<path>`` of the state."""
    spends = [(int.from_bytes(data[at : at + 2], "little"), int_at(data, at + 2)) for at in range(1, len(data), 9)]
    return Apart(dict(spends[: data[0]]), dict(spends[data[0] :]))


class OpenHold(NamedTuple):
    """A hold that has not ended: units held, units admitted against caps, expiry, and whether caps count it."""

    path: str
    amount: int
    admitted: int
    expires_ms: int
    admitted_against_caps: bool = False


@dataclass
class RootState:
    """What the entries of one root add up to."""

    sequence: int = 0
    nodes: dict[str, Node] = field(default_factory=dict)
    apart: dict[str, Apart] = field(default_factory=dict)
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


def _rolled(last: int, spent: int, others: Spends, present: int) -> tuple[int, Spends]:
    """One counter brought to the present period: its spend, and what other periods had spent by themselves (SPEC 6).

    Spend of periods that lie in the future counts in the present one; when none does, only the latest is kept.
    """
    ahead = sum(amount for period, amount in others.items() if period > last)
    own = {**others, last: spent - ahead}
    spent = sum(amount for period, amount in own.items() if period >= present)
    kept = {period: amount for period, amount in own.items() if period != present and amount}
    if not any(period > present for period in kept):
        return spent, {period: kept[period] for period in kept if period == max(kept) and present - period < APART}
    while len(kept) > _OTHERS_MAX:
        first, second = sorted(kept)[:2]
        if first > present:
            kept[second] += kept[first]
        del kept[first]
    return spent, kept


def _stored(others: Spends, present: int) -> tuple[int, int]:
    """How a node tells of other periods: previous spend and its distance, or that they lie apart."""
    if any(period > present for period in others):
        return 0, APART
    return next(((amount, present - period) for period, amount in others.items()), (0, 0))


def _others(previous: int, back: int, last: int, apart: Spends) -> Spends:
    return apart if back == APART else {last - back: previous} if back else {}


def roll(node: Node, at_ms: int, apart: Apart = NOTHING_APART) -> tuple[Node, Apart]:
    """A node's counters as they stand at a moment, and those of other periods that lie apart after a step of the clock.

    Args:
        node: The node as stored.
        at_ms: The moment.
        apart: What lies apart (field ``b`` of the state): own spend by day, by month.
    """
    day, month = period_ids(at_ms)
    if node.day_id == day:
        return node, apart
    spent, days = _rolled(
        node.day_id, node.spent_day, _others(node.previous_day, node.day_back, node.day_id, apart.days), day
    )
    previous, back = _stored(days, day)
    node = node._replace(spent_day=spent, previous_day=previous, day_back=back, day_id=day)
    months = apart.months
    if node.month_id != month:
        kept = _others(node.previous_month, node.month_back, node.month_id, apart.months)
        spent, months = _rolled(node.month_id, node.spent_month, kept, month)
        previous, back = _stored(months, month)
        node = node._replace(spent_month=spent, previous_month=previous, month_back=back, month_id=month)
    return node, Apart(
        days if node.day_back == APART else {},
        months if node.month_back == APART else {},
    )


def _touch(state: RootState, entry: Entry) -> None:
    """Brings the nodes of all levels of the entry's account to its time, as every script does; new ones start empty."""
    for path in levels_of(entry.path):
        if path in state.nodes:
            known = state.apart.pop(path, NOTHING_APART)
            state.nodes[path], apart = roll(state.nodes[path], entry.at_ms, known)
            if apart != NOTHING_APART:
                state.apart[path] = apart
        else:
            day, month = period_ids(entry.at_ms)
            state.nodes[path] = Node(day_id=day, month_id=month)


def _move(state: RootState, entry: Entry, hold: OpenHold, sign: int, holds: int = 1) -> None:
    for path in levels_of(entry.path):
        node = state.nodes[path]
        state.nodes[path] = node._replace(
            held=node.held + sign * hold.amount * (path == entry.path),
            admitted=node.admitted + sign * hold.admitted,
            open_holds=node.open_holds + sign * holds,
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
    counts = bool(entry.detail[6] & _ADMITTED)
    hold = OpenHold(entry.path, entry.amount, entry.amount if counts else 0, int_at(entry.detail, 0, 6), counts)
    state.holds[entry.field] = hold
    _move(state, entry, hold, 1)


def _end(state: RootState, entry: Entry) -> None:
    """An end of a hold; the release of an expired one has nothing left to free."""
    hold = state.holds.pop(entry.field, None)
    if hold is not None:
        _move(state, entry, hold, -1)
    if entry.kind is Kind.SETTLE:
        _charge(state, entry)


def _extend(state: RootState, entry: Entry) -> None:
    """More amount, a later expiry, or both, for an open hold."""
    hold = state.holds[entry.field]
    more = OpenHold(entry.path, entry.amount, entry.amount if hold.admitted_against_caps else 0, 0)
    state.holds[entry.field] = hold._replace(
        amount=hold.amount + entry.amount,
        admitted=hold.admitted + more.admitted,
        expires_ms=int_at(entry.detail, 0, 6),
    )
    _move(state, entry, more, 1, holds=0)


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
    Kind.CHARGE: _charge,
    Kind.EXTEND: _extend,
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
        if entry.kind is Kind.CANCEL:  # a tombstone: it opens no account
            continue
        _touch(state, entry)
        _STEPS[entry.kind](state, entry)
        balance = state.nodes[entry.path].balance
        if balance != entry.balance_after:
            raise LedgerBroken(
                f"root {entry.root}: entry {entry.sequence} says balance {entry.balance_after}, not {balance}"
            )
    return states
