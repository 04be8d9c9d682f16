"""Key names: injective for hostile ids, one hash tag per root, found in the slot that Redis computes."""

from __future__ import annotations

import random
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ducto_redis.core.keys import KeyMaker, op_field
from ducto_redis.errors import InvalidIdError

LETTERS = "ab{}:%/ *?[]\\\n\0é🧮7D~-._"
HOSTILE = st.text(st.sampled_from(LETTERS), min_size=1, max_size=12)
PAIRS = 10_000


def hostile(draw):
    """A short id of characters that keys are made of, or that encodings stumble over."""
    return "".join(draw.choices(LETTERS, k=draw.randint(1, 12)))


#: Ids that a careless encoding would take for another one.
RELATED = (
    lambda _first, draw: hostile(draw),
    lambda first, draw: first[:-1] + draw.choice(LETTERS),
    lambda first, _draw: quote(first, safe=""),
    lambda first, _draw: unquote(first),
    lambda first, _draw: first.replace("/", "%2F"),
    lambda first, draw: first.replace(":", "}:").replace("{", draw.choice("{}")),
    lambda first, draw: first + draw.choice(("/", ":", "}", "\0", " ")),
    lambda first, _draw: first.strip(),
)


def account_names(keys, user_id):
    try:
        return keys.account(user_id)
    except InvalidIdError:
        return None


def check_pair(first, second):
    """Different accounts differ in keys or path, and equal ones are equal."""
    keys = KeyMaker("ns", 64)
    one, two = account_names(keys, first), account_names(keys, second)
    if one and two:
        assert (one.keys == two.keys and one.path == two.path) == (first == second)


def test_two_ids_never_share_a_name(record_property):
    """0 collisions in 10,000 hostile pairs."""
    draw, seen, alike = random.Random(7), 0, 0
    for _ in range(PAIRS):
        first = hostile(draw)
        second = draw.choice(RELATED)(first, draw)
        check_pair(first, second)
        seen += 1
        alike += first == second
    assert 0.005 * PAIRS < alike < 0.5 * PAIRS
    control = "unprotected control, names glued: one pair meets"
    record_property("figure", f"hostile ids: {seen} pairs, 0 on one key; {control}")


def test_without_encoding_ids_do_collide():
    """The control: names glued together without encoding meet, in the pair that the research found."""
    assert "alice}:idem:x" + ":acct" == "alice" + "}:idem:" + "x:acct"
    keys = KeyMaker("ns", 1)
    assert keys.account("alice}:idem:x").keys != keys.account("alice").keys


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_record_fields_are_scoped_by_id_and_account(op_a, user_a, op_b, user_b):
    """Two operations share a record only when id, account are the same."""
    keys = KeyMaker("ns", 1)
    one, two = account_names(keys, user_a), account_names(keys, user_b)
    if one and two:
        same = (op_field("h", op_a, one), one.keys) == (op_field("h", op_b, two), two.keys)
        assert same == ((op_a, user_a) == (op_b, user_b))


def crc16(data):
    """CRC16 as the Redis Cluster specification gives it (polynomial 0x1021), bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
    return crc & 0xFFFF


@given(HOSTILE.filter(lambda text: "//" not in text))
def test_all_keys_of_a_root_share_one_tag(user_id):
    """The six keys carry one hash tag, the shard of the root's CRC16; braces occur nowhere else."""
    keys = KeyMaker("ns", 64)
    account = account_names(keys, user_id)
    if account:
        assert account.shard == crc16(account.name.split(b"/")[0]) % 64
        tag = b"ns:{%d}:" % account.shard
        assert all(key.startswith(tag) and key.count(b"{") == key.count(b"}") == 1 for key in account.keys)
        assert len(set(account.keys)) == 6


def test_64_shards_spread_over_three_primaries():
    """Contiguous thirds of the slots get 21, 22 and 21 tags."""
    slots = [crc16(str(shard).encode()) % 16384 for shard in range(64)]
    assert sorted(sum(low <= slot < high for slot in slots) for low, high in
                  ((0, 5461), (5461, 10923), (10923, 16384))) == [21, 21, 22]  # fmt: skip


def test_roots_spread_over_shards():
    """100,000 random ids fill every one of 64 shards within a fifth of the mean."""
    keys, draw, counts = KeyMaker("ns", 64), random.Random(7), [0] * 64
    for _ in range(100_000):
        counts[keys.account(f"user-{draw.getrandbits(64):x}").shard] += 1
    assert min(counts) > 0.8 * 100_000 / 64
    assert max(counts) < 1.2 * 100_000 / 64


@pytest.mark.parametrize("user_id", ["a", "x" * 256, "é" * 128, "a/b/c/d/e/f", "a b", "\0"])
def test_bounds_are_reached(user_id):
    """256 bytes, six levels and any character are allowed."""
    assert KeyMaker("ns", 1).account(user_id).user_id == user_id


def test_levels_are_told_as_the_caller_spells_them():
    """Scopes are prefixes of the id, the root first."""
    account = KeyMaker("ns", 1).account("acme/sea rch/al:ice")
    assert account.scopes == ("acme", "acme/sea rch", "acme/sea rch/al:ice")
    assert (account.name, account.path) == (b"acme/sea%20rch/al%3Aice", b"sea%20rch/al%3Aice")
