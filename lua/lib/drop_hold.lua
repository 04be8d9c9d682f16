-- drop_hold (inline): takes the found hold out of the totals: held at the payer, admitted and the number of open holds
-- at every level; out of the limits; and out of the index. Reads payer, record, what lib/found_hold sets, and actual_amount and
-- actual_tokens (lib/correct_rates).
--- @include lib/node
--- @include lib/root
--- @include lib/record
--- @include lib/load
--- @include lib/queue
payer[HELD] = payer[HELD] - hold_amount
for i = 1, #levels do
  local node = nodes[levels[i]]
  node[ADMITTED] = node[ADMITTED] - hold_admitted
  node[OPEN_HOLDS] = node[OPEN_HOLDS] - 1
end
if timed then
  local held_model, more_admitted = own_model, -hold_admitted
  --- @inline lib/timed_hold
end
if limits then
  local ended_levels, estimated_amount = levels, hold_amount
  local packed_label = struct.unpack('<Bc0', record, hold_flags >= HAS_FLOOR and hold_terms_at + 7 or hold_terms_at)
  --- @inline lib/correct_rates
end
-- The bound is left as it is while others are open: it is a lower one. Without any there is nothing to wait for.
if nodes[''][OPEN_HOLDS] == 0 then
  root[NEXT_EXPIRY_MS] = 0
end
index_drop = true
dirty = levels
