#!lua
--[[ remove_limit: removes a rate or concurrency limit of an account.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 given       a packed limit of the same identity (lib/without_limit)
  Reply  {code, now_ms, repetition, removed}; removed 1, or 0 when there was no such limit (nothing is written)
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
  Entry  LIMIT_REMOVE, with the packed limit   Cost O(levels + limits)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/limit
local given, deep = ARGV[5], false
--- @include lib/load
if code ~= OK then
  return { code, now_ms, FRESH, 0 }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/without_limit
--- @include lib/find
if not record and found_limit then
  limited = limited or {}
  limited[PATH] = kept_limits .. default_limits
  if own_limit_bytes and own_limit_bytes[PATH] then
    -- A default that it stood in place of goes on with what was used.
    own_limit_bytes[PATH] = #kept_limits
    limited[PATH] = limited[PATH] .. string.sub(found_limit, 1, 1) .. string.char(string.byte(found_limit, 2) + IS_DEFAULT)
      .. string.sub(found_limit, 3)
    if kept_limits == '' then
      extra_field, extra_value = 'l' .. PATH, ''
    end
  end
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT, ENTRY_LAYOUT, LIMIT_REMOVE, GENERATION, root[SEQUENCE], now_ms, 0,
    nodes[PATH][BALANCE], #ACCOUNT, ACCOUNT, #reference, reference) .. given
  record_head = struct.pack('<B', DONE)
  dirty = levels
end
--- @include lib/apply
return { record and string.byte(record) == TOMBSTONE and CANCELLED or OK, now_ms, record and REPEATED or FRESH,
  (record or dirty) and 1 or 0 }
