"""The background sweep of an asyncio store: a task that calls ``sweep`` every so often until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ducto_redis.background import checked_every
from ducto_redis.errors import CreditError
from ducto_redis.work_models import SweepResult


class Sweeper:
    """Sweeps in a task of the running loop; attributes as those of the synchronous one.

    Args:
        sweep: One bounded sweep.
        every: Seconds between two sweeps.
        wait: Waits so many seconds and says whether to stop, instead of sleeping (tests).
    """

    def __init__(
        self,
        sweep: Callable[[], Awaitable[SweepResult]],
        every: float = 60,
        wait: Callable[[float], Awaitable[bool]] | None = None,
    ) -> None:
        self._sweep = sweep
        self._every = checked_every(every)
        self._wait = wait or self._sleep
        self.sweeps = 0
        self.freed = 0
        self.last_error: CreditError | None = None
        self._task = asyncio.get_running_loop().create_task(self._work(), name="ducto-sweeper")

    @staticmethod
    async def _sleep(seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return False

    async def _work(self) -> None:
        while not await self._wait(self._every):
            try:
                self.freed += (await self._sweep()).freed
                self.last_error = None
            except CreditError as error:
                self.last_error = error
            self.sweeps += 1

    @property
    def running(self) -> bool:
        """Whether its task goes on."""
        return not self._task.done()

    async def stop(self) -> None:
        """Stops it; a sweep that is under way is cancelled."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
