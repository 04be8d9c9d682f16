-- open_hold (inline): puts an admitted amount aside at every level. Reads payer, amount, admit, strict, floor, ttl_ms, label,
-- notes, metadata, opened_reference (what the entry calls it). Sets opened_entry, opened_record, opened_expires_ms.
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/load
--- @include lib/queue
local opened_expires_ms, opened_balance = now_ms + ttl_ms, payer[BALANCE]
payer[HELD] = payer[HELD] + amount
for i = 1, #levels do
  local node = nodes[levels[i]]
  node[ADMITTED] = node[ADMITTED] + (admit and amount or 0)
  node[OPEN_HOLDS] = node[OPEN_HOLDS] + 1
end
if timed and admit then
  local held_model, more_admitted = used_model, amount
  --- @inline lib/timed_hold
end
local opened_flags = (admit and IS_ADMITTED or 0) + (strict and IS_STRICT or 0) + (floor ~= 0 and HAS_FLOOR or 0)
root[SEQUENCE] = root[SEQUENCE] + 1
local opened_entry, opened_record
if floor == 0 then
  opened_entry = struct.pack(ENTRY_FORMAT .. 'i6BBc0c0', ENTRY_LAYOUT, HOLD, GENERATION, root[SEQUENCE], now_ms, amount,
    opened_balance, #entry_account, entry_account, #opened_reference, opened_reference, opened_expires_ms, opened_flags, #label, label,
    metadata)
  opened_record = struct.pack(HOLD_FORMAT .. 'Bc0c0', OPEN, opened_flags, amount, opened_expires_ms, opened_balance,
    payer[HELD], #label, label, notes)
else
  opened_entry = struct.pack(ENTRY_FORMAT .. 'i6Bi7Bc0c0', ENTRY_LAYOUT, HOLD, GENERATION, root[SEQUENCE], now_ms, amount,
    opened_balance, #entry_account, entry_account, #opened_reference, opened_reference, opened_expires_ms, opened_flags, floor, #label,
    label, metadata)
  opened_record = struct.pack(HOLD_FORMAT .. 'i7Bc0c0', OPEN, opened_flags, amount, opened_expires_ms, opened_balance,
    payer[HELD], floor, #label, label, notes)
end
record_expires_ms = opened_expires_ms
if root[NEXT_EXPIRY_MS] == 0 or opened_expires_ms < root[NEXT_EXPIRY_MS] then
  root[NEXT_EXPIRY_MS] = opened_expires_ms
end
dirty = levels
