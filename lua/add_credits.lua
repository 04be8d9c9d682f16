#!lua
--[[ add_credits: grants credits to an account, which it opens when there is none.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'g<op id>[/<path>]'
         5 amount      units; <= 0 only for an adjustment
         6 flags       1 a purchase (grows lifetime_purchased), 2 an adjustment, 4 look into the previous store too
         7 detail      for the ledger entry: length and text of the type, then metadata
  Reply  {code, now_ms, repetition, balance, amount, lifetime_purchased, transaction_id}; balance after
  Codes  INVALID_AMOUNT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER
  Entry  GRANT   Cost O(levels)
]]
--- @include lib/codes
--- @include lib/numbers
--- @include lib/struct
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/state
--- @include lib/ledger
--- @include lib/records
--- @include lib/holds
--- @include lib/expire
--- @include lib/opening
--- @include lib/apply

local field, amount, flags = ARGV[4], read_units(ARGV[5], -MAX_UNITS), tonumber(ARGV[6])
local purchase, adjustment = has_flag(flags, 1), has_flag(flags, 2)
local levels = levels_of(PATH)

local function refuse(code)
  local payer = nodes[PATH]
  return { code, now_ms, FRESH, payer and payer[BALANCE] or 0, amount or 0, 0, '' }
end

local function answer_repeated(record)
  local _, kept, balance, lifetime, at = struct.unpack('<Bi7i7i7', record)
  local id = struct.unpack('<Bc0', record, at)
  return { OK, now_ms, kept == amount and REPEATED or REUSED, balance, kept, lifetime, id }
end

local function grant()
  open_account(levels)
  local payer = touch_node(PATH)
  local stored = redis.call('HGET', STATE, 'g' .. PATH)
  local lifetime = (stored and struct.unpack('<i7', stored) or 0) + (purchase and amount or 0)
  local balance = payer[BALANCE] + amount
  if balance > MAX_UNITS or balance < -MAX_UNITS or lifetime > MAX_UNITS then
    return refuse(INVALID_AMOUNT)
  end
  payer[BALANCE] = balance
  if purchase then
    more_fields = { 'g' .. PATH, struct.pack('<i7', lifetime) }
  end
  queue_entry(GRANT, PATH, field, amount, balance, struct.pack('<B', flags % 4) .. ARGV[7])
  keep_record(field, struct.pack('<Bi7i7i7', DONE, amount, balance, lifetime), '', 0)
  local id = apply(amount)
  return { OK, now_ms, FRESH, balance, amount, lifetime, id }
end

if not amount or (amount <= 0 and not adjustment) then
  return refuse(INVALID_AMOUNT)
end
local code = load_account(levels)
if code ~= OK then
  return refuse(code)
end
if root then
  free_expired()
  local record = find_record(field, has_flag(flags, 4))
  if record then
    apply_housekeeping()
    return answer_repeated(record)
  end
end
return grant()
