-- timed_shadows (inline): notes the timed shadows that would have refused what is admitted. Reads amount, own_admitted, own_model,
-- used_model. Sets shadow_notes, shadowed.
--- @include lib/struct
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
--- @include lib/queue
for i = 1, #levels do
  local items, node = timed[levels[i]], nodes[levels[i]]
  for at = 1, items and #items or 0 do
    local item = items[at]
    local model = item[T_MODEL]
    if item[T_ACTION] == SHADOW and (model == '' or model == used_model) then
      local held = model ~= '' and item[T_HELD] or node[ADMITTED]
      local room = item[T_LIMIT] - item[T_SPENT] - held
      if amount - (model ~= '' and model ~= own_model and 0 or own_admitted) > (room > 0 and room or 0) then
        shadow_notes = shadow_notes .. struct.pack(NOTE_FORMAT .. 'i6BB', i, item[T_KIND], SHADOW, NOTE_REFUSED + NOTE_TIMED,
          item[T_LIMIT], item[T_SPENT], held, item[T_END], #model, #item[T_ZONE]) .. model .. item[T_ZONE]
        shadowed = shadowed or { amount = amount }
        shadowed[#shadowed + 1], shadowed[#shadowed + 2], shadowed[#shadowed + 3] = levels[i], item[T_KIND], model
      end
    end
  end
end
