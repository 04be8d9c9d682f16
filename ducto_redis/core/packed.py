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
NOTE_REFUSED, NOTE_FIRST, NOTE_OVER, NOTE_TIMED = 1, 2, 4, 8
#: The action of a shadow: a deny cap that only counts what it would have refused.
SHADOW: Final = 16
#: Actions from here on are thresholds of the cap before them: this and a percentage (``lua/lib/cap.lua``).
THRESHOLD: Final = 128
#: The kind of the item that tells a low balance: the position of the balance in a node.
BALANCE_KIND: Final = 1
#: The level of the note that names the memberships an operation counted for: their length and text follow.
WITHIN_NOTE: Final = 255
#: The item that says that an account has timed caps (``lua/lib/timed.lua``).
MARKER: Final = 3


def int_at(data: bytes, at: int, size: int = 7) -> int:
    """A signed little-endian integer of ``size`` bytes (``i7`` in the scripts)."""
    return int.from_bytes(data[at : at + size], "little", signed=True)


def packed(value: int, size: int = 7) -> bytes:
    """An integer as the scripts unpack it (``i7``)."""
    return value.to_bytes(size, "little", signed=True)


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
    """A cap as stored (``lua/lib/cap.lua``): kind, action number, limit in units; or a threshold of one."""

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
    end_ms: int = 0
    since_ms: int = 0
    model: str = ""
    zone: str = ""
    thresholds: tuple[int, ...] = ()
    default: bool = False
    shadow_denied: int = 0
    shadow_denied_units: int = 0


def read_shadows(data: bytes) -> dict[tuple[int, str], tuple[int, int]]:
    """Reads field ``w``: by kind and model of a cap, how many admissions a shadow would have refused, and their sum."""
    found, at = {}, 0
    while at < len(data):
        kind, end = data[at], at + 2 + data[at + 1]
        found[kind, data[at + 2 : end].decode()] = (int_at(data, end), int_at(data, end + 7))
        at = end + 14
    return found


def read_node(data: bytes) -> Node:
    """Reads a packed node; an empty one where a level has none."""
    if not data:
        return Node()
    amounts = [int_at(data, 7 * at) for at in range(8)]
    day_id, month_id, day_back, month_back, open_holds = _NODE_TAIL.unpack_from(data, 56)
    return Node._make([*amounts, day_id, month_id, day_back, month_back, open_holds])


def read_caps(data: bytes) -> Iterator[PackedCap]:
    """Reads packed simple caps in the order of their registration, each with its thresholds behind it."""
    for at in range(0, len(data), CAP_BYTES):
        if data[at] != MARKER:
            yield PackedCap(data[at], data[at + 1], int_at(data, at + 2))


def within_in(data: bytes) -> tuple[str, ...]:
    """The encoded paths of the memberships that notes begin with; none where they do not."""
    if not data or data[0] != WITHIN_NOTE:
        return ()
    size = int.from_bytes(data[1:3], "little")
    return tuple(data[3 : 3 + size].decode().split("+"))


def first_note(data: bytes) -> int:
    """Where the notes on caps begin: behind that on memberships, if there is one."""
    return 3 + int.from_bytes(data[1:3], "little") if data and data[0] == WITHIN_NOTE else 0


def read_notes(data: bytes) -> Iterator[Note]:
    """Reads the notes on caps of a reply, up to a byte 0: no level; what follows is about limits."""
    at = first_note(data)
    while at < len(data) and data[at]:
        level, kind, action, flags = data[at : at + 4]
        note = Note(level, kind, action, flags, int_at(data, at + 4), int_at(data, at + 11), int_at(data, at + 18))
        at += NOTE_BYTES
        if flags & NOTE_TIMED:
            end_ms, model_bytes, zone_bytes = int_at(data, at, 6), data[at + 6], data[at + 7]
            model, zone = data[at + 8 :][:model_bytes], data[at + 8 + model_bytes :][:zone_bytes]
            note = note._replace(end_ms=end_ms, model=model.decode(), zone=zone.decode())
            at += 8 + model_bytes + zone_bytes
        yield note


def split_notes(data: bytes) -> tuple[bytes, bytes]:
    """Parts the notes of a reply into those on caps and those on limits (``limit_items.read_limit_notes``)."""
    at = first_note(data)
    while at < len(data) and data[at]:
        timed = data[at + 3] & NOTE_TIMED
        at += NOTE_BYTES
        if timed:
            at += 8 + data[at + 6] + data[at + 7]
    return data[:at], data[at + 1 :]


class TimedCap(NamedTuple):
    """A cap with a counter of its own (``lua/lib/timed.lua``); times in ms, amounts in units.

    ``held`` counts the admitted holds of its model; ``others`` is the own spend of other periods by their start.
    """

    kind: int
    action: int
    limit: int
    spent: int
    held: int
    start_ms: int
    end_ms: int
    since_ms: int
    zone: str
    model: str
    others: tuple[tuple[int, int], ...] = ()


def read_timed(data: bytes) -> Iterator[TimedCap]:
    """Reads packed timed caps in the order of their registration."""
    at = 0
    while at < len(data):
        kind, action = data[at], data[at + 1]
        limit, spent, held = (int_at(data, at + 2 + 7 * each) for each in range(3))
        start_ms, end_ms, since_ms = (int_at(data, at + 23 + 6 * each, 6) for each in range(3))
        count, zone_bytes, model_bytes = data[at + 41 : at + 44]
        at += 44
        others = tuple((int_at(data, at + 13 * each, 6), int_at(data, at + 13 * each + 6)) for each in range(count))
        at += 13 * count
        zone, model = data[at : at + zone_bytes].decode(), data[at + zone_bytes :][:model_bytes].decode()
        at += zone_bytes + model_bytes
        yield TimedCap(kind, action, limit, spent, held, start_ms, end_ms, since_ms, zone, model, others)
