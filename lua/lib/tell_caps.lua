-- tell_caps (inline): notes every cap that looks at the amount, whatever its action, and whether it refuses; for a call that
-- only asks. Reads amount, used_model. Sets notes.
--- @include lib/node
--- @include lib/cap
--- @include lib/timed
--- @include lib/load
notes = within_note
for i = 1, #levels do
  local items, node = caps[levels[i]], nodes[levels[i]]
  for at = 1, items and node and #items or 0, CAP_BYTES do
    local kind, action, limit = struct.unpack(CAP_FORMAT, items, at)
    if kind ~= MARKER and action < THRESHOLD then
      local refuses = (action == DENY or action == SHADOW) and amount > 0 and limit - node[kind] - node[ADMITTED] < amount
      notes = notes .. struct.pack(NOTE_FORMAT, i, kind, action, refuses and NOTE_REFUSED or 0, limit, node[kind], node[ADMITTED])
    end
  end
  local own_items = timed and timed[levels[i]]
  for at = 1, own_items and #own_items or 0 do
    local item = own_items[at]
    if (item[T_MODEL] == '' or item[T_MODEL] == used_model) and item[T_ACTION] < THRESHOLD then
      local held = item[T_MODEL] ~= '' and item[T_HELD] or node[ADMITTED]
      local refuses = (item[T_ACTION] == DENY or item[T_ACTION] == SHADOW) and amount > 0 and item[T_LIMIT] - item[T_SPENT] - held < amount
      notes = notes .. struct.pack(NOTE_FORMAT .. 'i6BB', i, item[T_KIND], item[T_ACTION], (refuses and NOTE_REFUSED or 0)
        + NOTE_TIMED, item[T_LIMIT], item[T_SPENT], held, item[T_END], #item[T_MODEL], #item[T_ZONE]) .. item[T_MODEL]
        .. item[T_ZONE]
    end
  end
end
