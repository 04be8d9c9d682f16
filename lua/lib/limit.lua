-- limit: rate and concurrency limits, packed one after the other in field l<path>; what they mean is in docs/limits.md.
-- Check and commit: lib/rates. What settling and freeing give back: lib/correct_rates.
--- @include lib/struct
-- kind, what it counts, limit, period, the root's sequence when it began to count, time of the state, what is used (units; of
-- GCRA units x ms); then previous (SLIDING), burst (HAS_BURST), operation type and model (HAS_SCOPE).
local LIMIT_FORMAT, LIMIT_BYTES, LIMIT_HEAD_BYTES = '<BBi7i5i5i6i7', 32, 19
-- What a reply says of a limit: level, whether it refuses, what is asked; then the item as it was before.
local LIMIT_NOTE_FORMAT = '<BBi7BBi7i5i5i6i7'
local GCRA, FIXED, SLIDING, CONCURRENT = 10, 11, 12, 13
local COUNTS_REQUESTS, COUNTS_AMOUNT, COUNTS_TOKENS = 0, 1, 2
local HAS_SCOPE, HAS_BURST = 16, 32
-- A default of the namespace (lib/merge_defaults): the definition stands in the config, its state in field m<path>.
local IS_DEFAULT = 8
-- A shadow: it refuses nothing, takes nothing of what it would have refused and counts these (i7, behind all else); a hold it
-- would have refused says so by the sign of its admission's time (lib/label_parts).
local IS_SHADOW = 4
local LIMITS_MAX = 32
