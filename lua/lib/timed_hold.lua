-- timed_hold (inline): adds to what the caps of a model count as held, at every level.
-- Reads held_model, more_admitted (negative when a hold ends).
--- @include lib/timed
--- @include lib/load
for i = 1, #levels do
  local items = timed[levels[i]]
  for at = 1, items and #items or 0 do
    local item = items[at]
    if item[T_MODEL] ~= '' and item[T_MODEL] == held_model then
      item[T_HELD] = item[T_HELD] + more_admitted
    end
  end
end
