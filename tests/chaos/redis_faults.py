"""Faults of a Redis under load: killed, stopped, flushed, full, its AOF cut; what callers were told is compared."""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from audit import audit
from load import USERS, Load, Wiped
from power import Disk
from servers import PERSISTENT, RedisProcess

from ducto_redis.core.entries import Kind

#: Operations that are acknowledged between two faults, at most.
BETWEEN = 300
#: Bytes that are torn from the end of an AOF, at most.
TORN_BYTES = 2_000
#: What a busy disk takes for a sync.
SLOW_US = 400_000
Fault = Callable[[RedisProcess, Load, random.Random], None]


def strike(server: RedisProcess, faults: list[Fault], namespace: str, seed: int, **options: Any) -> Counter[str]:
    """Lets faults happen under load, one after the other, and ends the server.

    Args:
        server: Is stopped at the end.
        faults: Each is given server, load and random numbers, and leaves a server that works.
        namespace: A name.
        seed: Chooses moments and operations.
        options: Those of ``Load``.

    Returns:
        What ``audit`` finds, ``faults``, and what callers met.
    """
    draw, done = random.Random(seed), 0
    try:
        with contextlib.suppress(Wiped), Load(server.url, namespace, seed, **options) as load:
            for fault in faults:
                load.history.await_more(draw.randint(1, BETWEEN))
                fault(server, load, draw)
                done += 1
            load.history.await_more(1)
        seen = audit(server, namespace, load.history) + load.history.seen
        return seen + Counter(faults=done, wiped=load.history.wiped)
    finally:
        server.stop()


def killed(server: RedisProcess, load: Load, _draw: random.Random) -> None:
    with load.away():
        server.kill()
        server.start()


def killed_in_a_sync(server: RedisProcess, load: Load, draw: random.Random) -> None:
    """Killed when operations were acknowledged while a sync was under way; one that began later than they did."""
    for wanted in (0, 1):
        while server.client.info("persistence")["aof_pending_bio_fsync"] != wanted:
            load.history.await_more(1)
    load.history.await_more(20)
    killed(server, load, draw)


def paused(server: RedisProcess, load: Load, _draw: random.Random) -> None:
    """SIGSTOP until callers have given up waiting; what they sent arrives late."""
    with load.away():
        server.pause()
        try:
            load.history.await_more(1, lambda history: history.seen["unknown"])
        finally:
            server.resume()


def flushed(server: RedisProcess, _load: Load, _draw: random.Random) -> None:
    server.client.script_flush()


def disconnected(server: RedisProcess, _load: Load, _draw: random.Random) -> None:
    server.client.client_kill_filter(_type="normal", skipme=True)


def full(server: RedisProcess, load: Load, draw: random.Random) -> None:
    """maxmemory is reached: what takes is refused, what ends goes on - with scripts that must be loaded again."""
    user, holds = draw.choice(USERS), [f"full{draw.random()}" for _ in range(4)]
    assert all(load.send(Kind.HOLD, user, hold, 5) for hold in holds)
    server.client.config_set("maxmemory", 1)
    try:
        load.history.await_more(20, lambda history: history.seen["no memory"])
        server.client.script_flush()
        for at, hold in enumerate(holds):
            assert load.send(Kind.RELEASE if at % 2 else Kind.SETTLE, user, hold, 7)
    finally:
        server.client.config_set("maxmemory", 0)


def torn(server: RedisProcess, load: Load, draw: random.Random) -> None:
    """The end of the AOF is gone, cut anywhere; what Redis leaves of a half script is written away."""
    with load.away():
        torn_and_left(server, load, draw)
        server.rewrite()


def torn_and_left(server: RedisProcess, load: Load, draw: random.Random) -> None:
    """The end of the AOF is gone, and nobody minds what Redis leaves of a half script: MULTI without EXEC."""
    with load.away():
        server.kill()
        path = max((server.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: int(path.suffixes[1][1:]))
        size = path.stat().st_size
        os.truncate(path, size - draw.randint(1, min(TORN_BYTES, size)))
        server.start()


def kills(namespace: str, n: int, seed: int, *, fsync: str = "always", anew: bool = False) -> Counter[str]:
    """Kills a server with SIGKILL n times and starts it again on what it kept.

    Args:
        namespace: A name.
        n: How many kills.
        seed: Chooses moments and operations.
        fsync: When the AOF is synced; "none": there is no AOF, and one kill ends the load.
        anew: Whether callers send what is unknown again under another id.
    """
    server = RedisProcess(*(() if fsync == "none" else (*PERSISTENT, fsync)))
    return strike(server, [killed] * n, namespace, seed, anew=anew)


def power_losses(namespace: str, n: int, seed: int, *, fsync: str = "always", kept: bool = False) -> Counter[str]:
    """Cuts the power n times: kills the server, and takes from its AOF what was not synced.

    Args:
        namespace: A name.
        n: How many times.
        seed: Chooses moments and operations.
        fsync: When the AOF is synced.
        kept: Whether the server is only killed, during syncs that take long: the disk keeps what it was handed.

    Raises:
        NotMeasured: There is no C compiler.
    """
    disk = Disk(SLOW_US if kept else 0)

    def powerless(server: RedisProcess, load: Load, draw: random.Random) -> None:
        if fsync != "always":  # else nothing at all would be left of the first second
            begun = disk.syncs()
            while disk.syncs() == begun:
                load.history.await_more(1)
            load.history.await_more(draw.randint(1, BETWEEN))
        with load.away():
            server.kill()
            disk.lose_power(server.folder)
            server.start()

    try:
        server = RedisProcess(*PERSISTENT, fsync, environment=disk.environment)
        return strike(server, [killed_in_a_sync if kept else powerless] * n, namespace, seed) + Counter(
            {"bytes cut": disk.cut}
        )
    finally:
        disk.close()


def disturbances(namespace: str, n: int, seed: int) -> Counter[str]:
    """Stops, flushes, disconnects and fills a server by turns, n times."""
    kinds = (paused, flushed, disconnected, full)
    faults = [kinds[at % len(kinds)] for at in range(n)]
    return strike(RedisProcess(), faults, namespace, seed, timeout_s=0.1)


def torn_tails(namespace: str, n: int, seed: int, *, rewrite: bool = True) -> Counter[str]:
    """Kills a server n times and tears the end from its AOF: what was there is lost, nothing else may be wrong.

    Args:
        namespace: A name.
        n: How many times.
        seed: Chooses moments, places and operations.
        rewrite: Whether the AOF is rewritten after the start.
    """
    faults = [torn if rewrite else torn_and_left] * n
    return strike(RedisProcess(*PERSISTENT, "always"), faults, namespace, seed)
