-- limit_identity (inline): what makes a packed limit the same as another: rate or concurrency, what it counts, shadow or not,
-- period, operation type and model - all as text to compare. Reads items, at. Sets rate_identity, identity_end (where the next begins).
--- @include lib/struct
--- @include lib/limit
do
  local kind, what = string.byte(items, at, at + 1)
  local scope_at = at + LIMIT_BYTES + (kind == SLIDING and 7 or 0) + (what >= HAS_BURST and 7 or 0)
  identity_end = scope_at
  if what % HAS_BURST >= HAS_SCOPE then
    local _, _, scope_end = struct.unpack('<Bc0Bc0', items, scope_at)
    identity_end = scope_end
  end
  local scope = string.sub(items, scope_at, identity_end - 1)
  if what % 8 >= IS_SHADOW then
    identity_end = identity_end + 7
  end
  -- Behind kind, what and limit stand the 5 bytes of the period.
  rate_identity = (kind == CONCURRENT and 'open' or 'rate') .. string.char(what % 8) .. string.sub(items, at + 9, at + 13) .. scope
end
