-- without_limit: the account's packed limits without the one that has the identity of a packed one: rate or concurrency, what
-- it counts, period, operation type and model. Reads given (the packed one).
-- Sets given_kind, given_what, given_limit, given_period_ms, given_burst, given_since, given_last_ms, given_used (all 0),
-- given_at,  given_operation, given_model; kept_limits, their
-- number kept_count, and found_limit (the one that was left out, packed, or nil).
--- @include lib/keys
--- @include lib/limit
--- @include lib/load
--- @include lib/queue
local given_kind, given_what, given_limit, given_period_ms, given_since, given_last_ms, given_used, given_at = struct.unpack(LIMIT_FORMAT, given)
local given_burst, given_operation, given_model = given_limit, '', ''
if given_kind == SLIDING then
  given_at = given_at + 7
end
if given_what >= HAS_BURST then
  given_burst, given_at = struct.unpack('<i7', given, given_at)
end
if given_what % HAS_BURST >= HAS_SCOPE then
  given_operation, given_model = struct.unpack('<Bc0Bc0', given, given_at)
end
local kept_limits, kept_count, found_limit = '', 0, nil
do
  -- Holds that were just freed have given their places back.
  local items, at = limited and limited[PATH] or limits and limits[PATH] or '', 1
  while at <= #items do
    local kind, what, _, period_ms, _, _, _, next_at = struct.unpack(LIMIT_FORMAT, items, at)
    local operation, model = '', ''
    next_at = next_at + (kind == SLIDING and 7 or 0) + (what >= HAS_BURST and 7 or 0)
    if what % HAS_BURST >= HAS_SCOPE then
      operation, model, next_at = struct.unpack('<Bc0Bc0', items, next_at)
    end
    local packed = string.sub(items, at, next_at - 1)
    if (kind == CONCURRENT) == (given_kind == CONCURRENT) and what % 4 == given_what % 4 and period_ms == given_period_ms
      and operation == given_operation and model == given_model then
      found_limit = packed
    else
      kept_limits, kept_count = kept_limits .. packed, kept_count + 1
    end
    at = next_at
  end
end
