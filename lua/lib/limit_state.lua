-- limit_state (inline): unpacks the limit at a place of packed items and brings its state to the present. A step of the
-- clock back by up to a period leaves the state where it is until the clock has come back; after a larger one, as after a
-- step ahead, the limit begins unused: a refusal writes nothing, so nothing could tell how long ago the step was.
-- Reads items, at, now_ms. Sets rate_kind, what, rate_limit, period_ms, since, last_ms, rate_used, rate_previous, burst,
-- rate_operation and rate_model ('' any), next_at.
--- @include lib/limit
--- @include lib/timed
local rate_kind, what, rate_limit, period_ms, since, last_ms, rate_used, next_at = struct.unpack(LIMIT_FORMAT, items, at)
local rate_previous, burst, rate_operation, rate_model = 0, rate_limit, '', ''
if rate_kind == SLIDING then
  rate_previous, next_at = struct.unpack('<i7', items, next_at)
end
if what >= HAS_BURST then
  burst, next_at = struct.unpack('<i7', items, next_at)
end
if what % HAS_BURST >= HAS_SCOPE then
  rate_operation, rate_model, next_at = struct.unpack('<Bc0Bc0', items, next_at)
end
if what % 8 >= IS_SHADOW then
  next_at = next_at + 7
end
if rate_kind == GCRA then
  if now_ms >= last_ms then
    rate_used = rate_used - (now_ms - last_ms) * rate_limit
    if rate_used < 0 then
      rate_used = 0
    end
    last_ms = now_ms
  elseif last_ms - now_ms > period_ms then
    rate_used, last_ms = 0, now_ms
  end
elseif rate_kind ~= CONCURRENT then
  -- Day 0 was a Thursday; weeks begin with Monday.
  local start = now_ms - (now_ms - (period_ms % WEEK_MS == 0 and MONDAY_MS or 0)) % period_ms
  if start >= last_ms + period_ms then
    rate_previous, rate_used, last_ms = start == last_ms + period_ms and rate_used or 0, 0, start
  elseif last_ms - now_ms > period_ms then
    rate_previous, rate_used, last_ms = 0, 0, start
  end
end
