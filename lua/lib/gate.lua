-- gate: the one place where an amount is admitted or refused. It asks every kind of limit and writes nothing.
-- Reads amount, binding (whether caps refuse or are only noted), and what lib/bounds reads; payer must be a node.
-- Sets code - caps before money - and notes: of every deny cap that refuses, also when money refuses too; admitted: of every
-- shadow that would have refused, also in shadow_notes, and shadowed: path and kind and model of these.
--- @include lib/codes
--- @include lib/node
--- @include lib/cap
--- @include lib/load
--- @include lib/queue
--- @include lib/bounds
notes = ''
if amount > cap_bound then
  for i = 1, #levels do
    local items, node = caps[levels[i]], nodes[levels[i]]
    for at = 1, items and node and #items or 0, CAP_BYTES do
      local kind, action, limit = struct.unpack(CAP_FORMAT, items, at)
      if action == DENY and limit - node[kind] - node[ADMITTED] < amount - own_admitted then
        notes = notes .. struct.pack(NOTE_FORMAT, i, kind, action, NOTE_REFUSED, limit, node[kind], node[ADMITTED])
      end
    end
  end
end
if timed and amount > cap_bound then
  local noted_amount, noted_own, charged_now = amount, own_admitted, 0
  --- @inline lib/timed_notes
end
if notes ~= '' and binding then
  code = CAP_REACHED
elseif amount > money_bound then
  code = INSUFFICIENT_CREDITS
end
notes, shadowed = within_note .. notes, nil
if has_shadow and binding and code == OK then
  for i = 1, #levels do
    local items, node = caps[levels[i]], nodes[levels[i]]
    for at = 1, items and node and #items or 0, CAP_BYTES do
      local kind, action, limit = struct.unpack(CAP_FORMAT, items, at)
      local room = limit - node[kind] - node[ADMITTED]
      if action == SHADOW and amount - own_admitted > (room > 0 and room or 0) then
        shadow_notes = shadow_notes .. struct.pack(NOTE_FORMAT, i, kind, action, NOTE_REFUSED, limit, node[kind], node[ADMITTED])
        shadowed = shadowed or { amount = amount }
        shadowed[#shadowed + 1], shadowed[#shadowed + 2], shadowed[#shadowed + 3] = levels[i], kind, ''
      end
    end
  end
  if timed then
    --- @inline lib/timed_shadows
  end
  notes = notes .. shadow_notes
end
