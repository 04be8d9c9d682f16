"""The state of a root between what fold makes of it and what Redis holds: the fields of its hash, packed and read.

What is not in the ledger begins unused: what rates have used, what shadows have counted (``docs/durability.md``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Final

from ducto_redis.core.fold import RootState
from ducto_redis.core.fold_limits import counted, defined
from ducto_redis.core.fold_nodes import NOTHING_APART, Apart, Spends, read_apart
from ducto_redis.core.limit_items import CONCURRENCY, LimitItem, pack_item
from ducto_redis.core.packed import (
    MARKER,
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
    """Limits as they begin after a restore: rates unused from ``sequence`` on, concurrency as many holds as are open."""
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
        letter, path = name[0], name[1:]
        if letter == "n":
            state.nodes[path] = read_node(data)
        elif letter == "b" and (apart := read_apart(data)) != NOTHING_APART:
            state.apart[path] = apart
        elif letter == "c" and (caps := list(read_caps(data))):
            state.caps[path] = caps
        elif letter == "z":
            state.timed[path] = list(read_timed(data))
        elif letter == "l":
            state.limits[path] = defined(data)
        elif letter == "g":
            state.purchased[path] = int_at(data, 0)
        elif letter == "p":
            if data[0]:
                state.payers[path] = data[0]
            if data[1:]:
                state.plans[path] = data[1:].decode()
    return state


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
