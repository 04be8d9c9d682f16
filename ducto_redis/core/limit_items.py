"""Rate and concurrency limits as packed items: in field ``l<path>``, in arguments, in what replies say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ducto_redis.core.packed import int_at, packed
from ducto_redis.decisions import Counts
from ducto_redis.errors import InvalidArgumentError
from ducto_redis.money import to_units
from ducto_redis.rates import ConcurrencyLimit, RateLimit, check_exact

GCRA, FIXED, SLIDING, CONCURRENCY = 10, 11, 12, 13
#: Algorithms by the number of their kind.
ALGORITHMS: Final = {GCRA: "gcra", FIXED: "fixed", SLIDING: "sliding", CONCURRENCY: "concurrency"}
_KINDS: Final = {name: kind for kind, name in ALGORITHMS.items()}
#: What is counted, in the order of the numbers.
COUNTS: Final[tuple[Counts, ...]] = ("requests", "amount", "tokens")
AMOUNT: Final = 1
_COUNTS_MASK, _SHADOW, _DEFAULT, _SCOPED, _BURST = 3, 4, 8, 16, 32
_HEAD_BYTES: Final = 32
_NOTE_BYTES: Final = 9


class LimitItem(NamedTuple):
    """A limit, definition and state together (``docs/limits.md``); amounts in units, times in ms.

    ``at_ms`` and ``used`` mean what the kind makes of them; ``used`` of gcra is in units x ms. ``burst`` is 0 when
    it was not given; names are "" when the limit looks at all. ``since`` is the root's sequence when it began to count.
    ``default``: one of the namespace (``core.defaults``). ``shadow``: it refuses nothing, ``denied`` counts what it
    would have refused.
    """

    kind: int
    counts: int
    limit: int
    period_ms: int
    at_ms: int = 0
    used: int = 0
    previous: int = 0
    burst: int = 0
    operation_type: str = ""
    model: str = ""
    since: int = 0
    default: bool = False
    shadow: bool = False
    denied: int = 0

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two limits of an account the same (``lua/lib/limit_identity.lua``)."""
        return (self.kind == CONCURRENCY, self.counts, self.shadow, self.period_ms, self.operation_type, self.model)

    @property
    def capacity(self) -> int:
        """What may be taken at once."""
        return self.burst or self.limit


class LimitNote(NamedTuple):
    """What a reply says of a limit: its level (from 1, the root), whether it refused, what was asked, the item."""

    level: int
    refused: bool
    cost: int
    item: LimitItem


def pack_item(item: LimitItem) -> bytes:
    """Packs an item, state included."""
    operation_type, model = item.operation_type.encode(), item.model.encode()
    scoped = operation_type or model
    what = item.counts + (_SCOPED if scoped else 0) + (_BURST if item.burst else 0)
    what += (_DEFAULT if item.default else 0) + (_SHADOW if item.shadow else 0)
    data = bytes([item.kind, what]) + packed(item.limit) + packed(item.period_ms, 5)
    data += packed(item.since, 5) + packed(item.at_ms, 6) + packed(item.used)
    if item.kind == SLIDING:
        data += packed(item.previous)
    if item.burst:
        data += packed(item.burst)
    if scoped:
        data += bytes([len(operation_type)]) + operation_type + bytes([len(model)]) + model
    return data + packed(item.denied) if item.shadow else data


def item_of(limit: RateLimit | ConcurrencyLimit, precision: int) -> LimitItem:
    """A definition as an unused item.

    Args:
        limit: The definition.
        precision: The namespace's; credits become units.

    Raises:
        InvalidAmountError: Credits that units cannot count.
        InvalidArgumentError: It is no definition, or beyond the exact range.
    """
    names = (limit.operation_type or "", limit.model or "") if isinstance(limit, RateLimit | ConcurrencyLimit) else ()
    if isinstance(limit, ConcurrencyLimit):
        return LimitItem(CONCURRENCY, 0, limit.max_concurrent, 0, 0, 0, 0, 0, *names, shadow=limit.shadow)
    if not isinstance(limit, RateLimit):
        raise InvalidArgumentError(f"invalid_argument: a RateLimit or ConcurrencyLimit is needed, not {limit!r:.80}")
    places = precision if limit.counts == "amount" else 0
    units = to_units(limit.limit, places)
    burst = 0 if limit.burst is None else to_units(limit.burst, places)
    if limit.burst is not None and burst == 0:
        raise InvalidArgumentError(f"invalid_argument: a burst of {limit.burst} credits is less than one unit")
    try:
        check_exact(limit.algorithm, units, burst, limit.period_ms)
    except ValueError as cause:
        raise InvalidArgumentError(f"invalid_argument: {cause}") from cause
    kind, counts = _KINDS[limit.algorithm], COUNTS.index(limit.counts)
    return LimitItem(kind, counts, units, limit.period_ms, 0, 0, 0, burst, *names, shadow=limit.shadow)


def pack_limit(limit: RateLimit | ConcurrencyLimit, precision: int) -> bytes:
    """A definition as a packed, unused item; raises as ``item_of``."""
    return pack_item(item_of(limit, precision))


def _read_item(data: bytes, at: int) -> tuple[LimitItem, int]:
    # An item and where the next one begins.
    kind, what = data[at], data[at + 1]
    limit, period_ms = int_at(data, at + 2), int_at(data, at + 9, 5)
    since, at_ms, used = int_at(data, at + 14, 5), int_at(data, at + 19, 6), int_at(data, at + 25)
    at += _HEAD_BYTES
    previous = burst = 0
    operation_type = model = ""
    if kind == SLIDING:
        previous, at = int_at(data, at), at + 7
    if what & _BURST:
        burst, at = int_at(data, at), at + 7
    if what & _SCOPED:
        model_at = at + 1 + data[at]
        end = model_at + 1 + data[model_at]
        operation_type, model = data[at + 1 : model_at].decode(), data[model_at + 1 : end].decode()
        at = end
    denied = 0
    shadow, default = bool(what & _SHADOW), bool(what & _DEFAULT)
    if shadow:
        denied, at = int_at(data, at), at + 7
    state = (at_ms, used, previous, burst, operation_type, model, since, default, shadow, denied)
    return LimitItem(kind, what & _COUNTS_MASK, limit, period_ms, *state), at


def read_limits(data: bytes) -> Iterator[LimitItem]:
    """Reads packed limits in the order of their registration."""
    at = 0
    while at < len(data):
        item, at = _read_item(data, at)
        yield item


def read_limit_notes(data: bytes) -> list[LimitNote]:
    """Reads what a reply says of limits: the part of its notes behind the byte 0 (``packed.split_notes``)."""
    notes, at = [], 0
    while at < len(data):
        level, refused, cost = data[at], bool(data[at + 1]), int_at(data, at + 2)
        item, at = _read_item(data, at + _NOTE_BYTES)
        notes.append(LimitNote(level, refused, cost, item))
    return notes
