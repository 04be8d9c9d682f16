"""Durability levels, without IO: what a level asks of a server, what a call waits for, how that reply is judged.

The contract. A level says what a result is worth that the caller was given:

- ``memory`` asks for nothing and waits for nothing. There is no ``Level`` for it.
- ``aof`` asks for an append-only file; a call waits for nothing.
- ``fsync`` asks for one too. From Redis 7.2 on every call that changes something waits for the disk (WAITAOF); before,
  the file must be synced before each reply (``appendfsync always``), so there is nothing to wait for.
- ``replicated`` makes every call that changes something wait for N replicas (WAIT).

What is asked is checked when a store first opens its namespace. Unknown is no: a server that does not tell is refused.

What is waited for is sent behind the script on the same connection, in the same write, one wait for all calls of a
batch: the server remembers per connection up to where it has to wait, and on another one WAIT would answer at once. The
server sets that mark with every command, so a repetition, which only reads what it did before, waits for that too.
The number that comes back is compared; too small, or an error, is ``DurabilityNotMet``: executed, and not yet safe.

A call waits when it has an operation id: reading, dry runs and what the clock decides (expiry, sweeping, new periods)
promise nothing. The wait is on its way before the answer is known, so a refusal waits too, at most its time-out, but it
is answered as it is however many were counted: it changed nothing. Only the refusal of ``deduct_credits``, which frees
the hold, is judged like an execution.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from ducto_redis.codes import Code
from ducto_redis.core.steps import Call, Flow, Reply, Tell
from ducto_redis.errors import ConfigError, DurabilityNotMet, InvalidArgumentError, StoreUnavailable

LEVELS: Final = ("memory", "aof", "fsync", "replicated")
DEFAULT_TIMEOUT_MS: Final = 1_000
_MAX_TIMEOUT_MS: Final = 60_000
_MAX_REPLICAS: Final = 100
#: The first version with WAITAOF.
_WAITAOF: Final = (7, 2)
_FREES: Final = {Code.INVALID_AMOUNT, Code.CAP_REACHED, Code.INSUFFICIENT_CREDITS}
_FREED_AT: Final = 6
_AOF = re.compile(rb"^aof_enabled:([01])", re.MULTILINE)
_ONLINE = re.compile(rb"^slave\d+:.*state=online", re.MULTILINE)


class Level:
    """A level above ``memory`` as one store wants it.

    Args:
        name: ``aof``, ``fsync`` or ``replicated``.
        replicas: How many must have it, for ``replicated``.
        timeout_ms: How long a call waits.

    Attributes:
        name: The same.
        timeout_ms: The same.
        wanted: The number that must come back.
        command: What is sent behind a script; None while nothing is.
    """

    def __init__(self, name: str, replicas: int, timeout_ms: int) -> None:
        self.name = name
        self.timeout_ms = timeout_ms
        self.wanted = replicas if name == "replicated" else 1
        self.command: tuple[str | int, ...] | None = ("WAIT", replicas, timeout_ms) if name == "replicated" else None

    def behind(self, calls: Sequence[Call[Any]]) -> tuple[str | int, ...] | None:
        """The command to send behind calls that are written together; None when none of them waits."""
        return self.command if any(call.op_id is not None for call in calls) else None

    def use_waitaof(self, *, known: bool) -> None:
        """Calls wait for the server's own disk, not for those of replicas; for nothing where it knows no WAITAOF."""
        self.command = ("WAITAOF", 1, 0, self.timeout_ms) if known else None

    def judge(self, calls: Sequence[Call[Any]], replies: Sequence[Reply], waited: Any, results: Sequence[Any]) -> None:
        """Compares what came back with what is wanted.

        Args:
            calls: What was waited for.
            replies: Their replies.
            waited: The reply to ``command``, or the error it met.
            results: What the replies say.

        Raises:
            DurabilityNotMet: It is less, and something was executed.
        """
        if counted(waited) >= self.wanted:
            return
        done = [call for call, reply in zip(calls, replies, strict=True) if call.op_id and promises(call.script, reply)]
        if done:
            self.fall_short(waited, results, calls=done)

    def fall_short(
        self, waited: Any, results: Sequence[Any], *, calls: Sequence[Call[Any]] = (), name: str = ""
    ) -> NoReturn:
        """Raises that something is executed and not yet safe.

        Args:
            waited: What came back.
            results: What would have been answered.
            calls: What was executed.
            name: The operation, where it is not one of calls.

        Raises:
            DurabilityNotMet: Always.
        """
        first, failed = calls[0] if calls else None, isinstance(waited, Exception)
        operation = first.script if first else name
        reached = f"{counted(waited)} of {self.wanted} {'disks' if self.name == 'fsync' else 'replicas'}"
        why = f"the server said: {waited}" if failed else f"{reached} within {self.timeout_ms} ms"
        raise DurabilityNotMet(
            f"{operation} is executed, but not yet as safe as durability={self.name!r} says ({why}); it may be lost"
            " with the server. Never send it as a new operation: the same call under the same id answers its outcome"
            " and waits again",
            op_ids=tuple(call.op_id for call in calls if call.op_id),
            wanted=self.wanted,
            reached=counted(waited),
            results=tuple(results),
            user_id=first.user_id if first else None,
            operation=operation,
        ) from (waited if failed else None)


