#!lua
--[[ set_plan: says which plan an account is on: the defaults of that name hold for it, where it has no cap or limit of its own.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 plan        its name, encoded; '' none
  Reply  {code, now_ms, repetition}
  Codes  INVALID_ARGUMENT (no defaults are set for the plan) NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
  Entry  PLAN_SET   Opens the account when there is none.   Cost O(levels)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
local plan, deep = ARGV[5], false
--- @include lib/load
if code ~= OK then
  return { code, now_ms, FRESH }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
if not record then
  if plan ~= '' and not redis.call('HGET', CONFIG, 'd' .. string.char(48 + #levels) .. ':' .. plan) then
    return { INVALID_ARGUMENT, now_ms, FRESH }
  end
  --- @include lib/opening
  extra_field, extra_value = 'p' .. PATH, (plan ~= '' or payer_level > 0) and string.char(payer_level) .. plan or ''
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT, ENTRY_LAYOUT, PLAN_SET, GENERATION, root[SEQUENCE], now_ms, 0,
    nodes[PATH][BALANCE], #ACCOUNT, ACCOUNT, #reference, reference) .. plan
  record_head = struct.pack('<B', DONE)
  dirty = levels
end
--- @include lib/apply
return { record and string.byte(record) == TOMBSTONE and CANCELLED or OK, now_ms, record and REPEATED or FRESH }
