#!lua
--[[ remove_spend_cap: removes a cap of an account; spend of day, month and total goes on being counted.
  KEYS   the six of a root (lib/keys)
  ARGV   1-3 common (lib/keys)
         4 field       'c<op id>[/<path>]'
         5 kind        as in set_spend_cap
         6 model       '' the cap of all models
         7 shadow      1 the shadow in place of the cap
  Reply  {code, now_ms, repetition, removed}; removed 1, or 0 when there was no such cap (nothing is written)
  Codes  NAMESPACE_UNKNOWN NEEDS_RESTORE SCHEMA_NEWER ROLL_NEEDED CANCELLED
  Entry  CAP_REMOVE   Cost O(levels + caps)
]]
--- @include lib/keys
--- @include lib/codes
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/ledger
--- @include lib/cap
local kind, model, is_shadow_cap, deep = tonumber(ARGV[5]), ARGV[6], ARGV[7] == '1', false
--- @include lib/load
if code ~= OK then
  return { code, now_ms, FRESH, 0 }
end
--- @include lib/queue
--- @include lib/expire
--- @include lib/find
--- @include lib/without_cap
--- @include lib/kept_timed
if model ~= '' then
  kept_caps = present_caps
end
if not record and (found_timed or kept_caps ~= present_caps) then
  if found_timed then
    timed[PATH] = kept_items
    if #kept_items == 0 then
      kept_caps = string.sub(kept_caps, CAP_BYTES + 1)
    end
  end
  extra_field, extra_value = 'c' .. PATH, kept_caps
  root[SEQUENCE] = root[SEQUENCE] + 1
  entry = struct.pack(ENTRY_FORMAT .. 'BBc0', ENTRY_LAYOUT, CAP_REMOVE, GENERATION, root[SEQUENCE], now_ms, 0,
    nodes[PATH][BALANCE], #ACCOUNT, ACCOUNT, #reference, reference,
    is_shadow_cap and kind + 64 or kind, #model, model)
  if is_shadow_cap then
    --- @include lib/without_shadow
  end
  record_head = struct.pack('<B', DONE)
  dirty = levels
end
--- @include lib/apply
return { record and string.byte(record) == TOMBSTONE and CANCELLED or OK, now_ms, record and REPEATED or FRESH,
  (record or dirty) and 1 or 0 }
