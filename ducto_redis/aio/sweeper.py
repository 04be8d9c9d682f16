"""The background sweep of an asyncio store: a task that calls ``sweep`` every so often until it is stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ducto_redis.aio.background import Repeated
from ducto_redis.work_models import SweepResult


class Sweeper(Repeated):
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
        self.sweeps = 0
        self.freed = 0
        super().__init__("ducto-sweeper", every, wait)

    async def step(self) -> None:
        """One sweep."""
        try:
            self.freed += (await self._sweep()).freed
        finally:
            self.sweeps += 1
