-- timed_notes (inline): notes the timed caps that refuse the amount (amount given) or that spend now lies above (after a
-- charge). Reads noted_amount (false: after a charge), noted_own, charged_now. Sets notes, and crossed (lib/spend).
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
--- @include lib/queue
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
    elseif item[T_ACTION] >= THRESHOLD then
      if item[T_SPENT] > item[T_LIMIT] and item[T_SPENT] - charged_now <= item[T_LIMIT] then
        local of_limit = 0
        for each = 1, #items do
          if items[each][T_KIND] == item[T_KIND] and items[each][T_MODEL] == item[T_MODEL] and items[each][T_ACTION] < SHADOW then
            of_limit = items[each][T_LIMIT]
          end
        end
        notes = notes .. struct.pack(NOTE_FORMAT .. 'i6BB', i, item[T_KIND], item[T_ACTION], NOTE_FIRST + NOTE_TIMED,
          item[T_LIMIT] + 1, item[T_SPENT], of_limit, item[T_END], #item[T_MODEL], #item[T_ZONE]) .. item[T_MODEL] .. item[T_ZONE]
        crossed = crossed or {}
        crossed[#crossed + 1] = { path = levels[i], kind = item[T_KIND], percent = item[T_ACTION] - THRESHOLD,
          threshold = item[T_LIMIT] + 1, limit = of_limit, reached = item[T_SPENT], model = item[T_MODEL], zone = item[T_ZONE] }
      end
    elseif item[T_SPENT] > item[T_LIMIT] and item[T_ACTION] ~= SHADOW then
      flags = (item[T_SPENT] - charged_now <= item[T_LIMIT] and NOTE_FIRST or 0)
        + (item[T_ACTION] == DENY and NOTE_OVER or 0) + NOTE_TIMED
    end
    if flags ~= 0 then
      notes = notes .. struct.pack(NOTE_FORMAT .. 'i6BB', i, item[T_KIND], item[T_ACTION], flags % NOTE_TIMED + NOTE_TIMED,
        item[T_LIMIT], item[T_SPENT], held, item[T_END], #item[T_MODEL], #item[T_ZONE]) .. item[T_MODEL] .. item[T_ZONE]
    end
  end
end
