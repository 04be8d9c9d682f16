"""Connections that a store keeps between calls: as many as calls at one time, within the bound, none left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest
import redis

from ducto_redis import AsyncRedisStore, RedisStore, RetryPolicy, StoreUnavailable

ONCE = RetryPolicy(deadline_s=0)


def connections(server) -> list[dict[str, str]]:
    """The server's clients but for the tests' own."""
    return [each for each in server.client.client_list() if each["cmd"].startswith("eval")]


def opened(server, namespace, query="", **settings) -> RedisStore:
    store = RedisStore.from_url(server.url + query, namespace=namespace, shards=1, **settings)
    store.setup()
    store.add_credits("u", 100)
    return store


def test_one_connection_serves_a_lone_caller_without_its_pool(server, namespace):
    """Call after call goes down one connection, which the pool counts as lent."""
    store = opened(server, namespace)
    pool = store._driver._client.connection_pool
    (first,) = connections(server)
    pool.get_connection = None
    for _ in range(20):
        store.deduct("u", 1)
    del pool.get_connection
    assert [each["id"] for each in connections(server)] == [first["id"]]
    assert (len(pool._in_use_connections), len(pool._available_connections)) == (1, 0)
    store.close()
    assert (len(pool._in_use_connections), len(pool._available_connections)) == (0, 1)
    assert connections(server) == []
    assert store.get_balance("u").balance == 80
    store.close()


def test_threads_share_what_is_kept_and_leave_nothing(server, namespace):
    """40 threads one after the other: one connection; four at once on a bound of two: two, and everyone is served."""
    store = opened(server, namespace, "?max_connections=2", retry=RetryPolicy(60, 0.001, 0.01))
    for _ in range(40):
        thread = threading.Thread(target=store.deduct, args=("u", 1))
        thread.start()
        thread.join()
    assert len(connections(server)) == 1
    threads = [threading.Thread(target=lambda: [store.deduct("u", 1) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get_balance("u").balance == 20
    assert len(connections(server)) <= 2
    store.close()


def test_a_forgotten_store_closes_its_connections(server, namespace):
    """A store that is dropped without close() leaves no connection: nothing else holds what it keeps."""
    store = opened(server, namespace)
    assert len(connections(server)) == 1
    del store
    gc.collect()
    until = time.monotonic() + 5
    while connections(server) and time.monotonic() < until:
        pass
    assert connections(server) == []


def test_a_users_own_pool_gets_every_connection_back(server, namespace):
    """Of a client that was handed in nothing is kept."""
    client = redis.Redis(unix_socket_path=str(server.socket), max_connections=1)
    with RedisStore(client, namespace=namespace, shards=1) as store:
        store.setup()
        assert store.add_credits("u", 1).new_balance == 1
        assert client.ping()
        assert not client.connection_pool._in_use_connections


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_connection_that_was_closed_meanwhile_is_not_used(server, namespace, asynchronous):
    """The server closed it, or someone the pool: the next call, without any repetition, goes down a new one."""
    opened(server, namespace).close()

    def kill():
        for each in connections(server):
            server.client.client_kill_filter(_id=each["id"])

    if not asynchronous:
        with RedisStore.from_url(server.url, namespace=namespace, retry=ONCE) as store:
            for close in (kill, store._driver._client.connection_pool.disconnect) * 3:
                assert store.deduct("u", 1).error_code is None
                close()
            assert store.get_balance("u").balance == 94
        return

    async def calls():
        async with AsyncRedisStore.from_url(server.url, namespace=namespace, retry=ONCE) as store:
            for turn in range(6):
                assert (await store.deduct("u", 1)).error_code is None
                assert len(connections(server)) == 1
                if turn % 2:
                    await store._driver._client.connection_pool.disconnect()
                else:
                    kill()
                    await asyncio.sleep(0.02)  # the loop is told of it
            assert (await store.get_balance("u")).balance == 94
        assert connections(server) == []

    asyncio.run(calls())


def test_a_full_pool_of_ones_own_is_not_executed(server, namespace):
    """Asyncio, a bound of one: of calls at one time one is served, the others wait for it until their deadline."""

    async def calls():
        async with AsyncRedisStore.from_url(
            f"{server.url}?max_connections=1", namespace=namespace, retry=ONCE
        ) as store:
            await store.setup()
            told = await asyncio.gather(*(store.add_credits("u", 1) for _ in range(8)), return_exceptions=True)
            refused = [each for each in told if isinstance(each, StoreUnavailable)]
            assert (await store.get_balance("u")).balance == 8 - len(refused)
            assert 0 < len(refused) < 8
            assert len(connections(server)) == 1

    asyncio.run(calls())
