-- take_rates (inline): takes from the limits what lib/rates prepared, when the whole is admitted; what freed holds gave back at
-- other levels stays. Reads code, rate_code, rated, shadow_notes. Sets code (by precedence before caps and money), limited,
-- and when it refuses shadowed and notes.
--- @include lib/codes
--- @include lib/queue
if rate_code ~= OK then
  if shadowed then
    notes, shadowed = string.sub(notes, 1, -1 - #shadow_notes), nil
  end
  code = rate_code
elseif code == OK then
  limited = limited or rated
  for path, packed in pairs(rated) do
    limited[path] = packed
  end
end
