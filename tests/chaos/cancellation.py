"""asyncio calls cancelled at every await point, in three ways; what later calls are told, and what stays held.

A task is cancelled at its k-th suspension, for k = 0, 1, ... until the call ends before it: at once, a turn of the loop
later, or just as what it waits for has ended.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import redis.asyncio

from ducto_redis import AsyncRedisStore
from ducto_redis.core.durability import Level
from ducto_redis.core.scripts import INJECTED_CLOCK, ScriptSet
from ducto_redis.drivers.asyncio import AsyncDriver
from ducto_redis.testing import FakeClock, redis_store

WITNESSES = 3
TTL_S = 60
_HOUR = 3600


def at_once(task: asyncio.Task[Any], _waited: Any) -> None:
    task.cancel()


def a_turn_later(task: asyncio.Task[Any], _waited: Any) -> None:
    asyncio.get_running_loop().call_soon(task.cancel)


def as_it_ends(task: asyncio.Task[Any], waited: Any) -> None:
    if isinstance(waited, asyncio.Future):
        waited.add_done_callback(lambda _: task.cancel())
    else:  # a bare yield is over in the next turn
        a_turn_later(task, waited)


WAYS = (at_once, a_turn_later, as_it_ends)


class CancelledAt:
    """Awaits a coroutine, having its own task cancelled at the k-th suspension.

    Attributes:
        reached: Whether there was such a suspension.
    """

    def __init__(self, inner: Coroutine[Any, Any, Any], k: int, way: Callable[[Any, Any], None]) -> None:
        self._inner, self._k, self._way = inner, k, way
        self.reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = lambda: self._inner.send(None)  # noqa: E731 - exchanged below
        for at in itertools.count():
            try:
                waited = step()
            except StopIteration as stop:
                return stop.value
            if at == self._k:
                self.reached = True
                task = asyncio.current_task()
                assert task
                self._way(task, waited)
            if isinstance(waited, asyncio.Future):
                waited._asyncio_future_blocking = True  # the task looks for it where the future itself was awaited
            try:
                yield waited
            except BaseException as thrown:  # handed on to the coroutine as it came
                error = thrown
                step = lambda: self._inner.throw(error)  # noqa: E731, B023 - used before the next turn
            else:
                step = lambda: self._inner.send(None)  # noqa: E731


async def awaited(what: CancelledAt) -> Any:
    return await what


def calls(store: AsyncRedisStore, first: int) -> Generator[Coroutine[Any, Any, Any], None, None]:
    """Endless calls of every kind, on one account."""
    for _ in range(first % 8):
        yield store.get_balance("u")
    for at in itertools.count():
        key = f"k{at}"
        yield store.reserve("u", 1, ttl=TTL_S, idempotency_key=key)
        yield store.settle("u", key, 1)
        yield store.add_credits("u", 1)
        yield store.reserve_credits("u", 1, ttl=TTL_S, idempotency_key=f"c{key}")
        yield store.deduct("u", 1)
        yield store.release("u", f"c{key}")
        yield store.get_balance("u")
        yield store.reserve("u", 1, ttl=TTL_S)


@asynccontextmanager
async def opened(
    server: Any, namespace: str, clock: FakeClock, own: bool
) -> AsyncIterator[tuple[AsyncRedisStore, AsyncDriver, Any]]:
    client = redis.asyncio.Redis(unix_socket_path=str(server.socket), max_connections=8)
    driver = AsyncDriver(client, ScriptSet(INJECTED_CLOCK), clock, own=own)
    async with AsyncRedisStore(driver, namespace=namespace, shards=2) as store:
        await store.setup()
        await store.add_credits("u", 10**6)
        for at in range(WITNESSES):
            await store.add_credits(f"w{at}", at + 1)
        yield store, driver, client.connection_pool


def waiting() -> Level:
    """A level whose calls wait, for no replica: each has a second reply behind it, which comes at once."""
    level = Level("replicated", 1, 100)
    level.wanted, level.command = 0, ("WAIT", 0, 1)
    return level


async def storm(
    server: Any, namespace: str, n: int, clock: FakeClock, seed: int, own: bool, waits: bool
) -> Counter[str]:
    """Cancels n calls; after each, witnesses are read whose balances never change."""
    seen: Counter[str] = Counter()
    async with opened(server, namespace, clock, own) as (store, driver, pool):
        if waits:
            driver.keep_to(waiting())
        made, k, turn = calls(store, seed), 0, seed
        while seen["cancelled"] < n:
            cut = CancelledAt(next(made), k, WAYS[turn % len(WAYS)])
            told = (await asyncio.gather(asyncio.ensure_future(awaited(cut)), return_exceptions=True))[0]
            seen["calls"] += 1
            seen["cancelled"] += isinstance(told, asyncio.CancelledError)
            seen["swallowed"] += cut.reached and not isinstance(told, asyncio.CancelledError)
            seen["errors"] += isinstance(told, Exception)
            seen["deepest"] = max(seen["deepest"], k if cut.reached else 0)
            k, turn = (k + 1, turn) if cut.reached else (0, turn + 1)
            replies = await asyncio.gather(
                *(store.get_balance(f"w{at}") for at in range(seen["calls"] % WITNESSES + 1))
            )
            seen["wrong replies"] += [reply.balance for reply in replies] != list(range(1, len(replies) + 1))
            if turn // len(WAYS) % 2:  # every other round meets no open connection, so it has the steps of opening one
                await pool.disconnect()
        made.close()
        seen["connections kept"] = len(pool._in_use_connections) - len(driver._lender._kept)
        seen["held before"] = (await store.list_holds("u")).total
    return seen


def run(server: Any, namespace: str, n: int, seed: int = 0, *, own: bool = False, waits: bool = False) -> Counter[str]:
    """Cancels n calls at every await point; the seed chooses way and first call, own keeps connections, waits has a
    WAIT behind each change.

    Returns:
        ``cancelled``, ``wrong replies``, ``held before`` and ``held after`` the time to live, ``connections kept``.
    """
    clock = FakeClock()
    seen = asyncio.run(storm(server, namespace, n, clock, seed, own, waits))
    clock.advance(seconds=_HOUR)
    with redis_store(server.url, clock, namespace=namespace) as store:
        while (store.sweep()).complete is False:
            pass
        seen["held after"] = store.list_holds("u").total + (store.get_available("u").reserved != 0)
    return seen


async def _naive(path: Path, n: int) -> int:
    reader, writer = await asyncio.open_unix_connection(str(path))

    async def ask(text: str) -> bytes:
        writer.write(b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n" % (len(text), text.encode()))
        await writer.drain()
        await reader.readline()
        return (await reader.readline()).strip()

    wrong = 0
    for at in range(n):
        cut = CancelledAt(ask(f"{at}"), 0, at_once)
        await asyncio.gather(asyncio.ensure_future(awaited(cut)), return_exceptions=True)
        wrong += await ask(f"{at}!") != f"{at}!".encode()
    writer.close()
    return wrong


def unprotected(server: Any, n: int) -> int:
    """The control: one connection, kept after a call on it was cancelled. Gives the wrong replies to n questions."""
    return asyncio.run(_naive(server.socket, n))
