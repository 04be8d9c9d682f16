"""Faults of a Redis under load: killed, stopped, flushed, full, its AOF cut; what callers were told is compared."""

from __future__ import annotations

import random
from collections import Counter

from audit import audit
from load import Load
from servers import PERSISTENT, RedisProcess

#: Operations that are acknowledged between two faults, at most.
BETWEEN = 300


def kills(namespace: str, n: int, seed: int, *, fsync: str = "always", anew: bool = False) -> Counter[str]:
    """Kills a server with SIGKILL n times under load and starts it again on what it kept.

    Args:
        namespace: A name.
        n: How many kills.
        seed: Chooses moments and operations.
        fsync: When the AOF is synced; "none": there is no AOF, and one kill ends the load.
        anew: Whether callers send what is unknown again under another id.

    Returns:
        What ``audit`` finds, ``faults``, and what callers met.
    """
    draw = random.Random(seed)
    server = RedisProcess(*(() if fsync == "none" else (*PERSISTENT, fsync)))
    try:
        with Load(server.url, namespace, seed, anew=anew) as load:
            for _ in range(n):
                load.history.await_more(draw.randint(1, BETWEEN))
                with load.away():
                    server.kill()
                    server.start()
            load.history.await_more(1)
        return audit(server, namespace, load.history) + load.history.seen + Counter(faults=n, wiped=load.history.wiped)
    finally:
        server.stop()
