-- timed: caps with a counter of their own, in field z<path>: of other periods than the UTC day, month and total, in other
-- zones, or of one model. When there are any, the account's simple caps start with a marker item that no rule applies to,
-- so an account without them pays one comparison.
--- @include lib/struct
local MARKER = 3
local HOURLY, WEEKLY, YEARLY = 7, 8, 9
-- kind, action, limit, spent, held (admitted holds of its model), start, end and begin of counting, number of other
-- periods, lengths of zone and model; then the others (start, own spend), zone and model.
local TIMED_FORMAT, OTHER_FORMAT = '<BBi7i7i7i6i6i6BBB', '<i6i7'
-- Positions in an unpacked item; others: nil without any.
local T_KIND, T_ACTION, T_LIMIT, T_SPENT, T_HELD, T_START, T_END, T_SINCE = 1, 2, 3, 4, 5, 6, 7, 8
local T_ZONE, T_MODEL, T_OTHERS = 9, 10, 11
local HOUR_MS, WEEK_MS, MONDAY_MS, FOREVER_MS = 3600000, 604800000, 345600000, 140737488355327
