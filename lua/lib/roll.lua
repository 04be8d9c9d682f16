-- roll (inline, where a node's day is not today): brings its day and month counters to the present.
-- Reads node, today.
--- @include lib/node
do
  --- @inline lib/calendar
  local month = month_of_day(today)
  roll_counter(node, DAY_ID, SPENT_DAY, PREVIOUS_DAY, DAY_BACK, today)
  if node[MONTH_ID] ~= month then
    roll_counter(node, MONTH_ID, SPENT_MONTH, PREVIOUS_MONTH, MONTH_BACK, month)
  end
end
