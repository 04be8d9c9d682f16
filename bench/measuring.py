"""What the benchmarks share: a server of their own, server time per call, memory, and tables in Markdown.

Time is the server's own: INFO commandstats after CONFIG RESETSTAT, so neither the client nor the network counts.
Memory is `used_memory`.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

# The tests are no package; their folder is put on the path above.
from servers import PostgresProcess as PostgresProcess  # noqa: E402, PLC0414
from servers import RedisProcess  # noqa: E402

BATCH = 64

Command = tuple[Any, ...]


@contextmanager
def running_server() -> Iterator[redis.Redis]:
    """A redis-server of our own, ended by its pid at the end of the block."""
    server = RedisProcess()
    try:
        yield server.client
    finally:
        server.stop()


def url_of(client: redis.Redis) -> str:
    """The URL of the server that a client speaks to."""
    return f"unix://{client.connection_pool.connection_kwargs['path']}"


def run(client: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    """Sends commands in pipelines of 64 and answers their replies; an error reply is raised."""
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    replies: list[Any] = []
    try:
        for at in range(0, len(commands), BATCH):
            batch = commands[at : at + BATCH]
            connection.send_packed_command(connection.pack_commands(batch))
            replies += [connection.read_response(disable_decoding=True) for _ in batch]
    finally:
        pool.release(connection)
    return replies


def time_calls(client: redis.Redis, commands: Sequence[Command]) -> tuple[float, list[Any]]:
    """Server microseconds per EVALSHA of these commands, and their replies."""
    client.config_resetstat()
    replies = run(client, commands)
    stat = client.info("commandstats")["cmdstat_evalsha"]
    assert stat["calls"] == len(commands), stat
    return stat["usec"] / stat["calls"], replies


def load(client: redis.Redis, text: str | bytes) -> bytes:
    """Makes a script known to the server; answers the SHA that calls it."""
    return str(client.script_load(text)).encode()


def memory_of(client: redis.Redis) -> int:
    """Bytes the server uses; the buffers of our few connections are among them, some 20 KB that hardly change."""
    return client.info("memory")["used_memory"]


def median_range(values: Iterable[float], digits: int = 2) -> str:
    """The median, and the range in brackets."""
    kept = list(values)
    low, middle, high = min(kept), statistics.median(kept), max(kept)
    return f"{middle:.{digits}f} [{low:.{digits}f}-{high:.{digits}f}]"


def ratio_to(values: Sequence[float], base: Sequence[float]) -> float:
    """The median of the ratios to a base that was measured in the same repetitions."""
    return statistics.median(value / unit for value, unit in zip(values, base, strict=True))


def verdict(value: float, goal: float, digits: int = 0) -> str:
    """A goal that must not be exceeded, and whether it is met."""
    over = f"missed by {value - goal:.{digits}f}" if value > goal else "met"
    return f"<= {goal:.{digits}f}: {over}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def conditions(client: redis.Redis) -> str:
    """What a reader needs to know of the run: versions and cores - no name of a machine, no path."""
    limits: Mapping[str, str] = client.config_get("*-max-listpack-*")
    return (
        f"Redis {client.info('server')['redis_version']} on a unix socket, no persistence · Python"
        f" {platform.python_version()} · redis-py {version('redis')} with hiredis {version('hiredis')} ·"
        f" {os.cpu_count()} cores, shared by server and client.\n\n"
        f"Limits of compact encodings: hash {limits['hash-max-listpack-entries']} fields of at most"
        f" {limits['hash-max-listpack-value']} bytes, sorted set {limits['zset-max-listpack-entries']} members."
    )
