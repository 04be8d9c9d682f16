"""lib/variants/struct.lua: the packing library of the embedded engine has the layout of Redis' own, byte for byte."""

from __future__ import annotations

from struct import pack
from typing import Final

import pytest
from lua_kit import MAX

from ducto_redis.core.scripts import read_source

BOTH: Final = "local builtin = struct\n" + "\n".join(read_source("lib/variants/struct"))
COMPARE: Final = """
local at, seen = 1, 0
while at <= #ARGV do
  local format, value = ARGV[at], tonumber(ARGV[at + 1])
  local theirs, ours = builtin.pack(format, value), struct.pack(format, value)
  local read, past = struct.unpack(format, theirs)
  local expected, expected_past = builtin.unpack(format, theirs)
  if theirs ~= ours or read ~= expected or past ~= expected_past then
    return format .. ' ' .. ARGV[at + 1]
  end
  at, seen = at + 2, seen + 1
end
return seen
"""


def edges(low: int, high: int) -> set[int]:
    """Numbers around powers of two and the ends of a range."""
    near = {sign * (2**power) + step for power in range(54) for sign in (1, -1) for step in (-1, 0, 1)}
    near |= {low, high, 0, -5, -7, -50_000, 10**15, -(10**15) + 1, -MAX, MAX}
    return {value for value in near if low <= value <= high}


@pytest.mark.parametrize(
    ("form", "low", "high"),
    [
        ("<B", 0, 255),
        ("<I2", 0, 2**16 - 1),
        ("<i5", -(2**39), 2**39 - 1),
        ("<i6", -(2**47), 2**47 - 1),
        ("<i7", -MAX, MAX),
    ],
)
def test_numbers_have_the_same_bytes(server, form, low, high):
    """Every width, negative numbers too, packed and read alike."""
    values = sorted(edges(low, high))
    assert server.client.eval(BOTH + COMPARE, 0, *[word for value in values for word in (form, value)]) == len(values)


def test_records_have_the_same_bytes(server):
    """A ledger entry and a label: several values in a row, fixed and counted texts, a position to read from."""
    compare = """
    local form = '<BBc8i7I2c0I2c0'
    local theirs = builtin.pack(form, 1, 200, ARGV[1], -3, #ARGV[2], ARGV[2], 0, '')
    local ours = struct.pack(form, 1, 200, ARGV[1], -3, #ARGV[2], ARGV[2], 0, '')
    local a, b, c, d, e, f, past = struct.unpack(form, 'xx' .. ours, 3)
    return { theirs == ours and 1 or 0, ours, a, b, c, d, e, f, past }
    """
    text = b"a\0\xff/%"
    packed = b"\x01\xc8" + b"12345678" + (-3).to_bytes(7, "little", signed=True) + pack("<H", 5) + text + b"\0\0"
    same, ours, *read = server.client.eval(BOTH + compare, 0, b"12345678", text)
    assert (same, ours) == (1, packed)
    assert read == [1, 200, b"12345678", -3, text, b"", len(packed) + 3]
