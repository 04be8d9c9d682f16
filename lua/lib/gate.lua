-- gate: the one place where an amount is admitted or refused. It asks every kind of limit and writes nothing.
--- @include lib/codes
--- @include lib/numbers
--- @include lib/node
--- @include lib/state
--- @include lib/caps

-- What the payer's money allows to be spent: its free credits above the floor and an own hold's amount.
local function money_bound(path, own_amount, floor)
  local payer = nodes[path]
  local free = payer and payer[BALANCE] - payer[HELD] - floor or 0
  return own_amount + (free > 0 and free or 0)
end

-- What the deny caps of every level allow to be spent: their least room and an own hold's admitted part.
local function cap_bound(levels, own_admitted)
  local room = caps_room(levels)
  return room == MAX_UNITS and MAX_UNITS or own_admitted + room
end

-- Whether no total would leave the exact range by holding or charging this much more.
local function stays_exact(path, levels, held, charged)
  local payer = nodes[path]
  if payer and (payer[HELD] + held > MAX_UNITS or payer[BALANCE] - charged < -MAX_UNITS) then
    return false
  end
  for i = 1, #levels do
    local node = nodes[levels[i]]
    if node and (node[ADMITTED] + held > MAX_UNITS or node[SPENT_TOTAL] + charged > MAX_UNITS) then
      return false
    end
  end
  return true
end

-- Decides on an amount, an own hold's part counted as spendable (0 without one). Answers a code - caps before money -
-- and a note of every deny cap that refuses; with binding = false caps are only noted.
local function gate(path, levels, amount, own_amount, own_admitted, floor, binding)
  local notes = ''
  if amount > cap_bound(levels, own_admitted) then
    notes = note_refusing(levels, amount - own_admitted)
    if binding then
      return CAP_REACHED, notes
    end
  end
  if amount > money_bound(path, own_amount, floor) then
    return INSUFFICIENT_CREDITS, notes
  end
  return OK, notes
end
