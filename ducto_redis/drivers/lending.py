"""Lends connections to calls: of a pool of our own those that were used last, without the pool's work for each call.

Connections that are kept stay lent by the pool, so its bound holds; every thread takes from the same ones, so there
are never more than calls at one time, and a thread that ends leaves nothing behind. A user's own pool may have other
users and classes: of it nothing is kept.
"""

from __future__ import annotations

import os
import select
from collections import deque
from types import TracebackType
from typing import Any

from redis.exceptions import ResponseError

from ducto_redis.core.steps import Call
from ducto_redis.drivers.failures import raise_ours


class Loan:
    """A connection in the hands of one call: a block that maps what goes wrong in it and gives the connection back.

    Args:
        connection: A connection that is ready to write.
    """

    __slots__ = ("_pid", "_poll", "_reader", "_socket", "call", "connection", "lender")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.call: Call[Any] | None = None
        self.lender: Lender | None = None  # only while it is lent: a ring would keep forgotten stores alive
        self._pid = os.getpid()
        self._socket: Any = None
        self._poll: Any = None
        self._reader: Any = None

    def __enter__(self) -> Any:
        """The connection."""
        return self.connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Takes the connection back; one with a reply outstanding is closed.

        Raises:
            CreditError: Ours for what redis-py raised.
        """
        lender, call = self.lender, self.call
        assert lender is not None
        self.lender = self.call = None
        lender.take_back(self, clean=error is None or isinstance(error, ResponseError))
        if isinstance(error, Exception):
            raise_ours(error, call, sent=True)

    @property
    def inherited(self) -> bool:
        """Whether the connection is the parent's: this process was forked since it was made."""
        return self._pid != os.getpid()

    def watch(self) -> bool:
        """Remembers the socket of a connection that is to be kept; false when it has none that can be watched."""
        socket, self._reader = getattr(self.connection, "_sock", None), _reader_of(self.connection)
        if socket is None or self._reader is None:
            return False
        if socket is not self._socket:
            self._socket, self._poll = socket, select.poll()
            self._poll.register(socket, select.POLLIN)
        return True

    def is_quiet(self) -> bool:
        """Whether it is as it was left: closed by neither side, and nothing came that no call has asked for.

        What redis-py's ``can_read`` tells, in a fifth of its time.
        """
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
        loan = self._pop() or self._from_pool(call)
        loan.lender, loan.call = self, call
        return loan

    def _pop(self) -> Loan | None:
        while self._kept:
            try:
                loan = self._kept.pop()
            except IndexError:  # another thread was faster
                return None
            if loan.inherited:
                continue  # forgetting it closes our copy of the socket; the pool starts anew too
            if loan.is_quiet():
                return loan
            self._pool.release(loan.connection)
        return None

    def _from_pool(self, call: Call[Any] | None) -> Loan:
        try:
            return Loan(self._pool.get_connection())
        except Exception as error:
            raise_ours(error, call, sent=False)

    def take_back(self, loan: Loan, *, clean: bool) -> None:
        """Keeps a connection, or gives it to the pool; closes it first when a reply may be outstanding."""
        connection = loan.connection
        if clean and self._keep and not _is_to_reconnect(connection) and loan.watch():
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


def _is_to_reconnect(connection: Any) -> bool:
    """Whether the pool has marked a connection to be closed when it comes back (redis-py 6.4 and newer)."""
    marked = getattr(connection, "should_reconnect", None)
    return marked is not None and bool(marked())


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
        if clean and self._keep and not _is_to_reconnect(connection) and _is_idle(connection):
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
