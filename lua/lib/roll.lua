-- roll (inline, where a node's day is not today): brings its day and month counters to the present.
-- Reads node, rolled_path (the node's), today. Sets others[rolled_path] when counters lie, or lay, apart.
--- @include lib/keys
--- @include lib/node
do
  --- @inline lib/calendar
  local month, days, months = month_of_day(today), {}, {}
  local apart = node[DAY_BACK] == APART or node[MONTH_BACK] == APART
  if apart then
    local packed = redis.call('HGET', STATE, 'b' .. rolled_path)
    for at = 2, #packed, 9 do
      local list = at < 2 + 9 * string.byte(packed) and days or months
      list[#list + 1], list[#list + 2] = struct.unpack('<I2i7', packed, at)
    end
  end
  roll_counter(node, DAY_ID, SPENT_DAY, PREVIOUS_DAY, DAY_BACK, today, days)
  if node[MONTH_ID] ~= month then
    roll_counter(node, MONTH_ID, SPENT_MONTH, PREVIOUS_MONTH, MONTH_BACK, month, months)
  end
  if apart or node[DAY_BACK] == APART or node[MONTH_BACK] == APART then
    local packed = struct.pack('<B', #days / 2)
    for _, list in ipairs({ days, months }) do
      for at = 1, #list, 2 do
        packed = packed .. struct.pack('<I2i7', list[at], list[at + 1])
      end
    end
    others = others or {}
    others[rolled_path] = packed
  end
end
