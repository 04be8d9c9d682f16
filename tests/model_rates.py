"""One rate or concurrency limit in plain Python, exact: whether a request fits, what is used, how it is corrected.

Written from docs/limits.md, not from the scripts. Times are milliseconds, amounts whole numbers of what is counted; a
bucket's level is a fraction. ``model_limits`` owns the limits of accounts and says what each is asked.

What the document leaves open is decided here, once:
- Looking at a limit brings nothing to the present; an admission does so for every limit it looked at, a settlement for
  those it corrects by something.
- A limit that was set back by more than a period is as if unused.
- How far the clock is back is told from what a limit keeps: from the start of the last window counted in, or from the
  moment of the bucket's level. Within a period it is as if the clock stood there.
- More than the estimate is taken in the present window. Less is given back where the time of the admission lies in a
  window that still counts; an admission that lies after the present gives back nothing.
- From a bucket comes back what has not drained of the estimate, at most the difference: never more than what it would
  be without, had the actual cost been known at once.
- What corrections lead beyond the exact range stops there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

MAX = 2**53 - 1
WEEK_MS = 7 * 86_400_000
MONDAY_MS = 4 * 86_400_000  # the first Monday after 1970 began


@dataclass
class Limit:
    """A definition; subclasses keep what was used.

    ``log`` has every admission and correction as (time, change), for tests; no answer is made from it.
    """

    algorithm: str
    counts: str
    limit: int
    period: int
    burst: int | None = None
    model: str = ""
    operation: str = ""
    scope: str = ""
    shadow: bool = False
    denied: int = 0  # of a shadow: what it would have refused
    log: list[tuple[int, int]] = field(default_factory=list)

    @property
    def identity(self) -> tuple[str, int, str, str, bool]:
        return identity_of(self.algorithm, self.counts, self.period, self.model, self.operation, shadow=self.shadow)

    @property
    def most(self) -> int:
        """What it lets pass at once, unused."""
        return self.limit if self.burst is None or self.algorithm != "gcra" else self.burst

    def sees(self, model: str, operation: str) -> bool:
        """Whether it looks at admissions of these."""
        return self.model in ("", model) and self.operation in ("", operation)

    def replace(self, now: int, limit: int, burst: int | None) -> None:
        """Another limit and burst; what was used until now stays."""
        self.write(now)
        self.limit, self.burst = limit, burst

    def remaining(self, now: int) -> int:
        return max(0, self.most - self.used(now))

    def fits(self, now: int, cost: int) -> bool:
        return self.used(now) + cost <= self.most

    def retry_ms(self, now: int, cost: int) -> int | None:
        """The first moment at which the same fits if nobody else asks, from now; found by trying."""
        if cost > self.most:
            return None
        late = 1
        while not self.fits(now + late, cost):
            late *= 2
        early = late // 2
        while late - early > 1:
            middle = (early + late) // 2
            early, late = (early, middle) if self.fits(now + middle, cost) else (middle, late)
        return late

    def used(self, now: int) -> int:
        """What counts at a moment; a started unit is a whole one."""
        raise NotImplementedError

    def write(self, now: int) -> None:
        """Brings what is kept to a moment."""
        raise NotImplementedError

    def is_far_back(self, now: int) -> bool:
        """Whether the clock is more than a period before what is kept."""
        raise NotImplementedError


@dataclass
class Bucket(Limit):
    """gcra: holds what was used, drains by ``limit`` per ``period``."""

    level: Fraction = Fraction(0)
    at: int | None = None  # when that was the level

    def is_far_back(self, now: int) -> bool:
        return self.at is not None and self.at - now > self.period

    def moment(self, now: int) -> int:
        """The moment that counts as the present."""
        return now if self.at is None or self.is_far_back(now) else max(now, self.at)

    def level_at(self, now: int) -> Fraction:
        if self.at is None or self.is_far_back(now):
            return Fraction(0)
        passed = self.moment(now) - self.at
        return max(Fraction(0), self.level - Fraction(self.limit * passed, self.period))

    def used(self, now: int) -> int:
        return ceil(self.level_at(now))

    def fits(self, now: int, cost: int) -> bool:
        return self.level_at(now) + cost <= self.most

    def write(self, now: int) -> None:
        self.level, self.at = self.level_at(now), self.moment(now)

    def change(self, now: int, by: int | Fraction) -> None:
        self.write(now)
        self.level = min(max(Fraction(0), self.level + by), Fraction(MAX, self.period))
        self.log.append((self.at, by))

    def take(self, now: int, cost: int) -> None:
        self.change(now, cost)

    def correct(self, now: int, admitted: int, estimate: int, actual: int) -> None:
        """An admission of ``estimate`` turned out as ``actual``."""
        if actual >= estimate:
            self.change(now, actual - estimate)
            return
        passed = self.moment(now) - admitted
        left = max(Fraction(0), estimate - Fraction(self.limit * passed, self.period)) if passed >= 0 else Fraction(0)
        self.change(now, -min(Fraction(estimate - actual), left))


@dataclass
class Windows(Limit):
    """fixed and sliding: what was used in an aligned window and in the one before it."""

    start: int | None = None  # of the window last written
    present: int = 0
    previous: int = 0

    def aligned(self, moment: int) -> int:
        """Start of the calendar's window; weeks begin on Monday."""
        return moment - (moment - (MONDAY_MS if self.period == WEEK_MS else 0)) % self.period

    def is_far_back(self, now: int) -> bool:
        return self.start is not None and self.start - now > self.period

    def windows(self, now: int) -> tuple[int, int, int]:
        """Start of the window that counts, what was used in it and in the one before."""
        if self.start is None:
            return self.aligned(now), 0, 0
        if self.is_far_back(now):
            return self.aligned(now), 0, 0
        start = max(self.start, self.aligned(now))
        if start == self.start:
            return start, self.present, self.previous
        return start, 0, self.present if start == self.start + self.period else 0

    def used(self, now: int) -> int:
        start, present, previous = self.windows(now)
        if self.algorithm == "fixed":
            return present
        still = self.period - max(0, now - start)
        return present + floor(Fraction(previous * still, self.period))

    def write(self, now: int) -> None:
        self.start, self.present, self.previous = self.windows(now)

    def take(self, now: int, cost: int) -> None:
        self.write(now)
        self.present = min(self.present + cost, MAX // self.period if self.algorithm == "sliding" else MAX)
        self.log.append((now, cost))

    def correct(self, now: int, admitted: int, estimate: int, actual: int) -> None:
        """An admission of ``estimate`` turned out as ``actual``."""
        by = actual - estimate
        if by >= 0:
            self.take(now, by)
            return
        self.write(now)
        if self.start <= admitted < self.start + self.period:
            self.present = max(0, self.present + by)
        elif self.algorithm == "sliding" and self.start - self.period <= admitted < self.start:
            self.previous = max(0, self.previous + by)
        self.log.append((now, by))


@dataclass
class Concurrency(Limit):
    """Open holds; whoever owns the limit knows them."""

    count: Callable[[], int] = lambda: 0

    def used(self, now: int) -> int:  # noqa: ARG002
        return self.count()

    def retry_ms(self, now: int, cost: int) -> int | None:  # noqa: ARG002
        return 1_000

    def write(self, now: int) -> None:
        pass

    def take(self, now: int, cost: int) -> None:
        """Nothing: the hold is there."""

    def is_far_back(self, now: int) -> bool:  # noqa: ARG002
        return False


KINDS = {"gcra": Bucket, "fixed": Windows, "sliding": Windows, "concurrency": Concurrency}


def identity_of(
    algorithm: str, counts: str, period: int, model: str, operation: str, *, shadow: bool = False
) -> tuple[str, int, str, str, bool]:
    """What makes two limits of an account the same."""
    is_open = algorithm == "concurrency"
    return ("concurrency" if is_open else counts, 0 if is_open else period, model, operation, shadow)
