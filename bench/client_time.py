"""Time as one lone caller sees it, beside redis-py's own EVALSHA: goals S4 (sync) and S7 (asyncio)."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from itertools import count
from typing import Any

import redis
import redis.asyncio
from measuring import url_of
from reporting import Figure
from server_time import Size
from subjects import BARE_VALUES, Bare, Subject, Times, flush_scripts, ratios, take_turns

from ducto_redis import AsyncRedisStore, RedisStore
from ducto_redis.drivers.replies import command_of

BLOCK = 100  # calls of one row before it is another's turn
ROUNDS = 10
OPERATIONS = {"full charge": "deduct", "reserve": "reserve"}

Block = Callable[[Sequence[Any]], float]


class Caller:
    """Rows of blocks of calls, over accounts and bare hashes of its own."""

    def __init__(self, client: redis.Redis, size: Size) -> None:
        self.subject, self.bare = Subject(client), Bare(client, size.calls)
        self.names = self.subject.accounts(size.calls)
        flush_scripts(client, self.subject, self.bare)
        self._blocks = count()

    def _some(self, items: Sequence[Any]) -> Sequence[Any]:
        start = next(self._blocks) * BLOCK % (len(items) - BLOCK + 1)
        return items[start : start + BLOCK]

    def own(self, row: str, block: Block, times: Times) -> None:
        """Calls of the store."""
        times[row].append(block([(name, 1) for name in self._some(self.names)]))

    def same(self, row: str, operation: str, block: Block, times: Times) -> None:
        """redis-py's EVALSHA of what the store would send, with fresh operation ids."""
        calls = self.subject.take_down(operation, [(name, 1) for name in self._some(self.names)])
        commands = [command_of(call, self.subject.scripts[call.script], None) for call in calls]
        times[row].append(block([command[1:] for command in commands]))

    def plain(self, block: Block, times: Times) -> None:
        """redis-py's EVALSHA of the bare script."""
        times["bare"].append(block([(self.bare.sha, 1, key, *BARE_VALUES) for key in self._some(self.bare.keys)]))

    def rows(self, evalsha: Block, block_of: Callable[[str], Block | None]) -> list[Callable[[Times], None]]:
        """Every row: bare, and each operation with its script sent by redis-py."""
        turns: list[Callable[[Times], None]] = [partial(self.plain, evalsha)]
        for row, operation in OPERATIONS.items():
            block = block_of(operation)
            if block:
                turns.append(partial(self.own, row, block))
                turns.append(partial(self.same, f"script of {row}", operation, evalsha))
        return turns


def _sync_block(call: Callable[..., Any], items: Sequence[Any]) -> float:
    started = time.perf_counter()
    for item in items:
        call(*item)
    return (time.perf_counter() - started) / len(items) * 1e6


def measure_sync(client: redis.Redis, size: Size) -> list[Figure]:
    """S4: calls per second of one thread."""
    caller = Caller(client, size)
    store = RedisStore.from_url(url_of(client), namespace=caller.subject.store._space.name)  # noqa: SLF001

    def block_of(operation: str) -> Block | None:
        call = getattr(store, operation, None)
        return partial(_sync_block, call) if call else None

    times = take_turns(caller.rows(partial(_sync_block, client.evalsha), block_of), size.repetitions, ROUNDS)
    store.close()
    client.flushall()
    return _figures("S4", times, 0.9, speed=True)


def measure_async(client: redis.Redis, size: Size) -> list[Figure]:
    """S7: latency of one task; its own event loop runs block by block."""
    caller = Caller(client, size)
    with asyncio.Runner() as runner:
        lone = redis.asyncio.Redis.from_url(url_of(client))
        store = AsyncRedisStore.from_url(url_of(client), namespace=caller.subject.store._space.name)  # noqa: SLF001
        runner.run(store.setup(create=False))

        async def work(call: Callable[..., Coroutine[Any, Any, Any]], items: Sequence[Any]) -> float:
            started = time.perf_counter()
            for item in items:
                await call(*item)
            return (time.perf_counter() - started) / len(items) * 1e6

        def block(call: Callable[..., Any], items: Sequence[Any]) -> float:
            return runner.run(work(call, items))

        def block_of(operation: str) -> Block | None:
            call = getattr(store, operation, None)
            return partial(block, call) if call else None

        times = take_turns(caller.rows(partial(block, lone.evalsha), block_of), size.repetitions, ROUNDS)
        runner.run(store.close())
        runner.run(lone.aclose())
    client.flushall()
    return _figures("S7", times, 1.1, speed=False)


def _figures(goal: str, times: Times, wanted: float, *, speed: bool) -> list[Figure]:
    figures = []
    for row, operation in OPERATIONS.items():
        limit = wanted if operation == "deduct" else None
        for base, told in (("bare", "bare"), (f"script of {row}", "the same script")):
            what = f"{row}, {'calls/s' if speed else 'latency'} / that of redis-py's EVALSHA of {told}"
            # GOALS divides S4 by bare; S7 names no script: beside the same one it is the price of driver and models.
            mine = limit if (base == "bare") == speed else None
            if row not in times:
                missing = f"operation missing: store.{operation}"
                figures.append(Figure(goal, what, wanted=mine, at_least=speed, remark=missing))
                continue
            pair = (base, row) if speed else (row, base)
            remark = " / ".join(f"{statistics.median(times[each]):.1f} us" for each in (row, base))
            figures.append(
                Figure(goal, what, ratios(times, *pair), mine, at_least=speed, calls=BLOCK * ROUNDS, remark=remark)
            )
    return figures
