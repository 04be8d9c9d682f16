"""fold(ledger entries) = state: the one pure function behind verify, restore and the tests (SPEC 8).

Entries are transitions; replaying a root's entries in the order of their sequence gives its nodes, caps and open holds
exactly as the scripts left them, period counters and clock steps included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from ducto_redis.core.details import read_charge, read_hold, read_settle
from ducto_redis.core.entries import OF_NO_ROOT, Entry, Kind, levels_of
from ducto_redis.core.fold_caps import (
    OF_SHADOW,
    begin_periods,
    charged,
    held,
    model_of_removal,
    remove_timed,
    rolled,
    set_timed,
)
from ducto_redis.core.fold_limits import changed
from ducto_redis.core.fold_nodes import NOTHING_APART, Apart, period_ids, roll
from ducto_redis.core.limit_items import LimitItem
from ducto_redis.core.packed import SHADOW, Node, PackedCap, TimedCap, int_at, read_caps
from ducto_redis.errors import LedgerBroken

_PURCHASE: Final = 1
T = TypeVar("T")


class OpenHold(NamedTuple):
    """A hold that has not ended: units held, units admitted against caps, expiry, and whether caps count it."""

    path: str
    amount: int
    admitted: int
    expires_ms: int
    admitted_against_caps: bool = False
    model: str = ""
    operation_type: str = ""
    payer: str = ""
    within: tuple[str, ...] = ()

    @property
    def levels(self) -> tuple[str, ...]:
        """The paths that it counts for."""
        return levels_of(self.path, self.within)


@dataclass
class RootState:
    """What the entries of one root add up to."""

    sequence: int = 0
    nodes: dict[str, Node] = field(default_factory=dict)
    apart: dict[str, Apart] = field(default_factory=dict)
    caps: dict[str, list[PackedCap]] = field(default_factory=dict)
    timed: dict[str, list[TimedCap]] = field(default_factory=dict)
    limits: dict[str, list[LimitItem]] = field(default_factory=dict)
    holds: dict[str, OpenHold] = field(default_factory=dict)
    purchased: dict[str, int] = field(default_factory=dict)
    payers: dict[str, int] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)


def _touch(state: RootState, entry: Entry) -> None:
    """Brings the nodes of all levels of the entry's account to its time, as every script does; new ones start empty."""
    for path in entry.levels:
        if path in state.nodes:
            known = state.apart.pop(path, NOTHING_APART)
            state.nodes[path], apart = roll(state.nodes[path], entry.at_ms, known)
            if apart != NOTHING_APART:
                state.apart[path] = apart
        else:
            day, month = period_ids(entry.at_ms)
            state.nodes[path] = Node(day_id=day, month_id=month)
        if path in state.timed:
            state.timed[path] = [rolled(cap, entry.at_ms) for cap in state.timed[path]]


def _move(state: RootState, entry: Entry, hold: OpenHold, sign: int, holds: int = 1) -> None:
    for path in entry.levels:
        node = state.nodes[path]
        state.nodes[path] = node._replace(
            held=node.held + sign * hold.amount * (path == hold.payer),
            admitted=node.admitted + sign * hold.admitted,
            open_holds=node.open_holds + sign * holds,
        )
        if path in state.timed:
            state.timed[path] = held(state.timed[path], sign * hold.admitted, hold.model)


def _charge(state: RootState, entry: Entry, model: str, payer: str) -> None:
    for path in entry.levels:
        node = state.nodes[path]
        state.nodes[path] = node._replace(
            balance=node.balance - entry.amount * (path == payer),
            spent_day=node.spent_day + entry.amount,
            spent_month=node.spent_month + entry.amount,
            spent_total=node.spent_total + entry.amount,
        )
        if path in state.timed:
            state.timed[path] = charged(state.timed[path], entry.amount, model)


def _charge_at_once(state: RootState, entry: Entry) -> str:
    told = read_charge(entry)
    payer = told.payer or ""
    _charge(state, entry, told.model or "", payer)
    return payer


def _grant(state: RootState, entry: Entry) -> None:
    node = state.nodes[entry.path]
    state.nodes[entry.path] = node._replace(balance=node.balance + entry.amount)
    if entry.detail[0] & _PURCHASE:
        state.purchased[entry.path] = state.purchased.get(entry.path, 0) + entry.amount


def _hold(state: RootState, entry: Entry) -> str:
    told = read_hold(entry)
    payer, model = told.payer or "", told.model or ""
    hold = OpenHold(
        entry.path, entry.amount, entry.amount if told.admitted else 0, told.expires_ms, told.admitted, model,
        told.operation_type, payer, entry.within,
    )  # fmt: skip
    state.holds[entry.field] = hold
    _move(state, entry, hold, 1)
    return payer


def _end(state: RootState, entry: Entry) -> str:
    """An end of a hold, expired ones have left the totals before; answers whose balance the entry tells."""
    hold = state.holds.pop(entry.field, None)
    if hold is not None:
        _move(state, entry, hold, -1)
    if entry.kind is Kind.SETTLE:
        told = read_settle(entry)
        own, payer = (hold.model, hold.payer) if hold else ("", entry.path)
        payer = payer if told.payer is None else told.payer
        _charge(state, entry, own if told.model is None else told.model, payer)
        return payer
    return hold.payer if hold else entry.path


