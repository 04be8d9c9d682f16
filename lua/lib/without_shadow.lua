-- without_shadow: a shadow that is set or removed begins to count anew: its part of field w<path> goes.
-- Reads kind, model. Sets shadow_fields.
--- @include lib/struct
--- @include lib/keys
--- @include lib/cap
--- @include lib/queue
do
  local counts, at = redis.call('HGET', STATE, 'w' .. PATH) or '', 1
  while at <= #counts do
    local known_kind, known_model, _, _, next_at = struct.unpack(SHADOW_FORMAT, counts, at)
    if known_kind == kind and known_model == model then
      shadow_fields = { 'w' .. PATH, string.sub(counts, 1, at - 1) .. string.sub(counts, next_at) }
    end
    at = next_at
  end
end
