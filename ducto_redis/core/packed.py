"""The packed records of the scripts, read in Python: the formats of ``lua/lib``, little endian, 7-byte integers."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

NODE_BYTES: Final = 64
CAP_BYTES: Final = 9
NOTE_BYTES: Final = 25
#: Instead of a distance to the previous period: counters of other periods lie in field ``b`` (``lua/lib/node.lua``).
APART: Final = 255

_NODE_TAIL: Final = Struct("<HHBBH")

#: Actions of caps, in the order of their numbers.
ACTIONS: Final = ("deny", "warn", "notify")
NOTE_REFUSED, NOTE_FIRST, NOTE_OVER = 1, 2, 4


def int_at(data: bytes, at: int, size: int = 7) -> int:
    """A signed little-endian integer of ``size`` bytes (``i7`` in the scripts)."""
    return int.from_bytes(data[at : at + size], "little", signed=True)


class Node(NamedTuple):
    """The counters of one account, in units (``lua/lib/node.lua``)."""

    balance: int = 0
    held: int = 0
    admitted: int = 0
    spent_day: int = 0
    spent_month: int = 0
    spent_total: int = 0
    previous_day: int = 0
    previous_month: int = 0
    day_id: int = 0
    month_id: int = 0
    day_back: int = 0
    month_back: int = 0
    open_holds: int = 0

    def spent(self, kind: int) -> int:
        """Spend of the period that a cap of this kind looks at (its position, counted from 1)."""
        return self[kind - 1]


class PackedCap(NamedTuple):
    """A cap as stored (``lua/lib/caps.lua``): kind, action number, limit in units."""

    kind: int
    action: int
    limit: int


class Note(NamedTuple):
    """What a reply says of a cap: its level (from 1, the root), the cap, flags and counters in units."""

    level: int
    kind: int
    action: int
    flags: int
    limit: int
    spent: int
    admitted: int


def read_node(data: bytes) -> Node:
    """Reads a packed node; an empty one where a level has none."""
    if not data:
        return Node()
    amounts = [int_at(data, 7 * at) for at in range(8)]
    day_id, month_id, day_back, month_back, open_holds = _NODE_TAIL.unpack_from(data, 56)
    return Node._make([*amounts, day_id, month_id, day_back, month_back, open_holds])


def read_caps(data: bytes) -> Iterator[PackedCap]:
    """Reads packed caps in the order of their registration."""
    for at in range(0, len(data), CAP_BYTES):
        yield PackedCap(data[at], data[at + 1], int_at(data, at + 2))


def read_notes(data: bytes) -> Iterator[Note]:
    """Reads the notes of a reply."""
    for at in range(0, len(data), NOTE_BYTES):
        level, kind, action, flags = data[at : at + 4]
        yield Note(level, kind, action, flags, int_at(data, at + 4), int_at(data, at + 11), int_at(data, at + 18))
