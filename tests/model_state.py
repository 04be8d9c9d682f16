"""What the model remembers - every grant, charge, hold and cap - and the sums that it makes of them; see ``model``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

MAX = 2**53 - 1
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
Outcome = dict[str, Any]
Record = tuple[str, str, str]  # letter of its kind, account, id
FOREVER = 2**62
#: Before the model in a cap's key: the shadow that stands beside the cap; its action is "shadow".
BESIDE = "~"
ONE_DAY = timedelta(days=1)
WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@lru_cache(maxsize=4096)
def levels_of(account: str) -> tuple[str, ...]:
    """The account and its ancestors, the root first; then those of the memberships that follow it behind "+"."""
    found: list[str] = []
    for each in account.split("+"):
        parts = each.split("/")
        every = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        found += [level for level in every if level not in found]
    return tuple(found)


def where_of(account: str, within: Iterable[str]) -> str:
    """An account with the memberships that add levels to its own, each once."""
    others = dict.fromkeys(each for each in within if each not in levels_of(account))
    return "+".join([account, *others])


def begins(period: str, day: date, week_start: str, anchor_day: int) -> bool:
    """Whether a period begins on a date; months on their last day where they are shorter than the anchor."""
    if period == "weekly":
        return day.isoweekday() == 1 + WEEK.index(week_start)
    if period == "monthly":
        return day.day == anchor_day or (day.day < anchor_day and (day + ONE_DAY).day == 1)
    return period == "daily" or (day.day, day.month) == (1, 1)


@lru_cache(maxsize=4096)
def dates_of(period: str, day: date, week_start: str = "monday", anchor_day: int = 1) -> tuple[date, date]:
    """The first date of the period that a date lies in, and of the next one: date by date."""
    first, following = day, day + ONE_DAY
    while not begins(period, first, week_start, anchor_day):
        first -= ONE_DAY
    while not begins(period, following, week_start, anchor_day):
        following += ONE_DAY
    return first, following


def period_of(
    period: str, at_ms: int, zone: str = "UTC", week_start: str = "monday", anchor_day: int = 1
) -> tuple[int, int]:
    """Start and end of the calendar period of a zone; days begin at midnight, or when a missing midnight is over."""
    if period == "total":
        return 0, FOREVER
    if period == "hourly":  # of zones whose offsets are whole quarters and change at full hours
        offset = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).utcoffset() // timedelta(milliseconds=1)
        start = at_ms - (at_ms + offset) % HOUR_MS
        return start, start + HOUR_MS
    day = datetime.fromtimestamp(at_ms // 1000, ZoneInfo(zone)).date()
    first, following = dates_of(period, day, week_start, anchor_day)

    def begin(of: date) -> int:
        return round(datetime(of.year, of.month, of.day, tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp() * 1000)

    return begin(first), begin(following)


@dataclass
class Charge:
    levels: list[str]
    amount: int
    at: int
    model: str
    payer: str


@dataclass
class Hold:
    account: str
    amount: int
    floor: int
    strict: bool
    is_admitted: bool
    expires: int
    written: int  # travelled, at its last change
    made: Outcome
    model: str
    label: tuple[Any, ...]
    state: str = "open"
    asked: int = 0
    ended: Outcome = field(default_factory=dict)
    ended_by: str = ""
    operation: str = "usage"
    tokens: int = 0
    begun: int = 0  # when it was admitted
    payer: str = ""  # whose credits it holds
    took: list[Any] = field(default_factory=list)  # the limits that looked at it then
    where: str = ""  # the account with its memberships

    @property
    def admitted(self) -> int:
        """What it was admitted for against caps."""
        return self.amount if self.is_admitted else 0


@dataclass
class Cap:
    """``own``: charges since its registration by the start of their period; None where the account's history counts."""

    action: str
    limit: int
    zone: str
    since: int
    own: dict[int, int] | None
    week_start: str = "monday"
    anchor_day: int = 1
    thresholds: tuple[int, ...] = ()
    default: bool = False

    def bounds(self, period: str, at_ms: int) -> tuple[int, int]:
        """Start and end of its period at a moment."""
        return period_of(period, at_ms, self.zone, self.week_start, self.anchor_day)


@dataclass
class Notice:
    """A cap as a decision sees it."""

    scope: str
    period: str
    action: str
    limit: int
    spent: int
    held: int
    model: str
    cap: Cap

    @property
    def shadow(self) -> bool:
        """Whether it only counts."""
        return self.action == "shadow"

    def told(self, *, first: bool = False, over: bool = False, would: bool = False) -> tuple[Any, ...]:
        """As results tell it."""
        action = "deny" if self.shadow else self.action
        return (self.scope, self.period, action, self.limit, self.spent, self.held, first, over, self.model or None,
                self.cap.zone, self.cap.week_start, self.cap.anchor_day, self.shadow, would)  # fmt: skip

    @property
    def free(self) -> int:
        """Room, negative when it is passed."""
        return self.limit - self.spent - self.held


