#!lua
--[[ add_credits: grants credits to an account, which it opens when there is none.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'g<op id>[/<path>]'
         5 amount      units; <= 0 only for an adjustment
         6 flags       1 a purchase (grows lifetime_purchased), 2 an adjustment, 4 look into the previous store too, eight: only
                       to open the account, nothing is done when there is one
         7 detail      for the ledger entry: length and text of the type, then metadata
  Reply  {code, now_ms, repetition, balance, amount, lifetime_purchased, transaction_id}; balance after
  Codes  INVALID_AMOUNT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
  Entry  GRANT   Cost O(levels)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
local amount, flags = read_units(ARGV[5], -MAX_UNITS), tonumber(ARGV[6])
local purchase, adjustment, deep, opens = flags % 2 == 1, flags % 4 >= 2, flags % 8 >= 4, flags >= 8
--- @include lib/load
if not amount or (amount <= 0 and not adjustment) then
  code = INVALID_AMOUNT
end
if code ~= OK then
  return { code, now_ms, FRESH, 0, amount or 0, 0, '' }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
local answer
if record and string.byte(record) == TOMBSTONE then
  answer = { CANCELLED, now_ms, FRESH, 0, amount, 0, '' }
elseif opens and nodes[PATH] then
  answer = { OK, now_ms, REPEATED, nodes[PATH][BALANCE], 0, 0, '' }
elseif record then
  local _, first_amount, balance, lifetime, at = struct.unpack('<Bi7i7i7', record)
  answer = { OK, now_ms, first_amount == amount and REPEATED or REUSED, balance, first_amount, lifetime,
    (struct.unpack('<Bc0', record, at)) }
else
  --- @include lib/opening
  local payer, stored = nodes[PATH], redis.call('HGET', STATE, 'g' .. PATH)
  local lifetime = (stored and struct.unpack('<i7', stored) or 0) + (purchase and amount or 0)
  local balance = payer[BALANCE] + amount
  if balance > MAX_UNITS or balance < -MAX_UNITS or lifetime > MAX_UNITS then
    answer = { INVALID_AMOUNT, now_ms, FRESH, payer[BALANCE], amount, 0, '' }
  else
    payer[BALANCE] = balance
    balance_change = amount
    if purchase then
      extra_field, extra_value = 'g' .. PATH, struct.pack('<i7', lifetime)
    end
    root[SEQUENCE] = root[SEQUENCE] + 1
    entry = struct.pack(ENTRY_FORMAT .. 'B', ENTRY_LAYOUT, GRANT, GENERATION, root[SEQUENCE], now_ms, amount, balance,
      #ACCOUNT, ACCOUNT, #reference, reference, flags % 4) .. ARGV[7]
    record_head, record_tail = struct.pack('<Bi7i7i7', DONE, amount, balance, lifetime), ''
    dirty = levels
    answer = { OK, now_ms, FRESH, balance, amount, lifetime, '' }
  end
end
--- @include lib/apply
if dirty then
  answer[7] = entry_id
end
return answer
