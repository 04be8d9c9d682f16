"""What a level asks of a server is checked before anything is written; WAITAOF against a stub of Redis 7.2."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import redis
import redis.asyncio
from apis import Awaited
from servers import RedisProcess, ReplicatedPair

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))
from proxy import Fault, Proxy, read_frame, words_of

from ducto_redis import (
    AsyncRedisStore,
    ConfigError,
    DurabilityNotMet,
    InvalidArgumentError,
    MemoryStore,
    RedisStore,
    RetryPolicy,
    StoreUnavailable,
)
from ducto_redis.drivers.sync import SyncDriver


@pytest.fixture(scope="module")
def persistent():
    """A server with an append-only file, synced every second until a test says otherwise."""
    process = RedisProcess("--appendonly", "yes")
    yield process
    process.stop()


@pytest.fixture(params=["sync", "async"])
def open_store(request, namespace):
    """Makes stores of a face on one namespace, called as if they were sync."""
    made, runner = [], asyncio.Runner()

    def make(url, durability, **settings):
        settings = {"namespace": namespace, "shards": 2, "durability": durability, **settings}
        if request.param == "sync":
            made.append(RedisStore.from_url(url, **settings))
        else:
            made.append(Awaited(AsyncRedisStore.from_url(url, **settings), runner))
        return made[-1]

    yield make
    for store in made:
        store.close()
    runner.close()


def refused(store, words):
    """The store refuses to be set up and to be used, with the same words."""
    for call in (store.setup, lambda: store.add_credits("u", 1)):
        with pytest.raises(ConfigError, match=words):
            call()


def test_a_server_without_a_file(server, open_store, namespace):
    """aof and fsync need one: refused by setup() and by the first call, before anything is written."""
    for level in ("aof", "fsync"):
        refused(open_store(server.url, level), r"append-only file, and it has none; set appendonly yes")
    assert server.client.keys(f"{namespace}:*") == []


def test_a_server_with_a_file(persistent, open_store):
    """aof takes everysec, fsync on Redis 7.0 takes always alone; neither sends a WAIT."""
    with_file = open_store(persistent.url, "aof")
    with_file.setup()
    assert with_file.add_credits("u", 1).new_balance == 1
    refused(open_store(persistent.url, "fsync"), r"needs Redis 7.2 \(WAITAOF\) or appendfsync always; .* everysec")
    persistent.client.config_set("appendfsync", "always")
    try:
        synced = open_store(persistent.url, "fsync")
        synced.setup()
        assert synced.add_credits("u", 1).new_balance == 2
    finally:
        persistent.client.config_set("appendfsync", "everysec")
    assert "cmdstat_wait" not in persistent.client.info("commandstats")


def as_user(process, name, *rules):
    process.client.acl_setuser(name, enabled=True, nopass=True, keys=["*"], commands=["+@all", *rules])
    return f"unix://{name}:none@{process.socket}"


def test_a_server_that_does_not_tell(persistent, open_store):
    """INFO and CONFIG denied: not fine; one of them is enough for the file, appendfsync needs CONFIG GET."""
    silent = as_user(persistent, "silent", "-info", "-config")
    for level in ("aof", "fsync"):
        refused(open_store(silent, level), "tells this user neither by INFO nor by CONFIG GET")
    open_store(as_user(persistent, "asks", "-info"), "aof").setup()
    open_store(as_user(persistent, "reads", "-config"), "aof").setup()
    refused(open_store(as_user(persistent, "reads", "-config"), "fsync"), "not told appendfsync")


def test_replicas_that_are_not_there(server, open_store, namespace):
    """setup() without replicas: refused, nothing is written; likewise for a user who may not WAIT."""
    with pytest.raises(ConfigError, match="wants 1 replicas, and 0 are there"):
        open_store(server.url, "replicated").setup()
    store = open_store(as_user(server, "hasty", "-wait", "-info"), "replicated")
    with pytest.raises(ConfigError, match="needs WAIT, and the server said"):
        store.setup()
    assert server.client.keys(f"{namespace}:*") == []


@pytest.mark.parametrize("make", [RedisStore.from_url, AsyncRedisStore.from_url])
def test_settings_that_are_refused(make):
    """Odd levels, counts and times; a time-out that a client would not wait out; replicas of another level."""
    url = "unix:///nowhere"
    for wrong in (
        {"durability": "disk"}, {"durability": None}, {"durability": "replicated", "replicas": 0},
        {"durability": "replicated", "replicas": True}, {"durability": "replicated", "replicas": 101},
        {"durability": "fsync", "durability_timeout_ms": 0}, {"durability_timeout_ms": 60_001},
        {"durability_timeout_ms": 1.5}, {"replicas": 2}, {"durability": "aof", "replicas": 2},
    ):  # fmt: skip
        with pytest.raises(InvalidArgumentError, match=r"durability|replicas"):
            make(url, **wrong)
    for address, timeout_ms in ((url, 5_000), (f"{url}?socket_timeout=0.5", 301)):
        with pytest.raises(ConfigError, match="200 ms shorter than the client's socket_timeout"):
            make(address, durability="replicated", durability_timeout_ms=timeout_ms)
    make(f"{url}?socket_timeout=0.5", durability="replicated", durability_timeout_ms=300)
    for level in ("aof", "fsync", "replicated"):
        with pytest.raises(ConfigError, match="neither disk nor replicas"):
            make("memory://", durability=level)
    make("memory://", durability="memory")


def test_the_embedded_engine_is_memory():
    """MemoryStore takes no other level."""
    MemoryStore(durability="memory").setup()
    with pytest.raises(ConfigError, match="durability='memory' only, not 'aof'"):
        MemoryStore(durability="aof")


class Newer(Proxy):
    """A server that says it is Redis 7.2 and answers WAITAOF as it is told; ``words`` are those of each request."""

    def __init__(self, socket, answer):
        super().__init__(socket)
        self.answer, self.words = answer, []

    def _pass(self, fault, frame, ends):
        words = words_of(frame)
        self.words.append(words)
        client, server, replies = ends
        if words[0] == b"WAITAOF":
            client.sendall(self.answer)
            return True
        if words != [b"INFO", b"server"]:
            return super()._pass(fault, frame, ends)
        server.sendall(frame)
        read_frame(replies)
        text = b"redis_version:7.2.5\r\n"
        client.sendall(b"$%d\r\n%s\r\n" % (len(text), text))
        return fault is Fault.NONE


DONE, NOT_YET = b"*2\r\n:1\r\n:0\r\n", b"*2\r\n:0\r\n:0\r\n"


def test_fsync_waits_for_the_disk_where_it_can(persistent, open_store):
    """Redis 7.2 (a stub): WAITAOF 1 0 behind each change, its first number is compared; an error is not a yes."""
    with Newer(persistent.socket, DONE) as newer:
        store = open_store(newer.url, "fsync", durability_timeout_ms=700)
        store.setup()
        store.add_credits("u", 0)
        store.get_balance("u")
        del newer.words[:]
        assert store.add_credits("u", 5).new_balance == 5
        store.get_balance("u")
        assert [words[0] for words in newer.words] == [b"EVALSHA", b"WAITAOF", b"EVALSHA"]
        assert [b"WAITAOF", b"1", b"0", b"700"] in newer.words
        for answer, why in (
            (NOT_YET, "0 of 1 disks within 700 ms"),
            (b"-ERR WAITAOF cannot\r\n", "the server said: .*WAITAOF cannot"),
        ):
            newer.answer = answer
            with pytest.raises(DurabilityNotMet, match=why) as raised:
                store.add_credits("u", 5, idempotency_key=why)
            assert (raised.value.wanted, raised.value.reached) == (1, 0)
        newer.answer = DONE
        assert store.add_credits("u", 5, idempotency_key=why).idempotent is True
        assert store.get_balance("u").balance == 15
        newer.answer = b"-ERR unknown command 'WAITAOF'\r\n"
        with pytest.raises(ConfigError, match="needs WAITAOF, and the server said"):
            open_store(newer.url, "fsync").setup()


class Counting(redis.UnixDomainSocketConnection):
    """Counts what is written."""

    writes: list = []  # noqa: RUF012

    def send_packed_command(self, command, check_health=True):
        self.writes.append(len(list(command)))
        return super().send_packed_command(command, check_health)


def test_script_and_wait_are_one_write(persistent, namespace):
    """A call is written once, with its wait; the default writes what it did, and no wait."""
    with Newer(persistent.socket, DONE) as newer:
        pool = redis.ConnectionPool(connection_class=Counting, path=newer.path)
        with RedisStore(
            SyncDriver(redis.Redis(connection_pool=pool)), namespace=namespace, durability="fsync"
        ) as store:
            store.setup()
            store.deduct("u", 1)
            del Counting.writes[:], newer.words[:]
            store.deduct("u", 1)
    assert len(Counting.writes) == 1
    assert [words[0] for words in newer.words] == [b"EVALSHA", b"WAITAOF"]


def test_a_server_that_is_a_replica_is_not_now(open_store, namespace):
    """Opened in the middle of a failover: not reached yet, as for any call, not a wrong configuration."""
    pair = ReplicatedPair()
    try:
        with RedisStore.from_url(pair.primary.url, namespace=namespace) as store:
            store.setup()
        hurried = RetryPolicy(deadline_s=0.2)
        with pytest.raises(StoreUnavailable, match="replica"):
            open_store(pair.replica.url, "replicated", retry=hurried).setup(create=False)
    finally:
        pair.stop()
