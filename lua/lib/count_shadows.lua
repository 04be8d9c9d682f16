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
  for i = 1, #shadowed, 2 do
    local path, kind = shadowed[i], shadowed[i + 1]
    local counts = counts_of[path] or redis.call('HGET', STATE, 'w' .. path) or ''
    local found_at, count, total = #counts + 1, 0, 0
    for at = 1, #counts, SHADOW_BYTES do
      if string.byte(counts, at) == kind then
        local _, known_count, known_total = struct.unpack(SHADOW_FORMAT, counts, at)
        found_at, count, total = at, known_count, known_total
      end
    end
    total = total + shadowed.amount < MAX_UNITS and total + shadowed.amount or MAX_UNITS
    counts_of[path] = string.sub(counts, 1, found_at - 1) .. struct.pack(SHADOW_FORMAT, kind, count + 1, total)
      .. string.sub(counts, found_at + SHADOW_BYTES)
  end
  for path, counts in pairs(counts_of) do
    shadow_fields[#shadow_fields + 1], shadow_fields[#shadow_fields + 2] = 'w' .. path, counts
  end
end
