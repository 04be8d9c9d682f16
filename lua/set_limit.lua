#!lua
--[[ set_limit: registers a rate or concurrency limit of an account, replacing the one of the same identity.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 given       the limit, packed (lib/limit), its state left at 0
  Reply  {code, now_ms, repetition}
  Codes  INVALID_ARGUMENT NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED TOO_MANY_LIMITS
  Rule   of the same algorithm it goes on with what was used; otherwise it begins unused. One on concurrency counts the holds
         that are open (docs/limits.md).
  Entry  LIMIT_SET, with the packed limit   Opens the account when there is none.   Cost O(levels + limits); on
         concurrency O(open holds of the root)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/units
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/limit
local given, deep = ARGV[5], false
--- @include lib/load
if code ~= OK then
  return { code, now_ms, FRESH }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/without_limit
local is_rate = given_kind == GCRA or given_kind == FIXED or given_kind == SLIDING
if not ((is_rate and given_period_ms > 0 and given_what % 4 <= COUNTS_TOKENS) or (given_kind == CONCURRENT and given_period_ms == 0))
  or given_limit < 1 or given_limit > MAX_UNITS or given_burst < 1 or given_burst > MAX_UNITS
  or (given_kind ~= FIXED and (given_limit * given_period_ms > MAX_UNITS or given_burst * given_period_ms > MAX_UNITS)) then
  return { INVALID_ARGUMENT, now_ms, FRESH }
end
--- @include lib/find
if not record then
  if kept_count >= LIMITS_MAX then
    return { TOO_MANY_LIMITS, now_ms, FRESH }
  end
  --- @include lib/opening
  root[SEQUENCE] = root[SEQUENCE] + 1
  local head, tail = string.sub(given, 1, LIMIT_HEAD_BYTES - 5), string.sub(given, LIMIT_BYTES + 1)
  local state = struct.pack('<i5i6i7', root[SEQUENCE], 0, 0)
  local replaced = found_limit or found_default
  if replaced and string.byte(replaced) == given_kind then
    -- Until now the old rate counted.
    local items, at = replaced, 1
    --- @inline lib/limit_state
    state = struct.pack('<i5i6i7', since, last_ms, rate_used)
    if given_kind == SLIDING then
      tail = struct.pack('<i7', rate_previous) .. string.sub(tail, 8)
    end
  elseif given_kind == CONCURRENT then
    --- @include lib/holds_below
    local open = 0
    for i = 3, #below, 3 do
      local packed_label = below[i]
      --- @inline lib/label_parts
      if (given_operation == '' or given_operation == label_operation) and (given_model == '' or given_model == label_model) then
        open = open + 1
      end
    end
    state = struct.pack('<i5i6i7', root[SEQUENCE], 0, open)
  end
  given = head .. state .. tail
  limited = limited or {}
  limited[PATH] = kept_limits .. given .. default_limits
  if own_limit_bytes and own_limit_bytes[PATH] then
    own_limit_bytes[PATH] = #kept_limits + #given
  end
  entry = struct.pack(ENTRY_FORMAT, ENTRY_LAYOUT, LIMIT_SET, GENERATION, root[SEQUENCE], now_ms, given_limit,
    nodes[PATH][BALANCE], #ACCOUNT, ACCOUNT, #reference, reference) .. given
  record_head = struct.pack('<B', DONE)
  dirty = levels
end
--- @include lib/apply
return { record and string.byte(record) == TOMBSTONE and CANCELLED or OK, now_ms, record and REPEATED or FRESH }
