#!lua
--[[ remove_spend_cap: removes a cap of an account; spend goes on being counted.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 kind        position of the counter: 4 daily, 5 monthly
  Reply  {code, now_ms, repetition, removed}; removed 1, or 0 when there was no such cap (nothing is written)
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER
  Entry  CAP_REMOVE   Cost O(levels + caps)
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
--- @include lib/caps
--- @include lib/apply

local field, kind = ARGV[4], tonumber(ARGV[5])
local code = load_account(levels_of(PATH))
if code ~= OK or not root then
  return { code, now_ms, FRESH, 0 }
end
free_expired()
if find_record(field, false) then
  apply_housekeeping()
  return { OK, now_ms, REPEATED, 1 }
end
local items = caps[PATH] or ''
local left = without_cap(items, kind)
if left == items then
  apply_housekeeping()
  return { OK, now_ms, FRESH, 0 }
end
if left == '' then
  drop_fields = { 'c' .. PATH }
else
  more_fields = { 'c' .. PATH, left }
end
touch_node(PATH)
queue_entry(CAP_REMOVE, PATH, field, 0, nodes[PATH][BALANCE], struct.pack('<B', kind))
keep_record(field, struct.pack('<B', DONE), nil, 0)
apply(0)
return { OK, now_ms, FRESH, 1 }
