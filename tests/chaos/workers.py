"""Workers killed with SIGKILL between any two steps of reserve and settle; what they leave held after its time.

One process without threads forks them (``python workers.py <url> <namespace> <first> <count> <seed> <now_ms>``): each
inherits a connected store, works, and kills itself at a step that the seed chose - before or after a command is
written, before or after its reply is read, or between two calls.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import redis

from ducto_redis import RedisStore
from ducto_redis.testing import FakeClock, redis_store

ACCOUNTS = 10
GRANT = 1_000_000
TTL_S = 60
#: Steps of one round: reserve, settle and the two calls of the control have four each, and one follows each pair.
ROUND = 18
ROUNDS = 3
AT_ONCE = 8


class Steps:
    """Counts what a worker does and kills it at the chosen step."""

    def __init__(self, last: int) -> None:
        self._left = last

    def __call__(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def around(self, owner: Any, name: str) -> None:
        """Makes a method a step before it and a step after it."""
        inner = getattr(owner, name)

        def stepped(*args: Any, **options: Any) -> Any:
            self()
            answer = inner(*args, **options)
            self()
            return answer

        setattr(owner, name, stepped)


def work(store: RedisStore, client: redis.Redis, namespace: str, number: int, last: int) -> None:
    """Reserves and settles, and does what a naive limiter does beside it, until it is killed."""
    user, naive = f"u{number % ACCOUNTS}", f"{namespace}:naive"
    store.get_balance(user)  # connected; the steps of connecting send nothing
    steps = Steps(last)
    for name in ("send_packed_command", "read_response"):
        steps.around(redis.connection.Connection, name)
    while True:
        hold = store.reserve(user, 10, ttl=TTL_S)
        client.incrby(naive, 10)
        steps()
        store.settle(user, hold, 7)
        client.decrby(naive, 10)
        steps()


def fork_all(url: str, namespace: str, first: int, count: int, seed: int, now_ms: int) -> int:
    """Forks the workers, a few at a time; gives how many were killed as meant."""
    clock, draw, killed, running = FakeClock(), random.Random(seed), 0, 0
    clock.now_ms = now_ms
    store = redis_store(url, clock, namespace=namespace)
    client = redis.Redis(unix_socket_path=url.removeprefix("unix://"))
    for number in range(first, first + count):
        last = draw.randrange(ROUND * ROUNDS)
        if os.fork() == 0:
            try:
                work(store, client, namespace, number, last)
            finally:
                os._exit(1)
        running += 1
        while running == AT_ONCE or (running and number == first + count - 1):
            killed += os.waitstatus_to_exitcode(os.wait()[1]) == -signal.SIGKILL
            running -= 1
    return killed


def run(server: Any, namespace: str, n: int, seed: int) -> Counter[str]:
    """Kills n workers, then lets the time to live of their holds pass.

    Returns:
        ``killed``, ``held before`` and ``held after`` (open holds), ``wrong balances`` (accounts whose balance is not
        what their ledger charged), ``naive left`` (credits that the control still counts).
    """
    clock = FakeClock()
    with redis_store(server.url, clock, namespace=namespace, shards=2) as store:
        store.setup()
        users = [f"u{at}" for at in range(ACCOUNTS)]
        for user in users:
            store.add_credits(user, GRANT)
        command = [sys.executable, __file__, server.url, namespace, "0", str(n), str(seed), str(clock())]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seen = Counter(killed=int(told))
        seen["held before"] = sum(store.list_holds(user).total for user in users)
        clock.advance(seconds=TTL_S + 1)
        while not store.sweep().complete:
            pass
        seen["held after"] = sum(store.list_holds(user).total for user in users)
        seen["reserved after"] = sum(store.get_available(user).reserved != 0 for user in users)
        seen["charges"] = sum(round((GRANT - store.get_balance(user).balance) / 7) for user in users)
        seen["wrong balances"] = sum((GRANT - store.get_balance(user).balance) % 7 != 0 for user in users)
    seen["naive left"] = int(server.client.get(f"{namespace}:naive") or 0)
    return seen


if __name__ == "__main__":
    address, name, *numbers = sys.argv[1:]
    print(fork_all(address, name, *map(int, numbers)))
