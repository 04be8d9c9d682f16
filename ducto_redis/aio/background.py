"""Work that is repeated in the background of a loop until it is stopped: a task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ducto_redis.background import checked_every
from ducto_redis.errors import CreditError


class Repeated:
    """Runs a step every so often in a task of the running loop; attributes as those of the synchronous one.

    Args:
        name: Of the task.
        every: Seconds between two runs.
        wait: Waits so many seconds and says whether to stop, instead of sleeping (tests).
    """

    def __init__(self, name: str, every: float, wait: Callable[[float], Awaitable[bool]] | None = None) -> None:
        self._every = checked_every(every)
        self._wait = wait or self._sleep
        self.last_error: CreditError | None = None
        self._task = asyncio.get_running_loop().create_task(self._work(), name=name)

    async def step(self) -> None:
        """One run, which subclasses say; what it raises of ours is kept in ``last_error``."""

    @staticmethod
    async def _sleep(seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return False

    async def _work(self) -> None:
        while not await self._wait(self._every):
            try:
                await self.step()
                self.last_error = None
            except CreditError as error:
                self.last_error = error

    @property
    def running(self) -> bool:
        """Whether its task goes on."""
        return not self._task.done()

    async def stop(self) -> None:
        """Stops it; a run that is under way is cancelled."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