def level_of(durability: str, replicas: int, timeout_ms: int) -> Level | None:
    """The level that a store's settings name; None for ``memory``.

    Raises:
        InvalidArgumentError: A setting is not allowed.
    """
    if durability not in LEVELS:
        raise InvalidArgumentError(
            f"invalid_argument: durability must be one of {', '.join(LEVELS)}, not {durability!r:.80}"
        )
    bounds = (("replicas", replicas, _MAX_REPLICAS), ("durability_timeout_ms", timeout_ms, _MAX_TIMEOUT_MS))
    for name, value, most in bounds:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise InvalidArgumentError(f"invalid_argument: {name} must be 1 to {most}, not {value!r:.80}")
    if replicas != 1 and durability != "replicated":
        raise InvalidArgumentError(
            f"invalid_argument: replicas={replicas} says something for durability='replicated' only, not {durability!r}"
        )
    return None if durability == "memory" else Level(durability, replicas, timeout_ms)


def counted(waited: Any) -> int:
    """The number in the reply to WAIT (replicas) or WAITAOF (this server's disk: 0 or 1); 0 for anything else."""
    if isinstance(waited, list | tuple) and waited:
        waited = waited[0]
    return waited if isinstance(waited, int) else 0


def promises(script: str, reply: Reply) -> bool:
    """Whether a reply tells of something that is now to last: done, or a refusal that freed a hold.

    That of ``deduct_credits`` tells at ``_FREED_AT`` how much was freed; early refusals free nothing.
    """
    if reply and isinstance(reply[0], list | tuple):
        return any(promises(script, each) for each in reply)
    return reply[0] == Code.OK or (script == "deduct_credits" and reply[0] in _FREES and reply[_FREED_AT] > 0)


def checked(level: Level, version: str, *, attached: bool) -> Flow[None]:
    """Asks whether the server is configured for the level.

    Args:
        level: The level; afterwards it knows what to wait for.
        version: The server's version; "" when it does not tell.
        attached: Whether as many replicas as are wanted must be there now.

    Raises:
        ConfigError: It is not, or does not tell.
    """
    if level.name != "replicated":
        yield from _checked_file(level, version)
    elif attached:
        [told] = yield Tell((("INFO", "replication"),))
        there = None if isinstance(told, Exception) else len(_ONLINE.findall(told))
        if there is not None and there < level.wanted:
            raise ConfigError(
                f"durability='replicated' wants {level.wanted} replicas, and {there} are there; attach them (REPLICAOF"
                " on each) or ask for fewer: replicas=..."
            )
    if level.command is not None:
        [refused] = yield Tell(((*level.command[:-1], 1),))
        if isinstance(refused, Exception):
            if "replica instances" in str(refused):  # of a failover that is not over, as READONLY is of a call
                raise StoreUnavailable(f"the server is a replica and accepts no calls: {refused}") from refused
            raise ConfigError(
                f"durability={level.name!r} needs {level.command[0]}, and the server said: {refused}"
            ) from refused


def _checked_file(level: Level, version: str) -> Flow[None]:
    commands = (("INFO", "persistence"), ("CONFIG", "GET", "appendonly"), ("CONFIG", "GET", "appendfsync"))
    info, appendonly, appendfsync = yield Tell(commands)
    found = None if isinstance(info, Exception) else _AOF.search(info)
    kept = found[1] == b"1" if found else _setting(appendonly) == b"yes" if _setting(appendonly) else None
    if not kept:
        told = "the server tells this user neither by INFO nor by CONFIG GET" if kept is None else "it has none"
        raise ConfigError(
            f"durability={level.name!r} needs an append-only file, and {told}; set appendonly yes in redis.conf (CONFIG"
            " SET appendonly yes for a server that holds data already), or allow this user +info"
        )
    if level.name != "fsync":
        return
    level.use_waitaof(known=tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) >= _WAITAOF)
    if level.command is None and _setting(appendfsync) != b"always":
        has = _setting(appendfsync)
        raise ConfigError(
            f"durability='fsync' needs Redis 7.2 (WAITAOF) or appendfsync always; the server is {version or 'unknown'}"
            f" and has {has.decode() if has else 'not told appendfsync: allow this user +config|get'}; set appendfsync"
            " always, or ask for durability='aof'"
        )


def _setting(told: Any) -> bytes | None:
    """The value in a reply to CONFIG GET; None where it was refused or is not there."""
    return told[1] if isinstance(told, list) and len(told) == 2 and isinstance(told[1], bytes) else None  # noqa: PLR2004


def persisted(level: Level | None, operation: str, result: Any) -> Flow[None]:
    """Waits for all that was written before, on whichever connections: for operations of several steps.

    Args:
        level: The level; None waits for nothing.
        operation: Its name.
        result: What it answers.

    Raises:
        DurabilityNotMet: It is executed and not yet safe.
    """
    if level is None or level.command is None:
        return
    pong, waited = yield Tell((("PING",), level.command))
    # A PING that was refused sets no mark to wait up to.
    waited = pong if isinstance(pong, Exception) else waited
    if counted(waited) < level.wanted:
        level.fall_short(waited, (result,), name=operation)
