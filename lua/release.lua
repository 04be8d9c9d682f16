#!lua flags=allow-oom
--[[ release: drops a hold without a charge; never an error, the reply says what was found.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'h<hold id>[/<path>]'
  Reply  {code, now_ms, reason, amount}; reason 0 released (an expired hold too), 1 already_released,
         2 already_settled, 3 not_found
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER
  Entry  RELEASE, of amount 0 for an expired hold   Cost O(levels + log holds). Runs when memory is full.
]]
--- @include lib/codes
--- @include lib/struct
--- @include lib/keys
--- @include lib/node
--- @include lib/root
--- @include lib/state
--- @include lib/ledger
--- @include lib/records
--- @include lib/holds
--- @include lib/expire
--- @include lib/apply
--- @include lib/ending

local FREED, ALREADY_RELEASED, ALREADY_SETTLED, NOT_FOUND = 0, 1, 2, 3
local field = ARGV[4]
local levels = levels_of(PATH)

-- An expired hold has left the totals already; only its record changes, so that it ends once.
local function release_expired(hold)
  queue_entry(RELEASE, PATH, field, 0, nodes[PATH][BALANCE], struct.pack('<B', OK))
  keep_record(field, hold_head(RELEASED, hold), nil, 0)
  apply(0)
end

local code = load_account(levels)
if code ~= OK or not root then
  return { code, now_ms, NOT_FOUND, 0 }
end
free_expired()
local record = find_record(field, true)
local hold = record and unpack_hold(record)
if hold and hold.state == OPEN then
  release_hold(field, hold, levels, OK, 0, '')
  return { OK, now_ms, FREED, hold.amount }
elseif hold and hold.state == EXPIRED then
  release_expired(hold)
  return { OK, now_ms, FREED, hold.amount }
end
apply_housekeeping()
if not hold then
  return { OK, now_ms, NOT_FOUND, 0 }
end
return { OK, now_ms, hold.state == SETTLED and ALREADY_SETTLED or ALREADY_RELEASED, hold.amount }
