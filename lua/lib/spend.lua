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
notes = ''
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
    -- The charge that crossed a cap says so.
    for at = 1, items and #items or 0, CAP_BYTES do
      local kind, action, limit = struct.unpack(CAP_FORMAT, items, at)
      if kind == BALANCE then
        if node == payer and node[BALANCE] <= limit and node[BALANCE] + charged > limit then
          notes = notes .. struct.pack(NOTE_FORMAT, i, kind, action, NOTE_FIRST, limit, node[BALANCE], 0)
          crossed = crossed or {}
          crossed[#crossed + 1] = { path = levels[i], kind = kind, percent = 0, threshold = limit, limit = 0,
            spent = node[BALANCE] }
        end
      elseif node[kind] > limit and action >= THRESHOLD then
        if node[kind] - charged <= limit then
          local cap_at = 1
          while not (string.byte(items, cap_at) == kind and string.byte(items, cap_at + 1) < THRESHOLD) do
            cap_at = cap_at + CAP_BYTES
          end
          local _, _, cap_limit = struct.unpack(CAP_FORMAT, items, cap_at)
          notes = notes .. struct.pack(NOTE_FORMAT, i, kind, action, NOTE_FIRST, limit + 1, node[kind], cap_limit)
          crossed = crossed or {}
          crossed[#crossed + 1] = { path = levels[i], kind = kind, percent = action - THRESHOLD, threshold = limit + 1,
            limit = cap_limit, spent = node[kind] }
        end
      elseif node[kind] > limit then
        local flags = (node[kind] - charged <= limit and NOTE_FIRST or 0) + (action == DENY and NOTE_OVER or 0)
        notes = notes .. struct.pack(NOTE_FORMAT, i, kind, action, flags, limit, node[kind], node[ADMITTED])
      end
    end
  end
  if timed then
    local noted_amount, noted_own, charged_now = false, 0, charged
    --- @inline lib/timed_notes
  end
end
