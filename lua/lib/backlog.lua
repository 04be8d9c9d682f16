-- backlog: constants of the bound of the backlog, which is what waits in a ledger for its drainer.
-- The mark of a full one stands in front of what field d of the config says, for that is read by every call as it is.
local FULL_MARK, FULL_BYTE = 'F', 70
-- A script that writes looks at the length when its time is a multiple of this: one in a hundred.
local SAMPLE_MS = 100
