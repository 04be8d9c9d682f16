#!lua
--[[ set_payer: says who pays for an account: itself or one above it. Open holds keep their payer.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 level       of the payer, 1 the root; the account's own level: it pays itself
  Reply  {code, now_ms, repetition}
  Codes  INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
  Entry  PAYER_SET   Opens the account when there is none.   Cost O(levels)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
local level, deep = tonumber(ARGV[5]), false
--- @include lib/load
if code == OK and not (level and level >= 1 and level <= #levels and level % 1 == 0) then
  code = INVALID_ARGUMENT
end
if code ~= OK then
  return { code, now_ms, FRESH }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/own_plan
--- @include lib/find
if not record then
  --- @include lib/opening
  local has_other = level < #levels
  extra_field, extra_value = 'p' .. PATH, (has_other or own_plan ~= '') and string.char(has_other and level or 0) .. own_plan or ''
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT .. 'B', ENTRY_LAYOUT, PAYER_SET, GENERATION, root[SEQUENCE], now_ms, 0,
    nodes[PATH][BALANCE], #ACCOUNT, ACCOUNT, #reference, reference, level)
  record_head = struct.pack('<B', DONE)
  dirty = levels
end
--- @include lib/apply
return { record and string.byte(record) == TOMBSTONE and CANCELLED or OK, now_ms, record and REPEATED or FRESH }
