"""Lets threads be stopped and sent on by counts instead of by time: a gate for callers, turns for a snapshotter."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from ducto_redis import NeedsRestore, OutcomeUnknown, StoreUnavailable

#: Longer than anything takes; then a test fails instead of hanging.
LIMIT_S = 60
_TRIES = 200


class Ended(Exception):
    """The server is gone for good: callers stop."""


class Gate:
    """Every call goes through it, once it is open. What fails while the server is away is sent again on demand.

    Attributes:
        executed: Calls that were told as executed.
        met: What callers were told instead, by name.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_open, self._up, self._ended = False, True, False
        self._active = self._round = 0
        self._strike: tuple[int, Callable[[], None]] | None = None
        self.executed = 0
        self.met: Counter[str] = Counter()

    def call(self, send: Callable[[], Any]) -> Any:
        """Sends until there is an answer."""
        for _ in range(_TRIES):
            with self._changed:
                self._await(lambda: self._is_open)
                self._active += 1
                begun = self._round
            try:
                result = send()
            except (NeedsRestore, OutcomeUnknown, StoreUnavailable) as error:
                with self._changed:
                    self._active -= 1
                    self.met[type(error).__name__] += 1
                    self._changed.notify_all()
                    self._await(lambda begun=begun: self._up or self._round > begun)
                continue
            with self._changed:
                self._active -= 1
                self.executed += result.error_code is None
                if self._strike is not None and self.executed >= self._strike[0]:
                    strike, self._strike = self._strike[1], None
                    strike()
                self._changed.notify_all()
            return result
        raise AssertionError(f"no answer in {_TRIES} tries: {self.met}")

    def _await(self, is_so: Callable[[], bool]) -> None:
        if not self._changed.wait_for(lambda: self._ended or is_so(), LIMIT_S):
            raise TimeoutError(f"{self.executed} executed, {self._active} under way, {self.met}")
        if self._ended:
            raise Ended

    def expect(self, count: int, what: Callable[[], None]) -> None:
        """Does something when so many calls were told as executed, in the thread that was."""
        with self._changed:
            self._strike = (count, what)

    def await_it(self) -> None:
        """Waits until that is done."""
        with self._changed:
            self._await(lambda: self._strike is None)

    def close(self) -> None:
        """Lets no call begin; what is done at a count."""
        self._is_open = False

    def await_quiet(self) -> None:
        """Waits until it was closed and no call is under way."""
        with self._changed:
            self._await(lambda: not self._is_open and not self._active)

    def go_down(self) -> None:
        """From now on who fails waits."""
        self._up = False

    def try_again(self) -> None:
        """Lets calls begin and all that failed be sent again; waits until one has failed again."""
        with self._changed:
            before = self.met.total()
            self._is_open = True
            self._round += 1
            self._changed.notify_all()
            self._await(lambda: self.met.total() > before)

    def go_up(self) -> None:
        """The server is there again: nobody waits any more."""
        with self._changed:
            self._is_open = self._up = True
            self._changed.notify_all()

    def end(self) -> None:
        """Every caller stops, also who waits."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Turns:
    """The ``wait`` of a snapshotter that runs when it is told to."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wanted = self._begun = 0
        self._stopping = False

    def wait(self, _seconds: float) -> bool:
        """Called by the snapshotter between two runs; says whether to stop."""
        with self._changed:
            self._begun += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._stopping or self._wanted >= self._begun, LIMIT_S)
            return self._stopping

    def take(self) -> None:
        """Has it run once, to its end."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._begun > self._wanted, LIMIT_S)
            self._wanted += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._begun > self._wanted, LIMIT_S)

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
