"""Calls are sent again under their id by the library alone: lost replies, flushed scripts, full pools, forks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis
import redis.asyncio

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))
from proxy import QUICK, Fault, Listed, Proxy

from ducto_redis import AsyncRedisStore, OutcomeUnknown, RedisStore, RetryPolicy, StoreUnavailable
from ducto_redis.drivers import sync, urls
from ducto_redis.drivers.asyncio import AsyncDriver
from ducto_redis.drivers.replies import Waits
from ducto_redis.drivers.sync import SyncDriver
from ducto_redis.work_models import ChargeItem

ONCE = RetryPolicy(deadline_s=0)


async def at_once(_seconds: float) -> None:
    """Waits for nothing."""


class Faces:
    """A sync or an asyncio store behind a proxy, called as if it were sync; its client has redis-py's retries on."""

    def __init__(self, proxy: Proxy, namespace: str, *, asynchronous: bool, own: bool, **options) -> None:
        self.runner = asyncio.Runner()
        settings = {"namespace": namespace, "shards": 2, "retry": options.pop("retry", None)}
        if asynchronous:
            client = redis.asyncio.Redis(unix_socket_path=proxy.path, **options)
            self.store = AsyncRedisStore(AsyncDriver(client, waits=Waits(at_once), own=own), **settings)
        else:
            client = redis.Redis(unix_socket_path=proxy.path, **options)
            self.store = RedisStore(SyncDriver(client, waits=Waits(lambda _: None), own=own), **settings)
        self.asynchronous = asynchronous

    def __call__(self, name: str, *args, **options):
        return self.finish(getattr(self.store, name)(*args, **options))

    def finish(self, outcome):
        return self.runner.run(awaited(outcome)) if self.asynchronous else outcome

    def close(self) -> None:
        self("close")
        self.runner.close()


async def awaited(outcome):
    return await outcome


@pytest.fixture(params=["sync", "async", "sync, kept", "async, kept"])
def faces(request, server, namespace):
    """Makes faces on one proxy in front of the server."""
    made = []
    with Proxy(server.socket) as proxy:

        def make(**options) -> Faces:
            kind, _, own = request.param.partition(", ")
            made.append(Faces(proxy, namespace, asynchronous=kind == "async", own=bool(own), **options))
            return made[-1]

        make.proxy = proxy
        yield make
        for each in made:
            each.close()


@pytest.mark.parametrize("fault", [fault for fault in QUICK if fault is not Fault.REQUEST_TWICE])
def test_one_fault_goes_unnoticed(faces, fault):
    """Whatever is lost once, the caller sees the first answer and its events: no idempotent=True, executed once."""
    call = faces()
    call("setup")
    faces.proxy.plan = Listed(fault)
    assert call("add_credits", "u", 100).idempotent is False
    for name, args in (("reserve", (30,)), ("deduct", (5,)), ("release", ())):
        faces.proxy.plan = Listed(fault)
        hold = call("reserve", "u", 7, idempotency_key=name) if name == "release" else None
        faces.proxy.plan = Listed(fault)
        result = call("release", "u", hold) if hold else call(name, "u", *args, idempotency_key=f"{name}-1")
        assert result.error_code is None
        assert not getattr(result, "idempotent", False), name
        assert result.events, name
        assert getattr(result, "reason", "released") in ("released", None), name
    assert call("get_available", "u").available == 65
    assert faces.proxy.met[fault] >= 4


def test_the_outcome_is_resolved(faces):
    """Not sent again: OutcomeUnknown names account, id and operation; resolve() says executed, or sees to never."""
    call = faces(retry=ONCE)
    call("setup")
    call("add_credits", "u", 100)
    call("reserve", "u", 1)  # the script is loaded: it is the reply of its run that will be lost
    for fault, executed in ((Fault.REPLY_LOST, True), (Fault.REPLY_CUT, True), (Fault.REQUEST_LOST, False)):
        faces.proxy.plan = Listed(fault)
        with pytest.raises(OutcomeUnknown) as raised:
            call("reserve", "u", 5, idempotency_key=fault.name)
        assert (raised.value.user_id, raised.value.op_id) == ("u", fault.name)
        assert raised.value.operation == "reserve"
        resolved = call.finish(raised.value.resolve())
        assert resolved.executed is executed
        assert call("reserve", "u", 5, idempotency_key=fault.name).error_code == (None if executed else "cancelled")


def test_a_late_request_finds_its_tombstone(faces):
    """The request arrives after resolve() answered "not executed": it executes nothing."""
    call = faces(retry=ONCE, socket_timeout=0.05)
    call("setup")
    call("add_credits", "u", 100)
    call("deduct", "u", 0.5)
    faces.proxy.plan = Listed(Fault.REQUEST_LATE)
    with pytest.raises(OutcomeUnknown) as raised:
        call("deduct", "u", 5, idempotency_key="late")
    assert call.finish(raised.value.resolve()).executed is False
    faces.proxy.deliver_late()
    assert str(call("get_balance", "u").balance) == "99.5"


