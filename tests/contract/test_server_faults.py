"""The server's side: unreachable, too old, a wrong password, a lost reply - each its own error, sync and async."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
import redis
from servers import RedisProcess

from ducto_redis import (
    AsyncRedisStore,
    AuthenticationFailed,
    ConfigError,
    MemoryStore,
    OutcomeUnknown,
    RedisStore,
    RetryPolicy,
    ScriptFailed,
    ServerTooOld,
    StoreUnavailable,
)


def attempts(url, act):
    """Runs an act, attempted once, with a sync and an asyncio store, giving what each raised."""
    raised, once = [], RetryPolicy(deadline_s=0)
    with RedisStore.from_url(url, retry=once) as store:
        try:
            act(store)
        except Exception as error:
            raised.append(error)

    async def later():
        async with AsyncRedisStore.from_url(url, retry=once) as face:
            await act(face)

    try:
        asyncio.run(later())
    except Exception as error:
        raised.append(error)
    return raised


class StubServer:
    """Answers every command like a server of another kind: INFO with a version, HELLO and CLIENT with OK."""

    def __init__(self, answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}?protocol=2"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection) -> None:
        with connection, connection.makefile("rb") as lines:
            while line := lines.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int(lines.readline()[1:])
                    words.append(lines.read(size + 2)[:-2])
                answer = self._answer(words)
                if answer is None:
                    return
                connection.sendall(answer)

    def close(self) -> None:
        self._listener.close()


def info(version):
    text = f"# Server\r\nredis_version:{version}\r\n".encode()
    return b"$%d\r\n%s\r\n" % (len(text), text)


def test_an_unreachable_server():
    """Nothing listens: StoreUnavailable from the first call, for TCP and unix sockets."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"redis://127.0.0.1:{port}", "unix:///nowhere/redis.sock"):
        raised = attempts(url, lambda store: store.setup())
        assert [type(error) for error in raised] == [StoreUnavailable] * 2


def test_an_old_server():
    """Redis 6.2 lacks script flags: setup says which version is needed."""
    stub = StubServer(lambda words: info("6.2.14") if words[0] == b"INFO" else b"+OK\r\n")
    raised = attempts(stub.url, lambda store: store.setup())
    stub.close()
    assert [type(error) for error in raised] == [ServerTooOld] * 2
    assert all("6.2.14" in str(error) and "7.0" in str(error) for error in raised)


def test_a_server_that_hides_its_version_but_is_too_old():
    """INFO not permitted: the scripts' first line does not compile there, which says the same."""
    refusal = b"-ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'\r\n"

    def answer(words):
        if words[0] == b"INFO":
            return b"-NOPERM this user has no permissions to run the 'info' command\r\n"
        if words[0] == b"EVALSHA":
            return b"-NOSCRIPT No matching script.\r\n"
        return refusal if words[0] == b"SCRIPT" else b"+OK\r\n"

    stub = StubServer(answer)
    raised = attempts(stub.url, lambda store: store.setup())
    stub.close()
    assert [type(error) for error in raised] == [ServerTooOld] * 2


def test_a_wrong_password_is_refused_and_not_told():
    """AuthenticationFailed for a wrong and for a missing password; the password is in no message."""
    process = RedisProcess(password="right-secret")
    try:
        for login in ("", ":wrong-secret@"):
            raised = attempts(f"unix://{login}{process.socket}", lambda store: store.setup())
            assert [type(error) for error in raised] == [AuthenticationFailed] * 2
            assert not any("secret" in str(error) for error in raised)
        with RedisStore.from_url(f"unix://:right-secret@{process.socket}") as store:
            assert store.setup().created
    finally:
        process.stop()


def test_a_lost_reply_is_unknown_not_failed():
    """The connection is cut after the script was sent: OutcomeUnknown names account and op id; it is sent once."""
    sent = []

    def answer(words):
        if words[0] == b"INFO":
            return info("7.2.0")
        if words[0] == b"EVALSHA":
            sent.append(words)
            if len(sent) % 2:  # reading the configuration; one shard
                return (
                    b"*9\r\n:0\r\n:0\r\n$8\r\n12345678\r\n$1\r\n1\r\n$1\r\n4\r\n$1\r\n1\r\n$5\r\nready\r\n"
                    b"$1\r\n0\r\n$0\r\n\r\n"
                )
            return None
        return b"+OK\r\n"

    stub = StubServer(answer)
    raised = attempts(stub.url, lambda store: store.reserve("u", 1, idempotency_key="key-1"))
    stub.close()
    assert [type(error) for error in raised] == [OutcomeUnknown] * 2
    assert [(error.user_id, error.op_id) for error in raised] == [("u", "key-1")] * 2
    assert len(sent) == 4


NOT_NOW = (
    "LOADING Redis is loading the dataset in memory", "READONLY You can't write against a read only replica.",
    "BUSY Redis is busy running a script.", "MASTERDOWN Link with MASTER is down", "TRYAGAIN Multiple keys request",
    "CLUSTERDOWN The cluster is down", "NOREPLICAS Not enough good replicas to write.", "NOSCRIPT No matching script.",
    "MISCONF Redis is configured to save RDB snapshots", "UNKILLABLE Sorry the script already executed writes",
    "ERR max number of clients reached",
)  # fmt: skip
NEVER = (
    "OOM command not allowed when used memory > 'maxmemory'.", "WRONGTYPE Operation against a key", "ERR user_script",
    "NOPERM this user has no permissions", "CROSSSLOT Keys in request don't hash to the same slot",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind"),
    [*((text, StoreUnavailable) for text in NOT_NOW[:-1]), (NOT_NOW[-1], OutcomeUnknown),
     *((text, ScriptFailed) for text in NEVER), ("MOVED 1 other:1", ConfigError), ("ASK 1 other:1", ConfigError),
     ("NOAUTH Authentication required.", AuthenticationFailed)],
    ids=lambda value: value.split(" ")[0] if isinstance(value, str) else value.__name__,
)  # fmt: skip
def test_errors_of_the_server_are_told_apart(text, kind):
    """Not now and not executed, stopped, wrongly configured: what is not sure to be harmless is not called so."""
    sent = []

    def answer(words):
        if words[0] == b"EVALSHA":
            sent.append(words)
            return f"-{text}\r\n".encode()
        return info("7.2.0") if words[0] == b"INFO" else b"+OK\r\n"

    stub = StubServer(answer)
    raised = attempts(stub.url, lambda store: store.setup())
    stub.close()
    assert [type(error) for error in raised] == [kind] * 2
    assert len(sent) == 2 * (4 if text.startswith("NOSCRIPT") else 1)


