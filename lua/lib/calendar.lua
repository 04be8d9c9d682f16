-- calendar: the month of a day, and the roll of a period counter to the present one.

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

-- Moves one counter of a node to the present period. Going forward the old spend is kept as "previous" and the
-- count starts at 0. Going back (a step of the clock) nothing is forgotten: spend of the period that now lies in
-- the future is carried into the present one, together with what the present one had counted before.
local function roll_counter(node, id_at, spent_at, previous_at, back_at, present)
  local last, back = node[id_at], node[back_at]
  if present > last then
    node[previous_at] = node[spent_at]
    node[spent_at] = 0
    node[back_at] = present - last <= 254 and present - last or 0
    if node[back_at] == 0 then
      node[previous_at] = 0
    end
  elseif back > 0 and last - back < present then
    -- The previous period lies before the present one still.
    node[back_at] = present - (last - back)
  else
    node[spent_at] = node[spent_at] + node[previous_at]
    node[previous_at] = 0
    node[back_at] = 0
  end
  node[id_at] = present
end
