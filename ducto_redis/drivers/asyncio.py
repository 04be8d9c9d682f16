"""The asyncio driver: as the synchronous one, on redis-py's asyncio connections.

A driver belongs to the event loop that first uses it. A cancelled call drops its connection: the reply that is still
to come must never be read as the answer to another call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final, TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError

from ducto_redis.core.scripts import ScriptSet
from ducto_redis.core.steps import Ask, Batch, Call, Flow, Scan, ServerVersion, Step
from ducto_redis.drivers import urls
from ducto_redis.drivers.failures import raise_ours
from ducto_redis.drivers.flowing import adrive
from ducto_redis.drivers.lending import AsyncLender
from ducto_redis.drivers.replies import (
    LOADS,
    Waits,
    command_of,
    executed,
    pack,
    read_replies,
    scan_command,
    scanned,
    transaction,
    version_in,
)
from ducto_redis.drivers.retrying import DEFAULT_POLICY, ENDING, PASSING, Attempts, own_reply
from ducto_redis.errors import ConfigError

T = TypeVar("T")

#: Below what an asyncio transport buffers before it asks writers to wait, 64 KiB.
_SMALL_BYTES: Final = 16 * 1024


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


def _cancel_requests() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _raise_if_cancelled(before: int) -> None:
    """Raises a cancellation that was swallowed since ``before`` requests were counted.

    redis-py connects and writes under ``asyncio.wait_for``, which before Python 3.12 swallows a cancellation that
    arrives just as the inner work ends (CPython issue 86296); the task's own count still tells of it.
    """
    if _cancel_requests() > before:
        raise asyncio.CancelledError


async def send(connection: Any, packed: Any) -> None:
    """Writes packed commands.

    Raises:
        asyncio.CancelledError: The task was cancelled meanwhile.
    """
    before = _cancel_requests()
    await connection.send_packed_command(packed)
    _raise_if_cancelled(before)


def write_small(connection: Any, packed: list[bytes]) -> bool:
    """Writes a command that fits into the buffers of an open connection; false when redis-py is to write it.

    redis-py writes under ``asyncio.wait_for``, which makes a task of its own of each write. What fits needs no time
    limit: when the server takes none of it, none of the reply comes either, and reading has one.
    """
    writer = getattr(connection, "_writer", None)
    if writer is None or connection.health_check_interval or len(packed) > 1 or len(packed[0]) > _SMALL_BYTES:
        return False
    transport = writer.transport
    if transport.is_closing() or transport.get_write_buffer_size():
        return False
    writer.write(packed[0])
    return True


async def receive(connection: Any) -> Any:
    """Reads a reply; a client without a limit of its own is given one, so that no call waits for ever.

    Raises:
        TimeoutError: None came.
    """
    if connection.socket_timeout is not None:
        return await connection.read_response(disable_decoding=True)
    reply = await connection.read_response(disable_decoding=True, timeout=urls.SOCKET_TIMEOUT)
    if reply is None:  # redis-py says so instead of raising; none of our commands answers nil
        raise TimeoutError("Timeout reading from the server")
    return reply


class Loan:
    """A connection in the hands of one call: a block that maps what goes wrong in it and gives the connection back."""

    __slots__ = ("_call", "_connection", "_lender")

    def __init__(self, lender: AsyncLender, call: Call[Any] | None) -> None:
        self._lender, self._call = lender, call
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        """A connection that is ready to write.

        Raises:
            CreditError: There is none; nothing was sent.
        """
        before = _cancel_requests()
        try:
            connection = await self._lender.borrow()
        except Exception as error:
            raise_ours(error, self._call, sent=False)
        try:
            _raise_if_cancelled(before)
        except asyncio.CancelledError:
            await self._lender.take_back(connection, clean=False)
            raise
        self._connection = connection
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Takes the connection back; one with a reply outstanding is closed.

        Raises:
            CreditError: Ours for what redis-py raised.
        """
        await self._lender.take_back(self._connection, clean=error is None or isinstance(error, ResponseError))
        if isinstance(error, Exception):
            raise_ours(error, self._call, sent=True)


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
        self._waits = waits or Waits(asyncio.sleep)
        self._client = client
        self._lender = AsyncLender(client.connection_pool, keep=own)
        self._scripts = scripts or ScriptSet()
        self._stamp = stamp
        self._loop: asyncio.AbstractEventLoop | None = None

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
        if isinstance(step, Call):
            async with self._connection(step) as connection:
                reply = await self._evaluate(connection, step)
            return step.parse(own_reply(step.script, reply) if resent else reply)
        if isinstance(step, Batch):
            return await self._run_batch(step, resent=resent)
        if isinstance(step, Ask):
            async with self._connection(None) as connection:
                await send(connection, connection.pack_commands(transaction(step)))
                return executed(await self._receive_all(connection, len(step.commands) + 2))
        if isinstance(step, Scan):
            async with self._connection(None) as connection:
                return scanned(await self._exchange(connection, *scan_command(step)))
        assert isinstance(step, ServerVersion)
        async with self._connection(None) as connection:
            try:
                return version_in(await self._exchange(connection, "INFO", "server"))
            except ResponseError:
                return ""

    async def _run_batch(self, batch: Batch, *, resent: bool) -> list[Any]:
        if not batch.calls:
            return []
        async with self._connection(batch.calls[0]) as connection:
            # The first call alone usually loads the script that all of them run.
            first = await self._evaluate(connection, batch.calls[0])
            rest = batch.calls[1:]
            commands = [command_of(call, self._scripts[call.script], self._stamp) for call in rest]
            await send(connection, connection.pack_commands(commands))
            replies = [first, *await self._receive_all(connection, len(rest))]
            for at, reply in enumerate(replies):
                if isinstance(reply, NoScriptError):
                    try:
                        replies[at] = await self._evaluate(connection, batch.calls[at])
                    except ResponseError as error:
                        replies[at] = error
        return read_replies(batch.calls, replies, resent=resent)

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
    async def _receive_all(connection: Any, count: int) -> list[Any]:
        replies = []
        for _ in range(count):
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