class State:
    """One namespace, from a moment on.

    Args:
        now: That moment.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self.travelled = 0  # how far the clock went, both ways
        self.known: set[str] = set()
        self.granted: list[tuple[str, int, str]] = []
        self.charges: list[Charge] = []
        self.holds: dict[tuple[str, str], Hold] = {}
        self.keys: dict[Record, tuple[int, Outcome]] = {}  # of all but holds: written, first answer
        self.cancelled: dict[Record, int] = {}  # resolved as never executed: written
        self.backlog_full = False  # so much waits for the drainer that nothing new is admitted
        self.payers: dict[str, str] = {}  # account -> an ancestor
        self.low: dict[str, int] = {}  # account -> the balance that is told as low
        self.crossed: list[tuple[str, str, int, int, int, int]] = []  # thresholds, in the order of their crossing
        # Account, period and model -> how many admissions its shadow would have refused, and their sum.
        self.shadow_counts: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.caps: dict[str, dict[tuple[str, str], Cap]] = {}  # account -> period and model -> cap

    def caps_of(self, account: str) -> dict[tuple[str, str], Cap]:
        """The caps that hold for an account itself."""
        return self.caps.get(account, {})

    def count_shadow(self, shadow: Notice, amount: int) -> None:
        """An admission that a shadow would have refused."""
        key = (shadow.scope, shadow.period, shadow.model)
        count, total = self.shadow_counts.get(key, (0, 0))
        self.shadow_counts[key] = (count + 1, min(total + amount, MAX))

    # Time

    def move(self, step: int) -> None:
        """Moves the clock and ends the holds that are due."""
        self.now += step
        self.travelled += abs(step)
        for hold in self.holds.values():
            if hold.state == "open" and hold.expires <= self.now:
                hold.state, hold.written = "expired", self.travelled

    def ahead(self) -> set[str]:
        """Accounts with spend in a day that lies in the future: the clock was stepped back since."""
        end = period_of("daily", self.now)[1]
        return {level for charge in self.charges if charge.at >= end for level in charge.levels}

    def in_future(self) -> bool:
        """Whether anything was charged later than now."""
        return any(charge.at > self.now for charge in self.charges)

    def certain(self, record: Record) -> bool:
        """Whether a record must still be there: open, or changed within 24 hours."""
        hold = self.holds.get(record[1:]) if record[0] == "h" else None
        other = self.cancelled.get(record, self.keys.get(record, (self.travelled,))[0])
        written = hold.written if hold else other
        return (hold is not None and hold.state == "open") or self.travelled - written < DAY_MS

    def forget(self, record: Record) -> None:
        """Drops a record that is no longer certain."""
        if record[0] == "h":
            self.holds.pop(record[1:], None)
        self.keys.pop(record, None)
        self.cancelled.pop(record, None)

    # Sums

    def balance(self, account: str) -> int:
        granted = sum(amount for owner, amount, _ in self.granted if owner == account)
        return granted - sum(charge.amount for charge in self.charges if charge.payer == account)

    def payer(self, account: str) -> str:
        """Whose credits an account spends now."""
        return self.payers.get(account, account)

    def payer_of(self, account: str, hold: Hold | None) -> str:
        """Whose credits are told of a hold: its payer's while it is open or could still be billed."""
        return hold.payer if hold and hold.state in ("open", "expired") else account

    def held(self, account: str) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.state == "open" and hold.payer == account)

    def admitted(self, level: str, model: str = "") -> int:
        """Admitted open holds here and below; of one model, or of all."""
        held = [hold for hold in self.holds.values() if hold.state == "open" and level in levels_of(hold.where)]
        return sum(hold.admitted for hold in held if model in ("", hold.model))

    def total(self, level: str) -> int:
        return sum(charge.amount for charge in self.charges if level in charge.levels)

    def spent(self, level: str, period: str, cap: Cap | None = None) -> int:
        """Spend, here and below, of the present period and of those that lie ahead."""
        start = (cap.bounds(period, self.now) if cap else period_of(period, self.now))[0]
        if cap and cap.own is not None:
            return sum(amount for begun, amount in cap.own.items() if begun >= start)
        return sum(charge.amount for charge in self.charges if level in charge.levels and charge.at >= start)

    def spend(self, account: str, amount: int, model: str, payer: str) -> None:
        """A charge, in the account's history and in every cap that counts it from its registration."""
        self.charges.append(Charge(levels_of(account), amount, self.now, model, payer))
        for level in levels_of(account):
            for (period, key), cap in self.caps.get(level, {}).items():
                of_model = key.removeprefix(BESIDE)
                if cap.own is not None and of_model in ("", model):
                    start = cap.bounds(period, self.now)[0]
                    cap.own[start] = cap.own.get(start, 0) + amount

    def notices(self, account: str, model: str | None = None, *, by_level: bool = True) -> list[Notice]:
        """Every cap that concerns an account; with a model only those that look at it.

        Decisions (not ``by_level``) name caps on the history of all levels before those with a counter of their own.
        """
        found = [
            Notice(level, period, cap.action, cap.limit, self.spent(level, period, cap), self.admitted(level, of_model),
                   of_model, cap)
            for level in levels_of(account)
            for (period, key), cap in self.caps_of(level).items()
            for of_model in (key.removeprefix(BESIDE),)
            if model is None or of_model in ("", model)
        ]  # fmt: skip
        levels = levels_of(account)
        found.sort(key=lambda each: (levels.index(each.scope) if by_level else 0, each.cap.own is not None))
        return found

    def own_part(self, notice: Notice, hold: Hold | None) -> int:
        """What a hold was admitted for against a cap: nothing against one of another model."""
        return hold.admitted if hold and notice.model in ("", hold.model) else 0

    def bound(self, account: str, model: str, hold: Hold | None = None) -> int:
        """What the deny caps let pass, own admitted parts included."""
        rooms = [
            self.own_part(each, hold) + max(0, each.free)
            for each in self.notices(account, model)
            if each.action == "deny"
        ]
        return min([*rooms, MAX])

    def free(self, account: str, floor: int) -> int:
        """What the money lets pass."""
        return max(0, self.balance(account) - self.held(account) - floor)

    def exact(self, account: str, payer: str, *, charged: int = 0, held: int = 0) -> bool:
        """Whether every total stays within the exact range."""
        levels = levels_of(account)
        if self.held(payer) + held > MAX or self.balance(payer) - charged < -MAX:
            return False
        return all(self.admitted(level) + held <= MAX and self.total(level) + charged <= MAX for level in levels)
