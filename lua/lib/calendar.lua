-- calendar: the month of a day, and the roll of a period counter to the present one.
--- @include lib/node

-- Months since 1970-01 of a day number, by the civil-from-days arithmetic of the proleptic Gregorian calendar
-- (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"): years start in March, so leap days come last.
local function month_of_day(day)
  local floor = math.floor
  local shifted = day + 719468
  local era = floor(shifted / 146097)
  local day_of_era = shifted - era * 146097
  local year_of_era = floor((day_of_era - floor(day_of_era / 1460) + floor(day_of_era / 36524)
    - floor(day_of_era / 146096)) / 365)
  local day_of_year = day_of_era - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
  local march_month = floor((5 * day_of_year + 2) / 153)
  -- March is month 2 of the civil year (January = 0); January and February belong to the next one.
  return (year_of_era + era * 400 - 1970) * 12 + march_month + 2
end

-- Moves a counter from the period that starts at last to [present, beyond). What other periods had spent by themselves is
-- kept (others: start, own spend, start, own spend ...), so that no step of the clock reopens a period: spent = own spend
-- of the present period + that of periods which lie in the future. While none does, only the latest other one is kept;
-- else at most OTHERS_MAX: the earliest is forgotten, or counts in the next one when it lies ahead.
-- Answers what is spent now, changes others, and says whether any lies ahead.
local function shift_counter(last, spent, others, present, beyond)
  local own, total, latest, ahead, kept = spent, 0, -1, false, {}
  for at = 1, #others, 2 do
    own = own - (others[at] > last and others[at + 1] or 0)
  end
  others[#others + 1] = last
  others[#others + 1] = own
  for at = 1, #others, 2 do
    local start, amount = others[at], others[at + 1]
    total = total + (start >= present and amount or 0)
    if (start < present or start >= beyond) and amount ~= 0 then
      kept[#kept + 1], kept[#kept + 2] = start, amount
      ahead = ahead or start >= beyond
      latest = start > latest and start or latest
    end
  end
  while ahead and #kept > 2 * OTHERS_MAX do
    local first, second = 1, nil
    for at = 3, #kept, 2 do
      if kept[at] < kept[first] then
        first, second = at, first
      elseif not second or kept[at] < kept[second] then
        second = at
      end
    end
    if kept[first] >= beyond then
      kept[second + 1] = kept[second + 1] + kept[first + 1]
    end
    table.remove(kept, first + 1)
    table.remove(kept, first)
  end
  for at = #others, 1, -1 do
    others[at] = nil
  end
  for at = 1, #kept, 2 do
    if ahead or kept[at] == latest then
      others[#others + 1], others[#others + 2] = kept[at], kept[at + 1]
    end
  end
  return total, ahead
end

-- Moves one counter of a node to the present period. Usually there is one other period, the one before: its spend and
-- its distance stand in the node; when periods lie ahead the others are kept apart.
local function roll_counter(node, id_at, spent_at, previous_at, back_at, present, others)
  local last, back = node[id_at], node[back_at]
  if back > 0 and back < APART then
    others[1], others[2] = last - back, node[previous_at]
  end
  local spent, ahead = shift_counter(last, node[spent_at], others, present, present + 1)
  node[id_at], node[spent_at], node[previous_at], node[back_at] = present, spent, 0, ahead and APART or 0
  if not ahead and others[1] then
    if present - others[1] < APART then
      node[previous_at], node[back_at] = others[2], present - others[1]
    end
    others[2], others[1] = nil, nil
  end
end
