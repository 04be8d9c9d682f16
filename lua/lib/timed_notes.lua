-- timed_notes (inline): notes the timed caps that refuse the amount (amount given) or that spend now lies above (after a
-- charge). Reads noted_amount (false: after a charge), noted_own, charged_now. Sets notes.
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
for i = 1, #levels do
  local items, node = timed[levels[i]], nodes[levels[i]]
  for at = 1, items and #items or 0 do
    local item = items[at]
    local of_model, flags = item[T_MODEL] ~= '', 0
    local held = of_model and item[T_HELD] or node[ADMITTED]
    if of_model and item[T_MODEL] ~= used_model then
      flags = 0
    elseif noted_amount then
      local own = of_model and item[T_MODEL] ~= own_model and 0 or noted_own
      local need, room = noted_amount - own, item[T_LIMIT] - item[T_SPENT] - held
      flags = item[T_ACTION] == DENY and need > 0 and need > room and NOTE_REFUSED or 0
    elseif item[T_SPENT] > item[T_LIMIT] then
      flags = (item[T_SPENT] - charged_now <= item[T_LIMIT] and NOTE_FIRST or 0)
        + (item[T_ACTION] == DENY and NOTE_OVER or 0) + NOTE_TIMED
    end
    if flags ~= 0 then
      notes = notes .. struct.pack(NOTE_FORMAT .. 'i6BB', i, item[T_KIND], item[T_ACTION], flags % NOTE_TIMED + NOTE_TIMED,
        item[T_LIMIT], item[T_SPENT], held, item[T_END], #item[T_MODEL], #item[T_ZONE]) .. item[T_MODEL] .. item[T_ZONE]
    end
  end
end
