"""Limits as bytes: the item of docs/limits.md to the byte, the section of a reply, and what a label carries."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ducto_redis import ConcurrencyLimit, InvalidAmountError, InvalidArgumentError, RateLimit
from ducto_redis.core.arguments import label_of, read_label
from ducto_redis.core.limit_items import (
    LimitItem,
    LimitNote,
    item_of,
    pack_item,
    pack_limit,
    read_limit_notes,
    read_limits,
)
from ducto_redis.core.packed import NOTE_TIMED, read_notes, split_notes

MAX = 2**53 - 1


def i(value, size):
    return pack("<q", value)[:size]


def test_a_plain_item_to_the_byte():
    """Kind, what, limit, period, since, at, used: 32 bytes; state zero."""
    data = pack_limit(RateLimit("100/second"), 4)
    assert data == b"\x0a\x00" + i(100, 7) + i(1000, 5) + bytes(5 + 6 + 7)
    assert pack_limit(RateLimit("7/d", algorithm="fixed", counts="tokens"), 4) == (
        b"\x0b\x02" + i(7, 7) + i(86_400_000, 5) + bytes(18)
    )


def test_every_optional_part_to_the_byte():
    """Previous of sliding, burst, then operation type and model; both have a length when either is given."""
    sliding = pack_limit(RateLimit("2.5/min", algorithm="sliding", counts="amount", model="m\u00fc"), 4)
    assert sliding == b"\x0c\x11" + i(25_000, 7) + i(60_000, 5) + bytes(18 + 7) + b"\x00\x03m\xc3\xbc"
    burst = pack_limit(RateLimit("10/s", burst=20, counts="tokens", operation_type="chat", model="x"), 4)
    assert burst == b"\x0a\x32" + i(10, 7) + i(1000, 5) + bytes(18) + i(20, 7) + b"\x04chat\x01x"
    concurrent = pack_limit(ConcurrencyLimit(4, operation_type="chat"), 4)
    assert concurrent == b"\x0d\x10" + i(4, 7) + bytes(5 + 18) + b"\x04chat\x00"


@pytest.mark.parametrize(
    ("limit", "error", "why"),
    [
        (RateLimit("0.00001/s", counts="amount"), InvalidArgumentError, "a limit is 1"),
        (RateLimit("1/s", burst="0.00001", counts="amount"), InvalidArgumentError, "less than one unit"),
        (RateLimit("100k/day", counts="amount"), InvalidArgumentError, "algorithm='fixed'"),
        (RateLimit("1/day", burst=100_000, counts="amount"), InvalidArgumentError, "algorithm='fixed'"),
        (RateLimit("1000g/s", counts="amount", algorithm="fixed"), InvalidAmountError, "is not between"),
        ("100/s", InvalidArgumentError, "RateLimit or ConcurrencyLimit is needed"),
    ],
)  # fmt: skip
def test_credits_are_bounded_in_units(limit, error, why):
    """What the namespace's precision cannot count is refused before anything is sent."""
    with pytest.raises(error, match=why):
        pack_limit(limit, 4)


def test_credits_fit_by_precision():
    """The same limit is exact in whole credits."""
    assert item_of(RateLimit("100k/day", counts="amount"), 0).limit == 100_000
    assert item_of(RateLimit("100k/day", counts="amount", algorithm="fixed"), 4).limit == 10**9


names = st.text(max_size=12)
numbers = st.integers(0, MAX)
items = st.builds(
    LimitItem, st.integers(10, 13), st.integers(0, 2), st.integers(1, MAX), st.integers(0, 366 * 86_400_000),
    st.integers(0, 2**47 - 1), numbers, numbers, numbers, names, names, st.integers(0, 2**39 - 1),
    st.booleans(), st.booleans(), numbers,
).map(
    lambda item: item._replace(previous=item.previous * (item.kind == 12), denied=item.denied * item.shadow)
)  # fmt: skip


@given(st.lists(items, max_size=4), st.lists(st.tuples(st.integers(1, 8), st.booleans(), numbers), min_size=4))
def test_items_and_notes_are_read_as_they_were_packed(packed_items, heads):
    """Several in a row, with every optional part."""
    assert list(read_limits(b"".join(map(pack_item, packed_items)))) == packed_items
    told = [LimitNote(*head, item) for head, item in zip(heads, packed_items, strict=False)]
    data = b"".join(bytes([level, refused]) + i(cost, 7) + pack_item(item) for level, refused, cost, item in told)
    assert read_limit_notes(data) == told


def cap_note(level, flags=1, model=b"", zone=b""):
    data = bytes([level, 4, 0, flags]) + i(100, 7) + i(90, 7) + i(0, 7)
    return data + (i(5000, 6) + bytes([len(model), len(zone)]) + model + zone if flags & NOTE_TIMED else b"")


def test_notes_are_parted_at_the_byte_0():
    """Notes on caps stop there, also behind a timed one whose texts hold zeros; what follows is whole."""
    caps = cap_note(1) + cap_note(2, 1 + NOTE_TIMED, b"m\0\0", b"Europe/Berlin") + cap_note(3)
    limits = b"\x01\x00" + i(1, 7) + pack_limit(RateLimit("1/s"), 4)
    assert split_notes(caps + b"\0" + limits) == (caps, limits)
    assert [note.level for note in read_notes(caps + b"\0" + limits)] == [1, 2, 3]
    assert split_notes(caps) == (caps, b"")
    assert split_notes(b"\0" + limits) == (b"", limits)
    assert split_notes(b"\0") == split_notes(b"") == (b"", b"")
    assert list(read_notes(b"\0" + limits)) == []


def test_a_label_carries_tokens_behind_the_mode():
    """As i7 when there are any; readers find type, model and mode whatever follows."""
    bare = label_of("chat", "m", "overdraft")
    assert bare == label_of("chat", "m", "overdraft", 0) == b"\x04chat\x01m\x01"
    assert label_of("chat", "m", "overdraft", 500) == bare + i(500, 7)
    assert label_of("chat", "m", "overdraft", tokens=MAX)[-7:] == i(MAX, 7)
    for behind in (b"", i(500, 7), i(500, 7) + i(2, 6), i(2, 6)):
        assert read_label(bare + behind) == ("chat", "m", "overdraft")
        assert read_label(label_of("t", None, "strict") + behind) == ("t", None, "strict")


@pytest.mark.parametrize("tokens", [-1, MAX + 1, True, False, 1.0, "5", None, float("nan")])
def test_tokens_are_a_whole_number(tokens):
    """From 0 on; nothing that only looks like one."""
    with pytest.raises(InvalidArgumentError, match="tokens must be a whole number"):
        label_of("t", None, "strict", tokens)
