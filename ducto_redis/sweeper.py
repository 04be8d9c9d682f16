"""The background sweep of a synchronous store: a thread that calls ``sweep`` every so often until it is stopped."""

from __future__ import annotations

from collections.abc import Callable

from ducto_redis.background import Repeated
from ducto_redis.work_models import SweepResult


class Sweeper(Repeated):
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
        self.sweeps = 0
        self.freed = 0
        super().__init__("ducto-sweeper", every, wait)

    def step(self) -> None:
        """One sweep."""
        try:
            self.freed += self._sweep().freed
        finally:
            self.sweeps += 1
