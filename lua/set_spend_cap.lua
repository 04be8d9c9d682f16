#!lua
--[[ set_spend_cap: registers a cap of an account, replacing the one of the same kind; the period's spend stays.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 kind        position of the counter: 4 daily, 5 monthly
         6 action      0 deny, 1 warn, 2 notify
         7 limit       units, >= 0
  Reply  {code, now_ms, repetition}
  Codes  INVALID_AMOUNT INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER CANCELLED
  Entry  CAP_SET, the amount being the limit   Opens the account when there is none.   Cost O(levels + caps)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/cap
local kind, action, limit, deep = tonumber(ARGV[5]), tonumber(ARGV[6]), read_units(ARGV[7], 0), false
--- @include lib/load
if not limit then
  code = INVALID_AMOUNT
elseif (kind ~= DAILY and kind ~= MONTHLY) or (action ~= DENY and action ~= WARN and action ~= NOTIFY) then
  code = INVALID_ARGUMENT
end
if code ~= OK then
  return { code, now_ms, FRESH }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
if not record then
  --- @include lib/opening
  --- @include lib/without_cap
  local item = struct.pack(CAP_FORMAT, kind, action, limit)
  extra_field, extra_value = 'c' .. PATH, kept_caps .. item
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT, ENTRY_LAYOUT, CAP_SET, GENERATION, root[SEQUENCE], now_ms, limit,
    nodes[PATH][BALANCE], #ACCOUNT, ACCOUNT, #reference, reference) .. item
  record_head = struct.pack('<B', DONE)
  dirty = levels
end
--- @include lib/apply
return { record and string.byte(record) == TOMBSTONE and CANCELLED or OK, now_ms, record and REPEATED or FRESH }
