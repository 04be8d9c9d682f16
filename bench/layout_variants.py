"""The Lua of the layouts that are compared: one charge over three encodings of the state, three of a ledger entry.

The charges differ only in how the state is read and written. All of them check two deny caps and the balance, look
an operation id up, write one packed ledger entry, then the state, then the operation's record. Straight-line code,
one level, and no branch that the benchmark does not take: lower bounds of real scripts, comparable with each other.
"""

from __future__ import annotations

import secrets
import time

BARE = """#!lua
redis.call('HMGET', KEYS[1], 'f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7', 'f8', 'f9', 'f10')
redis.call('HSET', KEYS[1], 'f1', ARGV[1], 'f2', ARGV[2], 'f3', ARGV[3], 'f4', ARGV[4], 'f5', ARGV[5], 'f6', ARGV[6])
return 0
"""

# KEYS state, operation records, ledger; ARGV generation (raw), root, field of the record, amount, floor.
_HEAD = """#!lua
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local today = math.floor(now_ms / 86400000)
local amount, floor = tonumber(ARGV[4]), tonumber(ARGV[5])
"""

_CHARGE = """
if generation ~= ARGV[1] or (next_expiry ~= 0 and next_expiry <= now_ms) then return {1} end
if redis.call('HGET', KEYS[2], ARGV[3]) then return {2} end
if day_id ~= today then day_id, day = today, 0 end
if day_action == 0 and amount > day_limit - day - admitted then return {3} end
if month_action == 0 and amount > month_limit - month - admitted then return {3} end
if amount > balance - held - floor then return {4} end
balance, day, month, total, sequence = balance - amount, day + amount, month + amount, total + amount, sequence + 1
local entry = struct.pack('<BBc4i5i6i7i7I2c0I2c0', 1, 9, ARGV[1], sequence, now_ms, amount, balance,
  #ARGV[2], ARGV[2], #ARGV[3], ARGV[3])
local id = redis.call('XADD', KEYS[3], '*', 'e', entry)
"""

_RECORD = """
redis.call('HSET', KEYS[2], ARGV[3], struct.pack('<Bi7i7Bc0', 5, amount, balance, #id, id))
return {0, now_ms, balance, amount, id}
"""

# A: a field per number. Lua numbers go to HSET as they are, which is exact.
_FIELDS = """
local s = redis.call('HMGET', KEYS[1], 'generation', 'sequence', 'next_expiry', 'balance', 'held', 'admitted',
  'day', 'month', 'total', 'day_id', 'day_limit', 'day_action', 'month_limit', 'month_action')
local generation, sequence, next_expiry, balance = s[1], tonumber(s[2]), tonumber(s[3]), tonumber(s[4])
local held, admitted, day, month = tonumber(s[5]), tonumber(s[6]), tonumber(s[7]), tonumber(s[8])
local total, day_id, day_limit, day_action = tonumber(s[9]), tonumber(s[10]), tonumber(s[11]), tonumber(s[12])
local month_limit, month_action = tonumber(s[13]), tonumber(s[14])
"""
_FIELDS_STORE = """
redis.call('HSET', KEYS[1], 'sequence', sequence, 'balance', balance, 'day', day, 'month', month, 'total', total,
  'day_id', day_id)
"""
_FIELDS_SEED = """
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'sequence', 3, 'next_expiry', 0, 'rotated', ARGV[2],
  'rotation', 0, 'balance', 5000000000, 'held', 0, 'admitted', 0, 'day', 0, 'month', 0, 'total', 0, 'day_id', ARGV[3],
  'month_id', ARGV[4], 'holds', 0, 'day_limit', 1000000000, 'day_action', 0, 'month_limit', 9000000000,
  'month_action', 0)
"""

# B: one array in JSON. The generation is text here; above 10^14 the encoder of the server rounds.
_JSON = """
local s = cjson.decode(redis.call('HGET', KEYS[1], 'j'))
local generation, sequence, next_expiry, balance = ARGV[1], s[1], s[2], s[5]
if s[17] ~= ARGV[6] then return {1} end
local held, admitted, day, month, total, day_id = s[6], s[7], s[8], s[9], s[10], s[11]
local day_limit, day_action, month_limit, month_action = s[13], s[14], s[15], s[16]
"""
_JSON_STORE = """
s[1], s[5], s[8], s[9], s[10], s[11] = sequence, balance, day, month, total, day_id
redis.call('HSET', KEYS[1], 'j', cjson.encode(s))
"""
_JSON_SEED = """
redis.call('HSET', KEYS[1], 'j', '[3,0,' .. ARGV[2] .. ',0,5000000000,0,0,0,0,0,' .. ARGV[3] .. ',' .. ARGV[4] ..
  ',1000000000,0,9000000000,0,"' .. ARGV[5] .. '",0]')
"""

