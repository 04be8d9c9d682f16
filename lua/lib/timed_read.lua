-- timed_read (inline): a function that unpacks the timed caps of an account, rolled to the present where the period is one
-- of UTC with a fixed length. Reads now_ms. Sets due_periods when an item's period is over that only the client knows.
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
--- @inline lib/calendar

local function read_timed(packed)
  local items, at = {}, 1
  while at <= #packed do
    local kind, action, limit, spent, held, start, stop, since, count, zone_bytes, model_bytes, next_at =
      struct.unpack(TIMED_FORMAT, packed, at)
    local other_periods = {}
    for _ = 1, count do
      other_periods[#other_periods + 1], other_periods[#other_periods + 2], next_at =
        struct.unpack(OTHER_FORMAT, packed, next_at)
    end
    at = next_at + zone_bytes + model_bytes
    local item = { kind, action, limit, spent, held, start, stop, since, string.sub(packed, next_at,
      next_at + zone_bytes - 1), string.sub(packed, next_at + zone_bytes, at - 1), other_periods }
    if now_ms < start or now_ms >= stop then
      local length = item[T_ZONE] == '' and (kind == HOURLY and HOUR_MS or kind == DAILY and DAY_MS
        or kind == WEEKLY and WEEK_MS)
      if length then
        -- Day 0 was a Thursday; weeks begin with Monday.
        local first = now_ms - (now_ms - (kind == WEEKLY and MONDAY_MS or 0)) % length
        item[T_SPENT] = shift_counter(start, spent, other_periods, first, first + length)
        item[T_START], item[T_END] = first, first + length
      else
        due_periods = true
      end
    end
    items[#items + 1] = item
  end
  return items
end
