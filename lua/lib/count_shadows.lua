-- count_shadows (inline): adds an admission to the counts of the shadows that would have refused it.
-- Reads shadowed. Sets shadow_fields.
--- @include lib/struct
--- @include lib/keys
--- @include lib/units
--- @include lib/cap
--- @include lib/queue
shadow_fields = {}
do
  local counts_of = {}
  for i = 1, #shadowed, 3 do
    local path, kind, model = shadowed[i], shadowed[i + 1], shadowed[i + 2]
    local counts = counts_of[path] or redis.call('HGET', STATE, 'w' .. path) or ''
    local at, found_at, end_at, count, total = 1, #counts + 1, #counts + 1, 0, 0
    while at <= #counts do
      local known_kind, known_model, known_count, known_total, next_at = struct.unpack(SHADOW_FORMAT, counts, at)
      if known_kind == kind and known_model == model then
        found_at, end_at, count, total = at, next_at, known_count, known_total
      end
      at = next_at
    end
    total = total + shadowed.amount < MAX_UNITS and total + shadowed.amount or MAX_UNITS
    counts_of[path] = string.sub(counts, 1, found_at - 1) .. struct.pack(SHADOW_FORMAT, kind, #model, model, count + 1, total)
      .. string.sub(counts, end_at)
  end
  for path, counts in pairs(counts_of) do
    shadow_fields[#shadow_fields + 1], shadow_fields[#shadow_fields + 2] = 'w' .. path, counts
  end
end
