"""Callers that race for the last credits of one account: threads, processes and tasks, and an unprotected control."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import redis

from ducto_redis import AsyncRedisStore, RedisStore, SpendCap

COST = 7
CAP = 50_000
PLENTY = 10**9


def attempt_many(store, attempts):
    """Reserves and settles; gives how often that was admitted."""
    admitted = 0
    for _ in range(attempts):
        hold = store.reserve("u", COST)
        if hold.error_code is None:
            admitted += store.settle("u", hold, COST).amount == COST
    return admitted


def by_threads(url, namespace, attempts, callers=64):
    with RedisStore(redis.Redis(unix_socket_path=url.removeprefix("unix://"), max_connections=callers * 2),
                    namespace=namespace) as store, ThreadPoolExecutor(callers) as pool:  # fmt: skip
        return sum(pool.map(lambda _: attempt_many(store, attempts // callers), range(callers)))


def in_process(url, namespace, attempts):
    with RedisStore.from_url(url, namespace=namespace) as store:
        return attempt_many(store, attempts)


def by_processes(url, namespace, attempts, callers=8):
    context = multiprocessing.get_context("forkserver")  # processes without anything of this one, imported once
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(callers, mp_context=context) as pool:
        return sum(pool.map(in_process, [url] * callers, [namespace] * callers, [attempts // callers] * callers))


async def attempt_tasks(url, namespace, attempts, callers):
    async def caller(store):
        admitted = 0
        for _ in range(attempts // callers):
            hold = await store.reserve("u", COST)
            if hold.error_code is None:
                admitted += (await store.settle("u", hold, COST)).amount == COST
        return admitted

    client = redis.asyncio.Redis(unix_socket_path=url.removeprefix("unix://"), max_connections=callers * 2)
    async with AsyncRedisStore(client, namespace=namespace) as store:
        return sum(await asyncio.gather(*(caller(store) for _ in range(callers))))


def by_tasks(url, namespace, attempts, callers=500):
    return asyncio.run(attempt_tasks(url, namespace, attempts, callers))


def race(url, namespace, by, limit, attempts):
    """Lets callers race for a cap, or for a balance, of 50,000.

    Returns:
        ``attempts``, ``admitted``, ``spent``, ``above`` the limit, and ``reserved`` when all have ended.
    """
    with RedisStore.from_url(url, namespace=namespace, shards=1) as store:
        store.setup()
        granted = PLENTY if limit == "cap" else CAP
        store.add_credits("u", granted)
        if limit == "cap":
            store.set_spend_cap(SpendCap(user_id="u", limit=CAP))
        admitted = by(url, namespace, attempts)
        spent = int(granted - store.get_balance("u").balance)
        reserved = int(store.get_available("u").reserved)
        return Counter(attempts=attempts, admitted=admitted, spent=spent, above=max(spent - CAP, 0), reserved=reserved)


def last_credit(url, namespace, rounds, callers):
    """Has every caller ask for the one credit that a cap leaves, at once; gives how many got it, by round."""
    gate = threading.Barrier(callers)
    client = redis.Redis(unix_socket_path=url.removeprefix("unix://"), max_connections=callers * 2)
    with RedisStore(client, namespace=namespace, shards=1) as store, ThreadPoolExecutor(callers) as pool:
        store.setup()

        def ask(user):
            gate.wait()
            return store.reserve(user, 1).error_code is None

        won = []
        for at in range(rounds):
            store.add_credits(f"u{at}", PLENTY)
            store.set_spend_cap(SpendCap(user_id=f"u{at}", limit=1))
            won.append(sum(pool.map(ask, [f"u{at}"] * callers)))
        return won


def unprotected(url, namespace, cap, callers=64):
    """The control: read the spend, compare, then add - what a check-then-add limiter does. Gives the spend."""
    client = redis.Redis(unix_socket_path=url.removeprefix("unix://"), max_connections=callers * 2)
    key, gate = f"{namespace}:control", threading.Barrier(callers)

    def caller(_):
        gate.wait()
        while int(client.get(key) or 0) + COST <= cap:
            client.incrby(key, COST)

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(caller, range(callers)))
    spent = int(client.get(key))
    client.close()
    return spent
