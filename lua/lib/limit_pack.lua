-- limit_pack (inline): packs a limit with the state that lib/limit_state and its user left, all in one go; what follows the
-- fixed part (limit_tail) is cut out only where there is any. Reads items, at, next_at and what lib/limit_state sets.
-- Sets packed_limit, limit_tail.
--- @include lib/limit
local limit_tail, packed_limit = '', nil
if rate_kind == SLIDING then
  limit_tail = struct.pack('<i7', rate_previous) .. string.sub(items, at + LIMIT_BYTES + 7, next_at - 1)
elseif next_at > at + LIMIT_BYTES then
  limit_tail = string.sub(items, at + LIMIT_BYTES, next_at - 1)
end
packed_limit = struct.pack(LIMIT_FORMAT, rate_kind, what, rate_limit, period_ms, since, last_ms, rate_used) .. limit_tail
