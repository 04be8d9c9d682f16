-- timed_bounds (inline): the room in timed deny caps that look at the model in use; own admitted holds are spendable there
-- when they are of the cap's model. Reads own_admitted, cap_bound,
-- quiet_bound. Sets cap_bound, quiet_bound, has_shadow.
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
for i = 1, #levels do
  local items, node = timed[levels[i]], nodes[levels[i]]
  for at = 1, items and #items or 0 do
    local item = items[at]
    local model, left = item[T_MODEL], item[T_LIMIT] - item[T_SPENT]
    if model == '' or model == used_model then
      if item[T_ACTION] == SHADOW then
        has_shadow = true
      elseif left < quiet_bound and (item[T_ACTION] < THRESHOLD or left >= 0) then
        -- A threshold that is crossed already is quiet.
        quiet_bound = left
      end
      if item[T_ACTION] == DENY then
        local held = model == '' and node[ADMITTED] or item[T_HELD]
        local room = left > held and left - held or 0
        room = room + (model ~= '' and model ~= own_model and 0 or own_admitted)
        if room < cap_bound then
          cap_bound = room
        end
      end
    end
  end
end
