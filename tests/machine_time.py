"""The machine's steps in time: forward and back, to the ends of holds and periods, over days and months."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule
from machine_draws import accounts, amounts, backward_steps, costs, forward_steps, models, modes, ttls, withins
from model_state import DAY_MS, HOUR_MS, period_of


class TimeRules:
    """Steps of the clock, and what is done around them."""

    @rule(step=forward_steps)
    def forward(self, step):
        if isinstance(step, str) and step.startswith("turn"):
            step = self._turn_ms() + int(step[-2:]) - self.clock.now_ms
        elif isinstance(step, str):
            step = period_of(step[:-2], self.clock.now_ms)[1] + int(step[-2:]) - self.clock.now_ms
        if step > 0:
            self.move(step)

    def _turn_ms(self):
        """The next moment at which a week or month of some cap ends, wherever it starts."""
        every = [(period, cap) for caps in self.model.caps.values() for (period, _), cap in caps.items()]
        ends = [cap.bounds(period, self.clock.now_ms)[1] for period, cap in every if period in ("weekly", "monthly")]
        return min(ends, default=period_of("weekly", self.clock.now_ms)[1])

    @rule(account=accounts, amount=amounts, ttl=ttls, by=st.sampled_from([-1, 0, 0, 0, 1, 60_000]), model=models,
          cost=costs, then=st.sampled_from(["", "settle", "bill", "bill", "deduct", "release"]),
          within=withins)  # fmt: skip
    def expire(self, account, amount, ttl, *, by, model, cost, then, within):
        """To where a new hold ends, or a little beside it, and there something is done with it."""
        made, at = self._reserve(account, amount, ttl=ttl, model=model, within=within)
        if made:
            self.move(ttl + by)
            if then == "bill":
                self._charge("settle", at, cost, late="bill")
            elif then:
                self.do(then, account=account, hold_id=at[1], **({} if then == "release" else {"asked": 3}))

    @rule(account=accounts, cost=st.sampled_from(["hold+0", "hold-1", "free+1"]), left=st.sampled_from([0, -1, -3]))
    def late(self, account, cost, left):
        """A hold of all that is free expires, another takes it; then the first is billed late: nothing is its own."""
        made, at = self._reserve(account, "free+0", ttl=1_000, admit=False)
        if made:
            self.move(1_000)
            self._reserve(account, f"free{left:+d}", admit=False)
            self._charge("settle", at, cost, late="bill")

    @rule(step=backward_steps)
    def backward(self, step):
        self.end_what_is_due()
        now = self.clock.now_ms
        if isinstance(step, str):  # to the last millisecond of the day or month before
            step = now + 1 - period_of(step, now)[0]
        # EXCLUSION 3: one earlier period is kept; the clock stays within less than a period of the latest it has seen.
        step = min(step, now - self.earliest_ms)
        if step > 0:
            self.move(-step)

    @rule(step=backward_steps, account=accounts, mode=modes, amount=amounts)
    def backward_and_ask(self, step, account, mode, amount):
        """What the first call after a step back meets."""
        self.backward(step)
        self._reserve(account, amount, mode=mode)

    @rule(account=accounts, amount=st.integers(0, 40), step=backward_steps)
    def wobble(self, account, amount, step):
        """Back, a charge there, and forward to where it was."""
        before = self.clock.now_ms
        self.backward(step)
        self._flow(account, amount, amount)
        if self.clock.now_ms < before:
            self.move(before - self.clock.now_ms)

    @rule(account=accounts, amount=st.integers(0, 40), length=st.integers(1, 200), mode=modes,
          what=st.sampled_from(["leap", "old hold", "old record"]))  # fmt: skip
    def days(self, account, amount, length, *, mode, what):
        if what == "leap" and not self.model.in_future():  # EXCLUSION 3: two other periods with spend in a leap
            self._leap(account, amount, length)
        elif what == "old hold":
            self._old_hold(account, amount, (20 + length // 20) * HOUR_MS, mode)
        elif what == "old record" and self._flow(account, amount, amount):  # the same answer 16 hours later
            self._wait(account, 8 * HOUR_MS)
            self._wait(account, 8 * HOUR_MS)
            self._again(-1, {})

    def _leap(self, account, amount, days):
        """The clock jumps ahead, something is spent, and it jumps back: the spend counts in the present."""
        self._flow(account, amount, amount)
        self.write_all(self.model.known)  # EXCLUSION 3 again: so the period that is kept is the present one
        self.move(days * DAY_MS)
        self._flow(account, amount, amount)
        self.look(self.focus)
        self.end_what_is_due()
        self.move(-days * DAY_MS)
        self.look(self.focus)
        self.write_all(self.model.known)
        self.earliest_ms = self.clock.now_ms

    def _old_hold(self, account, amount, step, mode):
        """A hold is settled when it is more than a day old."""
        made, at = self._reserve(account, amount, ttl=3 * DAY_MS, mode=mode)
        if made:
            self._wait(account, step)
            self._wait(account, 5 * HOUR_MS)
            self._charge("settle", at, amount)

    def _wait(self, account, step):
        self.move(step)
        self.do("grant", account=account, amount=1, kind="seed", key=None)
