"""URLs of servers: which engine they name and how redis-py connects to them - without retries of its own."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from ducto_redis.core.durability import Level
from ducto_redis.errors import ConfigError

SCHEMES: Final = ("redis", "rediss", "unix", "memory")
#: The socket's limits in seconds; a URL's query (``?socket_timeout=2``) overrides them.
SOCKET_TIMEOUT: Final = 5.0
CONNECT_TIMEOUT: Final = 2.0


def engine_of(url: str) -> str:
    """``memory`` for the embedded engine, else ``server``.

    Raises:
        ConfigError: The scheme is none of redis, rediss, unix, memory.
    """
    scheme = urlsplit(url).scheme if isinstance(url, str) else ""
    if scheme not in SCHEMES:
        # The URL itself may hold a password and is not repeated.
        msg = f"a store's URL must start with one of {', '.join(f'{name}://' for name in SCHEMES)}, not {scheme!r}"
        raise ConfigError(msg)
    return "memory" if scheme == "memory" else "server"


def connect_options() -> dict[str, Any]:
    """Options for redis-py's ``from_url`` that both worlds share."""
    return {"socket_timeout": SOCKET_TIMEOUT, "socket_connect_timeout": CONNECT_TIMEOUT}


#: A server looks at the time-outs of WAIT ten times a second (hz 10), and the reply has to come back.
LATE_MS: Final = 200


def checked_patience(level: Level, client: Any) -> Level:
    """The level, when a client waits for replies longer than the level waits for replicas or a disk.

    Raises:
        ConfigError: It does not: what falls short would be taken for a lost reply.
    """
    options = getattr(client.connection_pool, "connection_kwargs", {})
    limit_s = options.get("socket_timeout") or SOCKET_TIMEOUT
    if level.timeout_ms + LATE_MS > limit_s * 1000:
        raise ConfigError(
            f"durability_timeout_ms={level.timeout_ms} must be {LATE_MS} ms shorter than the client's socket_timeout,"
            f" {limit_s:g} s, for a server may answer WAIT that late"
        )
    return level
