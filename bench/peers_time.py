"""Time of a lone caller beside other libraries: goal S9."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import limits
import limits.storage
import limits.strategies
import redis
from measuring import url_of
from reporting import Figure
from server_time import Size
from subjects import Subject, Times, ratios, take_turns

from ducto_redis import RedisStore

BLOCK, ROUNDS = 100, 10
_HIGH = 10**9


def _timed(call: Callable[[str], None], names: Sequence[str]) -> float:
    started = time.perf_counter()
    for name in names:
        call(name)
    return (time.perf_counter() - started) / len(names) * 1e6


def measure_three_limits(client: redis.Redis, size: Size) -> list[Figure]:
    """S9: one charge with three limits beside three calls of ``limits``, calls per second."""
    subject = Subject(client)
    names = subject.accounts(size.calls, limited=True)
    kept = limits.storage.RedisStorage(url_of(client).replace("unix://", "redis+unix://"))
    fixed = limits.strategies.FixedWindowRateLimiter(kept)
    windows = (limits.RateLimitItemPerSecond(_HIGH), limits.RateLimitItemPerDay(_HIGH),
               limits.RateLimitItemPerMonth(_HIGH))  # fmt: skip
    blocks = count()

    def some() -> Sequence[str]:
        start = next(blocks) * BLOCK % (len(names) - BLOCK + 1)
        return names[start : start + BLOCK]

    def three(name: str) -> None:
        for window in windows:
            assert fixed.hit(window, name)

    with RedisStore.from_url(url_of(client), namespace=subject.store._space.name) as store:  # noqa: SLF001

        def one(name: str) -> None:
            assert store.deduct(name, 1).error_code is None

        def row(name: str, call: Callable[[str], None], times: Times) -> None:
            times[name].append(_timed(call, some()))

        times = take_turns([partial(row, "one", one), partial(row, "three", three)], size.repetitions, ROUNDS)
    client.flushall()
    remark = " / ".join(f"{statistics.median(times[name]):.1f} us" for name in ("one", "three"))
    what = "one charge with three limits, calls/s / that of three calls of limits"
    return [Figure("S9", what, ratios(times, "three", "one"), 2.7, at_least=True, calls=BLOCK * ROUNDS, remark=remark)]
