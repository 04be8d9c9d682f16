"""The background sweep of a synchronous store: a thread that calls ``sweep`` every so often until it is stopped."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from ducto_redis.errors import CreditError, InvalidArgumentError
from ducto_redis.work_models import SweepResult

MIN_EVERY = 0.01


def checked_every(every: float) -> float:
    """The seconds between two sweeps.

    Raises:
        InvalidArgumentError: They are not a number of at least 0.01.
    """
    if isinstance(every, int | float) and not isinstance(every, bool) and every >= MIN_EVERY:
        return every
    raise InvalidArgumentError(f"invalid_argument: every must be at least {MIN_EVERY} seconds, not {every!r:.80}")


class Sweeper:
    """Sweeps in a daemon thread; goes on in a forked child, where it is another thread.

    Args:
        sweep: One bounded sweep.
        every: Seconds between two sweeps.
        wait: Waits so many seconds and says whether to stop, instead of the thread's own event (tests).

    Attributes:
        sweeps: How often it swept.
        freed: Holds freed so far.
        last_error: What the last sweep failed with, or None; a failure does not stop the sweeper.
    """

    def __init__(
        self, sweep: Callable[[], SweepResult], every: float = 60, wait: Callable[[float], bool] | None = None
    ) -> None:
        self._sweep = sweep
        self._every = checked_every(every)
        self._given_wait = wait
        self.sweeps = 0
        self.freed = 0
        self.last_error: CreditError | None = None
        self._begin()
        revive = weakref.WeakMethod(self.revive)

        def in_child() -> None:
            if (method := revive()) is not None:
                method()

        os.register_at_fork(after_in_child=in_child)

    def revive(self) -> None:
        """Goes on in a forked child, which has none of its parent's threads, unless it was stopped."""
        if not self._stop.is_set():
            self._begin()

    def _begin(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ducto-sweeper", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        wait = self._given_wait or self._stop.wait
        while not wait(self._every) and not self._stop.is_set():
            try:
                self.freed += self._sweep().freed
                self.last_error = None
            except CreditError as error:
                self.last_error = error
            self.sweeps += 1

    @property
    def running(self) -> bool:
        """Whether its thread is alive."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stops it and waits for a sweep that is under way."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()
