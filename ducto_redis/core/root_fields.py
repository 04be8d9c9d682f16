"""The state of a root between what fold makes of it and what Redis holds: the fields of its hash, packed and read.

What is not in the ledger begins unused: what rates have used, what shadows have counted (``docs/durability.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import Final

from ducto_redis.core.fold import RootState
from ducto_redis.core.fold_limits import counted, defined
from ducto_redis.core.fold_nodes import NOTHING_APART, Apart, Spends, read_apart
from ducto_redis.core.limit_items import CONCURRENCY, LimitItem, pack_item
from ducto_redis.core.packed import (
    CAP_BYTES,
    MARKER,
    NODE_BYTES,
    Node,
    PackedCap,
    TimedCap,
    int_at,
    packed,
    read_caps,
    read_node,
    read_timed,
)
from ducto_redis.money import MAX_UNITS

LAYOUT: Final = 1
_NODE_TAIL: Final = Struct("<HHBBH")
_MARKER_ITEM: Final = bytes([MARKER, MARKER]) + packed(MAX_UNITS)
#: Operation type and model of a hold.
Label = tuple[str, str]


def pack_root(generation: bytes, sequence: int, rotated_ms: int, next_expiry_ms: int, last_expiry_ms: int) -> bytes:
    """A root record whose operation records all lie in the first store (``lua/lib/root.lua``)."""
    return (
        bytes([LAYOUT])
        + generation
        + packed(sequence, 5)
        + packed(next_expiry_ms, 6)
        + packed(rotated_ms, 6)
        + bytes([0])
        + packed(last_expiry_ms, 6)
        + packed(0, 6)
    )


def pack_node(node: Node) -> bytes:
    """A node (``lua/lib/node.lua``)."""
    return b"".join(packed(amount) for amount in node[:8]) + _NODE_TAIL.pack(*node[8:])


def _pack_apart(apart: Apart) -> bytes:
    def listed(spends: Spends) -> bytes:
        return b"".join(period.to_bytes(2, "little") + packed(amount) for period, amount in spends.items())

    return bytes([len(apart.days)]) + listed(apart.days) + listed(apart.months)


def _pack_caps(caps: Iterable[PackedCap]) -> bytes:
    return b"".join(bytes([cap.kind, cap.action]) + packed(cap.limit) for cap in caps)


def _pack_timed(cap: TimedCap) -> bytes:
    zone, model = cap.zone.encode(), cap.model.encode()
    head = bytes([cap.kind, cap.action]) + packed(cap.limit) + packed(cap.spent) + packed(cap.held)
    times = packed(cap.start_ms, 6) + packed(cap.end_ms, 6) + packed(cap.since_ms, 6)
    others = b"".join(packed(start, 6) + packed(amount) for start, amount in cap.others)
    return head + times + bytes([len(cap.others), len(zone), len(model)]) + others + zone + model


def begun(limits: Iterable[LimitItem], sequence: int, labels: Iterable[Label]) -> bytes:
    """Limits after a restore: rates unused from ``sequence`` on, concurrency with the holds that are open."""
    open_holds = list(labels)
    return b"".join(
        pack_item(
            item._replace(used=counted(item, open_holds))
            if item.kind == CONCURRENCY
            else item._replace(since=sequence + 1)
        )
        for item in limits
    )


def pack_state(state: RootState) -> dict[str, bytes]:
    """The fields of a root's hash but ``r``; limits without what they have used."""
    fields = {f"n{path}": pack_node(node) for path, node in state.nodes.items()}
    fields |= {f"b{path}": _pack_apart(apart) for path, apart in state.apart.items()}
    for path in state.caps.keys() | state.timed.keys():
        marker = _MARKER_ITEM if path in state.timed else b""
        fields[f"c{path}"] = marker + _pack_caps(state.caps.get(path, ()))
    fields |= {f"z{path}": b"".join(map(_pack_timed, caps)) for path, caps in state.timed.items()}
    fields |= {f"l{path}": b"".join(map(pack_item, limits)) for path, limits in state.limits.items()}
    for path in state.payers.keys() | state.plans.keys():
        fields[f"p{path}"] = bytes([state.payers.get(path, 0)]) + state.plans.get(path, "").encode()
    fields |= {f"g{path}": packed(units) for path, units in state.purchased.items()}
    return fields


def read_state(fields: Mapping[str, bytes], sequence: int) -> RootState:
    """What ``pack_state`` packed; open holds are not among the fields."""
    state = RootState(sequence=sequence)
    for name, data in fields.items():
        read = _READERS.get(name[0])
        if read is not None:
            read(state, name[1:], data)
    return state


def _read_apart(state: RootState, path: str, data: bytes) -> None:
    if (apart := read_apart(data)) != NOTHING_APART:
        state.apart[path] = apart


def _read_caps(state: RootState, path: str, data: bytes) -> None:
    if caps := list(read_caps(data)):
        state.caps[path] = caps


def _read_payer(state: RootState, path: str, data: bytes) -> None:
    if data[0]:
        state.payers[path] = data[0]
    if data[1:]:
        state.plans[path] = data[1:].decode()


#: First letter of a field -> what reads it; a lambda each where the form has a reader of its own.
_READERS: Final[Mapping[str, Callable[[RootState, str, bytes], None]]] = {
    "n": lambda state, path, data: state.nodes.__setitem__(path, read_node(data)),
    "b": _read_apart,
    "c": _read_caps,
    "z": lambda state, path, data: state.timed.__setitem__(path, list(read_timed(data))),
    "l": lambda state, path, data: state.limits.__setitem__(path, defined(data)),
    "g": lambda state, path, data: state.purchased.__setitem__(path, int_at(data, 0)),
    "p": _read_payer,
}


def join_fields(fields: Mapping[str, bytes]) -> bytes:
    """Fields as one value: per field the lengths of name (2 bytes) and value (4 bytes), little endian, then both."""
    parts = []
    for name, data in sorted(fields.items()):
        encoded = name.encode()
        parts += [len(encoded).to_bytes(2, "little"), len(data).to_bytes(4, "little"), encoded, data]
    return b"".join(parts)


def split_fields(data: bytes) -> dict[str, bytes]:
    """What ``join_fields`` joined.

    Raises:
        ValueError: It was cut short or is something else.
    """
    fields, at = {}, 0
    while at < len(data):
        value_at = at + 6 + int.from_bytes(data[at : at + 2], "little")
        end = value_at + int.from_bytes(data[at + 2 : at + 6], "little")
        if end > len(data) or value_at <= at + 6:
            raise ValueError(f"fields of {len(data)} bytes are cut short at {at}")
        fields[data[at + 6 : value_at].decode()] = data[value_at:end]
        at = end
    return fields


def check_fields(data: bytes) -> None:
    """Makes sure that a value can be taken apart into fields of a root's state, each of a form that scripts can read.

    Raises:
        ValueError: It cannot.
    """
    for name, value in split_fields(data).items():
        least, each = _SIZES.get(name[:1], (None, 1))
        if least is None or len(value) < least or (len(value) - least) % each:
            raise ValueError(f"field {name!r} of {len(value)} bytes is none of a root")


#: First letter of a field -> its least length, and what it grows by.
_SIZES: Final[Mapping[str, tuple[int | None, int]]] = {
    "n": (NODE_BYTES, NODE_BYTES + 1), "c": (0, CAP_BYTES), "b": (1, 9), "z": (0, 1), "l": (0, 1), "g": (7, 8),
    "p": (1, 1),
}  # fmt: skip