# C: root record, node and caps packed as lua/README.md has them.
_PACKED = """
local s = redis.call('HMGET', KEYS[1], 'r', 'n', 'c')
local layout, generation, sequence, next_expiry, rotated, rotation, last, before =
  struct.unpack('<Bc8i5i6i6Bi6i6', s[1])
local balance, held, admitted, day, month, total, day_was, month_was, day_id, month_id, day_back, month_back, holds =
  struct.unpack('<i7i7i7i7i7i7i7i7I2I2BBI2', s[2])
local _, day_action, day_limit, _, month_action, month_limit = struct.unpack('<BBi7BBi7', s[3])
"""
_PACKED_STORE = """
redis.call('HSET', KEYS[1],
  'r', struct.pack('<Bc8i5i6i6Bi6i6', layout, generation, sequence, next_expiry, rotated, rotation, last, before),
  'n', struct.pack('<i7i7i7i7i7i7i7i7I2I2BBI2', balance, held, admitted, day, month, total, day_was, month_was,
    day_id, month_id, day_back, month_back, holds))
"""
_PACKED_SEED = """
redis.call('HSET', KEYS[1], 'r', struct.pack('<Bc8i5i6i6Bi6i6', 1, ARGV[1], 3, 0, tonumber(ARGV[2]), 0, 0, 0),
  'n', struct.pack('<i7i7i7i7i7i7i7i7I2I2BBI2', 5000000000, 0, 0, 0, 0, 0, 0, 0, tonumber(ARGV[3]),
    tonumber(ARGV[4]), 0, 0, 0),
  'c', struct.pack('<BBi7BBi7', 4, 0, 1000000000, 5, 0, 9000000000))
"""

#: Name -> the script that seeds an account (ARGV generation, ms, day, month, generation in hex) and the one that
#: charges it.
CHARGES = {
    "A a hash field per number": ("#!lua" + _FIELDS_SEED, _HEAD + _FIELDS + _CHARGE + _FIELDS_STORE + _RECORD),
    "B one JSON array": ("#!lua" + _JSON_SEED, _HEAD + _JSON + _CHARGE + _JSON_STORE + _RECORD),
    "C packed: `r`, `n`, `c` (chosen)": ("#!lua" + _PACKED_SEED, _HEAD + _PACKED + _CHARGE + _PACKED_STORE + _RECORD),
}


def seed_values() -> tuple[bytes, int, int, int, str]:
    """The arguments of a seeding script: a generation, and the present."""
    now = time.time()
    today = int(now // 86400)
    generation = secrets.token_bytes(8)
    return generation, int(now * 1000), today, today // 31, generation.hex()


# KEYS ledger; ARGV generation (raw or hex), account, reference, sequence, amount, balance, label.
_ENTRY_HEAD = """#!lua
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local sequence, amount, balance = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
"""

#: Name -> the script that writes one ledger entry.
ENTRIES = {
    "ten named fields": _ENTRY_HEAD
    + """
redis.call('XADD', KEYS[1], '*', 'layout', 1, 'kind', 'settle', 'generation', ARGV[1], 'sequence', sequence,
  'time', now_ms, 'amount', amount, 'balance', balance, 'account', ARGV[2], 'reference', ARGV[3], 'detail', ARGV[7])
""",
    "one text field with delimiters": _ENTRY_HEAD
    + """
redis.call('XADD', KEYS[1], '*', 'e', string.format('1|3|%s|%.0f|%.0f|%.0f|%.0f|%s|%s|%s', ARGV[1], sequence, now_ms,
  amount, balance, ARGV[2], ARGV[3], ARGV[7]))
""",
    "one packed field (chosen)": _ENTRY_HEAD
    + """
redis.call('XADD', KEYS[1], '*', 'e', struct.pack('<BBc4i5i6i7i7I2c0I2c0', 1, 3, ARGV[1], sequence, now_ms, amount,
  balance, #ARGV[2], ARGV[2], #ARGV[3], ARGV[3]) .. ARGV[7])
""",
}

#: A key per operation id (KEYS the record; ARGV field, record), or a field in a hash of the root (KEYS the hash).
OP_AS_KEY = """#!lua
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', 86400000) then return 0 end
return redis.call('GET', KEYS[1])
"""
OP_AS_FIELD = """#!lua
local record = redis.call('HGET', KEYS[1], ARGV[1])
if record then return record end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 0
"""
