"""Reads the shards' streams of events: what other services are told (``lua/README.md``, "Entry in ``events``")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from ducto_redis import events
from ducto_redis.core.crossings import crossing_id
from ducto_redis.core.flows import ready
from ducto_redis.core.space import Space
from ducto_redis.core.steps import Ask, Flow
from ducto_redis.errors import InvalidArgumentError
from ducto_redis.events import CreditEvent
from ducto_redis.money import to_credits
from ducto_redis.periods import NAME_OF, moment
from ducto_redis.work_models import EventPage

MAX_EVENTS: Final = 10_000
#: Types by their name in the stream, and the amounts that each tells.
_KINDS: Final = {
    "cap_threshold": (events.CAP_THRESHOLD, ("threshold", "limit", "spent")),
    "low_balance": (events.LOW_BALANCE, ("threshold", "balance")),
}
#: The type of an entry that this release cannot read.
UNREADABLE: Final = "unreadable"
#: The last moment that is told: ids of entries that others wrote may lie behind it.
_LAST_MS: Final = 253_402_300_799_000
_STREAM_ID: Final = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")


def read_events(space: Space, after: Mapping[int, str] | None, limit: int) -> Flow[EventPage]:
    """The next events of all shards, oldest first.

    Args:
        space: The namespace.
        after: The stream id of the last event of each shard that was read; shards that are not there from the start.
        limit: How many at most, 1 to 10,000.

    Raises:
        InvalidArgumentError: The limit is out of range, or ``after`` is not what a page said.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_EVENTS:
        raise InvalidArgumentError(f"invalid_argument: limit must be 1 to {MAX_EVENTS}, not {limit!r:.80}")
    yield from ready(space)
    read = _checked(after, space.known.shards)
    # A part of each stream; told is what lies before the end of every part that has more behind it.
    part = limit // space.known.shards + 1
    found: list[tuple[int, int, int, bytes, Any]] = []
    ends = []
    for shard in range(space.known.shards):
        start = f"({read[shard]}" if shard in read else "-"
        [page] = yield Ask((("XRANGE", space.keys.events_key(shard), start, "+", "COUNT", part),))
        for entry_id, fields in page:
            at_ms, _, number = entry_id.decode().partition("-")
            found.append((int(at_ms), int(number), shard, entry_id, fields))
        if len(page) == part:
            ends.append(found[-1][:3])
    found = sorted((each for each in found if not ends or each[:3] <= min(ends)), key=lambda each: each[:3])
    told = []
    for at_ms, _, shard, entry_id, fields in found[:limit]:
        read[shard] = entry_id.decode()
        told.append(_event(space, shard, at_ms, read[shard], fields))
    return EventPage(events=tuple(told), after=read, more=bool(ends) or len(found) > limit)


def _checked(after: Mapping[int, str] | None, shards: int) -> dict[int, str]:
    """Where to go on, by shard; one that is not understood must not mean "from the start"."""
    read = dict(after or {})
    for shard, last in read.items():
        if isinstance(shard, bool) or not isinstance(shard, int) or not 0 <= shard < shards:
            msg = f"invalid_argument: after has shard {shard!r:.80}; shards are whole numbers of 0 to {shards - 1}"
            raise InvalidArgumentError(msg)
        if not isinstance(last, str) or not _STREAM_ID.fullmatch(last):
            msg = (
                f"invalid_argument: after has {last!r:.80} for shard {shard}, not a stream id such as '1699999999999-0'"
            )
            raise InvalidArgumentError(msg)
    return read


def _event(space: Space, shard: int, at_ms: int, entry_id: str, fields: Any) -> CreditEvent:
    pairs = fields.items() if isinstance(fields, Mapping) else zip(fields[::2], fields[1::2], strict=True)
    told = {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in pairs}
    try:
        return _crossing(space, shard, told)
    except (KeyError, ValueError, OverflowError):  # of a newer release, or not ours: the reader goes on
        at = moment(min(at_ms, _LAST_MS))
        return CreditEvent(type=UNREADABLE, timestamp=at, user_id="", data=dict(told), id=f"{shard}-{entry_id}")


def _crossing(space: Space, shard: int, told: dict[str, str]) -> CreditEvent:
    kind_of_event, names = _KINDS[told["type"]]
    scope, kind, percent = unquote(told["account"]), int(told["kind"]), int(told["percent"])
    transaction = f"{shard}-{told['entry']}"
    data: dict[str, Any] = {name: to_credits(int(told[name]), space.known.precision) for name in names}
    data |= {"scope": scope, "transaction_id": transaction}
    if kind_of_event == events.CAP_THRESHOLD:
        data |= {"percent": percent, "cap_type": NAME_OF[kind], "model": told.get("model") or None}
    return CreditEvent(
        type=kind_of_event,
        timestamp=moment(int(told["at"])),
        user_id=scope,
        data=data,
        id=crossing_id(transaction, scope, kind, percent, told.get("model", "")),
    )
