#!lua
--[[ reserve: sets an amount aside before the work - the admission gate, all or nothing.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]', the hold's record
         5 amount      units, >= 0
         6 floor       units the payer's balance may not fall below
         7 ttl_ms      1000 to 604800000
         8 flags       1 admit against caps, 2 strict, 4 look for a repetition in the previous store too
         9 label       what the client packed of type, model and mode; opaque here, at most 255 bytes
        10 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, held, amount, expires_ms, notes}; balance and held after the hold
  Codes  INVALID_AMOUNT INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ACCOUNT_UNKNOWN
         TOO_MANY_HOLDS CAP_REACHED INSUFFICIENT_CREDITS
  Entry  HOLD   Writes nothing of the decision when refused.   Cost O(levels x caps + log holds)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
local amount, floor = read_units(ARGV[5], 0), ARGV[6] == '0' and 0 or read_units(ARGV[6], -MAX_UNITS)
local ttl_ms = not string.find(ARGV[7], '%D') and tonumber(ARGV[7])
local flags, label = tonumber(ARGV[8]), ARGV[9]
local admit, strict, deep = flags % 2 == 1, flags % 4 >= 2, flags >= 4
--- @include lib/load
if not amount or not floor then
  code = INVALID_AMOUNT
elseif not (ttl_ms and ttl_ms >= 1000 and ttl_ms <= 604800000) then
  code = INVALID_ARGUMENT
end
if code ~= OK then
  return { code, now_ms, FRESH, 0, 0, amount or 0, 0, '' }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
local payer, own_amount, own_admitted, binding = nodes[PATH], 0, 0, admit
--- @include lib/bounds
local notes, expires_ms, repetition = '', 0, FRESH
local balance, held = payer and payer[BALANCE] or 0, payer and payer[HELD] or 0

if record then
  local state, kept_flags, first_amount, first_expires_ms, first_balance, first_held, at = struct.unpack(HOLD_FORMAT, record)
  repetition = first_amount == amount and REPEATED or REUSED
  amount, expires_ms, balance, held = first_amount, first_expires_ms, first_balance, first_held
  if state == OPEN then
    local kept_label, notes_at = struct.unpack('<Bc0', record, kept_flags >= HAS_FLOOR and at + 7 or at)
    notes = string.sub(record, notes_at)
    repetition = kept_label == label and repetition or REUSED
  end
elseif not payer then
  code = strict and INSUFFICIENT_CREDITS or ACCOUNT_UNKNOWN
else
  local more_held, more_charged = amount, 0
  --- @include lib/exact
  if not stays_exact then
    code = INVALID_AMOUNT
  elseif nodes[''][OPEN_HOLDS] >= MAX_OPEN_HOLDS then
    code = TOO_MANY_HOLDS
  else
    --- @include lib/gate
  end
end

if code == OK and not record then
  expires_ms = now_ms + ttl_ms
  held = held + amount
  payer[HELD] = held
  for i = 1, #levels do
    local node = nodes[levels[i]]
    node[ADMITTED] = node[ADMITTED] + (admit and amount or 0)
    node[OPEN_HOLDS] = node[OPEN_HOLDS] + 1
  end
  local hold_flags = (admit and IS_ADMITTED or 0) + (strict and IS_STRICT or 0) + (floor ~= 0 and HAS_FLOOR or 0)
  local terms = (floor ~= 0 and struct.pack('<i7', floor) or '') .. struct.pack('<Bc0', #label, label)
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT .. 'i6B', ENTRY_LAYOUT, HOLD, GENERATION, root[SEQUENCE], now_ms, amount, balance,
    #ACCOUNT, ACCOUNT, #reference, reference, expires_ms, hold_flags) .. terms .. ARGV[10]
  record_head = struct.pack(HOLD_FORMAT, OPEN, hold_flags, amount, expires_ms, balance, held) .. terms .. notes
  record_expires_ms = expires_ms
  index_expires_ms = expires_ms
  if root[NEXT_EXPIRY_MS] == 0 or expires_ms < root[NEXT_EXPIRY_MS] then
    root[NEXT_EXPIRY_MS] = expires_ms
  end
  dirty = levels
end
--- @include lib/apply
return { code, now_ms, repetition, balance, held, amount, expires_ms, notes }
