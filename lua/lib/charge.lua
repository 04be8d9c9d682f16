-- charge: takes spent credits from the payer and counts them in every level's periods.
--- @include lib/node
--- @include lib/state

local charged_units = 0  -- by this script, for the check of conservation in lib/apply

local function charge(path, levels, amount)
  local payer = touch_node(path)
  payer[BALANCE] = payer[BALANCE] - amount
  charged_units = charged_units + amount
  for i = 1, #levels do
    local node = touch_node(levels[i])
    node[SPENT_DAY] = node[SPENT_DAY] + amount
    node[SPENT_MONTH] = node[SPENT_MONTH] + amount
    node[SPENT_TOTAL] = node[SPENT_TOTAL] + amount
  end
end
