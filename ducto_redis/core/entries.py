"""Ledger entries as the scripts pack them (``lua/lib/ledger.lua``), read in Python."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class
from typing import Final, NamedTuple

from ducto_redis.errors import SchemaNewer

ENTRY_LAYOUT: Final = 1
#: Layout, kind, generation, sequence (i5), time (i6), amount and balance (i7 each), length of the account. Integers of
#: odd lengths are read as parts, the last of which has the sign: nothing else is read as often.
_HEAD: Final = Struct("<BB4sIbIhIHbIHbH")


class Kind(IntEnum):
    """What an entry records."""

    GRANT = 1
    HOLD = 2
    SETTLE = 3
    RELEASE = 4
    EXPIRE = 5
    CAP_SET = 6
    CAP_REMOVE = 7
    OPEN = 8
    CHARGE = 9
    EXTEND = 10
    CANCEL = 11
    PERIOD = 12
    PAYER_SET = 15
    LIMIT_SET = 16
    LIMIT_REMOVE = 17
    PLAN_SET = 18
    DEFAULTS_SET = 19
    RESTORE = 20


_KINDS: Final = {int(kind): kind for kind in Kind}

#: Kinds that are about the namespace; their sequence is 0.
OF_NO_ROOT: Final = frozenset({Kind.OPEN, Kind.DEFAULTS_SET, Kind.RESTORE})


class Entry(NamedTuple):
    """One change of durable state.

    Attributes:
        kind: What happened.
        generation: The first half of the generation it belongs to, 4 bytes; the whole one stands in the config.
        sequence: Its number among the root's entries, from 1 without a gap; 0 where it is of no root (``OF_NO_ROOT``).
        at_ms: The server's time.
        amount: Units; the meaning depends on the kind (``lua/README.md``).
        balance_after: The account's balance after it, in units.
        root: The root, encoded.
        path: The account's path below the root, encoded.
        within: The paths of the memberships that it counts for beside its own, encoded.
        reference: The operation: letter and id of its record.
        detail: The rest, by kind.
    """

    kind: Kind
    generation: bytes
    sequence: int
    at_ms: int
    amount: int
    balance_after: int
    root: str
    path: str
    reference: str
    detail: bytes
    within: tuple[str, ...] = ()

    @property
    def levels(self) -> tuple[str, ...]:
        """The paths that it counts for, the root ("") first, memberships last."""
        return levels_of(self.path, self.within)

    @property
    def field(self) -> str:
        """The field of the operation's record: reference and path."""
        return f"{self.reference}/{self.path}" if self.path else self.reference


def levels_of(path: str, within: Iterable[str] = ()) -> tuple[str, ...]:
    """The paths of an account's levels, the root ("") first, then those of memberships that are not among them."""
    found = [""]
    for each in (path, *within):
        segments = each.split("/") if each else []
        every = ("/".join(segments[:depth]) for depth in range(1, len(segments) + 1))
        found += [level for level in every if level not in found]
    return tuple(found)


def read_entry(data: bytes) -> Entry:
    """Reads the packed form of an entry (the stream's field ``e``).

    Raises:
        SchemaNewer: It was written by a newer release.
        ValueError: It is cut short, or of a kind that this release does not know.
        IndexError: It is empty.
    """
    if data[0] != ENTRY_LAYOUT:
        raise SchemaNewer(f"schema_newer: a ledger entry of layout {data[0]}; this release reads {ENTRY_LAYOUT}")
    try:
        _, kind, generation, n0, n1, t0, t1, a0, a1, a2, b0, b1, b2, size = _HEAD.unpack_from(data)
        end = _HEAD.size + size
        at = end + 2 + (data[end] | data[end + 1] << 8)
    except (StructError, IndexError):
        raise ValueError(f"an entry of {len(data)} bytes is cut short") from None
    if at > len(data):
        raise ValueError(f"an entry of {len(data)} bytes is cut short")
    account, *within = data[_HEAD.size : end].decode().split("+")
    root, _, path = account.partition("/")
    return Entry(
        _KINDS.get(kind) or Kind(kind),
        generation,
        n0 | n1 << 32,
        t0 | t1 << 32,
        a0 | a1 << 32 | a2 << 48,
        b0 | b1 << 32 | b2 << 48,
        root,
        path,
        data[end + 2 : at].decode(),
        data[at:],
        tuple(within),
    )