def test_connections_that_the_server_ends_are_opened_again(server, namespace):
    """CLIENT KILL before each of 50 calls: none fails."""

    def kill():
        server.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    with RedisStore.from_url(server.url, namespace=namespace, shards=1) as store:
        store.setup()
        for at in range(50):
            kill()
            assert store.add_credits("u", 1).new_balance == at + 1

    async def later():
        async with AsyncRedisStore.from_url(server.url, namespace=namespace, shards=1) as face:
            for at in range(50, 100):
                kill()
                assert (await face.add_credits("u", 1)).new_balance == at + 1

    asyncio.run(later())


def test_a_flushed_script_cache_is_refilled(server, namespace):
    """SCRIPT FLUSH between calls goes unnoticed, in single calls and in the batch of setup()."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=3) as store:
        store.setup()
        for at in range(3):
            server.client.script_flush()
            assert store.add_credits("u", 1).new_balance == at + 1
        server.client.script_flush()
        assert store.setup().created is False


def test_a_foreign_type_stops_the_script_and_moves_nothing(server, namespace):
    """Someone else's string where the ledger belongs: ScriptFailed, the balance is as before."""
    with RedisStore.from_url(server.url, namespace=namespace, shards=1) as store:
        store.setup()
        store.add_credits("u", 10)
        server.client.rename(f"{namespace}:{{0}}:ledger", f"{namespace}:saved")
        server.client.set(f"{namespace}:{{0}}:ledger", "foreign")
        with pytest.raises(ScriptFailed, match="WRONGTYPE"):
            store.reserve("u", 1)
        assert store.get_available("u").available == 10
        server.client.rename(f"{namespace}:saved", f"{namespace}:{{0}}:ledger")
        assert store.reserve("u", 1).error is None


def test_a_users_client_may_decode_and_retry(server, namespace):
    """Clients with decode_responses and with retries on serve as well as ours."""
    client = redis.Redis(unix_socket_path=str(server.socket), decode_responses=True, protocol=3)
    with RedisStore(client, namespace=namespace, shards=2) as store:
        store.setup()
        store.add_credits("u", 10)
        assert store.settle("u", store.reserve("u", 3), 3).balance_after == 7


def test_wrong_urls():
    """A scheme that is none of ours, or a URL redis-py cannot read, is a ConfigError that does not repeat it."""
    for url in ("http://user:secret@host", "", "localhost:6379", None, "redis://host:port-secret"):
        for make in (RedisStore.from_url, AsyncRedisStore.from_url):
            with pytest.raises(ConfigError) as raised:
                make(url)
            assert "user:secret" not in str(raised.value)


def test_an_asyncio_store_belongs_to_one_loop(server, namespace):
    """Used from a second loop it says so instead of hanging."""
    store = AsyncRedisStore.from_url(server.url, namespace=namespace, shards=1)
    with asyncio.Runner() as runner:
        runner.run(store.setup())
        with asyncio.Runner() as second, pytest.raises(ConfigError, match="loop"):
            second.run(store.get_balance("u"))
        runner.run(store.close())


def test_a_cancelled_call_never_answers_another(server, namespace, record_property):
    """200 calls cancelled one to nine steps into their way; every later reply belongs to its own account."""

    async def storm():
        async with AsyncRedisStore.from_url(server.url, namespace=namespace, shards=4) as store:
            await store.setup()
            for at in range(10):
                await store.add_credits(f"u{at}", at + 1)
            wrong = cancelled = 0
            for at in range(200):
                task = asyncio.ensure_future(store.get_balance(f"u{at % 10}"))
                for _ in range(1 + at % 9):
                    await asyncio.sleep(0)
                task.cancel()
                results = await asyncio.gather(
                    task, *(store.get_balance(f"u{n}") for n in range(3)), return_exceptions=True
                )
                cancelled += isinstance(results[0], asyncio.CancelledError)
                wrong += [result.balance for result in results[1:]] != [1, 2, 3]
            return wrong, cancelled

    wrong, cancelled = asyncio.run(storm())
    record_property("figure", f"{cancelled} of 200 asyncio calls cancelled on their way, {wrong} wrong replies after")
    assert wrong == 0
    assert cancelled >= 20


def test_memory_engines_are_private_or_shared_by_name(namespace):
    """memory:// is an engine of its own, memory://name one for the process."""
    first, second = MemoryStore(), MemoryStore()
    for store in (first, second):
        assert store.setup().created
    named = [RedisStore.from_url(f"memory://{namespace}") for _ in range(2)]
    assert [store.setup().created for store in named] == [True, False]
    named[0].add_credits("u", 3)
    assert named[1].get_balance("u").balance == 3
    first.add_credits("u", 1)
    assert second.get_balance("u").error_code == "account_unknown"
