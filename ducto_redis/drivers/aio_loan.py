"""A connection of redis.asyncio in the hands of one call: writing, reading, and giving it back whatever goes wrong."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Final

from redis.exceptions import ResponseError

from ducto_redis.core.steps import Call
from ducto_redis.drivers import urls
from ducto_redis.drivers.failures import raise_ours
from ducto_redis.drivers.lending import AsyncLender

#: Below what an asyncio transport buffers before it asks writers to wait, 64 KiB.
_SMALL_BYTES: Final = 16 * 1024


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
