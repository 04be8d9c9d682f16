"""The stand-alone limiter on a real server under load and faults, and as its users make it: URLs, clients, blocks."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
import redis.asyncio

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))
from proxy import Fault, Listed, Proxy

from ducto_redis import (
    AsyncRateLimiter,
    ConfigError,
    OutcomeUnknown,
    RateLimit,
    RateLimiter,
    RetryPolicy,
    StoreUnavailable,
)
from ducto_redis.testing import FakeClock, async_rate_limiter, rate_limiter

LIMITS = [
    RateLimit("100/hour"),
    RateLimit("100/hour", algorithm="fixed"),
    RateLimit("100/hour", algorithm="sliding"),
]
ONCE = RetryPolicy(deadline_s=0)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.algorithm)
def test_threads_on_one_id(server, namespace, limit, record_property):
    """16 threads, 320 hits on one id: admitted are exactly 100, under two limits at once."""
    with rate_limiter(server.url, FakeClock(), limit, RateLimit("110/hour"), namespace=namespace) as limiter:
        start = threading.Barrier(16)

        def caller(_number):
            start.wait()
            return sum(limiter.hit("u").allowed for _ in range(20))

        with ThreadPoolExecutor(16) as pool:
            admitted = sum(pool.map(caller, range(16)))
        assert limiter.peek("u").limits[1].remaining == 10
    assert admitted == 100
    record_property("figure", f"limiter, {limit.algorithm}, 16 threads: {admitted} of 100 admitted, n = 320 hits")


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.algorithm)
def test_tasks_on_one_id(server, namespace, limit, record_property):
    """100 tasks, 300 hits on one id: admitted are exactly 100."""

    async def run():
        async with async_rate_limiter(server.url, FakeClock(), limit, namespace=namespace) as limiter:

            async def caller():
                return sum([(await limiter.hit("u")).allowed for _ in range(3)])

            return sum(await asyncio.gather(*[caller() for _ in range(100)]))

    admitted = asyncio.run(run())
    assert admitted == 100
    record_property("figure", f"limiter, {limit.algorithm}, 100 tasks: {admitted} of 100 admitted, n = 300 hits")


def test_control_read_then_add(server, namespace, record_property):
    """What the script prevents: 16 threads that read a counter, then add to it, pass a limit of 100."""
    key, together = f"{namespace}:control", threading.Barrier(16)

    def caller(_number):
        admitted = 0
        for _ in range(20):
            used = int(server.client.get(key) or 0)
            together.wait()
            if used < 100:
                server.client.incr(key)
                admitted += 1
            together.wait()
        return admitted

    with ThreadPoolExecutor(16) as pool:
        admitted = sum(pool.map(caller, range(16)))
    assert admitted > 100
    record_property("figure", f"control, read then add, 16 threads: {admitted} of 100 admitted, n = 320 hits")


class Faces:
    """A sync or an asyncio limiter on a client, called as if it were sync."""

    def __init__(self, path, asynchronous, *limits, **settings) -> None:
        self.runner = asyncio.Runner() if asynchronous else None
        module, face = (redis.asyncio, AsyncRateLimiter) if asynchronous else (redis, RateLimiter)
        self.limiter = face(module.Redis(unix_socket_path=path), *limits, **settings)

    def __call__(self, name, *args):
        outcome = getattr(self.limiter, name)(*args)
        return self.runner.run(awaited(outcome)) if self.runner else outcome

    def close(self) -> None:
        self("close")
        if self.runner:
            self.runner.close()


async def awaited(outcome):
    return await outcome


@pytest.mark.parametrize("asynchronous", [False, True])
def test_replies_that_are_lost(server, namespace, asynchronous):
    """A hit whose reply was lost is sent again and counted twice; not sent again it raises, and never admits more."""
    with Proxy(server.socket) as proxy:
        call = Faces(proxy.path, asynchronous, RateLimit("10/hour"), namespace=namespace, retry=RetryPolicy(60, 0, 0))
        once = Faces(proxy.path, asynchronous, RateLimit("10/hour"), namespace=namespace, retry=ONCE)
        assert call("hit", "u").remaining == 9  # loads the script
        for fault, remaining in ((Fault.REPLY_LOST, 7), (Fault.REQUEST_LOST, 6)):
            proxy.plan = Listed(fault)
            assert call("hit", "u").remaining == remaining
        proxy.plan = Listed(Fault.REPLY_LOST)
        with pytest.raises(OutcomeUnknown) as raised:
            once("hit", "u")
        assert (raised.value.user_id, raised.value.op_id, raised.value.operation) == ("u", None, "hit")
        with pytest.raises(ConfigError, match="cannot be resolved"):
            raised.value.resolve()
        assert call("peek", "u").remaining == 5
        call.close()
        once.close()


def test_no_server():
    """An unreachable server raises; it never looks like an admission."""
    nowhere, runner = "unix:///nowhere/redis.sock", asyncio.Runner()
    with RateLimiter(nowhere, RateLimit("1/s"), retry=ONCE) as limiter, runner:
        later = AsyncRateLimiter(nowhere, RateLimit("1/s"), retry=ONCE)
        for name in ("hit", "peek", "reset", "wait"):
            with pytest.raises(StoreUnavailable):
                getattr(limiter, name)("u")
            with pytest.raises(StoreUnavailable):
                runner.run(getattr(later, name)("u"))


def test_a_cancelled_wait_takes_nothing(server, namespace):
    """Cancelled while it sleeps: nothing was taken, and the limiter goes on."""

    async def run():
        asleep = asyncio.Event()

        async def sleep(_seconds):
            asleep.set()
            await asyncio.Event().wait()

        limits = (RateLimit("1/hour"), RateLimit("9/day"))
        async with async_rate_limiter(server.url, FakeClock(), *limits, namespace=namespace, sleep=sleep) as limiter:
            await limiter.hit("u")
            task = asyncio.create_task(limiter.wait("u"))
            await asleep.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await limiter.peek("u")

    assert [limit.remaining for limit in asyncio.run(run()).limits] == [0, 8]


def test_how_it_is_made(server, namespace):
    """From a URL, by from_url, of a client, on the embedded engine; it sleeps for real unless told otherwise."""
    limit, settings = RateLimit("3/hour"), {"namespace": namespace}
    with (
        RateLimiter(server.url, limit, **settings) as one,
        RateLimiter.from_url(server.url, limit, **settings) as two,
        redis.Redis(unix_socket_path=str(server.socket), decode_responses=True) as client,
        RateLimiter(client, limit, **settings) as three,
    ):
        assert [each.hit("u").remaining for each in (one, two, three)] == [2, 1, 0]
        assert (one._sleep, one._now_s) == (time.sleep, time.monotonic)
    name = f"memory://{namespace}"
    assert [RateLimiter(name, limit).hit("u").remaining for _ in range(2)] == [2, 1]
    assert [RateLimiter("memory://", limit).hit("u").remaining for _ in range(2)] == [2, 2]

    async def run():
        async with (
            AsyncRateLimiter.from_url(server.url, limit, **settings) as four,
            AsyncRateLimiter(name, limit) as five,
        ):
            assert four._sleep is asyncio.sleep
            return [(await four.hit("u")).allowed, (await five.wait("u")).remaining]

    assert asyncio.run(run()) == [False, 0]
    for url in ("ftp://x", ""):
        with pytest.raises(ConfigError):
            RateLimiter(url, limit)
