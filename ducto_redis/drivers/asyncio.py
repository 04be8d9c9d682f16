"""The asyncio driver: as the synchronous one, on redis-py's asyncio connections.

A driver belongs to the event loop that first uses it. A cancelled call drops its connection: the reply that is still
to come must never be read as the answer to another call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError

from ducto_redis.core.durability import Level
from ducto_redis.core.scripts import ScriptSet
from ducto_redis.core.steps import Ask, Batch, Call, Flow, Scan, ServerVersion, Step, Tell
from ducto_redis.drivers import urls
from ducto_redis.drivers.aio_loan import Loan, receive, send, write_small
from ducto_redis.drivers.flowing import adrive
from ducto_redis.drivers.lending import AsyncLender
from ducto_redis.drivers.replies import (
    LOADS,
    Waits,
    answered,
    command_of,
    missing,
    pack,
    read_replies,
    scan_command,
    scanned,
    version_in,
    written,
)
from ducto_redis.drivers.retrying import DEFAULT_POLICY, ENDING, PASSING, Attempts, own_reply
from ducto_redis.errors import ConfigError

T = TypeVar("T")


def connect(url: str) -> redis.asyncio.Redis:
    """A client for ``redis://``, ``rediss://`` or ``unix://`` with redis-py's own retries switched off.

    Raises:
        ConfigError: redis-py cannot read the URL.
    """
    try:
        return redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **urls.connect_options())
    except ValueError as cause:
        msg = f"the store's URL cannot be used: {cause}"
        raise ConfigError(msg) from cause


def driver_of(client: Any) -> Any:
    """The driver for what a store was given: a redis.asyncio client, or a driver, which is taken as it is."""
    return client if hasattr(client, "run_flow") else AsyncDriver(client)


class AsyncDriver:
    """Runs calls and flows on a server; the arguments are those of ``SyncDriver``, the client is redis.asyncio's."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        scripts: ScriptSet | None = None,
        stamp: Callable[[], int] | None = None,
        waits: Waits | None = None,
        *,
        own: bool = False,
    ) -> None:
        self.policy = DEFAULT_POLICY
        self.level: Level | None = None
        self._waits = waits or Waits(asyncio.sleep)
        self._client = client
        self._lender = AsyncLender(client.connection_pool, keep=own)
        self._scripts = scripts or ScriptSet()
        self._stamp = stamp
        self._loop: asyncio.AbstractEventLoop | None = None

    def keep_to(self, level: Level) -> None:
        """Makes calls wait for what a level wants.

        Raises:
            ConfigError: The client would give up sooner.
        """
        self.level = urls.checked_patience(level, self._client)

    async def run_flow(self, flow: Flow[T]) -> T:
        """Runs a flow to its end.

        Raises:
            ConfigError: Another event loop has used this driver before.
        """
        self._claim_loop()
        return await adrive(flow, partial(self._persist, failed_at=[]))

    async def close(self) -> None:
        """Closes the connections."""
        await self._lender.close()
        await self._client.aclose()

    def _claim_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            msg = "this store belongs to another event loop; make one store per loop"
            raise ConfigError(msg)

    async def _persist(self, step: Step, failed_at: list[float]) -> Any:
        """Attempts a step until it is done, fails for good, or the policy's deadline is over.

        Args:
            step: The step.
            failed_at: When the first attempt of the flow failed, shared by its steps: they have one deadline.
        """
        attempts: Attempts | None = None
        while True:
            try:
                return await self._step(step, resent=attempts is not None and attempts.unknown)
            except PASSING as error:
                now_s = self._waits.now_s()
                failed_at.append(now_s)
                attempts = attempts or Attempts(self.policy, step, failed_at[0])
                delay_s = attempts.delay_s(error, now_s, self._waits.chance())
                await self._waits.sleep(delay_s)
            except ENDING as error:
                if attempts is None or not attempts.unknown:
                    raise
                raise attempts.final(error) from error

    async def _step(self, step: Step, *, resent: bool = False) -> Any:
        if isinstance(step, Call) and self.level is None:
            async with self._connection(step) as connection:
                reply = await self._evaluate(connection, step)
            return step.parse(own_reply(step.script, reply) if resent else reply)
        if isinstance(step, Call | Batch):
            return await self._run_calls(step, resent=resent)
        if isinstance(step, Ask | Tell):
            async with self._connection(None) as connection:
                return answered(step, await self._exchange_all(connection, written(step)))
        if isinstance(step, Scan):
            async with self._connection(None) as connection:
                return scanned(await self._exchange(connection, *scan_command(step)))
        assert isinstance(step, ServerVersion)
        async with self._connection(None) as connection:
            try:
                return version_in(await self._exchange(connection, "INFO", "server"))
            except ResponseError:
                return ""

    async def _run_calls(self, step: Call[Any] | Batch, *, resent: bool) -> Any:
        calls, level = step.calls if isinstance(step, Batch) else (step,), self.level
        if not calls:
            return []
        waiting = [command] if level is not None and (command := level.behind(calls)) else []
        async with self._connection(calls[0]) as connection:
            # The first call alone usually loads the script that all of them run; what waits goes with the last write.
            alone = 0 if waiting and len(calls) == 1 else 1
            replies = [await self._evaluate(connection, call) for call in calls[:alone]]
            commands = [command_of(call, self._scripts[call.script], self._stamp) for call in calls[alone:]]
            replies += await self._exchange_all(connection, [*commands, *waiting])
            gone = missing(replies)
            for at in gone:
                try:
                    replies[at] = await self._evaluate(connection, calls[at])
                except ResponseError as error:
                    replies[at] = error
            if gone:
                replies[len(calls) :] = await self._exchange_all(connection, waiting)
        results = read_replies(calls, replies, resent=resent, level=level)
        return results if isinstance(step, Batch) else results[0]

    async def _evaluate(self, connection: Any, call: Call[Any]) -> Any:
        script = self._scripts[call.script]
        command = command_of(call, script, self._stamp)
        for _ in range(LOADS):
            try:
                return await self._exchange(connection, *command)
            except NoScriptError:
                await self._exchange(connection, "SCRIPT", "LOAD", script.text)
        return await self._exchange(connection, *command)

    @staticmethod
    async def _exchange_all(connection: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Sends commands in one write and reads their replies, errors among them."""
        if commands:
            await send(connection, connection.pack_commands(commands))
        replies = []
        for _ in commands:
            try:
                replies.append(await receive(connection))
            except ResponseError as error:  # the replies behind it are still to be read
                replies.append(error)
        return replies

    @staticmethod
    async def _exchange(connection: Any, *command: Any) -> Any:
        packed = pack(connection, command)
        if not write_small(connection, packed):
            await send(connection, packed)
        return await receive(connection)

    def _connection(self, call: Call[Any] | None) -> Loan:
        """Lends a connection that is ready to write; one with a reply outstanding is never lent again."""
        return Loan(self._lender, call)
