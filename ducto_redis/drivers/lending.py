"""Lends connections to calls: of a pool of our own those that were used last, without the pool's work for each call.

Connections that are kept stay lent by the pool, so its bound holds; every thread takes from the same ones, so there
are never more than calls at one time, and a thread that ends leaves nothing behind. A user's own pool may have other
users and classes: of it nothing is kept.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import hiredis
from hiredis import pack_command
from redis import exceptions as redis_errors
from redis.connection import HiredisRespSerializer

from ducto_redis.core.steps import Call
from ducto_redis.drivers import urls
from ducto_redis.drivers.failures import raise_ours
from ducto_redis.drivers.replies import pack

_RECEIVED_BYTES: Final = 16 * 1024
#: What a server may send unasked in RESP3; hiredis before 3.2 does not tell it apart.
_PUSHED: Final = (hiredis.PushNotification,) if hasattr(hiredis, "PushNotification") else ()


def receive(connection: Any) -> Any:
    """Reads a reply; a client without a limit of its own is given one, so that no call waits for ever.

    Raises:
        redis.exceptions.TimeoutError: None came.
    """
    if connection.socket_timeout is None and not connection.can_read(timeout=urls.SOCKET_TIMEOUT):
        raise redis_errors.TimeoutError("Timeout reading from the server")
    return connection.read_response(disable_decoding=True)


class Loan:
    """A connection in the hands of one call: a block that maps what goes wrong in it and gives the connection back.

    Args:
        connection: A connection that is ready to write.
    """

    __slots__ = (
        "_direct",
        "_marked",
        "_nothing",
        "_pid",
        "_poll",
        "_reader",
        "_socket",
        "call",
        "connection",
        "lender",
    )

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.call: Call[Any] | None = None
        self.lender: Lender | None = None  # only while it is lent: a ring would keep forgotten stores alive
        self._pid = os.getpid()
        self._socket: Any = None
        self._poll: Any = None
        self._reader: Any = None
        self._nothing: Any = None
        self._direct = False
        self._marked = _marker_of(connection)

    def __enter__(self) -> Self:
        """Begins the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Takes the connection back; one with a reply outstanding is closed.

        Raises:
            CreditError: Ours for what redis-py raised.
        """
        lender, call = self.lender, self.call
        assert lender is not None
        if error is None and self._socket is not None and self._socket is self.connection._sock:  # noqa: SLF001
            self.lender = self.call = None
            lender.take_back_open(self, marked=self._marked())
            return
        self.lender = self.call = None
        lender.take_back(self, clean=error is None or isinstance(error, redis_errors.ResponseError))
        if isinstance(error, Exception):
            raise_ours(error, call, sent=True)

    def ask(self, command: tuple[Any, ...]) -> Any:
        """Sends a command and reads its reply.

        Raises:
            redis.exceptions.RedisError: The server's error, or the connection broke.
        """
        if not self._direct:
            self.connection.send_packed_command(pack(self.connection, command))
            return receive(self.connection)
        # As redis-py's connection does it, on its socket - whose time limit counts - and with its reader of replies.
        self._socket.sendall(pack_command(command))
        reply = self._reader.gets(False)
        while reply is self._nothing:
            data = self._socket.recv(_RECEIVED_BYTES)
            if not data:
                raise redis_errors.ConnectionError("Connection closed by server.")
            self._reader.feed(data)
            reply = self._reader.gets(False)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, _PUSHED):  # it is redis-py's, and the reply comes after it
            self.connection._parser.handle_push_response(reply)  # noqa: SLF001
            return receive(self.connection)
        return reply

    def watch(self) -> bool:
        """Remembers the socket of a connection that is to be kept; false when it has none that can be watched."""
        connection = self.connection
        socket = getattr(connection, "_sock", None)
        if socket is not None and socket is self._socket:
            return True
        self._reader = _reader_of(connection)
        if socket is None or self._reader is None or self._reader.has_data():
            return False
        self._socket, self._poll = socket, select.poll()
        self._poll.register(socket, select.POLLIN)
        self._nothing = self._reader.gets(False)
        plain = type(getattr(connection, "_command_packer", None)) is HiredisRespSerializer
        self._direct = plain and connection.socket_timeout is not None and not connection.health_check_interval
        return True

    def is_as_left(self) -> bool | None:
        """Whether it was closed by neither side and nothing came that no call has asked for; None for a parent's.

        What redis-py's ``can_read`` tells, in a fifth of its time.
        """
        if self._pid != os.getpid():
            return None
        same = self._socket is self.connection._sock  # noqa: SLF001 - no public name tells
        return same and not self._reader.has_data() and not self._poll.poll(0)


class Lender:
    """Lends the connections of a pool.

    Args:
        pool: redis-py's.
        keep: Whether connections are kept between calls; only for a pool that nobody else uses.
    """

    def __init__(self, pool: Any, *, keep: bool) -> None:
        self._pool = pool
        self._keep = keep and hasattr(select, "poll")
        self._kept: deque[Loan] = deque()  # its ends are thread-safe

    def lend(self, call: Call[Any] | None) -> Loan:
        """Lends a connection that is ready to write.

        Raises:
            CreditError: There is none; nothing was sent.
        """
        while True:
            try:
                loan = self._kept.pop()
            except IndexError:
                loan = self._from_pool(call)
                break
            fit = loan.is_as_left()
            if fit:
                break
            if fit is not None:  # forgetting a parent's closes our copy of its socket; the pool starts anew too
                self._pool.release(loan.connection)
        loan.lender, loan.call = self, call
        return loan

    def _from_pool(self, call: Call[Any] | None) -> Loan:
        try:
            return Loan(self._pool.get_connection())
        except Exception as error:
            raise_ours(error, call, sent=False)

    def take_back_open(self, loan: Loan, *, marked: bool) -> None:
        """Keeps a connection that was kept before, as long as the pool has not marked it."""
        if marked:
            self._pool.release(loan.connection)
        else:
            self._kept.append(loan)

    def take_back(self, loan: Loan, *, clean: bool) -> None:
        """Keeps a connection, or gives it to the pool; closes it first when a reply may be outstanding."""
        connection = loan.connection
        if clean and self._keep and not _marker_of(connection)() and loan.watch():
            self._kept.append(loan)
            return
        try:
            if not clean:
                connection.disconnect()
        finally:
            self._pool.release(connection)

    def close(self) -> None:
        """Gives what is kept to the pool."""
        while self._kept:
            try:
                self._pool.release(self._kept.pop().connection)
            except IndexError:
                return


def _reader_of(connection: Any) -> Any:
    """Hiredis' reader of a connection, which knows of replies that nobody took; None where there is another parser."""
    reader = getattr(getattr(connection, "_parser", None), "_reader", None)
    return reader if hasattr(reader, "has_data") else None