def test_a_client_that_would_wait_for_ever_is_given_a_limit(faces, monkeypatch):
    """socket_timeout=None, as redis-py had it before 8: a reply that does not come is unknown, not awaited for ever."""
    call = faces(retry=ONCE, socket_timeout=None)
    call("setup")
    faces.proxy.plan = Listed(Fault.REPLY_DELAYED)
    monkeypatch.setattr(urls, "SOCKET_TIMEOUT", 0.05)
    with pytest.raises(OutcomeUnknown):
        call("add_credits", "u", 1)


def test_scripts_flushed_at_every_request(faces, server):
    """SCRIPT FLUSH before each request: loaded again, a bounded number of times; then it was not executed."""
    call = faces(retry=ONCE)
    call("setup")
    flushes = [2]

    def flush(_words):
        if flushes[0]:
            server.client.script_flush()
            flushes[0] -= 1
        return Fault.NONE

    faces.proxy.plan = flush
    assert call("add_credits", "u", 5).new_balance == 5
    flushes[0] = 10**9
    with pytest.raises(StoreUnavailable):
        call("add_credits", "u", 5)
    flushes[0] = 0
    assert call("get_balance", "u").balance == 5


def items():
    return [ChargeItem(user_id=f"u{at}", amount=1, idempotency_key=f"k{at}") for at in range(8)]


@pytest.mark.parametrize("at", [1, 2])
def test_a_flush_inside_a_batch(faces, server, at):
    """Any call of a batch may meet NOSCRIPT: the batch is done once, and nothing tells of it."""
    call, seen = faces(), []
    call("setup")
    for item in items():
        call("add_credits", item.user_id, 10)

    def flush(words):
        seen.append(words)
        if len(seen) == at:
            server.client.script_flush()
        return Fault.NONE

    faces.proxy.plan = flush
    results = call("charge_many", items())
    assert [(result.error_code, result.idempotent) for result in results] == [(None, False)] * 8
    assert {call("get_balance", item.user_id).balance for item in items()} == {9}


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REPLY_CUT, Fault.REQUEST_LOST])
@pytest.mark.parametrize("at", [0, 1])
def test_a_batch_that_is_cut_is_sent_again(faces, fault, at):
    """Some calls of a batch were executed, a reply is lost: each item is charged once, none is called a repetition."""
    call = faces()
    call("setup")
    for item in items():
        call("add_credits", item.user_id, 10)
    faces.proxy.plan = Listed(*[Fault.NONE] * at, fault)
    results = call("charge_many", items())
    assert [(result.error_code, result.idempotent) for result in results] == [(None, False)] * 8
    assert {call("get_balance", item.user_id).balance for item in items()} == {9}


def test_a_full_pool_waits_and_is_not_executed(server, namespace):
    """Every connection is lent: StoreUnavailable when the deadline is over, an answer when one comes back before."""
    client = redis.Redis(unix_socket_path=str(server.socket), max_connections=1)
    waits, lent = [], []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            client.connection_pool.release(lent.pop())

    with RedisStore(SyncDriver(client, waits=Waits(wait)), namespace=namespace, shards=1) as store:
        store.setup()
        lent.append(client.connection_pool.get_connection())
        assert store.add_credits("u", 1).idempotent is False
        assert len(waits) == 3
        lent.append(client.connection_pool.get_connection())
        store._driver.policy = ONCE
        with pytest.raises(StoreUnavailable):
            store.add_credits("u", 1)
        client.connection_pool.release(lent.pop())
        assert store.get_balance("u").balance == 1


def test_more_threads_than_connections(server, namespace):
    """32 threads on a pool of two: all are served, none is called unknown."""
    client = redis.Redis(unix_socket_path=str(server.socket), max_connections=2)
    failures = []
    with RedisStore(client, namespace=namespace, shards=1, retry=RetryPolicy(60, 0.001, 0.01)) as store:
        store.setup()

        def caller():
            try:
                for _ in range(10):
                    store.add_credits("u", 1)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=caller) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.get_balance("u").balance == 320


FORKING = """
import os, sys
from ducto_redis import RedisStore
store = RedisStore.from_url(sys.argv[1], namespace=sys.argv[2])
store.setup()
store.add_credits("parent", 1)
children = []
for number in range(8):
    child = os.fork()
    if child == 0:
        right = all(store.add_credits(f"c{number}", 1).new_balance == turn + 1 for turn in range(100))
        os._exit(0 if right else 1)
    children.append(child)
right = all(store.add_credits("parent", 1).new_balance == turn + 2 for turn in range(100))
print(right, [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_a_store_is_used_on_both_sides_of_a_fork(server, namespace):
    """A connected store in 8 forked children and their parent at once: nobody reads another's reply."""
    command = [sys.executable, "-c", FORKING, server.url, namespace]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert told.strip() == f"True {[0] * 8}"


def test_our_own_clients_do_not_retry(server):
    """redis-py's own retries are off in clients that we make."""
    client = sync.connect(server.url)
    assert client.connection_pool.connection_kwargs["retry"]._retries == 0
    client.close()
