#!lua
--[[ deduct_credits: charges exactly the asked amount against a hold, or refuses and frees the hold in the same step.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]'
         5 asked       units, >= 0
         6 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, charged, asked, held_amount, transaction_id, notes}; balance after
  Codes  INVALID_AMOUNT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER LEASE_NOT_FOUND LEASE_EXPIRED
         CAP_REACHED INSUFFICIENT_CREDITS
  Rule   gated like an admission, the hold's own (admitted) part counted as spendable; never charges part (SPEC 3).
  Entry  SETTLE, or RELEASE when refused   Cost O(levels x caps + log holds)
]]
--- @include lib/codes
--- @include lib/numbers
--- @include lib/struct
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/state
--- @include lib/records
--- @include lib/holds
--- @include lib/expire
--- @include lib/gate
--- @include lib/apply
--- @include lib/ending

local field, asked = ARGV[4], read_units(ARGV[5], 0)
local levels = levels_of(PATH)

local function reply(code, repetition, balance, charged, amount, id, notes)
  return { code, now_ms, repetition, balance, charged, amount[1], amount[2], id, notes }
end

local function refuse(code, hold, notes)
  local payer = nodes[PATH]
  return reply(code, FRESH, payer and payer[BALANCE] or 0, 0, { asked or 0, hold and hold.amount or 0 }, '', notes or '')
end

-- The answer to a hold that has ended: the first outcome again, whatever is asked now.
local function answer_ended(record, hold)
  if hold.state == SETTLED then
    local charged, balance, first_asked, id, notes = read_settled(record, hold)
    local repetition = first_asked == asked and REPEATED or REUSED
    return reply(OK, repetition, balance, charged, { first_asked, hold.amount }, id, notes)
  end
  if hold.state == RELEASED and has_flag(hold.flags, WAS_REFUSED) then
    local code, first_asked, balance, notes_at = struct.unpack('<Bi7i7', record, hold.at)
    local repetition = first_asked == asked and REPEATED or REUSED
    return reply(code, repetition, balance, 0, { first_asked, hold.amount }, '', string.sub(record, notes_at))
  end
  return refuse(hold.state == RELEASED and LEASE_NOT_FOUND or LEASE_EXPIRED, hold)
end

local function deduct_open(record, hold)
  local floor = struct.unpack('<i7', record, hold.at)
  local code, notes = gate(PATH, levels, asked, hold.amount, hold.admitted, floor, true)
  if code == OK and not stays_exact(PATH, levels, 0, asked) then
    code = INVALID_AMOUNT
  end
  if code ~= OK then
    release_hold(field, hold, levels, code, asked, notes)
    return refuse(code, hold, notes)
  end
  local id, breached = settle_hold(field, hold, levels, asked, asked, true, ARGV[6])
  return reply(OK, FRESH, nodes[PATH][BALANCE], asked, { asked, hold.amount }, id, breached)
end

if not asked then
  return refuse(INVALID_AMOUNT)
end
local code = load_account(levels)
if code ~= OK or not root then
  return refuse(code ~= OK and code or LEASE_NOT_FOUND)
end
free_expired()
local record = find_record(field, true)
local hold = record and unpack_hold(record)
if hold and hold.state == OPEN and hold.expires_ms > now_ms then
  return deduct_open(record, hold)
end
apply_housekeeping()
if hold then
  return answer_ended(record, hold)
end
return refuse(LEASE_NOT_FOUND)
