-- exact: whether every total stays within the exact range when this much more is held and charged.
-- Reads payer, more_held, more_charged. Sets stays_exact.
--- @include lib/units
--- @include lib/node
--- @include lib/load
local stays_exact = payer[HELD] + more_held <= MAX_UNITS and payer[BALANCE] - more_charged >= -MAX_UNITS
for i = 1, #levels do
  local node = nodes[levels[i]]
  if node and (node[ADMITTED] + more_held > MAX_UNITS or node[SPENT_TOTAL] + more_charged > MAX_UNITS) then
    stays_exact = false
  end
end
