-- timed_bounds (inline): the room in timed deny caps that look at the model in use; own admitted holds are spendable there
-- when they are of the cap's model. Reads own_admitted, cap_bound. Sets cap_bound.
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
for i = 1, #levels do
  local items, node = timed[levels[i]], nodes[levels[i]]
  for at = 1, items and #items or 0 do
    local item = items[at]
    if item[T_ACTION] == DENY and (item[T_MODEL] == '' or item[T_MODEL] == used_model) then
      local of_model = item[T_MODEL] ~= ''
      local room = item[T_LIMIT] - item[T_SPENT] - (of_model and item[T_HELD] or node[ADMITTED])
      local own = of_model and item[T_MODEL] ~= own_model and 0 or own_admitted
      if own + (room > 0 and room or 0) < cap_bound then
        cap_bound = own + (room > 0 and room or 0)
      end
    end
  end
end