def _extend(state: RootState, entry: Entry) -> str:
    """More amount, a later expiry, or both, for an open hold."""
    hold = state.holds[entry.field]
    admitted = entry.amount if hold.admitted_against_caps else 0
    more = OpenHold(entry.path, entry.amount, admitted, 0, model=hold.model, payer=hold.payer)
    state.holds[entry.field] = hold._replace(
        amount=hold.amount + entry.amount,
        admitted=hold.admitted + more.admitted,
        expires_ms=int_at(entry.detail, 0, 6),
    )
    _move(state, entry, more, 1, holds=0)
    return hold.payer


def _keep(caps: dict[str, list[T]], path: str, kept: list[T]) -> None:
    if kept:
        caps[path] = kept
    else:
        caps.pop(path, None)


def _set_cap(state: RootState, entry: Entry) -> None:
    timed = set_timed(state.timed.get(entry.path, []), entry)
    simple = state.caps.get(entry.path, [])
    if timed is None:
        given = list(read_caps(entry.detail))  # the cap and its thresholds
        kept = _without(simple, given[0].kind, shadow=given[0].action == SHADOW)
        _keep(state.caps, entry.path, [*kept, *given])
        return
    _keep(state.timed, entry.path, timed)
    if not timed[-1].model:  # a simple cap that got a zone
        _keep(state.caps, entry.path, _without(simple, timed[-1].kind, shadow=timed[-1].action == SHADOW))


def _without(caps: list[PackedCap], kind: int, *, shadow: bool) -> list[PackedCap]:
    """Simple caps without the one of a kind and its thresholds, or without its shadow."""
    return [each for each in caps if each.kind != kind or (each.action == SHADOW) != shadow]


def _remove_cap(state: RootState, entry: Entry) -> None:
    shadow = entry.detail[0] >= OF_SHADOW
    _keep(state.timed, entry.path, remove_timed(state.timed.get(entry.path, []), entry))
    if not model_of_removal(entry):
        simple = state.caps.get(entry.path, [])
        _keep(state.caps, entry.path, _without(simple, entry.detail[0] % OF_SHADOW, shadow=shadow))


def _begin(state: RootState, entry: Entry) -> None:
    begin_periods(state.timed, entry)


def _change_limits(state: RootState, entry: Entry) -> None:
    _keep(state.limits, entry.path, changed(state.limits.get(entry.path, []), entry))


def _set_payer(state: RootState, entry: Entry) -> None:
    if entry.detail[0] < len(levels_of(entry.path)):
        state.payers[entry.path] = entry.detail[0]
    else:
        state.payers.pop(entry.path, None)


def _set_plan(state: RootState, entry: Entry) -> None:
    if entry.detail:
        state.plans[entry.path] = entry.detail.decode()
    else:
        state.plans.pop(entry.path, None)


_STEPS: Final = {
    Kind.GRANT: _grant,
    Kind.HOLD: _hold,
    Kind.SETTLE: _end,
    Kind.RELEASE: _end,
    Kind.EXPIRE: _end,
    Kind.CAP_SET: _set_cap,
    Kind.CAP_REMOVE: _remove_cap,
    Kind.CHARGE: _charge_at_once,
    Kind.PERIOD: _begin,
    Kind.EXTEND: _extend,
    Kind.PAYER_SET: _set_payer,
    Kind.PLAN_SET: _set_plan,
    Kind.LIMIT_SET: _change_limits,
    Kind.LIMIT_REMOVE: _change_limits,
}


def fold(entries: Iterable[Entry], states: dict[str, RootState] | None = None) -> dict[str, RootState]:
    """Adds entries up to the state of each root.

    Args:
        entries: Entries of one generation; each root's in the order of their sequence. Entries of no root are skipped.
        states: What earlier entries added up to; it is changed and answered. None begins with the first entries.

    Returns:
        Encoded root -> state.

    Raises:
        LedgerBroken: A sequence has a gap or repeats, or an entry's balance is not what the entries add up to.
    """
    states = {} if states is None else states
    for entry in entries:
        if entry.kind in OF_NO_ROOT:
            continue
        state = states.setdefault(entry.root, RootState())
        if entry.sequence != state.sequence + 1:
            raise LedgerBroken(f"root {entry.root}: entry {entry.sequence} follows entry {state.sequence}")
        state.sequence = entry.sequence
        if entry.kind is Kind.CANCEL:  # a tombstone: it opens no account
            continue
        _touch(state, entry)
        payer = _STEPS[entry.kind](state, entry)
        balance = state.nodes[entry.path if payer is None else payer].balance
        if balance != entry.balance_after:
            raise LedgerBroken(
                f"root {entry.root}: entry {entry.sequence} says balance {entry.balance_after}, not {balance}"
            )
    return states
