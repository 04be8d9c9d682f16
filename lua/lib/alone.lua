-- alone: in place of lib/load and lib/queue in hit, which knows no accounts: one level, whose limits are the caller's.
-- Reads items.
local levels, limits, limited = { '' }, { [''] = items }, nil
