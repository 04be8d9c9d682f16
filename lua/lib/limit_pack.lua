-- limit_pack (inline): packs a limit with the state that lib/limit_state and its user left. Reads items, at, next_at,
-- rate_kind, last_ms, rate_used, rate_previous. Sets packed_limit.
--- @include lib/limit
local packed_limit
if rate_kind == SLIDING then
  packed_limit = string.sub(items, at, at + LIMIT_HEAD_BYTES - 1) .. struct.pack('<i6i7i7', last_ms, rate_used, rate_previous)
    .. string.sub(items, at + LIMIT_BYTES + 7, next_at - 1)
else
  packed_limit = string.sub(items, at, at + LIMIT_HEAD_BYTES - 1) .. struct.pack('<i6i7', last_ms, rate_used)
    .. string.sub(items, at + LIMIT_BYTES, next_at - 1)
end
