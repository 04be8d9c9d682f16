"""Work that is repeated in the background until it is stopped: a daemon thread that goes on in a forked child."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from ducto_redis.errors import CreditError, InvalidArgumentError

MIN_EVERY = 0.01


def checked_every(every: float) -> float:
    """The seconds between two runs.

    Raises:
        InvalidArgumentError: They are not a number of at least 0.01.
    """
    if isinstance(every, int | float) and not isinstance(every, bool) and every >= MIN_EVERY:
        return every
    raise InvalidArgumentError(f"invalid_argument: every must be at least {MIN_EVERY} seconds, not {every!r:.80}")


class Repeated:
    """Runs a step every so often in a thread; in a forked child it is another thread.

    Args:
        name: Of the thread.
        every: Seconds between two runs.
        wait: Waits so many seconds and says whether to stop, instead of the thread's own event (tests).

    Attributes:
        last_error: What the last run failed with, or None; a failure does not stop it.
    """

    def __init__(self, name: str, every: float, wait: Callable[[float], bool] | None = None) -> None:
        self._name = name
        self._every = checked_every(every)
        self._given_wait = wait
        self.last_error: CreditError | None = None
        self._begin()
        revive = weakref.WeakMethod(self.revive)

        def in_child() -> None:
            if (method := revive()) is not None:
                method()

        os.register_at_fork(after_in_child=in_child)

    def step(self) -> None:
        """One run, which subclasses say; what it raises of ours is kept in ``last_error``."""

    def revive(self) -> None:
        """Goes on in a forked child, which has none of its parent's threads, unless it was stopped."""
        if not self._stop.is_set():
            self._begin()

    def _begin(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        wait = self._given_wait or self._stop.wait
        while not wait(self._every) and not self._stop.is_set():
            try:
                self.step()
                self.last_error = None
            except CreditError as error:
                self.last_error = error

    @property
    def running(self) -> bool:
        """Whether its thread is alive."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stops it and waits for a run that is under way."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()
