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
--- @include lib/gate
--- @include lib/apply

local MIN_TTL_MS, MAX_TTL_MS = 1000, 604800000
local field, amount, floor = ARGV[4], read_units(ARGV[5], 0), read_units(ARGV[6], -MAX_UNITS)
local ttl_ms, flags, label = read_units(ARGV[7], MIN_TTL_MS), tonumber(ARGV[8]), ARGV[9]
local admit, strict = has_flag(flags, 1), has_flag(flags, 2)
local levels = levels_of(PATH)

local function refuse(code, notes)
  local payer = nodes[PATH]
  return { code, now_ms, FRESH, payer and payer[BALANCE] or 0, payer and payer[HELD] or 0, amount or 0, 0, notes or '' }
end

local function answer_repeated(record)
  local hold = unpack_hold(record)
  local repetition, notes = hold.amount == amount and REPEATED or REUSED, ''
  if hold.state == OPEN then
    local kept_label, notes_at = struct.unpack('<Bc0', record, hold.at + 7)
    notes = string.sub(record, notes_at)
    if kept_label ~= label then
      repetition = REUSED
    end
  end
  return { OK, now_ms, repetition, hold.balance, hold.held, hold.amount, hold.expires_ms, notes }
end

-- Why the amount may not be held, or OK.
local function decide()
  local payer = nodes[PATH]
  if not payer then
    return strict and INSUFFICIENT_CREDITS or ACCOUNT_UNKNOWN, ''
  end
  if not stays_exact(PATH, levels, amount, 0) then
    return INVALID_AMOUNT, ''
  end
  if nodes[''][OPEN_HOLDS] >= MAX_OPEN_HOLDS then
    return TOO_MANY_HOLDS, ''
  end
  return gate(PATH, levels, amount, 0, 0, floor, admit)
end

local function open_hold(notes)
  local payer = nodes[PATH]
  local expires_ms = now_ms + ttl_ms
  local hold = { flags = (admit and IS_ADMITTED or 0) + (strict and IS_STRICT or 0), amount = amount,
    expires_ms = expires_ms, balance = payer[BALANCE], held = payer[HELD] + amount }
  move_hold(PATH, levels, amount, admit and amount or 0, 1)
  queue_entry(HOLD, PATH, field, amount, payer[BALANCE],
    struct.pack('<i6Bi7Bc0', expires_ms, hold.flags, floor, #label, label) .. ARGV[10])
  keep_record(field, hold_head(OPEN, hold) .. struct.pack('<i7Bc0', floor, #label, label) .. notes, nil, expires_ms)
  index_adds = { expires_ms, field }
  if root[NEXT_EXPIRY_MS] == 0 or expires_ms < root[NEXT_EXPIRY_MS] then
    root[NEXT_EXPIRY_MS] = expires_ms
  end
  apply(0)
  return { OK, now_ms, FRESH, hold.balance, hold.held, amount, expires_ms, notes }
end

if not amount or not floor then
  return refuse(INVALID_AMOUNT)
end
if not ttl_ms or ttl_ms > MAX_TTL_MS then
  return refuse(INVALID_ARGUMENT)
end
local code, notes = load_account(levels), ''
if code ~= OK then
  return refuse(code)
end
if not root then
  return refuse(strict and INSUFFICIENT_CREDITS or ACCOUNT_UNKNOWN)
end
free_expired()
local record = find_record(field, has_flag(flags, 4))
if record then
  apply_housekeeping()
  return answer_repeated(record)
end
code, notes = decide()
if code ~= OK then
  apply_housekeeping()
  return refuse(code, notes)
end
return open_hold(notes)
