-- timed_read (inline): unpacks the timed caps of an account, rolled to the present where the period is one of UTC with a
-- fixed length. Reads now_ms, packed_timed, timed_items (an empty list). Sets timed_items, due_periods when an item's
-- period is over that only the client knows.
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
do
  local at = 1
  while at <= #packed_timed do
    local kind, action, limit, spent, held, start, stop, since, count, zone_bytes, model_bytes, next_at =
      struct.unpack(TIMED_FORMAT, packed_timed, at)
    local zone, model, kept = '', '', nil
    at = next_at
    if count > 0 then
      kept = {}
      for each = 1, 2 * count, 2 do
        kept[each], kept[each + 1], at = struct.unpack(OTHER_FORMAT, packed_timed, at)
      end
    end
    if zone_bytes + model_bytes > 0 then
      zone = string.sub(packed_timed, at, at + zone_bytes - 1)
      model = string.sub(packed_timed, at + zone_bytes, at + zone_bytes + model_bytes - 1)
      at = at + zone_bytes + model_bytes
    end
    if now_ms >= stop or now_ms < start then
      local length = zone == '' and (kind == HOURLY and HOUR_MS or kind == DAILY and DAY_MS or kind == WEEKLY and WEEK_MS)
      if length then
        --- @inline lib/calendar
        -- Day 0 was a Thursday; weeks begin with Monday.
        local first = now_ms - (now_ms - (kind == WEEKLY and MONDAY_MS or 0)) % length
        kept = kept or {}
        spent = shift_counter(start, spent, kept, first, first + length)
        start, stop = first, first + length
      else
        due_periods = true
      end
    end
    timed_items[#timed_items + 1] = { kind, action, limit, spent, held, start, stop, since, zone, model, kept }
  end
end
