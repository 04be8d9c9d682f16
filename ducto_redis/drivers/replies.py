"""What both drivers share without IO: the command of a call, and reading the server's version."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hiredis import pack_command
from redis.connection import HiredisRespSerializer
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from ducto_redis.core.durability import Level
from ducto_redis.core.scripts import Script
from ducto_redis.core.steps import Ask, Call, Scan, Tell
from ducto_redis.drivers.failures import raise_ours, translate
from ducto_redis.drivers.retrying import own_reply
from ducto_redis.errors import OutcomeUnknown, StoreUnavailable

#: How often a script is loaded for one call: SCRIPT FLUSH may come in between, but not for ever.
LOADS = 3


class Waits(NamedTuple):
    """How a driver waits between attempts, and the time and chance it goes by."""

    sleep: Callable[[float], Any]
    now_s: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


_VERSION = re.compile(rb"^redis_version:([0-9.]+)", re.MULTILINE)


def command_of(call: Call[Any], script: Script, stamp: Callable[[], int] | None) -> tuple[Any, ...]:
    """The EVALSHA command of a call; with injected time as the last argument when there is a stamp."""
    tail = () if stamp is None else (stamp(),)
    return ("EVALSHA", script.sha, len(call.keys), *call.keys, *call.args, *tail)


def pack(connection: Any, command: tuple[Any, ...]) -> list[bytes]:
    """A command as it is sent; redis-py's packer looks at every argument, and only passes most on to hiredis."""
    packer = getattr(connection, "_command_packer", None)  # a user may have set another one; redis.asyncio has none
    if packer is None or type(packer) is HiredisRespSerializer:
        return [pack_command(command)]
    packed: list[bytes] = connection.pack_command(*command)
    return packed


def scan_command(step: Scan) -> tuple[Any, ...]:
    """The SCAN command of a step."""
    return ("SCAN", step.cursor, "MATCH", step.pattern, "COUNT", step.limit)


def written(step: Ask | Tell) -> Sequence[tuple[Any, ...]]:
    """The commands of a step as they are written: between MULTI and EXEC, or each for itself."""
    return [("MULTI",), *step.commands, ("EXEC",)] if isinstance(step, Ask) else step.commands


def answered(step: Ask | Tell, replies: Sequence[Any]) -> list[Any]:
    """What the commands of a step answered, in flat form."""
    return executed(replies) if isinstance(step, Ask) else [flat(reply) for reply in replies]


def executed(replies: Sequence[Any]) -> list[Any]:
    """What the commands of a transaction answered, in flat form; raises the first error among its replies."""
    for reply in (*replies, *(replies[-1] if isinstance(replies[-1], list) else ())):
        if isinstance(reply, Exception):
            raise reply
    return [flat(reply) for reply in replies[-1]]


def flat(reply: Any) -> Any:
    """A reply in the flat form of RESP2, whichever protocol was spoken: no mappings, no pairs of member and score."""
    if isinstance(reply, dict):
        return [part for pair in reply.items() for part in pair]
    if isinstance(reply, list | tuple) and reply and all(_is_scored(each) for each in reply):
        return [part for member, score in reply for part in (member, b"%d" % int(score))]
    if isinstance(reply, list | tuple) and reply and all(_is_entry(each) for each in reply):
        return [[name, flat(fields) if isinstance(fields, dict) else fields] for name, fields in reply]
    return reply


def _is_scored(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[1], int | float)  # noqa: PLR2004


def _is_entry(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[1], list | dict)  # noqa: PLR2004


def scanned(reply: Sequence[Any]) -> tuple[int, list[bytes]]:
    """Cursor and keys of the answer to SCAN."""
    return int(reply[0]), list(reply[1])


def version_in(info: bytes) -> str:
    """The version in the answer to INFO; "" when it is not told."""
    found = _VERSION.search(info)
    return found[1].decode() if found else ""


def read_version(ask: Callable[[], bytes]) -> str:
    """Asks for the version; "" when this user may not ask."""
    try:
        return version_in(ask())
    except (NoPermissionError, ResponseError):
        return ""


def missing(replies: Sequence[Any]) -> list[int]:
    """Where a script was not loaded."""
    return [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]


def read_replies(
    calls: Sequence[Call[Any]], replies: Sequence[Any], *, resent: bool, level: Level | None = None
) -> list[Any]:
    """The results of a batch; the first error among its replies is raised once all of them were read.

    Args:
        calls: The calls.
        replies: Their replies, and behind them what was answered to the wait, where there was one.
        resent: Whether the calls had been sent before.
        level: Judges what was answered to the wait.

    Raises:
        DurabilityNotMet: They are executed and not yet as safe as the level wants.
        OutcomeUnknown: Some calls were not executed and others were; sent again, those answer as they did.
    """
    waited, replies = replies[len(calls) :], replies[: len(calls)]
    failed = [(call, reply) for call, reply in zip(calls, replies, strict=True) if isinstance(reply, Exception)]
    if failed:
        call, error = failed[0]
        if len(failed) < len(calls) and isinstance(translate(error, call, sent=True), StoreUnavailable):
            raise OutcomeUnknown(
                f"{len(failed)} of {len(calls)} calls of a batch were not executed ({error}), the others were",
                user_id=call.user_id,
                operation=call.script,
            ) from error
        raise_ours(error, call, sent=True)
    pairs = zip(calls, replies, strict=True)
    results = [call.parse(own_reply(call.script, reply) if resent else reply) for call, reply in pairs]
    if level is not None and waited:
        level.judge(calls, replies, waited[0], results)
    return results
