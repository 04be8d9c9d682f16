"""A replica whose link is cut while the load goes on; then its primary is killed and it is promoted.

Replication is asynchronous: what was acknowledged behind the cut is lost. A drainer has carried a part of it to SQL.
"""

from __future__ import annotations

import contextlib
import random
import socket
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from audit import asked_in, audit, entries_of
from load import Load
from proxy import hang_up
from servers import RedisProcess

from ducto_redis import RedisStore
from ducto_redis.core.entries import Entry, read_entry
from ducto_redis.durable import LedgerDrain
from ducto_redis.errors import LedgerFork

#: Operations that are acknowledged between two steps, at most.
BETWEEN = 200


class Link:
    """A loopback port that leads to a unix socket until it is cut; then it stays ours, and leads nowhere."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._carriers: list[threading.Thread] = []
        self._is_cut = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    if self._is_cut:
                        near.close()
                    else:
                        self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        far.connect(self._target)
        self._open += [near, far]
        for ends in ((near, far), (far, near)):
            self._carriers.append(threading.Thread(target=self._carry, args=ends))
            self._carriers[-1].start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
        hang_up(*self._open)
        for thread in self._carriers:
            thread.join()

    def close(self) -> None:
        self.cut()
        hang_up(self._listener)
        self._thread.join()


class Pair:
    """A block with a primary, a replica that has caught up, and an address that leads to whoever serves.

    Attributes:
        url: The address.
        link: What leads from the replica to the primary.
        database: A file of SQLite.
    """

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="ducto-")
        self._address = Path(self._folder.name) / "redis.sock"
        self.url = f"unix://{self._address}"
        self.database = Path(self._folder.name) / "ledger.db"
        self.primary = RedisProcess("--repl-diskless-sync-delay", "0")
        self.link = Link(self.primary.socket)
        self.replica = RedisProcess("--replicaof", "127.0.0.1", str(self.link.port))
        self._lead_to(self.primary)
        self.await_replica()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()
        self.replica.stop()
        self.primary.stop()
        self._folder.cleanup()

    def _lead_to(self, server: RedisProcess) -> None:
        new = self._address.with_suffix(".new")
        new.symlink_to(server.socket)
        new.replace(self._address)

    def await_replica(self) -> None:
        """Waits until the replica has what the primary has now."""
        until = time.monotonic() + 20
        # Without a replica the primary's offset stands still: it counts from when the link is up.
        while self.replica.client.info("replication")["master_link_status"] != "up":
            self._wait(until)
        offset = self.primary.client.info("replication")["master_repl_offset"]
        while self.replica.client.info("replication")["slave_repl_offset"] < offset:
            self._wait(until)

    def _wait(self, until: float) -> None:
        if time.monotonic() > until:
            raise TimeoutError(self.replica.client.info("replication"))
        time.sleep(0.001)

    def fail_over(self) -> None:
        """Kills the primary, promotes the replica and leads the address there."""
        self.primary.kill()
        self.replica.client.replicaof("no", "one")
        self._lead_to(self.replica)


@contextlib.contextmanager
def drainer(pair: Pair, namespace: str) -> Iterator[LedgerDrain]:
    """A drainer of what serves at the pair's address, into the pair's database."""
    with (
        RedisStore.from_url(pair.url, namespace=namespace) as store,
        contextlib.closing(LedgerDrain(store, f"sqlite:///{pair.database}")) as drain,
    ):
        yield drain


def _rows(pair: Pair) -> Iterator[Entry]:
    """The entries that the pair's database holds."""
    with contextlib.closing(sqlite3.connect(pair.database)) as connection:
        yield from (read_entry(data) for (data,) in connection.execute("select data from ducto_ledger"))


def _tells(drain: LedgerDrain) -> bool:
    """Whether a drain tells that SQL knows another history."""
    try:
        drain.drain()
    except LedgerFork:
        return True
    return False


def once(namespace: str, seed: int, *, cut: bool = True) -> Counter[str]:
    """One failover under load; a drain lies between the cut and the kill.

    Args:
        namespace: A name.
        seed: Chooses moments and operations.
        cut: Without it the replica follows until the primary dies.

    Returns:
        What ``audit`` finds on the promoted replica; of the lost operations those ``lost but in SQL``; ``forks
        told`` by the drainer.
    """
    draw = random.Random(seed)
    with Pair() as pair, Load(pair.url, namespace, seed) as load, drainer(pair, namespace) as drain:
        load.history.await_more(draw.randint(1, BETWEEN))
        pair.await_replica()
        if cut:
            pair.link.cut()
            load.history.await_more(draw.randint(20, BETWEEN))
        drain.drain()
        load.history.await_more(draw.randint(1, BETWEEN))
        with load.away():
            pair.fail_over()
        load.history.await_more(draw.randint(50, BETWEEN))
        load.end()
        seen = audit(pair.replica, namespace, load.history) + load.history.seen
        gone = load.history.acked.keys() - asked_in(entries_of(pair.replica.client, namespace)).keys()
        seen["lost but in SQL"] = len(gone & asked_in(_rows(pair)).keys())
        seen["forks told"] = _tells(drain)
        return seen + Counter(faults=1)


def run(namespace: str, n: int, seed: int) -> Counter[str]:
    """n failovers, one after the other."""
    seen: Counter[str] = Counter()
    for at in range(n):
        seen.update(once(namespace, seed * n + at))
    return seen


def ahead(namespace: str, ahead_ms: int) -> Counter[str]:
    """A failover without load: three charges are lost, carried to SQL before; then three others are made.

    Args:
        namespace: A name.
        ahead_ms: How far the dead primary's clock was ahead of the replica's: its entries have later stream ids.

    Returns:
        Whether the drain told a fork ``at once``, and ``later``, when there was something new; of the new entries how
        many are still in Redis (``kept``).
    """
    seen: Counter[str] = Counter()
    with Pair() as pair, RedisStore.from_url(pair.url, namespace=namespace, shards=1) as store:
        store.setup()
        store.add_credits("u0", 100)
        pair.await_replica()
        pair.link.cut()
        ledger = store._space.keys.account("u0").keys[4]
        pair.primary.client.execute_command("XSETID", ledger, f"{int(time.time() * 1000) + ahead_ms}-0")
        for at in range(3):
            store.deduct("u0", 1, idempotency_key=f"lost{at}")
        with drainer(pair, namespace) as drain:
            drain.drain()
        pair.fail_over()
        with drainer(pair, namespace) as drain:
            seen["at once"] = _tells(drain)
            before = pair.replica.client.xlen(ledger)
            for at in range(3):
                store.deduct("u0", 2, idempotency_key=f"new{at}")
            seen["later"] = _tells(drain)
        with drainer(pair, namespace) as drain:  # another one would trim behind the position that it finds
            seen["later"] += _tells(drain)
        seen["kept"] = pair.replica.client.xlen(ledger) - before
    return seen
