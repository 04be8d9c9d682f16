-- without_shadow: a shadow that is set or removed begins to count anew: its part of field w<path> goes.
-- Reads kind. Sets shadow_fields.
--- @include lib/keys
--- @include lib/cap
--- @include lib/queue
do
  local counts = redis.call('HGET', STATE, 'w' .. PATH) or ''
  for at = 1, #counts, SHADOW_BYTES do
    if string.byte(counts, at) == kind then
      shadow_fields = { 'w' .. PATH, string.sub(counts, 1, at - 1) .. string.sub(counts, at + SHADOW_BYTES) }
    end
  end
end