def _marker_of(connection: Any) -> Callable[[], bool]:
    """What tells whether the pool marked a connection to be closed when it comes back (redis-py 6.4 and newer)."""
    marker: Callable[[], bool] = getattr(connection, "should_reconnect", bool)
    return marker


class AsyncLender:
    """Keeps connections of a pool of redis.asyncio; the arguments are those of ``Lender``.

    Borrowing and giving back without the pool awaits nothing, so nothing can be cancelled in it.
    """

    def __init__(self, pool: Any, *, keep: bool) -> None:
        self._pool = pool
        self._keep = keep
        self._kept: list[Any] = []

    async def borrow(self) -> Any:
        """A connection that is ready to write: a kept one, or the pool's."""
        while self._kept:
            connection = self._kept.pop()
            if _is_idle(connection):
                return connection
            await self._pool.release(connection)
        return await self._pool.get_connection()

    async def take_back(self, connection: Any, *, clean: bool) -> None:
        """Keeps a connection, or gives it to the pool; closes it first when a reply may be outstanding."""
        if clean and self._keep and not _marker_of(connection)() and _is_idle(connection):
            self._kept.append(connection)
            return
        if not clean:
            await connection.disconnect(nowait=True)
        await self._pool.release(connection)

    async def close(self) -> None:
        """Gives what is kept to the pool."""
        while self._kept:
            await self._pool.release(self._kept.pop())


def _is_idle(connection: Any) -> bool:
    """Whether a connection is open and nothing has come that no call has asked for."""
    reader = getattr(connection, "_reader", None)
    if reader is None or reader.at_eof() or reader.exception() is not None:
        return False
    parsed = _reader_of(connection)
    return parsed is not None and not parsed.has_data() and not getattr(reader, "_buffer", b"")
