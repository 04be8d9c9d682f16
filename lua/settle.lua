#!lua flags=allow-oom
--[[ settle: charges the actual cost against a hold; caps and balance may clamp the charge, never refuse it.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]'
         5 asked       units, the actual cost, >= 0; 0 charges nothing and ends the hold
         6 metadata    for the ledger entry only
  Reply  {code, now_ms, repetition, balance, charged, asked, held_amount, transaction_id, notes}; balance after
  Codes  INVALID_AMOUNT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER LEASE_NOT_FOUND LEASE_EXPIRED
  Rule   strict: charged = min(asked, own admitted + least room of the deny caps, own + free credits above the floor)
         otherwise the floor alone bounds it (SPEC 5). The rest is shortfall: reported, never charged.
  Entry  SETTLE   Cost O(levels x caps + log holds). Runs when memory is full: it frees what is held.
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

local function refuse(code, hold)
  local payer = nodes[PATH]
  return { code, now_ms, FRESH, payer and payer[BALANCE] or 0, 0, asked or 0, hold and hold.amount or 0, '', '' }
end

local function answer_settled(record, hold)
  local charged, balance, first_asked, id, notes = read_settled(record, hold)
  local repetition = first_asked == asked and REPEATED or REUSED
  return { OK, now_ms, repetition, balance, charged, first_asked, hold.amount, id, notes }
end

local function settle_open(record, hold)
  local floor = struct.unpack('<i7', record, hold.at)
  local charged = math.min(asked, money_bound(PATH, hold.amount, floor))
  if has_flag(hold.flags, IS_STRICT) then
    charged = math.min(charged, cap_bound(levels, hold.admitted))
  end
  if not stays_exact(PATH, levels, 0, charged) then
    return refuse(INVALID_AMOUNT, hold)
  end
  local id, notes = settle_hold(field, hold, levels, asked, charged, false, ARGV[6])
  return { OK, now_ms, FRESH, nodes[PATH][BALANCE], charged, asked, hold.amount, id, notes }
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
  return settle_open(record, hold)
end
apply_housekeeping()
if hold and hold.state == SETTLED then
  return answer_settled(record, hold)
end
if hold and (hold.state == EXPIRED or hold.state == OPEN) then
  return refuse(LEASE_EXPIRED, hold)
end
return refuse(LEASE_NOT_FOUND)
