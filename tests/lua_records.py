"""What the scripts store, decoded for tests: ledger entries, the root record, operation records (lua/README.md)."""

from __future__ import annotations

from struct import pack
from typing import Any, NamedTuple

from ducto_redis.core.packed import Node, Note, PackedCap, int_at, read_caps, read_notes

GRANT, HOLD, SETTLE, RELEASE, EXPIRE, CAP_SET, CAP_REMOVE, OPENED, CHARGE, EXTEND, CANCEL, PERIOD = range(1, 13)
LIMIT_SET, LIMIT_REMOVE = 16, 17
OPEN, SETTLED, RELEASED, EXPIRED, DONE, TOMBSTONE = range(1, 7)
WAS_EXTENDED = HAS_MODEL = 8
TIMED = 128
IS_ADMITTED, IS_STRICT, BY_DEDUCT, WAS_REFUSED, HAS_ASKED, HAS_FLOOR = 1, 2, 4, 8, 16, 128


class Cursor:
    """Reads packed values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        assert self.at + size <= len(self.data), f"{self.data!r} ends before byte {self.at + size}"
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int = 7) -> int:
        return int_at(self.take(size), 0, size)

    def byte(self) -> int:
        return self.take(1)[0]

    def text(self, length_bytes: int) -> str:
        return self.take(int.from_bytes(self.take(length_bytes), "little")).decode()

    def done(self) -> bool:
        return self.at == len(self.data)

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)


class Entry(NamedTuple):
    """A ledger entry; ``generation`` is the first half of it."""

    kind: int
    generation: bytes
    sequence: int
    at_ms: int
    amount: int
    balance_after: int
    root: str
    path: str
    reference: str
    detail: dict[str, Any]
    within: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The field of the operation's record."""
        return f"{self.reference}/{self.path}" if self.path else self.reference


def _detail(kind: int, at: Cursor) -> dict[str, Any]:  # noqa: C901, PLR0911 - one form per kind
    if kind == GRANT:
        return {"flags": at.byte(), "type": at.text(1), "metadata": at.rest()}
    if kind == HOLD:
        expires_ms, flags = at.number(6), at.byte()
        floor = at.number() if flags & HAS_FLOOR else 0
        label = at.take(at.byte()).decode("latin-1")
        return {"expires_ms": expires_ms, "flags": flags, "floor": floor, "label": label, "metadata": at.rest()}
    if kind == SETTLE:
        flags = at.byte()
        asked = at.number() if flags & HAS_ASKED else None
        model = {"model": at.text(1)} if flags & HAS_MODEL else {}
        return {"flags": flags, "asked": asked, **model, "metadata": at.rest()}
    if kind == CHARGE:
        return {"label": at.take(at.byte()).decode("latin-1"), "metadata": at.rest()}
    if kind == EXTEND:
        extension: dict[str, Any] = {"expires_ms": at.number(6), "operation": at.text(2)}
        return extension if at.done() else {**extension, "tokens": at.number()}
    if kind == RELEASE:
        return {"code": at.byte()}
    if kind == CAP_SET:
        cap: dict[str, Any] = {"kind": at.byte(), "action": at.byte(), "limit": at.number()}
        if cap["kind"] >= TIMED:
            cap |= {"spent": at.number(), "held": at.number()}
            cap |= {"start_ms": at.number(6), "end_ms": at.number(6), "since_ms": at.number(6)}
            cap |= {"zone": at.text(1), "model": at.text(1)}
        elif not at.done():
            cap |= {"thresholds": caps_in(at.rest())}
        return cap
    if kind in (LIMIT_SET, LIMIT_REMOVE):
        return {"packed": at.rest()}
    if kind == CAP_REMOVE:
        removed = {"kind": at.byte()}
        model = at.text(1)
        return {**removed, "model": model} if model else removed
    if kind == PERIOD:
        return {"periods": at.rest()}
    return {}


def read_entry(data: bytes) -> Entry:
    """Reads the field ``e`` of a ledger entry; nothing may be left over."""
    at = Cursor(data)
    assert at.byte() == 1, "the entry's layout"
    kind, generation = at.byte(), at.take(4)
    numbers = at.number(5), at.number(6), at.number(), at.number()
    account, *within = at.text(2).split("+")
    root, slash, path = account.partition("/")
    assert bool(slash) == bool(path)
    entry = Entry(kind, generation, *numbers, root, path, at.text(2), _detail(kind, at), tuple(within))
    assert at.rest() == b"", entry
    return entry


class RootRecord(NamedTuple):
    """The root record ``r``."""

    layout: int
    generation: bytes
    sequence: int
    next_expiry_ms: int
    rotated_ms: int
    rotation: int
    current_last_ms: int
    previous_last_ms: int


def read_root(data: bytes) -> RootRecord:
    at = Cursor(data)
    numbers = at.byte(), at.take(8), at.number(5), at.number(6), at.number(6), at.byte(), at.number(6), at.number(6)
    assert at.rest() == b""
    return RootRecord(*numbers)


def pack_number(value: int, size: int = 7) -> bytes:
    return value.to_bytes(size, "little", signed=True)


def pack_root(root: RootRecord) -> bytes:
    layout, generation, sequence, expiry, rotated, rotation, current, previous = root
    times = pack_number(expiry, 6) + pack_number(rotated, 6) + bytes([rotation])
    last = pack_number(current, 6) + pack_number(previous, 6)
    return bytes([layout]) + generation + pack_number(sequence, 5) + times + last


def pack_node(node: Node) -> bytes:
    return b"".join(pack_number(value) for value in node[:8]) + pack("<HHBBH", *node[8:])


class HoldRecord(NamedTuple):
    """A hold's record in any of its states; what a state does not have is None."""

    state: int
    flags: int
    amount: int
    expires_ms: int
    balance: int
    held: int
    floor: int | None = None
    label: str | None = None
    charged: int | None = None
    balance_after: int | None = None
    asked: int | None = None
    transaction: str | None = None
    code: int | None = None
    first: int | None = None
    notes: tuple[Note, ...] = ()


def notes_in(data: bytes) -> tuple[Note, ...]:
    return tuple(read_notes(data))


def caps_in(data: bytes) -> tuple[PackedCap, ...]:
    assert len(data) % 9 == 0, data
    return tuple(read_caps(data))


def read_hold(data: bytes) -> HoldRecord:
    at = Cursor(data)
    hold = HoldRecord(at.byte(), at.byte(), at.number(), at.number(6), at.number(), at.number())
    if hold.state in (OPEN, EXPIRED):
        if hold.flags & WAS_EXTENDED:
            hold = hold._replace(first=at.number())
        hold = hold._replace(
            floor=at.number() if hold.flags & HAS_FLOOR else 0, label=at.take(at.byte()).decode("latin-1")
        )
    elif hold.state == SETTLED:
        charged, balance = at.number(), at.number()
        asked = at.number() if hold.flags & HAS_ASKED else charged
        hold = hold._replace(charged=charged, balance_after=balance, asked=asked, transaction=at.text(1))
    elif hold.state == RELEASED and hold.flags & WAS_REFUSED:
        hold = hold._replace(code=at.byte(), asked=at.number(), balance_after=at.number())
    return hold._replace(notes=notes_in(at.rest()))
