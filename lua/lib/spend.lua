-- spend: a charge leaves the payer's balance and counts as spent at every level; notes the caps that spend now lies above.
-- Reads payer, charged. Sets balance_change, notes, and crossed:
-- the thresholds and low balances that this charge reaches.
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
--- @include lib/queue
--- @include lib/bounds
payer[BALANCE] = payer[BALANCE] - charged
balance_change = -charged
notes = within_note
for i = 1, #levels do
  local node = nodes[levels[i]]
  node[SPENT_DAY] = node[SPENT_DAY] + charged
  node[SPENT_MONTH] = node[SPENT_MONTH] + charged
  node[SPENT_TOTAL] = node[SPENT_TOTAL] + charged
end
if timed then
  for i = 1, #levels do
    local items = timed[levels[i]]
    for at = 1, items and #items or 0 do
      local item = items[at]
      if item[T_MODEL] == '' or item[T_MODEL] == used_model then
        item[T_SPENT] = item[T_SPENT] + charged
      end
    end
  end
end
if charged > 0 and charged > quiet_bound then
  for i = 1, #levels do
    local node, items = nodes[levels[i]], caps[levels[i]]
    -- The charge that crossed a cap, or reached a threshold, says so. A threshold stands behind its cap.
    local cap_limit = 0
    for at = 1, items and #items or 0, CAP_BYTES do
      local kind, action, limit = struct.unpack(CAP_FORMAT, items, at)
      if action >= THRESHOLD then
        local threshold, of_limit = nil, 0
        if kind == BALANCE then
          if node == payer and node[BALANCE] <= limit and node[BALANCE] + charged > limit then
            threshold = limit
          end
        elseif node[kind] > limit and node[kind] - charged <= limit then
          threshold, of_limit = limit + 1, cap_limit
        end
        if threshold then
          notes = notes .. struct.pack(NOTE_FORMAT, i, kind, action, NOTE_FIRST, threshold, node[kind], of_limit)
          crossed = crossed or {}
          crossed[#crossed + 1] = { path = levels[i], kind = kind, percent = action - THRESHOLD, threshold = threshold,
            limit = of_limit, reached = node[kind] }
        end
      elseif node[kind] > limit and action ~= SHADOW then
        local flags = (node[kind] - charged <= limit and NOTE_FIRST or 0) + (action == DENY and NOTE_OVER or 0)
        notes = notes .. struct.pack(NOTE_FORMAT, i, kind, action, flags, limit, node[kind], node[ADMITTED])
      end
      cap_limit = action < THRESHOLD and limit or cap_limit
    end
  end
  if timed then
    local noted_amount, noted_own, charged_now = false, 0, charged
    --- @inline lib/timed_notes
  end
end
notes = notes .. shadow_notes
