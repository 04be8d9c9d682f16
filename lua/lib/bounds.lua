-- bounds: what may be spent at most - by the payer's free credits above the floor, and by the room in every deny cap of
-- every level - with an own hold's part counted as spendable. Reads payer (a node or nil), own_amount, own_admitted, floor.
-- Sets money_bound, cap_bound.
--- @include lib/units
--- @include lib/node
--- @include lib/cap
--- @include lib/load
local money_bound, cap_bound = own_amount, MAX_UNITS
if payer then
  local free = payer[BALANCE] - payer[HELD] - floor
  if free > 0 then
    money_bound = own_amount + free
  end
end
for i = 1, #levels do
  local items, node = caps[levels[i]], nodes[levels[i]]
  if items and node then
    for at = 1, #items, CAP_BYTES do
      local kind, action, limit = struct.unpack(CAP_FORMAT, items, at)
      if action == DENY then
        local room = limit - node[kind] - node[ADMITTED]
        if room < 0 then
          room = 0
        end
        if own_admitted + room < cap_bound then
          cap_bound = own_admitted + room
        end
      end
    end
  end
end
if timed then
  --- @inline lib/timed_bounds
end
