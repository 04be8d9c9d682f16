-- bounds: what may be spent at most - by the payer's free credits above the floor, and by the room in every deny cap of
-- every level - with an own hold's part counted as spendable. Reads payer (a node or nil), own_amount, own_admitted, floor.
-- Sets money_bound, cap_bound, quiet_bound (a charge up to it takes no cap of any action above its limit), has_shadow, and
-- shadow_notes (''; lib/gate adds to it).
--- @include lib/units
--- @include lib/node
--- @include lib/cap
--- @include lib/load
-- Above every amount, also less what is admitted.
local NO_BOUND = 18014398509481984
local money_bound, cap_bound, quiet_bound = own_amount, MAX_UNITS, MAX_UNITS
local has_shadow, shadow_notes = false, ''
if payer then
  local free = payer[BALANCE] - payer[HELD] - floor
  if free > 0 then
    money_bound = own_amount + free
  end
end
for i = 1, #levels do
  local items, node = caps[levels[i]], nodes[levels[i]]
  if items and node then
    local least = NO_BOUND
    for at = 1, #items, CAP_BYTES do
      local kind, action, left = struct.unpack(CAP_FORMAT, items, at)
      left = left - node[kind]
      if left < quiet_bound or action == SHADOW then
        -- A threshold that is crossed already is quiet; a low balance is reached from above.
        if action == SHADOW then
          has_shadow = true
        elseif action < THRESHOLD or (left >= 0 and kind ~= BALANCE) then
          quiet_bound = left
        elseif kind == BALANCE and left < 0 and -left - 1 < quiet_bound then
          quiet_bound = -left - 1
        end
      end
      if action == DENY and left < least then
        least = left
      end
    end
    least = own_admitted + (least > node[ADMITTED] and least - node[ADMITTED] or 0)
    if least < cap_bound then
      cap_bound = least
    end
  end
end
if timed then
  --- @inline lib/timed_bounds
end
