-- node: the packed counters of one account (64 bytes, the longest value that keeps a small hash compact).
--- @include lib/struct
local NODE_FORMAT = '<i7i7i7i7i7i7i7i7I2I2BBI2'
-- Positions in an unpacked node. Amounts are units.
local BALANCE, HELD, ADMITTED = 1, 2, 3
local SPENT_DAY, SPENT_MONTH, SPENT_TOTAL = 4, 5, 6
local PREVIOUS_DAY, PREVIOUS_MONTH = 7, 8
-- Day and month the counters belong to, and how many days (months) before them the previous counts lie (0: none).
local DAY_ID, MONTH_ID, DAY_BACK, MONTH_BACK = 9, 10, 11, 12
local OPEN_HOLDS = 13
-- Beside what is packed: the balance as it was read, for the check of conservation in lib/apply.
local BALANCE_READ = 14
-- In place of a distance: the counters of other periods lie apart, in field b<path>; at most so many of a kind.
local APART, OTHERS_MAX = 255, 8
local DAY_MS = 86400000
