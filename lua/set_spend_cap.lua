#!lua
--[[ set_spend_cap: registers a cap of an account, replacing the one of the same kind; the period's spend stays.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 kind        position of the counter: 4 daily, 5 monthly
         6 action      0 deny, 1 warn, 2 notify
         7 limit       units, >= 0
  Reply  {code, now_ms, repetition}
  Codes  INVALID_AMOUNT INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER
  Entry  CAP_SET, the amount being the limit   Opens the account when there is none.   Cost O(levels + caps)
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
--- @include lib/caps
--- @include lib/opening
--- @include lib/apply

local field, kind, action, limit = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), read_units(ARGV[7], 0)
local levels = levels_of(PATH)

if not limit then
  return { INVALID_AMOUNT, now_ms, FRESH }
end
if (kind ~= DAILY and kind ~= MONTHLY) or (action ~= DENY and action ~= WARN and action ~= NOTIFY) then
  return { INVALID_ARGUMENT, now_ms, FRESH }
end
local code = load_account(levels)
if code ~= OK then
  return { code, now_ms, FRESH }
end
if root then
  free_expired()
  if find_record(field, false) then
    apply_housekeeping()
    return { OK, now_ms, REPEATED }
  end
end
open_account(levels)
local item = struct.pack('<BBi7', kind, action, limit)
more_fields = { 'c' .. PATH, without_cap(caps[PATH] or '', kind) .. item }
queue_entry(CAP_SET, PATH, field, limit, nodes[PATH][BALANCE], item)
keep_record(field, struct.pack('<B', DONE), nil, 0)
apply(0)
return { OK, now_ms, FRESH }
